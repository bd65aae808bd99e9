package imagecache

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/internal/errs"
)

// paced gives a piece at a time, each after a pause.
type paced struct {
	pause  time.Duration
	pieces []int
}

func (p *paced) Read(b []byte) (int, error) {
	time.Sleep(p.pause)
	if len(p.pieces) == 0 {
		return 0, io.EOF
	}
	n := min(p.pieces[0], len(b))
	if p.pieces[0] -= n; p.pieces[0] == 0 {
		p.pieces = p.pieces[1:]
	}
	return n, nil
}

// A transfer may take hours as long as each window has its part; each window counts anew.
func TestEachWindowBringsItsPart(t *testing.T) {
	const window = time.Minute
	for _, c := range []struct {
		name   string
		pieces []int
		slow   bool
	}{
		{"slow, and enough", []int{leastProgress, leastProgress, leastProgress, 17}, false},
		{"the last bytes are few", []int{17}, false},
		{"fast, then a trickle", []int{64 * leastProgress, 1, 1, 1, 1}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var cause error
				w := &watched{Reader: &paced{pause: 50 * time.Second, pieces: c.pieces}, window: window, end: func(err error) { cause = err }}
				for _, n := range c.pieces {
					w.left += int64(n)
				}
				time.Sleep(10 * window) // what is there is hashed first
				buf := make([]byte, 64*leastProgress)
				for range c.pieces {
					if _, err := w.Read(buf); err != nil && !errors.Is(err, io.EOF) {
						t.Fatal(err)
					}
				}
				time.Sleep(10 * window) // the disk takes its time
				synctest.Wait()
				w.stop()
				if got := cause != nil; got != c.slow || got && errs.HintOf(cause) == "" {
					t.Errorf("ended: %v", cause)
				}
			})
		})
	}
}
