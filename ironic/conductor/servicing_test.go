package conductor_test

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
)

func serviceSteps(words ...string) func(*api.ProvisionRequest) {
	return func(r *api.ProvisionRequest) { r.ServiceSteps = list(words...) }
}

// serviced is a node with an instance that runs.
func serviced(t *testing.T) *world {
	w := newWorld(t, nil)
	w.node("active")
	w.set(func(n *ironic.Node) { n.PowerState, n.InstanceUUID = ironic.PowerOn, "i" })
	eraser(w, false)
	return w
}

func TestServiceTakesTheMachineIntoTheRamdiskAndBack(t *testing.T) {
	w := serviced(t)
	w.provision("service", serviceSteps("flash", "hold", "erase_devices_metadata"))
	n := w.await("service hold")
	if n.TargetProvisionState != "active" || n.ServiceStep["step"] != "hold" {
		t.Errorf("target %q, step %v", n.TargetProvisionState, n.ServiceStep)
	}
	w.provision("unhold")
	n = w.await("active")
	device, persistent, _ := w.c.BootDevice(t.Context(), "control-1")
	if n.PowerState != ironic.PowerOn || n.InstanceUUID != "i" || n.LastError != "" || device != ironic.BootDisk || !persistent || len(n.DriverInternalInfo) > 0 {
		t.Errorf("power %q, instance %q, %q, boots from %s, %v", n.PowerState, n.InstanceUUID, n.LastError, device, n.DriverInternalInfo)
	}
	if got := w.steps(); got != "flash erase_devices_metadata" {
		t.Errorf("agents ran %s", got)
	}
	if _, on := w.net.entry(n.UUID); on {
		t.Error("network boot is still published")
	}
}

func TestServiceWithoutAgentLeavesTheInstanceInPlace(t *testing.T) {
	for _, how := range []string{"fake", "agent"} {
		t.Run(how, func(t *testing.T) {
			w := serviced(t)
			if how == "fake" {
				fakeDeploy(w)
			}
			var starts []string
			w.drv.Switched = func(_, state, _ string) { starts = append(starts, state) }
			w.provision("service", serviceSteps("bios.factory_reset", "reboot")) // as gophercloud's TestNodesServicingHold
			n := w.await("active")
			if w.boots != 0 || n.PowerState != ironic.PowerOn || n.LastError != "" || strings.Join(starts, ", ") != "power off, power on" {
				t.Errorf("%d ramdisks, power %q, %q, switched %v", w.boots, n.PowerState, n.LastError, starts)
			}
			w.provision("service", serviceSteps("hold"))
			w.await("service hold")
			w.provision("abort")
			if n = w.await("service failed"); n.PowerState != ironic.PowerOn {
				t.Errorf("an abort switched the instance off")
			}
		})
	}
}

func TestAFailedServiceCanBeTriedAgainOrEnded(t *testing.T) {
	w := serviced(t)
	w.say("fail flash")
	w.provision("service", serviceSteps("flash"))
	n := w.await("service failed")
	if !n.Maintenance || n.Fault != "service failure" || n.PowerState != ironic.PowerOff || !strings.Contains(n.LastError, "'step': 'flash'") {
		t.Errorf("maintenance %v, fault %q, power %q, %q", n.Maintenance, n.Fault, n.PowerState, n.LastError)
	}
	w.provision("service", serviceSteps("flash"))
	w.await("service failed")
	w.say("")
	w.provision("abort")
	n = w.await("active")
	if n.Maintenance || n.Fault != "" || n.PowerState != ironic.PowerOn || n.LastError != "" {
		t.Errorf("after abort: maintenance %v, fault %q, power %q, %q", n.Maintenance, n.Fault, n.PowerState, n.LastError)
	}
	w.say("fail flash")
	w.provision("service", serviceSteps("flash"))
	w.await("service failed")
	w.provision("service", serviceSteps("bios.factory_reset")) // no ramdisk, but the machine is out of its instance
	if n = w.await("active"); n.PowerState != ironic.PowerOn {
		t.Errorf("power %q", n.PowerState)
	}
}

func TestAServiceIsAbortedBehindItsStep(t *testing.T) {
	w := serviced(t)
	w.say("hang erase_devices")
	w.provision("service", serviceSteps("erase_devices", "flash"))
	w.running("service wait", "erase_devices")
	w.provision("abort")
	w.finishLast(false)
	n := w.await("service failed")
	if n.Maintenance || w.steps() != "erase_devices" || !strings.Contains(n.LastError, `the service operation was aborted during or after the completion of step "deploy.erase_devices"`) {
		t.Errorf("maintenance %v, agents ran %s, %q", n.Maintenance, w.steps(), n.LastError)
	}
	w.provision("deleted")
	w.await("available")
}

func TestWrongServicesAreRefused(t *testing.T) {
	w := serviced(t)
	for words, change := range map[string]func(*ironic.Node, *api.ProvisionRequest){
		`"service_steps" is required`: func(_ *ironic.Node, r *api.ProvisionRequest) { r.ServiceSteps = nil },
		"is not one of":               func(_ *ironic.Node, r *api.ProvisionRequest) { r.ServiceSteps = list("moon.walk") },
		"maintenance mode":            func(n *ironic.Node, _ *api.ProvisionRequest) { n.Maintenance = true },
	} {
		req := api.ProvisionRequest{Target: "service", ServiceSteps: list("reboot")}
		w.set(func(n *ironic.Node) { n.Maintenance = false; change(n, &req) })
		if err := w.c.Provision(t.Context(), "control-1", req); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), words) {
			t.Errorf("%v does not say %q", err, words)
		}
	}
	if n := w.await("active"); n.ProvisionState != "active" {
		t.Error(n.ProvisionState)
	}
}
