package conductor_test

import (
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
)

// askedBy is who asked for what a line of the node's history tells.
func (w *world) askedBy(line string) string {
	w.t.Helper()
	list, err := w.db.History(w.t.Context(), "00000000-0000-4000-8000-000000000001")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range list {
		if e.Event == line {
			return e.User
		}
	}
	w.t.Errorf("the history does not tell %q:\n%s", line, w.history())
	return ""
}

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
