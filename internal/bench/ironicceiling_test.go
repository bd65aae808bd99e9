//go:build bench

package bench

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	roleEmpty  = "empty"
	emptyAddr  = "127.0.0.1:6399"
	emptyBytes = 2500 // as a node has
)

// serveEmpty answers whatever is asked with the same bytes: what is left are the costs of net/http, of the
// kernel and of the clients.
func serveEmpty() error {
	body := bytes.Repeat([]byte{' '}, emptyBytes)
	return http.ListenAndServe(emptyAddr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	}))
}

// ceilingRows are what no service over net/http can get above on this machine, with the clients beside it.
func ceilingRows(ours *ironicAt) []Row {
	if ours == nil {
		return nil
	}
	s := &ironicAt{life: ours.life, name: "an empty handler", url: "http://" + emptyAddr}
	var rate float64
	if !s.within("GET node, 8 clients", ready, func() {
		defer s.run(filepath.Join(s.t.TempDir(), "empty.log"), "env", roleEnv+"="+roleEmpty, os.Args[0])()
		s.await(50*time.Millisecond, func() bool {
			_, _, err := s.try("GET", "/", "1.82", "")
			return err == nil
		}, "the first answer")
		rate = s.getRate(8)
	}) {
		return nil
	}
	return []Row{{What: "the same, of a handler that does nothing", Ours: Figure{rate, "/s"},
		Note: "what net/http, the kernel and the clients leave; " + number(s.getCost) + " µs of the server's processor"}}
}
