package conductor_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver/fake"

	"github.com/google/uuid"
)

// spare makes an available node without a machine that matters.
func (w *world) spare(name string) *ironic.Node {
	w.t.Helper()
	n := &ironic.Node{UUID: uuid.NewString(), Name: name, Driver: fake.Name, ProvisionState: "available", PowerState: ironic.PowerOff,
		ResourceClass: "baremetal"}
	if err := w.c.CheckCreate(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
	if err := w.db.CreateNode(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func claimOf(name string) *ironic.Allocation {
	return &ironic.Allocation{UUID: uuid.NewString(), Name: name, ResourceClass: "baremetal"}
}

func (w *world) allocate(a *ironic.Allocation) *ironic.Allocation {
	w.t.Helper()
	if err := w.conductor().Allocate(w.t.Context(), a); err != nil {
		w.t.Fatal(err)
	}
	return a
}

// decided waits until an allocation has a node or has failed.
func (w *world) decided(uuid string) *ironic.Allocation {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		a, err := w.db.Allocation(context.Background(), uuid)
		if err != nil {
			w.t.Fatal(err)
		}
		if a.State != ironic.AllocationAllocating {
			return a
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("still undecided: %+v", a)
		}
	}
}

// has wants the node to be the allocation's in every respect, and free to work with.
func (w *world) has(a *ironic.Allocation, node string) {
	w.t.Helper()
	n, err := w.db.Node(context.Background(), node)
	if err != nil {
		w.t.Fatal(err)
	}
	if a.State != ironic.AllocationActive || a.NodeUUID != n.UUID || a.LastError != "" || n.InstanceUUID != a.UUID || n.AllocationUUID != a.UUID {
		w.t.Errorf("allocation %+v\nnode %s has instance %q, allocation %q", a, n.UUID, n.InstanceUUID, n.AllocationUUID)
	}
	if !w.unheld(n.UUID) {
		w.t.Error("the node's lock was not given back")
	}
}

// held takes a node, once the search has given it back.
func (w *world) held(node, purpose string) (release func()) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		_, release, err := w.c.Hold(context.Background(), node, purpose)
		if err == nil {
			return release
		}
		if time.Now().After(deadline) {
			w.t.Fatal(err)
		}
	}
}

// unheld waits for a lock that is being given back.
func (w *world) unheld(uuid string) bool {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if n, err := w.db.Node(context.Background(), uuid); err == nil && n.Reservation == "" {
			return true
		}
	}
	return false
}

func (w *world) isFree(node string) {
	w.t.Helper()
	if n, err := w.db.Node(context.Background(), node); err != nil || n.InstanceUUID != "" || n.AllocationUUID != "" {
		w.t.Errorf("%+v %v", n, err)
	}
}

func TestAnAllocationGetsANodeThatSuits(t *testing.T) {
	w := newWorld(t, nil)
	w.spare("other")
	n := w.spare("gpu")
	if _, err := w.db.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error { n.Traits = []string{"CUSTOM_GPU"}; return nil }); err != nil {
		t.Fatal(err)
	}
	a := claimOf("web-1")
	a.Traits = []string{"CUSTOM_GPU"}
	if w.allocate(a); a.State != ironic.AllocationAllocating || a.ID == 0 {
		t.Errorf("accepted as %+v", a)
	}
	w.has(w.decided(a.UUID), "gpu")
	h, err := w.db.History(t.Context(), n.UUID)
	if err != nil || len(h) != 1 || h[0].Event != "reserved for allocation web-1 ("+a.UUID+")" {
		t.Errorf("%+v %v", h, err)
	}
}

func TestAnAllocationThatNoNodeSuitsSaysWhy(t *testing.T) {
	w := newWorld(t, nil)
	a := w.allocate(claimOf("web-1"))
	got := w.decided(a.UUID)
	want := "Failed to process allocation " + a.UUID + ": no available nodes match the resource class baremetal."
	if got.State != ironic.AllocationError || got.LastError != want || got.NodeUUID != "" {
		t.Errorf("%+v", got)
	}
	if err := w.c.Allocate(t.Context(), claimOf("web-1")); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "name web-1") {
		t.Errorf("the same name again: %v", err)
	}
}

// Each node is given once, whoever asks at the same time; who comes too late is told.
func TestAllocationsAtTheSameTimeGetDifferentNodes(t *testing.T) {
	w := newWorld(t, nil)
	const nodes, claims = 3, 6
	for i := range nodes {
		w.spare(fmt.Sprintf("n%d", i))
	}
	var wg sync.WaitGroup
	var all [claims]*ironic.Allocation
	for i := range claims {
		all[i] = claimOf("")
		wg.Go(func() {
			if err := w.c.Allocate(context.Background(), all[i]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	taken := map[string]bool{}
	for _, a := range all {
		got := w.decided(a.UUID)
		switch {
		case got.State == ironic.AllocationActive && !taken[got.NodeUUID]:
			taken[got.NodeUUID] = true
			w.has(got, got.NodeUUID)
		case got.State == ironic.AllocationError && got.LastError != "":
		default:
			t.Errorf("%+v", got)
		}
	}
	if len(taken) != nodes {
		t.Errorf("%d of %d nodes were given", len(taken), nodes)
	}
}

func TestANodeThatSomebodyHoldsIsPassedOverOrWaitedFor(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.LockWait = time.Minute })
	first := w.spare("web-1") // tried first: it has the allocation's name
	_, release, err := w.c.Hold(t.Context(), first.UUID, "power action")
	if err != nil {
		t.Fatal(err)
	}
	w.spare("other")
	w.has(w.decided(w.allocate(claimOf("web-1")).UUID), "other")

	late := w.allocate(claimOf("web-2"))
	release()
	w.has(w.decided(late.UUID), "web-1")
}

func TestANodeThatStaysHeldIsGivenUp(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.LockWait = time.Millisecond })
	n := w.spare("a")
	if _, err := w.db.Reserve(t.Context(), n.UUID, "another-conductor", "cleaning"); err != nil {
		t.Fatal(err)
	}
	got := w.decided(w.allocate(claimOf("")).UUID)
	if !strings.HasSuffix(got.LastError, ": could not reserve any of 1 suitable nodes.") {
		t.Errorf("%+v", got)
	}
	w.isFree("a")
}

// A search under way when the conductor stops goes on at the next start.
func TestAStoppedSearchGoesOn(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.LockWait = time.Minute })
	n := w.spare("a")
	if _, err := w.db.Reserve(t.Context(), n.UUID, "another-conductor", "cleaning"); err != nil {
		t.Fatal(err)
	}
	a := w.allocate(claimOf(""))
	w.stop()
	w.start()
	if err := w.db.Release(t.Context(), n.UUID, "another-conductor"); err != nil {
		t.Fatal(err)
	}
	w.has(w.decided(a.UUID), "a")
}

func TestAnAllocationSurvivesAKillAtAnyInstant(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("in the job, after=%v", after), func(t *testing.T) {
			w := newWorld(t, nil)
			w.node("manageable") // the one that crashAt looks at
			w.spare("a")
			var a *ironic.Allocation
			w.crashAt("allocate", after, func() { a = w.allocate(claimOf("")) })
			w.has(w.decided(a.UUID), "a")
		})
	}
	t.Run("before the job was stored", func(t *testing.T) {
		w := newWorld(t, nil)
		w.spare("a")
		a := claimOf("")
		a.State = ironic.AllocationAllocating
		if err := w.db.CreateAllocation(t.Context(), a, nil); err != nil {
			t.Fatal(err)
		}
		w.stop()
		w.start()
		w.has(w.decided(a.UUID), "a")
	})
	t.Run("the job ended without a result", func(t *testing.T) {
		w := newWorld(t, nil)
		w.spare("a")
		cr := &crasher{step: "allocate", hit: make(chan struct{})}
		w.mu.Lock()
		w.crash = cr
		w.mu.Unlock()
		a := w.allocate(claimOf(""))
		<-cr.hit // the job is in its step, where it stays
		if err := w.runner.Cancel(t.Context(), conductor.AllocateID(a)); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.crash = nil
		w.mu.Unlock()
		w.stop()
		w.start()
		if got := w.decided(a.UUID); got.State != ironic.AllocationError || !strings.Contains(got.LastError, "ended without a result (cancelled)") {
			t.Errorf("%+v", got)
		}
	})
}

func TestAnAllocationWhoseJobCanNotBeStoredNeverWas(t *testing.T) {
	w := newWorld(t, nil)
	w.spare("a")
	w.refuseJobs(true)
	a := claimOf("web-1")
	if err := w.c.Allocate(t.Context(), a); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got %v", err)
	}
	if _, err := w.db.Allocation(t.Context(), a.UUID); !errs.Is(err, errs.NotFound) {
		t.Error(err)
	}
	w.refuseJobs(false)
	w.has(w.decided(w.allocate(a).UUID), "a") // the same UUID again
}

func TestAnAllocationIsDeletedWithItsNodeFreed(t *testing.T) {
	w := newWorld(t, nil)
	w.spare("a")
	a := w.decided(w.allocate(claimOf("")).UUID)
	set := func(state string, maintenance bool) {
		t.Helper()
		if _, err := w.db.UpdateNode(t.Context(), "a", func(n *ironic.Node) error {
			n.ProvisionState, n.Maintenance = state, maintenance
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	set("active", false)
	if err := w.c.DeleteAllocation(t.Context(), a.UUID); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "the node is active") {
		t.Errorf("active: %v", err)
	}
	w.has(a, "a")
	set("active", true)
	if err := w.c.DeleteAllocation(t.Context(), a.UUID); err != nil {
		t.Fatal(err)
	}
	w.isFree("a")
	if err := w.c.DeleteAllocation(t.Context(), a.UUID); !errs.Is(err, errs.NotFound) {
		t.Errorf("again: %v", err)
	}
	failed := w.decided(w.allocate(claimOf("")).UUID) // none is available
	if err := w.c.DeleteAllocation(t.Context(), failed.UUID); err != nil {
		t.Errorf("without a node: %v", err)
	}
}

func TestAnAllocationIsNotDeletedWhileSomebodyHoldsItsNode(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.LockWait = time.Millisecond })
	w.spare("a")
	a := w.decided(w.allocate(claimOf("")).UUID)
	release := w.held("a", "a deployment")
	defer release()
	if err := w.c.DeleteAllocation(t.Context(), a.UUID); !errs.Is(err, errs.Locked) || !strings.Contains(err.Error(), "a deployment") {
		t.Errorf("got %v", err)
	}
}

func TestASearchForADeletedAllocationEnds(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.LockWait = time.Minute })
	n := w.spare("a")
	_, release, err := w.c.Hold(t.Context(), n.UUID, "a power action")
	if err != nil {
		t.Fatal(err)
	}
	a := w.allocate(claimOf(""))
	if err := w.c.DeleteAllocation(t.Context(), a.UUID); err != nil {
		t.Fatal(err)
	}
	release()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		st, err := w.runner.Status(t.Context(), conductor.AllocateID(a))
		if err == nil && st.State == "done" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v %v", st, err)
		}
	}
	w.isFree("a")
}

// What a whole life of the node leaves of its allocation: nothing after undeploy.
func TestUndeployEndsTheAllocation(t *testing.T) {
	w := newWorld(t, nil)
	w.node("available")
	if _, err := w.db.UpdateNode(t.Context(), "control-1", func(n *ironic.Node) error {
		n.PowerState, n.ResourceClass = ironic.PowerOff, "baremetal"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	a := w.decided(w.allocate(claimOf("control-1")).UUID)
	w.has(a, "control-1")
	w.provision("active")
	w.await("active")
	w.has(a, "control-1")
	w.provision("deleted")
	w.await("available")
	w.isFree("control-1")
	if _, err := w.db.Allocation(t.Context(), a.UUID); !errs.Is(err, errs.NotFound) {
		t.Error(err)
	}
}

func TestBackfillingTakesADeployedNode(t *testing.T) {
	w := newWorld(t, nil)
	n := w.spare("a")
	late := claimOf("web-1")
	late.NodeUUID = n.UUID
	err := w.c.Allocate(t.Context(), late)
	if !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), `the current state is "available"`) {
		t.Errorf("got %v", err)
	}
	if got := w.decided(late.UUID); got.State != ironic.AllocationError || got.LastError != err.Error() || got.NodeUUID != "" {
		t.Errorf("%+v", got)
	}
	w.isFree("a")
	instance := uuid.NewString()
	if _, err := w.db.UpdateNode(t.Context(), "a", func(n *ironic.Node) error { n.ProvisionState, n.InstanceUUID = "active", instance; return nil }); err != nil {
		t.Fatal(err)
	}
	foreign := claimOf("")
	foreign.NodeUUID = n.UUID
	if err := w.c.Allocate(t.Context(), foreign); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "is associated with instance "+instance) {
		t.Errorf("another instance: %v", err)
	}
	same := claimOf("web-1")
	same.NodeUUID = n.UUID
	if err := w.c.Allocate(t.Context(), same); !errs.Is(err, errs.Conflict) {
		t.Errorf("a name that is taken: %v", err)
	}
	if _, err := w.db.Allocation(t.Context(), same.UUID); !errs.Is(err, errs.NotFound) {
		t.Error(err)
	}
	own := &ironic.Allocation{UUID: instance, NodeUUID: n.UUID, ResourceClass: "baremetal"}
	w.has(w.allocate(own), "a")
}
