package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/undercloud/store/storetest"
)

func open1(t *testing.T, path string) *DB {
	t.Helper()
	d, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestStoreKeepsItsContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) ironic.Store { return open1(t, filepath.Join(t.TempDir(), "state.db")) })
}

func TestNodesSurviveReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	d := open1(t, path)
	if err := d.CreateNode(t.Context(), &ironic.Node{UUID: "u", Name: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open1(t, path).Node(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// A lookup is not interrupted, and one of a request that has ended does not begin.
func TestALookupOfWhoHasGoneDoesNotBegin(t *testing.T) {
	d := open1(t, filepath.Join(t.TempDir(), "state.db"))
	if err := d.CreateNode(t.Context(), &ironic.Node{UUID: "u"}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the statement is prepared, and ready
		ctx, gone := context.WithCancel(t.Context())
		if _, err := d.Node(ctx, "u"); err != nil {
			t.Fatal(err)
		}
		gone()
		if n, err := d.Node(ctx, "u"); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v", n, err)
		}
	}
}

// Nobody who looks one row up waits for those who list, whose contexts and hurry are not his.
func TestALookupDoesNotWaitForLists(t *testing.T) {
	d := open1(t, filepath.Join(t.TempDir(), "state.db"))
	if err := d.CreateNode(t.Context(), &ironic.Node{UUID: "u"}); err != nil {
		t.Fatal(err)
	}
	for range d.read.Stats().MaxOpenConnections { // as many lists as there can be, all under way
		rows, err := d.read.QueryContext(t.Context(), "SELECT uuid FROM nodes")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
	}
	for range 2 { // the second time with its statement ready
		if _, err := d.Node(t.Context(), "u"); err != nil {
			t.Error(err)
		}
	}
}

// What cannot be written for want of room is told as that, and is whole when there is room again.
func TestAFullDiskIsToldAsThat(t *testing.T) {
	d := open1(t, filepath.Join(t.TempDir(), "state.db"))
	limit := func(pages int) {
		if _, err := d.write.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // as many as there are: no more
	big := &ironic.Node{UUID: "u", Extra: map[string]any{"x": strings.Repeat("x", 100000)}}
	err := d.CreateNode(t.Context(), big)
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "disk is full, and this was not written") || !strings.Contains(errs.HintOf(err), "df -h") {
		t.Errorf("%v (hint %q)", err, errs.HintOf(err))
	}
	if _, err := d.Node(t.Context(), "u"); !errs.Is(err, errs.NotFound) {
		t.Errorf("half of it is there: %v", err)
	}
	limit(1 << 20)
	if err := d.CreateNode(t.Context(), big); err != nil {
		t.Error(err)
	}
}

// A row of an earlier version may name what is gone; it can be changed all the same.
func TestAnOldDanglingReferenceIsNotHeldAgainstAChange(t *testing.T) {
	d := open1(t, filepath.Join(t.TempDir(), "state.db"))
	c := &ironic.Chassis{UUID: "c"}
	n, p := &ironic.Node{UUID: "u", ChassisUUID: "c"}, &ironic.Port{UUID: "p", Address: "52:54:00:00:00:01"}
	g := &ironic.Portgroup{UUID: "g", NodeUUID: "u"}
	if err := errors.Join(d.CreateChassis(t.Context(), c), d.CreateNode(t.Context(), n, p), d.CreatePortgroup(t.Context(), g)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.UpdatePort(t.Context(), "p", func(p *ironic.Port) error { p.PortgroupUUID = "g"; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"chassis", "portgroups"} {
		if _, err := d.write.Exec("DELETE FROM " + table); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.UpdatePort(t.Context(), "p", func(p *ironic.Port) error { p.SetVIF("v1"); return nil }); err != nil {
		t.Error(err)
	}
	if _, err := d.UpdateNode(t.Context(), "u", func(n *ironic.Node) error { n.Maintenance = true; return nil }); err != nil {
		t.Error(err)
	}
}
