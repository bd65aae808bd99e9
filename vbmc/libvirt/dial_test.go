package libvirt

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"syscall"
	"testing"
)

// A dial that never ends holds its caller only as long as the context lives, and what it
// opens later is closed.
func TestADialThatKnowsNoContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ours, theirs := net.Pipe()
	release := make(chan struct{})
	c, err := bounded(ctx, func() (net.Conn, error) { <-release; return ours, nil })
	if c != nil || !errors.Is(err, ErrTimeout) {
		t.Fatalf("%v, %v", c, err)
	}
	close(release)
	if _, err := theirs.Read(make([]byte, 1)); err == nil { // ends when ours is closed
		t.Error("the late connection stays open")
	}
}

// A socket that is there and lets nobody in is the one that was meant: that the first one
// is not there is no help.
func TestTheSocketThatIsThereIsTold(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "virtqemud-sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := dialUnix(t.Context(), []string{filepath.Join(dir, "libvirt-sock"), dead}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
}
