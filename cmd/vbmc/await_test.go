package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// awaitLimit ends a test whose daemon never says what is waited for.
const awaitLimit = time.Minute

// heard is what a daemon in this process says, for tests that wait for a part of it.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed by the next write
}

func newHeard() *heard { return &heard{more: make(chan struct{})} }

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.more)
	h.more = make(chan struct{})
	return h.text.Write(p)
}

func (h *heard) now() (text string, more <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String(), h.more
}

// await waits until a text was said.
func (h *heard) await(t *testing.T, want string) {
	t.Helper()
	limit := time.After(awaitLimit)
	for {
		text, more := h.now()
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("the daemon does not say %q but %s", want, text)
		}
	}
}

// awaitText waits until a file, which another process writes, has a text.
func awaitText(t *testing.T, file, want string) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	defer events.Close()
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(file), unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	if err := events.SetReadDeadline(time.Now().Add(awaitLimit)); err != nil {
		t.Fatal(err)
	}
	for buf := make([]byte, 4096); ; {
		text, err := os.ReadFile(file)
		if strings.Contains(string(text), want) {
			return
		}
		if _, ended := events.Read(buf); ended != nil {
			t.Fatalf("%s has no %q: %s %v, %v", file, want, text, err, ended)
		}
	}
}
