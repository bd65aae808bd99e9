package conductor_test

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
)

func thenInspect(r *api.ProvisionRequest) { r.ThenInspect = true }

// What is inspected while in enroll has its BMC looked at first; a crash in between changes nothing of it.
func TestANodeInEnrollIsVerifiedAndInspected(t *testing.T) {
	for name, crash := range map[string]func(*world){
		"in a row":          func(w *world) { w.provision("manage", thenInspect) },
		"killed before":     func(w *world) { w.crashAt("verify", false, func() { w.provision("manage", thenInspect) }) },
		"killed in between": func(w *world) { w.crashAt("verify", true, func() { w.provision("manage", thenInspect) }) },
	} {
		w := newWorld(t, nil)
		w.node("enroll")
		crash(w)
		n := w.await("manageable")
		if n.Properties["cpus"] != "4" || n.InspectionFinishedAt == nil || n.InspectionStartedAt == nil || n.DriverInternalInfo[api.KeyThenInspect] != nil {
			t.Errorf("%s: %v %v %v", name, n.Properties, n.InspectionFinishedAt, n.DriverInternalInfo)
		}
	}
}

// Both jobs are of who asked, also after a kill in between.
func TestTheHistorySaysWhoAskedForVerifyingAndInspecting(t *testing.T) {
	for name, run := range map[string]func(w *world, ask func()){
		"in a row":          func(_ *world, ask func()) { ask() },
		"killed in between": func(w *world, ask func()) { w.crashAt("verify", true, ask) },
	} {
		w := newWorld(t, nil)
		n := w.node("enroll")
		run(w, func() {
			req := api.ProvisionRequest{Target: "manage", ThenInspect: true}
			if err := w.c.Provision(ironic.WithUser(t.Context(), "id-of-ann"), n.UUID, req); err != nil {
				t.Error(err)
			}
		})
		w.await("manageable")
		for _, line := range []string{"inspect was asked for: manageable → inspecting", "introspection finished"} {
			if got := w.askedBy(line); got != "id-of-ann" {
				t.Errorf("%s: %q by %q", name, line, got)
			}
		}
	}
}

func TestANodeThatCannotBeVerifiedIsNotInspected(t *testing.T) {
	w := newWorld(t, nil)
	w.node("enroll")
	w.drv.Fail = func(_, action string) error { return errs.New(errs.Unavailable, "no answer") }
	w.provision("manage", thenInspect)
	if n := w.await("enroll"); !strings.Contains(n.LastError, "no answer") || n.InspectionStartedAt == nil || n.InspectionFinishedAt != nil {
		t.Errorf("%q %v", n.LastError, n.InspectionStartedAt)
	}
	w.drv.Fail = nil
	w.provision("manage") // and no more than that
	if n := w.await("manageable"); n.Properties["cpus"] != nil {
		t.Errorf("it was inspected: %v", n.Properties)
	}
	w.set(func(n *ironic.Node) { n.ProvisionState, n.Interfaces["inspect"] = "enroll", "no-inspect" })
	if err := w.c.Provision(t.Context(), "control-1", api.ProvisionRequest{Target: "manage", ThenInspect: true}); !errs.Is(err, errs.Invalid) ||
		!strings.Contains(err.Error(), "does not support inspect") {
		t.Errorf("%v", err)
	}
}
