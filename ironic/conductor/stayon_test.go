package conductor_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
)

// actions collects what the fake driver is asked for, and lets all of it pass.
func (w *world) actions() func() []string {
	var mu sync.Mutex
	var all []string
	w.drv.Fail = func(_, action string) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, action)
		return nil
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func (w *world) commands() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for _, c := range w.sent {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

// staysOn is a node whose machine is on and must never be off.
func (w *world) staysOn(state string) *ironic.Node {
	w.t.Helper()
	n := w.node(state)
	w.set(func(n *ironic.Node) { n.DisablePowerOff, n.PowerState = true, ironic.PowerOn })
	w.drv.Force(n, ironic.PowerOn)
	return n
}

// Inspection, cleaning, deployments and failures: the machine is on all the time, and reset
// wherever another one would be switched off and on.
func TestAMachineThatMustStayOnIsResetWhereOthersAreSwitchedOff(t *testing.T) {
	w := newWorld(t, nil)
	n := w.staysOn("manageable")
	actions := w.actions()
	on := func(state string) {
		t.Helper()
		if got := w.await(state); got.PowerState != ironic.PowerOn {
			t.Errorf("%s: the node says %q", state, got.PowerState)
		}
		if got, err := w.drv.PowerState(t.Context(), n); err != nil || got != ironic.PowerOn {
			t.Errorf("%s: the machine is %q, %v", state, got, err)
		}
	}
	w.provision("inspect")
	on("manageable")
	w.provision("provide")
	on("available")
	w.provision("active")
	on("active")
	if _, due := w.row().DriverInternalInfo["reset_due"]; due {
		t.Error("the instance runs, and a reset is still due")
	}
	w.provision("deleted")
	on("available")
	w.set(func(n *ironic.Node) { n.InstanceInfo = map[string]any{"image_source": "overcloud-full"} })
	w.say("fail")
	w.provision("active")
	on("deploy failed")
	w.say("fail sync")
	w.provision("active")
	on("deploy failed")
	if got := w.row().LastError; !strings.Contains(got, "the agent failed to standby.sync: input/output error on /dev/vda") {
		t.Errorf("a disk that does not take what was written: %q", got)
	}
	w.say("busy at first")
	w.provision("active")
	on("active")

	all := actions()
	if slices.Contains(all, ironic.PowerOff) {
		t.Errorf("it was switched off: %v", all)
	}
	resets := 0
	for _, a := range all {
		if a == ironic.Rebooting {
			resets++
		}
	}
	// Into and out of the ramdisk: inspection, cleaning, two deployments; the failed ones only in.
	if resets != 10 {
		t.Errorf("%d resets, want 10: %v", resets, all)
	}
	if sent := w.commands(); strings.Contains(sent, "power_off") || !strings.Contains(sent, "standby.sync system.lockdown") {
		t.Errorf("the agents were sent %s", sent)
	}
}

func TestAMachineThatMustStayOnIsSwitchedOffByNobody(t *testing.T) {
	w := newWorld(t, nil)
	n := w.staysOn("manageable")
	w.set(func(n *ironic.Node) { n.DriverInternalInfo = map[string]any{"reset_due": true} })
	actions := w.actions()
	for _, target := range []string{ironic.PowerOff, ironic.SoftPowerOff, ironic.SoftRebooting} {
		err := w.c.SetPower(t.Context(), n.UUID, target, 0)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "must not be switched off: disable_power_off is set") {
			t.Errorf("%s: %v", target, err)
		}
	}
	off := []map[string]any{{"interface": "power", "step": "power_off"}}
	err := w.c.Provision(t.Context(), n.UUID, api.ProvisionRequest{Target: "clean", CleanSteps: off})
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "must not be switched off") {
		t.Errorf("cleaning with a step that switches off: %v", err)
	}
	if err := w.c.SetPower(t.Context(), n.UUID, ironic.Rebooting, 0); err != nil {
		t.Fatal(err)
	}
	if got := w.await("manageable"); got.PowerState != ironic.PowerOn || got.DriverInternalInfo["reset_due"] != nil {
		t.Errorf("%q %v", got.PowerState, got.DriverInternalInfo)
	}
	if got := actions(); !slices.Equal(got, []string{ironic.Rebooting}) {
		t.Errorf("%v", got)
	}
}

func TestStepsThatSwitchOffAreRefusedWhereTheMachineMustStayOn(t *testing.T) {
	for state, req := range map[string]api.ProvisionRequest{
		"available": {Target: "active", DeploySteps: []map[string]any{{"interface": "power", "step": "power_off", "priority": 50, "args": map[string]any{}}}},
		"active":    {Target: "service", ServiceSteps: []map[string]any{{"interface": "power", "step": "power_off"}}},
	} {
		w := newWorld(t, nil)
		n := w.staysOn(state)
		if err := w.c.Provision(t.Context(), n.UUID, req); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "must not be switched off") {
			t.Errorf("%s: %v", req.Target, err)
		}
		if got := w.row().ProvisionState; got != state {
			t.Errorf("%s: the node is %q", req.Target, got)
		}
	}
}

// A deployment whose steps boot no ramdisk: the machine was on before, and its instance is booted all the same.
func TestAMachineThatMustStayOnBootsItsInstanceWithoutARamdisk(t *testing.T) {
	w := newWorld(t, nil)
	w.staysOn("available")
	actions := w.actions()
	w.provision("active", func(r *api.ProvisionRequest) {
		for _, s := range []string{"deploy", "write_image", "prepare_instance_boot", "tear_down_agent"} {
			r.DeploySteps = append(r.DeploySteps, map[string]any{"interface": "deploy", "step": s, "priority": 0, "args": map[string]any{}})
		}
	})
	w.await("active")
	if got := actions(); !slices.Contains(got, ironic.Rebooting) {
		t.Errorf("active, and never reset: %v", got)
	}
}

// The ramdisk of before runs until the reset: the token is not for it.
func TestTheRamdiskOfBeforeIsGivenNoToken(t *testing.T) {
	w := newWorld(t, nil)
	w.staysOn("available")
	var once sync.Once
	w.drv.Fail = func(_, action string) error {
		if action == ironic.Rebooting {
			once.Do(func() {
				if l, err := w.c.Lookup(context.Background(), []string{mac}, ""); err == nil {
					t.Errorf("it was given %+v", l.Config)
				}
			})
		}
		return nil
	}
	w.provision("active")
	w.await("active")
}

// Without the flag the machine is an ordinary one again, and being off ends what a reset would have ended.
func TestPowerOffSpendsTheResetThatWasDue(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("available")
	w.set(func(n *ironic.Node) {
		n.PowerState, n.DriverInternalInfo = ironic.PowerOn, map[string]any{"reset_due": true}
	})
	w.drv.Force(n, ironic.PowerOn)
	w.provision("active")
	if got := w.await("active"); got.DriverInternalInfo["reset_due"] != nil {
		t.Errorf("still due: %v", got.DriverInternalInfo)
	}
}
