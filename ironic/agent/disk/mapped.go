package disk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/agent/bmap"
	"trefoil/ironic/agentapi"
)

// rangeTries is how often a range is fetched before its wrong checksum fails the image.
const rangeTries = 3

// mapped writes only what the block map says holds data. Holes are zeroed on
// the device, not skipped: file systems made in a fresh image file rely on
// reading zeros where they never wrote (ext4's lazy inode tables, journals),
// and a used disk has something else there. Devices do it by deallocation.
func (w *Writer) mapped(ctx context.Context, d Device, info agentapi.ImageInfo) (Result, error) {
	m, err := w.fetchMap(ctx, info)
	if err != nil {
		return Result{}, err
	}
	if _, err := bmap.NewHash(m.ChecksumType); err != nil {
		return Result{}, errs.Wrap(errs.Invalid, err, "block map of image %s", info.ID)
	}
	quick := w.quick()
	for i, r := range m.Ranges {
		if r.Sum == "" {
			return Result{}, errs.New(errs.Invalid, "block map of image %s: the range at byte %d has no checksum", info.ID, r.Offset)
		}
		if quick && r.MD5 != "" {
			m.Ranges[i].Sum = ""
		}
	}
	if err := fits(d, info, m.ImageSize); err != nil {
		return Result{}, err
	}
	if err := zeroHoles(d, m); err != nil {
		return Result{}, err
	}
	if err := w.ranges(ctx, d, info, m); err != nil {
		return Result{}, err
	}
	return Result{ImageSize: m.ImageSize, Written: m.Mapped(), Bmap: true}, nil
}

// slowSHA is where SHA-256 would hold up the wire, bytes a second.
const slowSHA = 100 << 20

// quick tells whether this machine is too slow for SHA-256: an emulated one.
// Real machines of the last fifteen years do 200 MB/s and more.
func (w *Writer) quick() bool {
	if w.Quick != nil {
		return *w.Quick
	}
	probe := make([]byte, 1<<20)
	start := time.Now()
	sha256.Sum256(probe)
	return time.Since(start) > time.Second*time.Duration(len(probe))/slowSHA
}

func zeroHoles(d Device, m *bmap.Map) error {
	var end int64
	zero := func(to int64) error {
		if to <= end {
			return nil
		}
		return d.Zero(end, to-end)
	}
	for _, r := range m.Ranges {
		if err := zero(r.Offset); err != nil {
			return err
		}
		end = r.Offset + r.Length
	}
	// To a whole sector: BLKZEROOUT knows no less.
	return zero(min((m.ImageSize+align-1)/align*align, d.Size()/d.Sector()*d.Sector()))
}

// ranges writes all ranges with a few workers, each with its own connection:
// while one waits for the wire another hashes or writes.
func (w *Writer) ranges(ctx context.Context, d Device, info agentapi.ImageInfo, m *bmap.Map) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	todo := make(chan bmap.Range)
	go func() {
		defer close(todo)
		for _, r := range m.Ranges {
			select {
			case todo <- r:
			case <-ctx.Done():
				return
			}
		}
	}()
	workers := w.Workers
	if workers <= 0 {
		workers = 4
	}
	var done atomic.Int64
	total := m.Mapped()
	errc := make(chan error, workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			if err := w.worker(ctx, d, info, m.ChecksumType, todo, func(n int64) {
				w.report("writing image to %s: %d of %d MiB", d.Name(), done.Add(n)>>20, total>>20)
			}); err != nil {
				errc <- err
				cancel()
			}
		})
	}
	wg.Wait()
	close(errc)
	var first error
	for err := range errc {
		if first == nil || errors.Is(first, context.Canceled) {
			first = err
		}
	}
	if first == nil {
		first = ctx.Err()
	}
	return first
}

func (w *Writer) worker(ctx context.Context, d Device, info agentapi.ImageInfo, algo string, todo <-chan bmap.Range, wrote func(int64)) error {
	buf, err := newBuffer(chunk)
	if err != nil {
		return fmt.Errorf("allocate buffer: %w", err)
	}
	defer freeBuffer(buf)
	for r := range todo {
		if err := w.persist(ctx, rangeTries, func() error { return w.oneRange(ctx, d, info, algo, r, buf) }); err != nil {
			return err
		}
		wrote(r.Length)
	}
	return nil
}

// oneRange fetches, hashes and writes one range. It is written before its
// checksum is known; a wrong one fails the image or is written again.
func (w *Writer) oneRange(ctx context.Context, d Device, info agentapi.ImageInfo, algo string, r bmap.Range, buf []byte) error {
	resp, err := w.get(ctx, info.URLs[0], fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	want := r.Sum
	if want == "" {
		algo, want = "md5", r.MD5
	}
	h, err := bmap.NewHash(algo)
	if err != nil {
		return err
	}
	for off := r.Offset; off < r.Offset+r.Length; {
		n := int(min(int64(len(buf)), r.Offset+r.Length-off))
		if _, err := io.ReadFull(resp.Body, buf[:n]); err != nil {
			return fmt.Errorf("%w: image at byte %d: %w", errWire, off, err)
		}
		h.Write(buf[:n])
		if _, err := d.WriteAt(buf[:pad(buf, n, d.Size()-off)], off); err != nil {
			return fmt.Errorf("write %s at byte %d: %w", d.Name(), off, err)
		}
		off += int64(n)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return errs.New(errs.Conflict, "image %s failed its checksum in bytes %d–%d: got %s %s, expected %s",
			info.ID, r.Offset, r.Offset+r.Length-1, algo, got, want).
			WithHint("the image was damaged on the way or replaced: upload it again")
	}
	return nil
}
