package node_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
)

// slow leaves nodes in the middle of a verb and tells that it has begun.
func (w *world) slow(state string) (begun chan string) {
	begun = make(chan string, 16)
	w.Conductor.Do = func(_ context.Context, ident string, _ api.ProvisionRequest) error {
		w.SetNode(ident, func(n *ironic.Node) { n.ProvisionState = state })
		begun <- ident
		return nil
	}
	return begun
}

// The undercloud goes away and comes back, on the same addresses: the wait goes on.
func TestWaitOutlivesARestart(t *testing.T) {
	w := newWorld(t)
	n := w.AddNode("a", manageable)
	begun := w.slow("inspecting")
	done := make(chan error, 1)
	go func() { done <- w.Introspect(t.Context(), []string{"a"}) }()
	<-begun
	w.Stop()
	select {
	case err := <-done:
		t.Fatalf("the wait ended without the undercloud: %v", err)
	case <-time.After(50 * time.Millisecond): // some looks, all in vain
	}
	w.Start()
	for {
		w.SetNode(n.UUID, func(n *ironic.Node) { n.ProvisionState = "manageable" })
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		case <-begun: // the undercloud went away before it had answered: it is asked again
		}
	}
}

// Many nodes are waited for with one list a look, not with a request each.
func TestWaitAsksForAllNodesAtOnce(t *testing.T) {
	w := newWorld(t)
	var ids []string
	for i := range 20 {
		ids = append(ids, w.AddNode(fmt.Sprintf("n%d", i), manageable).UUID)
	}
	w.Requests()
	if err := w.Provide(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	var gets []string
	for _, r := range w.Requests() {
		if strings.HasPrefix(r, "GET /v1/nodes") {
			gets = append(gets, r)
		}
	}
	if len(gets) != 2 { // who they are, and how they are
		t.Errorf("%d requests: %v", len(gets), gets)
	}
}

// A node that the power sync holds for a moment is asked again.
func TestLockedNodeIsAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.AddNode("a", manageable)
	refusals := 2
	w.Conductor.Do = func(ctx context.Context, ident string, req api.ProvisionRequest) error {
		if refusals--; refusals >= 0 {
			return errs.New(errs.Locked, "Node %s is locked by host undercloud, please retry after the current operation is completed.", ident)
		}
		return w.Conductor.Conductor.Provision(ctx, ident, req)
	}
	if err := w.Provide(t.Context(), []string{"a"}); err != nil {
		t.Error(err)
	}
}

func TestInterrupted(t *testing.T) {
	w := newWorld(t)
	w.AddNode("a", manageable)
	begun := w.slow("inspecting")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Introspect(ctx, []string{"a"}) }()
	<-begun
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := w.lines(t); strings.Contains(got, "FAILED") {
		t.Errorf("what goes on in the undercloud is called failed:\n%s", got)
	}
}

func TestDeletedMeanwhile(t *testing.T) {
	w := newWorld(t)
	n := w.AddNode("a", manageable)
	begun := w.slow("cleaning")
	done := make(chan error, 1)
	go func() { done <- w.Provide(t.Context(), []string{"a"}) }()
	<-begun
	if err := w.Nodes.DeleteNode(t.Context(), n.UUID); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "Node a was deleted meanwhile.") {
		t.Errorf("got %v", err)
	}
}

func TestManageable(t *testing.T) {
	w := newWorld(t)
	a := w.AddNode("a", manageable)
	w.AddNode("b", func(n *ironic.Node) { n.ProvisionState, n.Maintenance = "manageable", true })
	w.AddNode("c", nil)
	if got, err := w.Manageable(t.Context()); err != nil || !slices.Equal(got, []string{a.UUID}) {
		t.Errorf("%v %v", got, err)
	}
}
