package libvirt

import (
	"context"
	"errors"
	"net"
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
