package conductor_test

import (
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
)

// The history says who asked, also of what the job that came of it did, and how it failed.
func TestTheHistorySaysWhoAsked(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("enroll")
	w.drv.Fail = func(_, action string) error { return errs.New(errs.Unavailable, "no answer") }
	if err := w.c.Provision(ironic.WithUser(t.Context(), "id-of-ann"), n.UUID, api.ProvisionRequest{Target: "manage"}); err != nil {
		t.Fatal(err)
	}
	w.await("enroll")
	w.drv.Fail = nil
	w.provision("manage") // by nobody who is known
	w.await("manageable")
	list, err := w.db.History(t.Context(), n.UUID)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]int{}
	failed := ""
	for _, e := range list {
		by[e.User]++
		if e.Severity == "ERROR" {
			failed += e.User
		}
	}
	if by["id-of-ann"] < 2 || by[""] == 0 || failed != "id-of-ann" {
		t.Errorf("lines by users %v, failed by %q\n%s", by, failed, w.history())
	}
}
