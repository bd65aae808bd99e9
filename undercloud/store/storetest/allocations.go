package storetest

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"

	"github.com/google/uuid"
)

// RunAllocations runs the suite of ironic.AllocationStore; open returns an empty
// store, closed by the test's clean-up.
func RunAllocations(t *testing.T, open func(t *testing.T) ironic.Store) {
	for name, f := range map[string]func(*testing.T, ironic.Store){
		"an allocation comes back as it was stored":            allocationRoundTrip,
		"names and uuids of allocations are unique":            allocationUnique,
		"allocations are filtered and in order":                allocationLists,
		"an update is all or nothing and never moves the node": allocationUpdate,
		"a node is given as a whole or not at all":             assign,
		"one of many has the node":                             assignOnce,
		"a node that another instance has is refused":          assignTaken,
		"a backfilled allocation has its node from the start":  backfill,
		"deleting frees the node in the same transaction":      deallocate,
		"an allocation ends with its node's instance":          endsWithInstance,
		"an allocation ends with its node":                     endsWithNode,
		"a refused change of the node leaves its allocation":   outlivesRefusal,
		"an update of the node does not choose its allocation": nodeKeepsAllocation,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

func allocation(name string) *ironic.Allocation {
	return &ironic.Allocation{UUID: uuid.NewString(), Name: name, State: ironic.AllocationAllocating, ResourceClass: "baremetal"}
}

func anyNode(*ironic.Node) error { return nil }

// allocated makes a node and an allocation that has it.
func allocated(t *testing.T, s ironic.Store) (*ironic.Node, *ironic.Allocation) {
	t.Helper()
	n, a := node("a"), allocation("a")
	must(t, s.CreateNode(t.Context(), n))
	must(t, s.CreateAllocation(t.Context(), a, nil))
	a, err := s.Assign(t.Context(), a.UUID, n.UUID, anyNode)
	must(t, err)
	n, err = s.Node(t.Context(), n.UUID)
	must(t, err)
	return n, a
}

// freed wants the allocation gone and the node without it.
func freed(t *testing.T, s ironic.Store, nodeUUID, allocationUUID string) {
	t.Helper()
	_, err := s.Allocation(t.Context(), allocationUUID)
	code(t, err, errs.NotFound)
	n, err := s.Node(t.Context(), nodeUUID)
	must(t, err)
	if n.AllocationUUID != "" || n.InstanceUUID != "" {
		t.Errorf("allocation %q, instance %q", n.AllocationUUID, n.InstanceUUID)
	}
}

func allocationRoundTrip(t *testing.T, s ironic.Store) {
	a := allocation("web-1")
	a.Traits, a.CandidateNodes = []string{"CUSTOM_X"}, []string{uuid.NewString()}
	a.Owner, a.Extra = "me", map[string]any{"why": "test"}
	must(t, s.CreateAllocation(t.Context(), a, nil))
	if a.ID == 0 || a.CreatedAt.IsZero() || a.UpdatedAt != nil {
		t.Errorf("not filled: %+v", a)
	}
	for _, ident := range []string{a.UUID, a.Name} {
		got, err := s.Allocation(t.Context(), ident)
		must(t, err)
		if !reflect.DeepEqual(got, a) {
			t.Errorf("by %s\n got %+v\nwant %+v", ident, got, a)
		}
	}
	_, err := s.Allocation(t.Context(), "nothing")
	code(t, err, errs.NotFound, "Allocation nothing could not be found.")
}

func allocationUnique(t *testing.T, s ironic.Store) {
	a, b := allocation("a"), allocation("b")
	for _, one := range []*ironic.Allocation{a, b, allocation(""), allocation("")} {
		must(t, s.CreateAllocation(t.Context(), one, nil))
	}
	code(t, s.CreateAllocation(t.Context(), allocation("a"), nil), errs.Conflict, "An allocation with name a already exists.")
	code(t, s.CreateAllocation(t.Context(), &ironic.Allocation{UUID: a.UUID}, nil), errs.Conflict,
		"An allocation with UUID "+a.UUID+" already exists.")
	_, err := s.UpdateAllocation(t.Context(), b.UUID, func(b *ironic.Allocation) error { b.Name = "a"; return nil })
	code(t, err, errs.Conflict, "name a")
	_, err = s.DeleteAllocation(t.Context(), a.UUID, nil)
	must(t, err)
	again := &ironic.Allocation{UUID: a.UUID, Name: "a"}
	must(t, s.CreateAllocation(t.Context(), again, nil))
	if again.ID == a.ID {
		t.Error("the number of a deleted allocation was used again")
	}
}

func allocationLists(t *testing.T, s ironic.Store) {
	for _, a := range []*ironic.Allocation{{Name: "a", ResourceClass: "big"}, {Name: "b", Owner: "me"}, {Name: "c", State: ironic.AllocationError}} {
		a.UUID = uuid.NewString()
		must(t, s.CreateAllocation(t.Context(), a, nil))
	}
	n := node("n")
	must(t, s.CreateNode(t.Context(), n))
	b, err := s.Allocation(t.Context(), "b")
	must(t, err)
	_, err = s.Assign(t.Context(), b.UUID, n.UUID, anyNode)
	must(t, err)
	for _, c := range []struct {
		f    ironic.AllocationFilter
		want string
	}{
		{ironic.AllocationFilter{}, "a b c"},
		{ironic.AllocationFilter{ResourceClass: "big"}, "a"},
		{ironic.AllocationFilter{Owner: "me"}, "b"},
		{ironic.AllocationFilter{State: ironic.AllocationError}, "c"},
		{ironic.AllocationFilter{State: ironic.AllocationActive}, "b"},
		{ironic.AllocationFilter{NodeUUID: n.UUID}, "b"},
		{ironic.AllocationFilter{NodeUUID: uuid.NewString()}, ""},
	} {
		list, err := s.Allocations(t.Context(), c.f)
		must(t, err)
		var names []string
		for _, a := range list {
			names = append(names, a.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.f, got, c.want)
		}
	}
}

func allocationUpdate(t *testing.T, s ironic.Store) {
	n, a := allocated(t, s)
	got, err := s.UpdateAllocation(t.Context(), a.UUID, func(a *ironic.Allocation) error {
		a.Name, a.Extra, a.NodeUUID, a.UUID = "b", map[string]any{"k": "v"}, "", "other"
		return nil
	})
	must(t, err)
	if got.Name != "b" || got.NodeUUID != n.UUID || got.UUID != a.UUID || got.UpdatedAt == nil {
		t.Errorf("%+v", got)
	}
	refused := errors.New("no")
	if _, err := s.UpdateAllocation(t.Context(), a.UUID, func(a *ironic.Allocation) error { a.Name = "c"; return refused }); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	again, err := s.Allocation(t.Context(), a.UUID)
	must(t, err)
	if !reflect.DeepEqual(again, got) {
		t.Errorf("a refused change left traces: %+v", again)
	}
	_, err = s.UpdateAllocation(t.Context(), "nothing", func(*ironic.Allocation) error { return nil })
	code(t, err, errs.NotFound)
}

func assign(t *testing.T, s ironic.Store) {
	n, a := node("n"), allocation("a")
	n.InstanceInfo = map[string]any{"image_source": "x"}
	a.Traits = []string{"CUSTOM_X"}
	must(t, s.CreateNode(t.Context(), n))
	must(t, s.CreateAllocation(t.Context(), a, nil))
	refused := errors.New("no")
	if _, err := s.Assign(t.Context(), a.UUID, n.UUID, func(*ironic.Node) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	if got, err := s.Node(t.Context(), n.UUID); err != nil || !reflect.DeepEqual(got, n) {
		t.Errorf("a refused node was changed: %+v %v", got, err)
	}
	got, err := s.Assign(t.Context(), a.UUID, n.UUID, anyNode)
	must(t, err)
	if got.NodeUUID != n.UUID || got.State != ironic.AllocationActive || got.UpdatedAt == nil {
		t.Errorf("%+v", got)
	}
	fresh, err := s.Node(t.Context(), n.UUID)
	must(t, err)
	if fresh.InstanceUUID != a.UUID || fresh.AllocationUUID != a.UUID || fresh.InstanceInfo["image_source"] != "x" ||
		!reflect.DeepEqual(fresh.InstanceInfo["traits"], []any{"CUSTOM_X"}) || fresh.Version != n.Version+1 {
		t.Errorf("%+v", fresh)
	}
	again, err := s.Assign(t.Context(), a.UUID, n.UUID, func(*ironic.Node) error { return refused })
	must(t, err)
	if !reflect.DeepEqual(again, got) {
		t.Errorf("given twice: %+v", again)
	}
	_, err = s.Assign(t.Context(), uuid.NewString(), n.UUID, anyNode)
	code(t, err, errs.NotFound, "Allocation")
	_, err = s.Assign(t.Context(), a.UUID, uuid.NewString(), anyNode)
	code(t, err, errs.NotFound, "Node")
}

func assignOnce(t *testing.T, s ironic.Store) {
	n := node("n")
	must(t, s.CreateNode(t.Context(), n))
	var wg sync.WaitGroup
	var mu sync.Mutex
	var winners []string
	for range 8 {
		a := allocation("")
		must(t, s.CreateAllocation(t.Context(), a, nil))
		wg.Go(func() {
			_, err := s.Assign(t.Context(), a.UUID, n.UUID, anyNode)
			if err != nil && !errs.Is(err, errs.Conflict) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				winners = append(winners, a.UUID)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	got, err := s.Node(t.Context(), n.UUID)
	must(t, err)
	if len(winners) != 1 || got.AllocationUUID != winners[0] {
		t.Errorf("winners %v, the node has %s", winners, got.AllocationUUID)
	}
	active, err := s.Allocations(t.Context(), ironic.AllocationFilter{State: ironic.AllocationActive})
	must(t, err)
	if len(active) != 1 || active[0].UUID != winners[0] {
		t.Errorf("active are %+v", active)
	}
}

func assignTaken(t *testing.T, s ironic.Store) {
	n, a := allocated(t, s)
	b, other := allocation("b"), node("other")
	must(t, s.CreateNode(t.Context(), other))
	must(t, s.CreateAllocation(t.Context(), b, nil))
	_, err := s.Assign(t.Context(), b.UUID, n.UUID, anyNode)
	code(t, err, errs.Conflict, "Node "+n.UUID+" is associated with instance "+a.UUID+".")
	_, err = s.Assign(t.Context(), a.UUID, other.UUID, anyNode)
	code(t, err, errs.Conflict, n.UUID)
	_, err = s.UpdateNode(t.Context(), other.UUID, func(o *ironic.Node) error { o.InstanceUUID = b.UUID; return nil })
	must(t, err)
	third := node("third")
	must(t, s.CreateNode(t.Context(), third))
	_, err = s.Assign(t.Context(), b.UUID, third.UUID, anyNode)
	code(t, err, errs.Conflict, "Instance "+b.UUID+" is already associated with a node")
	if got, err := s.Allocation(t.Context(), b.UUID); err != nil || got.State != ironic.AllocationAllocating || got.NodeUUID != "" {
		t.Errorf("%+v %v", got, err)
	}
	_, err = s.Assign(t.Context(), b.UUID, other.UUID, anyNode) // its own instance
	must(t, err)
}

func backfill(t *testing.T, s ironic.Store) {
	n, a := node("n"), allocation("a")
	must(t, s.CreateNode(t.Context(), n))
	a.NodeUUID = n.UUID
	refused := errors.New("no")
	if err := s.CreateAllocation(t.Context(), a, func(*ironic.Node) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	_, err := s.Allocation(t.Context(), "a")
	code(t, err, errs.NotFound)
	must(t, s.CreateAllocation(t.Context(), a, anyNode))
	if a.State != ironic.AllocationActive || a.NodeUUID != n.UUID || a.ID == 0 {
		t.Errorf("%+v", a)
	}
	if got, err := s.Allocation(t.Context(), "a"); err != nil || !reflect.DeepEqual(got, a) {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := s.Node(t.Context(), n.UUID); err != nil || got.InstanceUUID != a.UUID || got.AllocationUUID != a.UUID {
		t.Errorf("%+v %v", got, err)
	}
}

func deallocate(t *testing.T, s ironic.Store) {
	n, a := allocated(t, s)
	refused := errors.New("no")
	if _, err := s.DeleteAllocation(t.Context(), a.UUID, func(*ironic.Allocation, *ironic.Node) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	if got, err := s.Node(t.Context(), n.UUID); err != nil || !reflect.DeepEqual(got, n) {
		t.Errorf("%+v %v", got, err)
	}
	gone, err := s.DeleteAllocation(t.Context(), a.UUID, func(a *ironic.Allocation, n *ironic.Node) error {
		if a.NodeUUID != n.UUID {
			return errors.New("asked about another node")
		}
		return nil
	})
	must(t, err)
	if gone.NodeUUID != n.UUID {
		t.Errorf("%+v", gone)
	}
	freed(t, s, n.UUID, a.UUID)
	_, err = s.DeleteAllocation(t.Context(), a.UUID, nil)
	code(t, err, errs.NotFound)
}

func endsWithInstance(t *testing.T, s ironic.Store) {
	n, a := allocated(t, s)
	got, err := s.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error { n.InstanceUUID = ""; return nil })
	must(t, err)
	if got.AllocationUUID != "" {
		t.Errorf("%+v", got)
	}
	freed(t, s, n.UUID, a.UUID)
}

func endsWithNode(t *testing.T, s ironic.Store) {
	n, a := allocated(t, s)
	must(t, s.DeleteNode(t.Context(), n.UUID))
	_, err := s.Allocation(t.Context(), a.UUID)
	code(t, err, errs.NotFound)
}

func outlivesRefusal(t *testing.T, s ironic.Store) {
	n, a := allocated(t, s)
	must(t, s.CreateNode(t.Context(), node("b")))
	_, err := s.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error { n.InstanceUUID, n.Name = "", "b"; return nil })
	code(t, err, errs.Conflict, "name b")
	if got, err := s.Allocation(t.Context(), a.UUID); err != nil || got.NodeUUID != n.UUID {
		t.Errorf("%+v %v", got, err)
	}
}

func nodeKeepsAllocation(t *testing.T, s ironic.Store) {
	n, a := allocated(t, s)
	got, err := s.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error { n.AllocationUUID = ""; return nil })
	must(t, err)
	if got.AllocationUUID != a.UUID {
		t.Errorf("%+v", got)
	}
	b := node("b")
	must(t, s.CreateNode(t.Context(), b))
	got, err = s.UpdateNode(t.Context(), b.UUID, func(n *ironic.Node) error { n.AllocationUUID = a.UUID; return nil })
	must(t, err)
	if got.AllocationUUID != "" {
		t.Errorf("%+v", got)
	}
}
