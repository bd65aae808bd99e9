package imagecache

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"

	"trefoil/internal/errs"
	"trefoil/ironic/conductor"
	"trefoil/undercloud/secret"
)

// errSame is the server's answer that a file has not changed.
var errSame = errors.New("not modified")

// attempt transfers the file, or the rest of it. Errors that another attempt may
// mend are Unavailable.
func (f *Fetcher) attempt(ctx context.Context, key string, r conductor.Remote, old *fetched) (fetched, error) {
	caller := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return fetched{}, errs.New(errs.Invalid, "it is no URL")
	}
	part, offset := f.partial(key)
	ask(req, part, offset, old)
	resp, err := f.do(req)
	if err != nil {
		return fetched{}, err
	}
	defer resp.Body.Close()
	m, offset, err := f.begin(key, r, resp, part, offset)
	if err != nil {
		return m, err
	}
	room, err := f.promise(m.Size - offset)
	if err != nil {
		return m, err
	}
	defer room.end()
	if err := f.keep(key, "part.json", m); err != nil {
		return m, err
	}
	body := &watched{Reader: resp.Body, window: f.cfg.Stall, left: m.Size - offset, end: cancel}
	defer body.stop()
	m.SHA256, err = f.receive(key, r, body, room, m.Size, offset)
	if cause := context.Cause(ctx); errs.Is(err, errs.Unavailable) && cause != nil && caller.Err() == nil {
		err = errs.Wrap(errs.Unavailable, cause, "the transfer is too slow")
	}
	if err != nil {
		return m, err
	}
	return m, f.finish(key, m)
}

// ask adds to a request what is there already.
func ask(req *http.Request, part fetched, offset int64, old *fetched) {
	switch {
	case offset > 0:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		req.Header.Set("If-Range", part.validator())
	case old != nil && old.ETag != "":
		req.Header.Set("If-None-Match", old.ETag)
	case old != nil && old.Modified != "":
		req.Header.Set("If-Modified-Since", old.Modified)
	}
}

// partial returns what was cut short; an offset of 0 when it cannot be gone on with.
func (f *Fetcher) partial(key string) (fetched, int64) {
	m, ok := f.read(key, "part.json")
	st, err := os.Stat(f.path(key, "part"))
	if !ok || err != nil || m.validator() == "" || st.Size() > m.Size {
		return fetched{}, 0
	}
	return m, st.Size()
}

// begin reads the answer's headers: how large the file is, and from where on it comes.
func (f *Fetcher) begin(key string, r conductor.Remote, resp *http.Response, part fetched, offset int64) (fetched, int64, error) {
	m := fetched{URL: shown(r.URL), Size: resp.ContentLength, ETag: resp.Header.Get("ETag"), Modified: resp.Header.Get("Last-Modified")}
	switch resp.StatusCode {
	case http.StatusNotModified:
		return m, 0, errSame
	case http.StatusPartialContent:
		want := fmt.Sprintf("bytes %d-%d/%d", offset, part.Size-1, part.Size)
		if got := resp.Header.Get("Content-Range"); offset == 0 || got != want {
			return m, 0, errors.Join(f.forget(key), errs.New(errs.Unavailable, "the server sends %q, expected %q", got, want))
		}
		return part, offset, nil
	case http.StatusRequestedRangeNotSatisfiable:
		return m, 0, errors.Join(f.forget(key), errs.New(errs.Unavailable, "the server has no such range any more"))
	case http.StatusOK:
	default:
		return m, 0, statusError(resp)
	}
	switch {
	case resp.Header.Get("Content-Encoding") != "" && resp.Header.Get("Content-Encoding") != "identity":
		return m, 0, errs.New(errs.Invalid, "the server sends it as %q; expected the file as it is", resp.Header.Get("Content-Encoding"))
	case m.Size < 0:
		return m, 0, errs.New(errs.Invalid, "the server does not say how large it is").WithHint("expected a header Content-Length, which every web server sends for a file")
	case m.Size == 0:
		return m, 0, errs.New(errs.Invalid, "it is empty")
	case m.Size > f.cfg.MaxSize:
		return m, 0, errs.New(errs.Invalid, "it has %d MiB, and at most %d MiB are fetched", m.Size>>20, f.cfg.MaxSize>>20)
	}
	return m, 0, f.forget(key)
}

// receive writes the body behind what is there and returns the SHA-256 of the whole.
func (f *Fetcher) receive(key string, r conductor.Remote, body io.Reader, room *promise, size, offset int64) (string, error) {
	d, err := newDigests(r.Algo)
	if err != nil {
		return "", err
	}
	file, err := os.OpenFile(f.path(key, "part"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("keep what is fetched: %w", err)
	}
	defer file.Close()
	if n, err := io.Copy(d, io.LimitReader(file, offset)); err != nil || n != offset {
		return "", errors.Join(f.forget(key), errs.New(errs.Unavailable, "what was fetched before cannot be read"))
	}
	disk := &diskWriter{File: file, room: room}
	n, err := io.Copy(io.MultiWriter(disk, d), io.LimitReader(body, size-offset))
	if disk.err != nil {
		return "", errs.Wrap(errs.Internal, disk.err, "keep what is fetched")
	}
	if err == nil && offset+n < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", errs.Wrap(errs.Unavailable, err, "the transfer broke off after %d of %d bytes", offset+n, size)
	}
	if err := errors.Join(file.Chmod(0o644), file.Sync()); err != nil {
		return "", fmt.Errorf("keep what is fetched: %w", err)
	}
	if err := d.compare(r); err != nil {
		code := errs.Invalid
		if offset > 0 { // the two parts may be of two files
			code = errs.Unavailable
		}
		return "", errors.Join(errs.Wrap(code, err, "what came is not what was expected"), f.forget(key))
	}
	return d.content(), nil
}

// diskWriter tells the disk's failures from the network's.
type diskWriter struct {
	*os.File
	room *promise
	err  error
}

func (w *diskWriter) Write(b []byte) (int, error) {
	n, err := w.File.Write(b)
	w.room.wrote(int64(n))
	if err != nil {
		w.err = err
	}
	return n, err
}

// finish gives a whole file its name. Until its .json is there, it is fetched again.
func (f *Fetcher) finish(key string, m fetched) error {
	if err := os.Remove(f.path(key, "json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("keep what is fetched: %w", err)
	}
	if err := os.Rename(f.path(key, "part"), f.path(key, "file")); err != nil {
		return fmt.Errorf("keep what is fetched: %w", err)
	}
	if err := f.keep(key, "json", m); err != nil {
		return err
	}
	return f.forget(key)
}

func (f *Fetcher) keep(key, ext string, m fetched) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return secret.WriteFile(f.path(key, ext), data, 0o600)
}

// forget drops what was cut short.
func (f *Fetcher) forget(key string) error {
	for _, ext := range []string{"part.json", "part"} {
		if err := os.Remove(f.path(key, ext)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("drop what was fetched in part: %w", err)
		}
	}
	return nil
}

// digests hash a file once for all who ask.
type digests struct {
	io.Writer
	wanted, sha hash.Hash
}

func newDigests(algo string) (*digests, error) {
	sha := sha256.New()
	switch algo {
	case "", "sha256":
		return &digests{sha, sha, sha}, nil
	case "md5", "sha1", "sha384", "sha512":
		h := map[string]func() hash.Hash{"md5": md5.New, "sha1": sha1.New, "sha384": sha512.New384, "sha512": sha512.New}[algo]()
		return &digests{io.MultiWriter(sha, h), h, sha}, nil
	}
	return nil, errs.New(errs.Invalid, "hash algorithm %q is not known; expected md5, sha1, sha256, sha384 or sha512", algo)
}

func (d *digests) content() string { return hex.EncodeToString(d.sha.Sum(nil)) }

func (d *digests) compare(r conductor.Remote) error {
	if got := hex.EncodeToString(d.wanted.Sum(nil)); r.Sum != "" && got != r.Sum {
		return errs.New(errs.Invalid, "its %s is %s, expected %s", r.Algo, got, r.Sum)
	}
	return nil
}
