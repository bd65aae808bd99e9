package imagecache

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/conductor"
)

// age makes all files of a directory older by d.
func age(t *testing.T, dir string, d time.Duration) {
	t.Helper()
	for _, path := range files(t, dir) {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, st.ModTime().Add(-d)); err != nil {
			t.Fatal(err)
		}
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Each signature makes another URL of the same image.
func TestAnImageWithAnotherSignatureIsNotFetchedAnew(t *testing.T) {
	data, dir := content(), t.TempDir()
	s := newWeb(t, data)
	s.breakAt = []int{100 << 10}
	r := remote(s, data)
	r.URL = s.URL + "/image?Signature=a"
	if _, err := newFetcher(t, dir, func(c *FetchConfig) { c.Attempts = 1 }).Fetch(t.Context(), r); err == nil {
		t.Fatal("it did not break off")
	}
	f := newFetcher(t, dir, nil)
	for _, signature := range []string{"b", "c"} {
		r.URL = s.URL + "/image?Signature=" + signature
		got, err := f.Fetch(t.Context(), r)
		check(t, got, err, data)
	}
	if reqs := s.requests(); len(reqs) != 2 || reqs[1].Get("Range") == "" || len(files(t, dir)) != 2 {
		t.Errorf("%d requests, %v", len(reqs), files(t, dir))
	}
}

// Who asks at a place that has the file does not fail with who asked elsewhere.
func TestTheSameFileFromElsewhereDoesNotFailWithTheFirst(t *testing.T) {
	data := content()
	good, bad := newWeb(t, data), newWeb(t, nil)
	asked, go404 := make(chan struct{}), make(chan struct{})
	answer := sync.OnceFunc(func() { close(go404) })
	t.Cleanup(answer) // before the servers are closed
	bad.odd = func(w http.ResponseWriter, r *http.Request) bool {
		close(asked)
		<-go404
		http.NotFound(w, r)
		return true
	}
	f := newFetcher(t, t.TempDir(), nil)
	first := make(chan error, 1)
	go func() {
		r := remote(good, data)
		r.URL = bad.URL + "/image"
		_, err := f.Fetch(t.Context(), r)
		first <- err
	}()
	<-asked
	f.mu.Lock()
	k := f.running[keyOf(remote(good, data))]
	f.mu.Unlock()
	if k == nil {
		t.Fatal("the same file has another key elsewhere")
	}
	second := make(chan error, 1)
	go func() {
		got, err := f.Fetch(t.Context(), remote(good, data))
		if err == nil && got.Size != int64(len(data)) {
			err = fmt.Errorf("%+v", got)
		}
		second <- err
	}()
	deadline := time.Now().Add(time.Minute)
	for waits := 0; waits < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the second did not come to wait for the first's download within a minute")
		}
		f.mu.Lock()
		waits = k.wait
		f.mu.Unlock()
	}
	answer()
	if err := <-first; !errs.Is(err, errs.Invalid) {
		t.Errorf("a missing file: %v", err)
	}
	if err := <-second; err != nil {
		t.Errorf("who asked where it is: %v", err)
	}
}

func TestWhatNobodyUsesGoes(t *testing.T) {
	data, dir := content(), t.TempDir()
	s := newWeb(t, data)
	kernel := conductor.Remote{URL: s.URL + "/kernel", What: "deploy_kernel"}
	booted := conductor.Remote{URL: s.URL + "/booted", What: "deploy_kernel"}
	image := remote(s, data)
	for _, r := range []conductor.Remote{kernel, booted, image} {
		if _, err := newFetcher(t, dir, nil).Fetch(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	s.breakAt = []int{100 << 10}
	if _, err := newFetcher(t, dir, func(c *FetchConfig) { c.Attempts = 1 }).Fetch(t.Context(), conductor.Remote{URL: s.URL + "/cut", What: "x"}); err == nil {
		t.Fatal("it did not break off")
	}
	note := filepath.Join(dir, "note.txt")
	if err := os.WriteFile(note, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	age(t, dir, keepUnused-time.Hour)
	path := func(r conductor.Remote, ext string) string { return filepath.Join(dir, keyOf(r)+"."+ext) }
	f := newFetcher(t, dir, func(c *FetchConfig) { c.InUse = func(p string) bool { return p == path(booted, "file") } })
	if n := len(files(t, dir)); n != 9 {
		t.Fatalf("a young file is gone: %v", files(t, dir))
	}
	if _, err := f.Fetch(t.Context(), image); err != nil { // a use, without a transfer
		t.Fatal(err)
	}
	age(t, dir, 2*time.Hour)
	other := conductor.Remote{URL: s.URL + "/other", What: "deploy_kernel"}
	if _, err := f.Fetch(t.Context(), other); err != nil { // a transfer removes what is old
		t.Fatal(err)
	}
	want := map[string]bool{note: true}
	for _, r := range []conductor.Remote{booted, image, other} {
		want[path(r, "file")], want[path(r, "json")] = true, true
	}
	left := files(t, dir)
	for _, p := range left {
		if !want[p] {
			t.Errorf("%s stays", p)
		}
	}
	if len(left) != len(want) {
		t.Errorf("left: %v, expected %v", left, want)
	}
	age(t, dir, keepUnused)
	newFetcher(t, dir, nil)
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("after a restart: %v", left)
	}
}

// Transfers that run beside each other have together what is free, whatever each has
// written of its part.
func TestTransfersBesideEachOtherDoNotFillTheDisk(t *testing.T) {
	data := content()
	s := newWeb(t, data)
	size := int64(len(data))
	begun, goOn := make(chan struct{}), make(chan struct{})
	s.odd = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/first" {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = w.Write(data[:1000])
		w.(http.Flusher).Flush()
		close(begun)
		<-goOn
		_, _ = w.Write(data[1000:])
		return true
	}
	dir := t.TempDir()
	f := newFetcher(t, dir, func(c *FetchConfig) {
		c.Attempts = 1
		c.Free = func(string) (int64, error) { // a disk for three halves of such a file
			left := reserve + size*3/2
			for _, p := range files(t, dir) {
				if st, err := os.Stat(p); err == nil && !strings.HasSuffix(p, "json") {
					left -= st.Size()
				}
			}
			return left, nil
		}
	})
	first := make(chan error, 1)
	go func() {
		_, err := f.Fetch(t.Context(), conductor.Remote{URL: s.URL + "/first", What: "deploy_kernel"})
		first <- err
	}()
	<-begun
	promised := func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.promised > 0
	}
	for !promised() { // the answer's head is on its way
		time.Sleep(time.Millisecond)
	}
	second := conductor.Remote{URL: s.URL + "/second", What: "deploy_kernel"}
	_, err := f.Fetch(t.Context(), second)
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "are for other transfers") || errs.HintOf(err) == "" {
		t.Errorf("a second file has the room of the first: %v", err)
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.data = bytes.Clone(data[:size/3])
	s.mu.Unlock()
	got, err := f.Fetch(t.Context(), second) // what was promised is not promised twice
	check(t, got, err, data[:size/3])
	if f.promised != 0 {
		t.Errorf("%d bytes stay promised", f.promised)
	}
}
