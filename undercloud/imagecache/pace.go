package imagecache

import (
	"io"
	"sync"
	"time"

	"trefoil/internal/errs"
)

// leastProgress is how many bytes must come in each FetchConfig.Stall, or all that are
// left if they are fewer: with a minute 17 KiB/s, less than any line on which an image is
// worth waiting for. A server that trickles would keep a node locked for ever.
const leastProgress = 1 << 20

// watched is a body that ends its transfer when too little comes. Its clock runs from the
// first read (what is there already may take long to hash) to the last byte.
type watched struct {
	io.Reader
	window time.Duration
	end    func(cause error)

	mu    sync.Mutex
	left  int64 // bytes to come
	came  int64 // bytes of this window
	timer *time.Timer
}

func (w *watched) Read(b []byte) (int, error) {
	w.mu.Lock()
	if w.timer == nil && w.left > 0 {
		w.timer = time.AfterFunc(w.window, w.look)
	}
	w.mu.Unlock()
	n, err := w.Reader.Read(b)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.came += int64(n)
	w.left -= int64(n)
	return n, err
}

// look ends a window.
func (w *watched) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left <= 0 {
		return
	}
	if least := min(leastProgress, w.left+w.came); w.came < least {
		w.end(errs.New(errs.Unavailable, "%d bytes came in %s, expected at least %d", w.came, w.window, least).
			WithHint("try the URL with curl on this machine: the web server, or the way to it, is slow; give the file to a nearer server, or name one of this machine (file:///)"))
		return
	}
	w.came = 0
	w.timer.Reset(w.window)
}

// stop ends the watch.
func (w *watched) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = 0
	if w.timer != nil {
		w.timer.Stop()
	}
}
