package conductor_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api/apitest"
	"trefoil/ironic/conductor"
	"trefoil/ironic/fsm"

	"github.com/google/uuid"
)

func TestABMCThatIsAwayForAMomentFailsNothing(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.BMCPatience = 3 * time.Second })
	w.node("available")
	var mu sync.Mutex
	away := map[string]int{"power off": 1, "boot device": 1, "power on": 1}
	w.drv.Fail = func(_, action string) error {
		mu.Lock()
		defer mu.Unlock()
		if away[action] > 0 {
			away[action]--
			return errs.New(errs.Unavailable, "no answer")
		}
		return nil
	}
	w.provision("active")
	w.await("active")
}

func TestPowerActionsAndLocks(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.LockWait = 30 * time.Millisecond })
	n := w.node("manageable")
	if err := w.c.SetPower(t.Context(), n.UUID, ironic.PowerOn, 0); err != nil {
		t.Fatal(err)
	}
	if got := w.await("manageable"); got.PowerState != ironic.PowerOn || got.TargetPowerState != "" {
		t.Errorf("power %q, target %q", got.PowerState, got.TargetPowerState)
	}
	if err := w.c.SetPower(t.Context(), n.UUID, "sideways", 0); !errs.Is(err, errs.Invalid) {
		t.Error(err)
	}
	_, release, err := w.c.Hold(t.Context(), n.UUID, "a long talk")
	if err != nil {
		t.Fatal(err)
	}
	err = w.c.SetPower(t.Context(), n.UUID, ironic.PowerOff, 0)
	if !errs.Is(err, errs.Locked) || !strings.Contains(err.Error(), "host undercloud (a long talk, held for ") {
		t.Errorf("%v", err)
	}
	release()
}

func TestAPowerActionThatFailsLeavesNothing(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	w.drv.Fail = func(_, action string) error { return errs.New(errs.Unavailable, "no answer") }
	if err := w.c.SetPower(t.Context(), n.UUID, ironic.PowerOn, 7); err != nil {
		t.Fatal(err)
	}
	if got := w.await("manageable"); got.TargetPowerState != "" || len(got.DriverInternalInfo) != 0 || !strings.Contains(got.LastError, "no answer") {
		t.Errorf("target %q, %v, %q", got.TargetPowerState, got.DriverInternalInfo, got.LastError)
	}
}

func TestShortConflictsWaitInsteadOfFailing(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	_, release, err := w.c.Hold(t.Context(), n.UUID, "something short")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() { got <- w.c.SetBootDevice(context.Background(), n.UUID, ironic.BootPXE, false) }()
	release()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestAcceptedPowerActionsGoFirst(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("enroll")
	for _, target := range []string{ironic.PowerOn, ironic.PowerOff, ironic.PowerOn} {
		if err := w.c.SetPower(t.Context(), n.UUID, target, 0); err != nil {
			t.Fatal(err)
		}
	}
	w.provision("manage")
	if got := w.await("manageable"); got.PowerState != ironic.PowerOn || got.TargetPowerState != "" {
		t.Errorf("power %q, target %q", got.PowerState, got.TargetPowerState)
	}
}

func TestPowerSyncTakesOverWhatTheMachineSays(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	sync := w.c.Syncer()
	w.drv.Force(n, ironic.PowerOn)
	sync(t.Context())
	get := func() *ironic.Node {
		got, err := w.db.Node(t.Context(), n.UUID)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := get(); got.PowerState != ironic.PowerOn {
		t.Errorf("power %q", got.PowerState)
	}
	w.drv.Fail = func(string, string) error { return errs.New(errs.Unavailable, "silent") }
	for range conductor.SyncTries {
		sync(t.Context())
	}
	if got := get(); !got.Maintenance || got.Fault != conductor.FaultPower || !strings.Contains(got.MaintenanceReason, "silent") {
		t.Errorf("%v %q %q", got.Maintenance, got.Fault, got.MaintenanceReason)
	}
	w.drv.Fail = nil
	sync(t.Context())
	if got := get(); got.Maintenance || got.Fault != "" {
		t.Errorf("the fault stays: %v %q", got.Maintenance, got.Fault)
	}
}

func TestForcedPowerSyncSetsTheMachineBack(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.ForcePower = true })
	n := w.node("manageable")
	sync := w.c.Syncer()
	sync(t.Context()) // learns that it is off
	w.drv.Force(n, ironic.PowerOn)
	sync(t.Context())
	if state, _ := w.drv.PowerState(t.Context(), n); state != ironic.PowerOff {
		t.Errorf("the machine is in %q", state)
	}
}

// The store's filter and the rule are the same but for what lies in documents.
func TestPowerSyncReadsTheNodesThatItLooksAt(t *testing.T) {
	store := apitest.NewStore()
	want := map[string]bool{}
	for _, state := range fsm.States() {
		for _, maintenance := range []bool{false, true} {
			for _, fault := range []string{"", conductor.FaultPower, "clean failure"} {
				for _, holder := range []string{"", "somebody"} {
					n := &ironic.Node{UUID: uuid.NewString(), ProvisionState: string(state), Maintenance: maintenance, Fault: fault, Reservation: holder}
					if err := store.CreateNode(t.Context(), n); err != nil {
						t.Fatal(err)
					}
					if conductor.Synced(n) {
						want[n.UUID] = true
					}
				}
			}
		}
	}
	list, err := store.Nodes(t.Context(), conductor.SyncFilter())
	if err != nil || len(want) == 0 {
		t.Fatalf("%d nodes to look at: %v", len(want), err)
	}
	for _, n := range list {
		if !want[n.UUID] {
			t.Errorf("read in vain: %+v", n)
		}
		delete(want, n.UUID)
	}
	if len(want) > 0 {
		t.Errorf("%d nodes are never looked at", len(want))
	}
}
