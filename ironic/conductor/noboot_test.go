package conductor_test

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
)

// instance is a node with an instance that runs, which the agent can rescue. Its machine
// tells what switches it.
func instance(t *testing.T, tweak func(*conductor.Config)) (w *world, switched *[]string) {
	w = newWorld(t, tweak)
	w.node("active")
	w.set(func(n *ironic.Node) {
		n.PowerState, n.InstanceUUID, n.Interfaces["rescue"] = ironic.PowerOn, "i", "agent"
	})
	eraser(w, false)
	switched = new([]string)
	w.drv.Switched = func(uuid, state, device string) {
		*switched = append(*switched, state)
		w.switched(uuid, state, device)
	}
	return w, switched
}

// outOfInstance are the verbs that take a machine that runs into the ramdisk.
func outOfInstance() map[string]func(*api.ProvisionRequest) {
	return map[string]func(*api.ProvisionRequest){"rescue": withPassword, "service": serviceSteps("flash")}
}

func TestAMachineThatCannotBootTheRamdiskIsLeftInItsInstance(t *testing.T) {
	for words, lack := range map[string]struct {
		tweak  func(*conductor.Config)
		change func(*world)
		hint   string
	}{
		"network boot is not switched on": {tweak: func(c *conductor.Config) { c.NetBoot = nil }, hint: "[netboot]"},
		"no port with PXE enabled": {change: func(w *world) {
			if _, err := w.db.UpdatePort(w.t.Context(), "p1", func(p *ironic.Port) error { p.PXEEnabled = false; return nil }); err != nil {
				w.t.Fatal(err)
			}
		}, hint: "port create"},
		"has no deploy_kernel":  {tweak: func(c *conductor.Config) { c.DeployKernel = "" }, hint: "deploy_kernel=URL"},
		"has no deploy_ramdisk": {tweak: func(c *conductor.Config) { c.DeployRamdisk = "" }, hint: "deploy_ramdisk=URL"},
	} {
		for verb, more := range outOfInstance() {
			w, switched := instance(t, lack.tweak)
			if lack.change != nil {
				lack.change(w)
			}
			req := api.ProvisionRequest{Target: verb}
			more(&req)
			err := w.c.Provision(t.Context(), "control-1", req)
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), words) || !strings.Contains(errs.HintOf(err), lack.hint) {
				t.Errorf("%s: %v (%s) does not say %q", verb, err, errs.HintOf(err), words)
			}
			n := w.await("active")
			if n.PowerState != ironic.PowerOn || len(*switched) > 0 || n.LastError != "" {
				t.Errorf("%s: power %q, switched %v, %q", verb, n.PowerState, *switched, n.LastError)
			}
		}
	}
}

func TestAServiceWithoutRamdiskNeedsNoNetworkBoot(t *testing.T) {
	w, switched := instance(t, func(c *conductor.Config) { c.NetBoot = nil })
	w.provision("service", serviceSteps("bios.factory_reset"))
	if n := w.await("active"); n.LastError != "" || len(*switched) > 0 {
		t.Errorf("%q, switched %v", n.LastError, *switched)
	}
	w.provision("service", serviceSteps("flash"), func(r *api.ProvisionRequest) { r.DisableRamdisk = true })
	if n := w.await("service failed"); !strings.Contains(n.LastError, "does not support this service step") || len(*switched) > 0 {
		t.Errorf("%q, switched %v", n.LastError, *switched)
	}
}

func TestARefusedCleaningSaysThatItsStepsNeedNoRamdisk(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.NetBoot = nil })
	w.node("manageable")
	for step, bare := range map[string]bool{"bios.factory_reset": true, "power.reboot": true, "erase_devices": false} {
		err := w.c.Provision(t.Context(), "control-1", api.ProvisionRequest{Target: "clean", CleanSteps: list(step)})
		hint := errs.HintOf(err)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "network boot is not switched on") || !strings.Contains(hint, "[netboot]") ||
			strings.Contains(hint, `"disable_ramdisk": true`) != bare {
			t.Errorf("%s: %v (%s)", step, err, hint)
		}
	}
}

func TestRescuingNeedsNoRamdiskForDeployingWhereItHasItsOwn(t *testing.T) {
	w, _ := instance(t, func(c *conductor.Config) { c.DeployKernel, c.DeployRamdisk = "", "" })
	w.set(func(n *ironic.Node) {
		n.DriverInfo = map[string]any{"rescue_kernel": "overcloud-full", "rescue_ramdisk": "overcloud-full"}
	})
	w.provision("rescue", withPassword)
	w.await("rescue")
}

// What a ramdisk needs may go between the request and the job: the service is started
// anew without its network boot.
func TestAJobWhoseNetworkBootIsGoneLeavesTheMachineInItsInstance(t *testing.T) {
	for verb, more := range outOfInstance() {
		for _, step := range []string{"power off", "call-back"} {
			gone := false
			w, switched := instance(t, func(c *conductor.Config) {
				if gone {
					c.NetBoot = nil
				}
			})
			if step == "call-back" {
				w.say("dead")
			}
			w.crashAt(step, false, func() { w.provision(verb, more); gone = true })
			n := w.await(verb + " failed")
			if !strings.Contains(n.LastError, "network boot is not switched on") || strings.Contains(n.LastError, "also,") {
				t.Errorf("%s/%s: %q", verb, step, n.LastError)
			}
			if untouched := n.PowerState == ironic.PowerOn && len(*switched) == 0; untouched != (step == "power off") {
				t.Errorf("%s/%s: power %q, switched %v", verb, step, n.PowerState, *switched)
			}
			gone = false
			w.stop()
			w.start()
			w.say("")
			w.provision(verb, more)
			w.await(map[string]string{"rescue": "rescue", "service": "active"}[verb])
		}
	}
}
