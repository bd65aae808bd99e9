package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// errWire marks what may be better a moment later: no connection, a broken one,
// a server's own fault. An undercloud that restarts must not fail a deploy.
var errWire = errors.New("fetch image")

// persist calls f until it succeeds. Wire errors are tried again for as long as
// Patience, other errors up to tries times in all.
func (w *Writer) persist(ctx context.Context, tries int, f func() error) error {
	pause, patience := w.Pause, w.Patience
	if pause == 0 {
		pause = time.Second
	}
	if patience == 0 {
		patience = 5 * time.Minute
	}
	start := time.Now()
	for try := 1; ; try++ {
		err := f()
		if err == nil || ctx.Err() != nil {
			return err
		}
		wire := errors.Is(err, errWire)
		if wire && time.Since(start) > patience || !wire && try >= tries {
			return err
		}
		w.report("%v; trying again", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(pause, 10*time.Second)):
			pause += pause / 2
		}
	}
}

// resuming is the body of one URL that goes on where a broken connection left it.
type resuming struct {
	ctx  context.Context
	w    *Writer
	url  string
	size int64 // of the whole; -1 unknown
	etag string

	resp *http.Response
	off  int64
}

func (r *resuming) open() error {
	return r.w.persist(r.ctx, 1, func() error {
		resp, err := r.w.get(r.ctx, r.url, "")
		if err != nil {
			return err
		}
		r.resp, r.size, r.etag = resp, resp.ContentLength, resp.Header.Get("Last-Modified")
		return nil
	})
}

// Read implements io.Reader. A server that knows no ranges, or another file
// under the same name, ends it with an error.
func (r *resuming) Read(p []byte) (int, error) {
	for {
		n, err := r.resp.Body.Read(p)
		r.off += int64(n)
		if n > 0 || err == nil {
			return n, nil
		}
		if errors.Is(err, io.EOF) && (r.size < 0 || r.off >= r.size) {
			return 0, io.EOF
		}
		if r.size < 0 || r.ctx.Err() != nil {
			return 0, err
		}
		if err := r.reopen(); err != nil {
			return 0, err
		}
	}
}

func (r *resuming) reopen() error {
	r.resp.Body.Close()
	return r.w.persist(r.ctx, 1, func() error {
		resp, err := r.w.get(r.ctx, r.url, fmt.Sprintf("bytes=%d-", r.off))
		if err != nil {
			return err
		}
		if resp.Header.Get("Last-Modified") != r.etag || resp.ContentLength != r.size-r.off {
			resp.Body.Close()
			return fmt.Errorf("fetch %s: the file changed while it was read", r.url)
		}
		r.resp = resp
		return nil
	})
}

// Close closes the connection.
func (r *resuming) Close() error { return r.resp.Body.Close() }
