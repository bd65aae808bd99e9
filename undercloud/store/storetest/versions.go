package storetest

import (
	"reflect"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// versions: who knows a node of an ID and a Version need not read it again.
func versions(t *testing.T, s ironic.Store) {
	n, a := node("a"), allocation("a")
	made := func() error { n.ID = 0; return s.CreateNode(t.Context(), n) }
	change := func(f func(*ironic.Node)) func() error {
		return func() error {
			_, err := s.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error { f(n); return nil })
			return err
		}
	}
	given := func() error {
		a = allocation("a")
		a.NodeUUID = n.UUID
		return s.CreateAllocation(t.Context(), a, anyNode)
	}
	seen := map[[2]int64]string{}
	for _, c := range []struct {
		what string
		do   func() error
	}{
		{"made", made},
		{"changed", change(func(n *ironic.Node) { n.Extra = map[string]any{"a": 1.0} })},
		{"locked", func() error { _, err := s.Reserve(t.Context(), n.UUID, "host", "test"); return err }},
		{"unlocked", func() error { return s.Release(t.Context(), n.UUID, "host") }},
		{"allocated", given},
		{"freed", func() error {
			_, err := s.DeleteAllocation(t.Context(), a.UUID, func(*ironic.Allocation, *ironic.Node) error { return nil })
			return err
		}},
		{"allocated again", given},
		{"freed with its instance", change(func(n *ironic.Node) { n.InstanceUUID = "" })},
		{"made anew", func() error { must(t, s.DeleteNode(t.Context(), n.UUID)); return made() }},
	} {
		must(t, c.do())
		for _, ident := range []string{n.UUID, n.Name} {
			isStored(t, s, ident)
		}
		found, err := s.StoredNode(t.Context(), n.UUID)
		must(t, err)
		key := [2]int64{found.ID, found.Version}
		if before, ok := seen[key]; ok {
			t.Errorf("%s, it has the ID and the version that it had when it was %s", c.what, before)
		}
		seen[key] = c.what
	}
	_, err := s.StoredNode(t.Context(), "nothing")
	code(t, err, errs.NotFound, "Node nothing could not be found.")
}

// isStored wants the same of StoredNode and StoredNodes as of Node.
func isStored(t *testing.T, s ironic.Store, ident string) {
	t.Helper()
	want, err := s.Node(t.Context(), ident)
	must(t, err)
	found, err := s.StoredNode(t.Context(), ident)
	must(t, err)
	list, err := s.StoredNodes(t.Context(), ironic.NodeFilter{Driver: want.Driver, Page: ironic.Page{Limit: 1}})
	must(t, err)
	if len(list) != 1 {
		t.Fatalf("%d nodes are listed", len(list))
	}
	for _, row := range []ironic.StoredNode{found, list[0]} {
		got, err := row.Read()
		must(t, err)
		if !reflect.DeepEqual(got, want) || row.ID != want.ID || row.Version != want.Version || row.UUID != want.UUID {
			t.Errorf("by %s\n got %+v\n and %+v\nwant %+v", ident, row, got, want)
		}
	}
}
