package deploy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"trefoil/overcloud/stack"
)

// fakeDatabase remembers which machines were asked what.
type fakeDatabase struct {
	asked []string
	down  bool
}

func (f *fakeDatabase) SQL(_ context.Context, n stack.Node, statements string) error {
	f.asked = append(f.asked, n.Name+": "+statements)
	if f.down {
		return errors.New("no route to host")
	}
	return nil
}

// What no API deletes of a machine goes by a machine that stays and has the database.
func TestRemovalReachesTheDatabaseOfAMachineThatStays(t *testing.T) {
	w, _ := scaled(t)
	db := &fakeDatabase{}
	w.engine.Database = db
	w.deletes(deletion(false, "overcloud-novacompute-0"))
	w.run("UPDATE_COMPLETE")
	if got := strings.Join(db.asked, "; "); got != "overcloud-controller-0: forget overcloud-novacompute-0" {
		t.Errorf("asked %s", got)
	}
	db.down = true
	w.deletes(deletion(false, "overcloud-novacompute-1"))
	if s := w.run("UPDATE_FAILED"); !strings.Contains(s.Failures[0].Error, "overcloud-controller-0: no route to host") {
		t.Errorf("%+v", s.Failures)
	}
}

// Statements go by standard input: a command line shows in the node's process list.
func TestStatementsOfANode(t *testing.T) {
	n, remote := newSSHNode(t)
	if err := remote.SQL(t.Context(), n.Node, "UPDATE a;\n"); err != nil || strings.Join(n.commands, "|") != "UPDATE a;\n" {
		t.Errorf("%q %v", n.commands, err)
	}
	n.old = true
	if err := remote.SQL(t.Context(), n.Node, "UPDATE b;\n"); err == nil || !strings.Contains(err.Error(), "no such table") {
		t.Errorf("a server that refuses: %v", err)
	}
}
