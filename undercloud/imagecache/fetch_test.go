package imagecache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/conductor"
)

// web is an image server that can break off, change and refuse.
type web struct {
	*httptest.Server
	mu      sync.Mutex
	data    []byte
	etag    string
	breakAt []int                                             // after how many bytes of a body each answer breaks off; 0: never
	odd     func(w http.ResponseWriter, r *http.Request) bool // answers itself and returns true
	got     []http.Header
	paths   []string
}

func newWeb(t *testing.T, data []byte) *web {
	t.Helper()
	w := &web{data: data, etag: `"one"`}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

func (s *web) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.got, s.paths = append(s.got, r.Header.Clone()), append(s.paths, r.URL.Path)
	data, etag, odd, limit := s.data, s.etag, s.odd, 0
	if len(s.breakAt) > 0 {
		limit, s.breakAt = s.breakAt[0], s.breakAt[1:]
	}
	s.mu.Unlock()
	if odd != nil && odd(w, r) {
		return
	}
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	if limit > 0 {
		w = &breaking{w, limit}
	}
	http.ServeContent(w, r, "image", time.Time{}, bytes.NewReader(data))
}

func (s *web) requests() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]http.Header{}, s.got...)
}

// breaking ends the connection after some bytes.
type breaking struct {
	http.ResponseWriter
	left int
}

func (b *breaking) Write(p []byte) (int, error) {
	if len(p) >= b.left {
		_, _ = b.ResponseWriter.Write(p[:b.left])
		b.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	b.left -= len(p)
	return b.ResponseWriter.Write(p)
}

func newFetcher(t *testing.T, dir string, tweak func(*FetchConfig)) *Fetcher {
	t.Helper()
	cfg := FetchConfig{Dir: dir, Guard: &conductor.URLGuard{Loopback: true}, Pause: time.Millisecond}
	if tweak != nil {
		tweak(&cfg)
	}
	f, err := NewFetcher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func content() []byte {
	data := make([]byte, 300<<10)
	for i := range data {
		data[i] = byte(i * 31 >> 3)
	}
	return data
}

func remote(s *web, data []byte) conductor.Remote {
	sum := sha512.Sum512(data)
	return conductor.Remote{URL: s.URL + "/image", What: "image_source of node control-1", Algo: "sha512", Sum: hex.EncodeToString(sum[:])}
}

func check(t *testing.T, got *conductor.Fetched, err error, data []byte) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(got.Path)
	sum := sha256.Sum256(data)
	if err != nil || !bytes.Equal(file, data) || got.Size != int64(len(data)) || got.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("%+v, %d bytes (%v)", got, len(file), err)
	}
}

func TestAFileIsFetchedOnceForAll(t *testing.T) {
	data, dir := content(), t.TempDir()
	s := newWeb(t, data)
	f := newFetcher(t, dir, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := f.Fetch(t.Context(), remote(s, data)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := newFetcher(t, dir, nil).Fetch(t.Context(), remote(s, data)) // after a restart, too
	check(t, got, err, data)
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestWhatBrokeOffGoesOn(t *testing.T) {
	data := content()
	s := newWeb(t, data)
	s.breakAt = []int{100 << 10, 50 << 10}
	got, err := newFetcher(t, t.TempDir(), nil).Fetch(t.Context(), remote(s, data))
	check(t, got, err, data)
	reqs := s.requests()
	if len(reqs) != 3 || reqs[1].Get("If-Range") != `"one"` || !strings.HasPrefix(reqs[2].Get("Range"), "bytes=") || reqs[2].Get("Range") <= reqs[1].Get("Range") {
		t.Errorf("%d requests: %v", len(reqs), reqs)
	}
}

// A service that was killed in the middle leaves a part and its description.
func TestWhatAKilledServiceHadGoesOn(t *testing.T) {
	data, dir := content(), t.TempDir()
	s := newWeb(t, data)
	s.breakAt = []int{100 << 10}
	r := remote(s, data)
	if _, err := newFetcher(t, dir, func(c *FetchConfig) { c.Attempts = 1 }).Fetch(t.Context(), r); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "broke off after") {
		t.Fatal(err)
	}
	got, err := newFetcher(t, dir, nil).Fetch(t.Context(), r)
	check(t, got, err, data)
	if reqs := s.requests(); len(reqs) != 2 || reqs[1].Get("Range") == "" {
		t.Errorf("%v", reqs)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.part*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestAFileThatChangedMeanwhileBeginsAnew(t *testing.T) {
	data, dir := content(), t.TempDir()
	s := newWeb(t, data)
	s.breakAt = []int{100 << 10}
	r := conductor.Remote{URL: s.URL + "/kernel", What: "deploy_kernel"}
	if _, err := newFetcher(t, dir, func(c *FetchConfig) { c.Attempts = 1 }).Fetch(t.Context(), r); err == nil {
		t.Fatal("it did not break off")
	}
	s.mu.Lock()
	s.data, s.etag = bytes.ToUpper(append([]byte("new"), data...)), `"two"`
	want := s.data
	s.mu.Unlock()
	got, err := newFetcher(t, dir, nil).Fetch(t.Context(), r)
	check(t, got, err, want)
}

// TestTwoHalvesOfTwoFilesAreNoFile: a server without an ETag's honesty.
func TestTwoHalvesOfTwoFilesAreNoFile(t *testing.T) {
	data, dir := content(), t.TempDir()
	old := bytes.Clone(data)
	old[0] ^= 0xff
	s := newWeb(t, old)
	s.breakAt = []int{100 << 10}
	r := remote(s, data)
	if _, err := newFetcher(t, dir, func(c *FetchConfig) { c.Attempts = 1 }).Fetch(t.Context(), r); err == nil {
		t.Fatal("it did not break off")
	}
	s.mu.Lock()
	s.data = data // under the same ETag
	s.mu.Unlock()
	got, err := newFetcher(t, dir, nil).Fetch(t.Context(), r)
	check(t, got, err, data)
}

func TestAKernelWithoutAHashIsAskedForAgain(t *testing.T) {
	data := content()
	s := newWeb(t, data)
	f := newFetcher(t, t.TempDir(), nil)
	r := conductor.Remote{URL: s.URL + "/kernel", What: "deploy_kernel"}
	for range 2 {
		got, err := f.Fetch(t.Context(), r)
		check(t, got, err, data)
	}
	if reqs := s.requests(); len(reqs) != 2 || reqs[1].Get("If-None-Match") != `"one"` {
		t.Errorf("%v", reqs)
	}
	s.mu.Lock()
	s.data, s.etag = []byte("another kernel"), `"two"`
	s.mu.Unlock()
	got, err := f.Fetch(t.Context(), r)
	check(t, got, err, []byte("another kernel"))
	s.Close() // the server is gone: what is there is used
	got, err = f.Fetch(t.Context(), r)
	check(t, got, err, []byte("another kernel"))
}

// TestNeitherNameNorRedirectLeadsToTheService: names are looked at behind DNS.
func TestNeitherNameNorRedirectLeadsToTheService(t *testing.T) {
	self := newWeb(t, content())
	port := netip.MustParseAddrPort(strings.TrimPrefix(self.URL, "http://")).Port()
	other := newWeb(t, nil)
	other.odd = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, self.URL+"/v1/nodes", http.StatusFound)
		return true
	}
	f := newFetcher(t, t.TempDir(), func(c *FetchConfig) { c.Guard.Ports = []uint16{port} })
	for _, from := range []string{self.URL, other.URL, fmt.Sprintf("http://localhost:%d", port)} {
		if _, err := f.Fetch(t.Context(), conductor.Remote{URL: from, What: "deploy_kernel"}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", from, err)
		}
		if _, err := f.Text(t.Context(), "image_checksum", from); !errs.Is(err, errs.Invalid) {
			t.Errorf("list at %s: %v", from, err)
		}
	}
	// As behind a name that is not seen through: the connection itself is refused.
	if resp, err := f.http.Get(self.URL); !errs.Is(err, errs.Invalid) {
		if err == nil {
			resp.Body.Close()
		}
		t.Errorf("connected: %v", err)
	}
	if n := len(self.requests()); n != 0 {
		t.Errorf("the service was asked %d times", n)
	}
}

func TestATransferEndsWithItsLastCaller(t *testing.T) {
	data := content()
	s := newWeb(t, data)
	begun, ended := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.odd = func(w http.ResponseWriter, r *http.Request) bool {
		first := false
		once.Do(func() { first = true })
		if !first {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Header().Set("ETag", `"one"`)
		_, _ = w.Write(data[:10])
		w.(http.Flusher).Flush()
		close(begun)
		<-r.Context().Done()
		close(ended)
		return true
	}
	f := newFetcher(t, t.TempDir(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if _, err := f.Fetch(ctx, remote(s, data)); err == nil {
		t.Error("it went on without its caller")
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the transfer goes on though nobody waits")
	}
	got, err := f.Fetch(t.Context(), remote(s, data))
	check(t, got, err, data)
}

func TestALocalFileIsLookedAtWhereItIs(t *testing.T) {
	data := content()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	f := newFetcher(t, t.TempDir(), nil)
	from := (&url.URL{Scheme: "file", Path: path}).String()
	got, err := f.Fetch(t.Context(), conductor.Remote{URL: from, What: "image_source"})
	check(t, got, err, data)
	if got.Path != path {
		t.Errorf("copied to %s", got.Path)
	}
	if _, err := f.Fetch(t.Context(), conductor.Remote{URL: from, What: "image_source", Algo: "md5", Sum: strings.Repeat("00", 16)}); !errs.Is(err, errs.Invalid) {
		t.Errorf("a wrong hash: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Fetch(t.Context(), conductor.Remote{URL: from, What: "image_source"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("a private file: %v", err)
	}
}

func TestAListOfChecksumsIsSmall(t *testing.T) {
	s := newWeb(t, []byte("abc  image\n"))
	f := newFetcher(t, t.TempDir(), nil)
	if got, err := f.Text(t.Context(), "image_checksum", s.URL); err != nil || got != "abc  image\n" {
		t.Errorf("%q, %v", got, err)
	}
	s.data = make([]byte, textLimit+1)
	if _, err := f.Text(t.Context(), "image_checksum", s.URL); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "longer than 1024 KiB") {
		t.Error(err)
	}
}
