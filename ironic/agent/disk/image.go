package disk

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/agent/bmap"
	"trefoil/ironic/agentapi"
)

// chunk is how much is fetched, hashed and written at a time, bytes.
const chunk = 4 << 20

// Writer streams images from HTTP to disks.
type Writer struct {
	HTTP     *http.Client
	Workers  int           // parallel ranges; default 4
	Report   func(string)  // progress in words; may be nil
	Pause    time.Duration // before something is fetched again, growing; default one second
	Patience time.Duration // how long the undercloud may be away; default five minutes
	Quick    *bool         // check ranges by MD5; default: measured, see package bmap
}

// Result says what was written.
type Result struct {
	ImageSize int64
	Written   int64 // bytes that travelled
	Elapsed   time.Duration
	Bmap      bool
}

// convert is what to do about an image that is not raw.
const convert = "remove image_download_source=http from the node, so that the service fetches the image and makes it raw, or give a raw image"

// Write puts a raw image on a disk. Errors: Invalid before a byte is written
// (no checksum, disk too small, wrong format), Conflict for a wrong checksum;
// then the head of the disk is zeroed, so that nobody boots half an image.
func (w *Writer) Write(ctx context.Context, d Device, info agentapi.ImageInfo) (Result, error) {
	start := time.Now()
	if len(info.URLs) == 0 {
		return Result{}, errs.New(errs.Invalid, "image %s has no URL", info.ID)
	}
	if info.DiskFormat != "" && info.DiskFormat != "raw" {
		return Result{}, errs.New(errs.Invalid, "image %s is %s; this agent writes raw images only", info.ID, info.DiskFormat).
			WithHint("%s", convert)
	}
	var res Result
	var err error
	if info.BmapURL != "" && info.BmapSHA256 != "" {
		res, err = w.mapped(ctx, d, info)
	} else {
		res, err = w.whole(ctx, d, info)
	}
	if err == nil {
		err = d.Sync()
	}
	res.Elapsed = time.Since(start)
	if errs.Is(err, errs.Conflict) {
		err = errors.Join(err, d.Zero(0, min(d.Size(), 1<<20)), d.Sync())
	}
	return res, err
}

func (w *Writer) report(format string, args ...any) {
	if w.Report != nil {
		w.Report(fmt.Sprintf(format, args...))
	}
}

// fits says with sizes when an image does not fit.
func fits(d Device, info agentapi.ImageInfo, size int64) error {
	if size <= d.Size() {
		return nil
	}
	return errs.New(errs.Invalid, "disk %s is too small: it has %s (%d bytes), image %s needs %s (%d bytes)",
		d.Name(), human(d.Size()), d.Size(), info.ID, human(size), size).
		WithHint("choose a larger disk with a root_device hint, or a smaller image")
}

func human(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// checksum picks the hash: os_hash_*, else checksum by its length. MD5 is not accepted: it
// proves nothing against an attacker.
func checksum(info agentapi.ImageInfo) (hash.Hash, string, error) {
	algo, want := strings.ToLower(info.OSHashAlgo), strings.ToLower(info.OSHashValue)
	if algo == "" || want == "" {
		want = strings.ToLower(info.Checksum)
		algo = map[int]string{32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}[len(want)]
	}
	switch algo {
	case "sha1":
		return sha1.New(), want, nil
	case "sha256":
		return sha256.New(), want, nil
	case "sha384":
		return sha512.New384(), want, nil
	case "sha512":
		return sha512.New(), want, nil
	case "md5":
		return nil, "", errs.New(errs.Invalid, "image %s has an MD5 checksum only, which is not accepted", info.ID).
			WithHint("give os_hash_algo sha256 or sha512 with os_hash_value")
	}
	return nil, "", errs.New(errs.Invalid, "image %s has no checksum that can be checked (os_hash_algo %q)", info.ID, info.OSHashAlgo).
		WithHint("sha1, sha256, sha384 and sha512 are known")
}

// checkRaw refuses what is declared as raw and is qcow2: written as it is it would never boot.
func checkRaw(head []byte, info agentapi.ImageInfo) error {
	if !bytes.HasPrefix(head, []byte("QFI\xfb")) {
		return nil
	}
	return errs.New(errs.Invalid, "image %s is qcow2, and was declared as raw; this agent writes raw images only", info.ID).
		WithHint("%s", convert)
}

func (w *Writer) get(ctx context.Context, url, byteRange string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "image URL")
	}
	want := http.StatusOK
	if byteRange != "" {
		req.Header.Set("Range", byteRange)
		want = http.StatusPartialContent
	}
	resp, err := w.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errWire, err)
	}
	if resp.StatusCode == want {
		return resp, nil
	}
	resp.Body.Close()
	if resp.StatusCode >= 500 {
		return nil, fmt.Errorf("%w: fetch %s: %s", errWire, url, resp.Status)
	}
	return nil, fmt.Errorf("fetch %s: %s", url, resp.Status)
}

// whole streams the image once through the hash onto the disk; the next chunk
// is fetched while the last is hashed and written.
func (w *Writer) whole(ctx context.Context, d Device, info agentapi.ImageInfo) (Result, error) {
	h, want, err := checksum(info)
	if err != nil {
		return Result{}, err
	}
	body := &resuming{ctx: ctx, w: w, url: info.URLs[0]}
	if err := body.open(); err != nil {
		return Result{}, err
	}
	defer body.Close()
	size := body.size
	if err := fits(d, info, size); err != nil {
		return Result{}, err
	}
	n, err := w.stream(ctx, d, body, h, info, size)
	if err != nil {
		return Result{}, err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return Result{}, errs.New(errs.Conflict, "image %s failed its checksum: got %s, expected %s (%d bytes read)", info.ID, got, want, n).
			WithHint("the image was damaged on the way or replaced: upload it again")
	}
	return Result{ImageSize: n, Written: n}, nil
}

type piece struct {
	buf []byte
	n   int
	err error
}

func (w *Writer) stream(ctx context.Context, d Device, body io.Reader, h hash.Hash, info agentapi.ImageInfo, size int64) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	const depth = 3
	free, full := make(chan []byte, depth), make(chan piece)
	for range depth {
		b, err := newBuffer(chunk)
		if err != nil {
			return 0, fmt.Errorf("allocate buffer: %w", err)
		}
		free <- b
	}
	go fill(ctx, body, free, full)
	var off int64
	for p := range full {
		if p.err != nil {
			return off, fmt.Errorf("fetch image at byte %d: %w", off, p.err)
		}
		if off == 0 {
			if err := checkRaw(p.buf[:p.n], info); err != nil {
				return 0, err
			}
		}
		if size < 0 { // length unknown: look before each write
			if err := fits(d, info, off+int64(p.n)); err != nil {
				return off, err
			}
		}
		h.Write(p.buf[:p.n])
		n := pad(p.buf, p.n, d.Size()-off)
		if _, err := d.WriteAt(p.buf[:n], off); err != nil {
			return off, fmt.Errorf("write %s at byte %d: %w", d.Name(), off, err)
		}
		off += int64(p.n)
		w.report("writing image to %s: %d of %d MiB", d.Name(), off>>20, size>>20)
		free <- p.buf
	}
	if size >= 0 && off != size {
		return off, fmt.Errorf("fetch image: it ended after %d of %d bytes", off, size)
	}
	for len(free) > 0 { // all of them: the producer has ended
		freeBuffer(<-free)
	}
	return off, nil
}

// fill reads whole chunks until the end of the body and closes full.
func fill(ctx context.Context, body io.Reader, free chan []byte, full chan<- piece) {
	defer close(full)
	for {
		var b []byte
		select {
		case b = <-free:
		case <-ctx.Done():
			return
		}
		n, err := io.ReadFull(body, b)
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			n, b = 0, nil
		} else {
			err = nil
		}
		if n == 0 && err == nil {
			free <- b
			return
		}
		select {
		case full <- piece{buf: b, n: n, err: err}:
		case <-ctx.Done():
			return
		}
		if end || err != nil {
			return
		}
	}
}

// pad fills an unaligned tail with zeros as far as the disk reaches, so that
// the last write is a whole block, too.
func pad(buf []byte, n int, room int64) int {
	to := min((n+align-1)/align*align, len(buf))
	if int64(to) > room {
		return n
	}
	clear(buf[n:to])
	return to
}

// fetchMap fetches the block map and checks its SHA-256.
func (w *Writer) fetchMap(ctx context.Context, info agentapi.ImageInfo) (*bmap.Map, error) {
	var data []byte
	err := w.persist(ctx, 1, func() error {
		resp, err := w.get(ctx, info.BmapURL, "")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if data, err = io.ReadAll(io.LimitReader(resp.Body, 64<<20)); err != nil {
			return fmt.Errorf("%w: fetch block map: %w", errWire, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != strings.ToLower(info.BmapSHA256) {
		return nil, errs.New(errs.Invalid, "the block map of image %s failed its checksum: got %s, expected %s", info.ID, got, info.BmapSHA256).
			WithHint("the cached image was replaced: deploy again")
	}
	return bmap.Parse(data)
}
