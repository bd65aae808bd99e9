package conductor_test

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/conductor"
)

// A BMC that stays silent is told of whatever the node was busy with when that became clear.
func TestAPowerFaultIsNeverLost(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	sync := w.c.Syncer()
	get := func() *ironic.Node {
		got, err := w.db.Node(t.Context(), n.UUID)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	tries := 0
	w.drv.Fail = func(string, string) error {
		if tries++; tries == conductor.SyncTries { // somebody takes the node while its BMC is asked
			w.set(func(n *ironic.Node) { n.Reservation = "somebody" })
		}
		return errs.New(errs.Unavailable, "silent")
	}
	for range conductor.SyncTries {
		sync(t.Context())
	}
	if got := get(); got.Maintenance || strings.Contains(w.history(), "max retries") {
		t.Errorf("a node that somebody has: %v\n%s", got.Maintenance, w.history())
	}
	w.set(func(n *ironic.Node) { n.Reservation = "" })
	sync(t.Context())
	if got := get(); !got.Maintenance || got.Fault != conductor.FaultPower {
		t.Errorf("once it is free: %v %q", got.Maintenance, got.Fault)
	}
	w.set(func(n *ironic.Node) { n.Maintenance, n.MaintenanceReason, n.Fault = false, "", "" }) // an operator, too early
	sync(t.Context())
	if got := get(); !got.Maintenance || got.Fault != conductor.FaultPower {
		t.Errorf("taken out of maintenance while the BMC is silent: %v %q", got.Maintenance, got.Fault)
	}
	if lines := strings.Count(w.history(), "max retries"); lines != 2 {
		t.Errorf("%d lines of history, want one for each time that it was written:\n%s", lines, w.history())
	}
}
