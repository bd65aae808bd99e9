package imagecache

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/conductor"
)

// unfit is a transfer that must not succeed, and why.
type unfit struct {
	server func(*web)
	tweak  func(*FetchConfig)
	sum    *conductor.Remote
	code   errs.Code
	words  string
	asked  int // requests; 0: not looked at
}

func unfits() map[string]unfit {
	wrong := conductor.Remote{Algo: "sha256", Sum: strings.Repeat("00", 32)}
	answer := func(f func(w http.ResponseWriter, r *http.Request)) func(*web) {
		return func(s *web) { s.odd = func(w http.ResponseWriter, r *http.Request) bool { f(w, r); return true } }
	}
	return map[string]unfit{
		"wrong hash": {sum: &wrong, code: errs.Invalid, words: "expected 0000", asked: 1},
		"missing":    {server: answer(http.NotFound), code: errs.Invalid, words: "404 Not Found", asked: 1},
		"broken server": {server: answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }), code: errs.Unavailable,
			words: "503", asked: 4},
		"unknown size": {server: answer(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("x"))
			w.(http.Flusher).Flush()
		}), code: errs.Invalid, words: "does not say how large"},
		"packed": {server: answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("x"))
		}), code: errs.Invalid, words: `"gzip"`},
		"empty":     {server: func(s *web) { s.data = nil }, code: errs.Invalid, words: "it is empty"},
		"too large": {tweak: func(c *FetchConfig) { c.MaxSize = 1 << 10 }, code: errs.Invalid, words: "at most"},
		"no room": {tweak: func(c *FetchConfig) { c.Free = func(string) (int64, error) { return reserve, nil } }, code: errs.Unavailable,
			words: "kept back"},
		"standing still": {server: answer(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}), tweak: func(c *FetchConfig) { c.Stall, c.Attempts = 10*time.Millisecond, 1 }, code: errs.Unavailable, words: "too slow: 0 bytes came in 10ms, expected at least 100"},
		"trickling": {server: answer(trickle), tweak: func(c *FetchConfig) { c.Stall, c.Attempts = 20*time.Millisecond, 1 },
			code: errs.Unavailable, words: "bytes came in 20ms, expected at least 1048576"},
		"no answer": {server: answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
			tweak: func(c *FetchConfig) { c.Answer, c.Attempts = 10*time.Millisecond, 1 }, code: errs.Unavailable, words: "does not answer"},
		"redirect to metadata": {server: answer(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		}), code: errs.Invalid, words: "link-local", asked: 1},
		"redirects without end": {server: answer(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}), code: errs.Invalid, words: "more than five"},
	}
}

// trickle sends a byte at a time, and ends by itself so that a test that is broken ends, too.
func trickle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "5000000")
	for range 1000 {
		_, err := w.Write([]byte("x"))
		w.(http.Flusher).Flush()
		select {
		case <-time.After(2 * time.Millisecond):
		case <-r.Context().Done():
		}
		if err != nil || r.Context().Err() != nil {
			return
		}
	}
}

func TestWhatCannotBeFetchedIsRefusedWithItsReason(t *testing.T) {
	data := content()
	for name, c := range unfits() {
		t.Run(name, func(t *testing.T) {
			s := newWeb(t, data)
			if c.server != nil {
				c.server(s)
			}
			r := remote(s, data)
			if c.sum != nil {
				r.Algo, r.Sum = c.sum.Algo, c.sum.Sum
			}
			r.URL += "?Signature=secret"
			dir := t.TempDir()
			_, err := newFetcher(t, dir, c.tweak).Fetch(t.Context(), r)
			if !errs.Is(err, c.code) || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), "image_source of node control-1") {
				t.Errorf("%s: %v", errs.CodeOf(err), err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the signature: %v", err)
			}
			if n := len(s.requests()); c.asked > 0 && n != c.asked {
				t.Errorf("%d requests, expected %d", n, c.asked)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*.file")); len(left) > 0 {
				t.Errorf("kept: %v", left)
			}
		})
	}
}
