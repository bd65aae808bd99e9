package conductor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
)

// list makes steps of words like "erase_devices" or "bios.factory_reset".
func list(words ...string) []map[string]any {
	var out []map[string]any
	for _, w := range words {
		iface, name, found := strings.Cut(w, ".")
		if !found {
			iface, name = "deploy", w
		}
		out = append(out, map[string]any{"interface": iface, "step": name})
	}
	return out
}

func cleanSteps(words ...string) func(*api.ProvisionRequest) {
	return func(r *api.ProvisionRequest) { r.CleanSteps = list(words...) }
}

// eraser announces both ways to erase disks, and a step that restarts the machine.
func eraser(w *world, abortable bool) {
	offer := func(name string, priority int, reboot bool) any {
		return map[string]any{"step": name, "priority": priority, "interface": "deploy", "reboot_requested": reboot, "abortable": abortable}
	}
	w.offers = map[string][]any{}
	for _, kind := range []string{"clean_steps", "service_steps"} {
		w.offers[kind] = []any{offer("erase_devices_metadata", 99, false), offer("erase_devices", 0, false), offer("flash", 0, true)}
	}
}

func TestAHoldRestsUntilUnholdGoesOnBehindIt(t *testing.T) {
	for name, meanwhile := range map[string]func(*world){
		"untouched": func(*world) {},
		"restarted": func(w *world) { w.stop(); w.start() },
		"switched off": func(w *world) {
			if err := w.c.SetPower(w.t.Context(), "control-1", ironic.PowerOff, 0); err != nil {
				w.t.Fatal(err)
			}
			w.await("clean hold")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.node("manageable")
			eraser(w, true)
			w.provision("clean", cleanSteps("erase_devices_metadata", "hold", "erase_devices", "hold"))
			n := w.await("clean hold")
			if n.TargetProvisionState != "manageable" || n.CleanStep["step"] != "hold" || fmt.Sprint(n.DriverInternalInfo["clean_step_index"]) != "2" {
				t.Errorf("target %q, step %v, %v", n.TargetProvisionState, n.CleanStep, n.DriverInternalInfo)
			}
			meanwhile(w)
			w.provision("unhold")
			w.await("clean hold") // the second
			if got := w.steps(); got != "erase_devices_metadata erase_devices" {
				t.Errorf("agents ran %s", got)
			}
			w.provision("unhold")
			n = w.await("manageable")
			if n.LastError != "" || n.PowerState != ironic.PowerOff || len(n.DriverInternalInfo) > 0 {
				t.Errorf("%q, power %q, %v", n.LastError, n.PowerState, n.DriverInternalInfo)
			}
			want := 1
			if name == "switched off" {
				want = 2
			}
			if w.boots != want {
				t.Errorf("%d boots, want %d", w.boots, want)
			}
		})
	}
}

func TestAnAgentMayCallWhileItsNodeIsOnHold(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	w.provision("clean", cleanSteps("hold"))
	n := w.await("clean hold")
	hb := agentapi.Heartbeat{CallbackURL: n.DriverInternalInfo["agent_url"].(string), AgentToken: conductor.Token(n)}
	if err := w.c.Heartbeat(t.Context(), n.UUID, hb); err != nil {
		t.Error(err)
	}
}

func TestAbortOnHoldTidiesUp(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	w.provision("clean", cleanSteps("hold", "erase_devices_metadata"))
	w.await("clean hold")
	w.provision("abort")
	n := w.await("clean failed")
	if n.PowerState != ironic.PowerOff || n.Maintenance || n.TargetProvisionState != "manageable" || len(n.CleanStep) > 0 ||
		n.LastError != `By request, the clean operation was aborted during or after the completion of step "deploy.hold"` {
		t.Errorf("power %q, maintenance %v, target %q, %q", n.PowerState, n.Maintenance, n.TargetProvisionState, n.LastError)
	}
	if _, on := w.net.entry(n.UUID); on {
		t.Error("network boot is still published")
	}
}

// running waits until the agent has begun the step and the node shows it.
func (w *world) running(state, step string) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		n, err := w.db.Node(context.Background(), "control-1")
		if err != nil {
			w.t.Fatal(err)
		}
		for _, shown := range []map[string]any{n.CleanStep, n.DeployStep, n.ServiceStep} {
			if n.ProvisionState == state && n.Reservation == "" && shown["step"] == step {
				return
			}
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("node is %q, steps %v %v %v, error %q", n.ProvisionState, n.CleanStep, n.DeployStep, n.ServiceStep, n.LastError)
		}
	}
}

func (w *world) finishLast(fail bool) {
	w.mu.Lock()
	a := w.agents["00000000-0000-4000-8000-000000000001"]
	w.mu.Unlock()
	a.finish(a.last(), fail)
}

func TestAStepThatMustNotBeBrokenOffIsWaitedForByAnAbort(t *testing.T) {
	for name, crash := range map[string]bool{"at once": false, "over a restart": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.node("manageable")
			eraser(w, false)
			w.say("hang erase_devices_metadata")
			w.provision("clean", cleanSteps("erase_devices_metadata", "erase_devices"))
			w.running("clean wait", "erase_devices_metadata")
			w.provision("abort")
			w.running("clean wait", "erase_devices_metadata") // it goes on
			if crash {
				w.stop()
				w.start()
			}
			w.finishLast(false)
			n := w.await("clean failed")
			if n.Maintenance || n.LastError != `By request, the clean operation was aborted during or after the completion of step "deploy.erase_devices_metadata"` {
				t.Errorf("maintenance %v, %q", n.Maintenance, n.LastError)
			}
			if got := w.steps(); got != "erase_devices_metadata" || n.PowerState != ironic.PowerOff {
				t.Errorf("agents ran %s, power %q", got, n.PowerState)
			}
		})
	}
}

// TestAnAbortBetweenTwoStepsIsNotLost: the machine starts anew behind a step that must not be
// broken off, and the next one would erase disks.
func TestAnAbortBetweenTwoStepsIsNotLost(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	eraser(w, false)
	w.say("hang flash")
	w.provision("clean", cleanSteps("flash", "erase_devices"))
	w.running("clean wait", "flash")
	w.say("dead") // the ramdisk does not come back
	w.finishLast(false)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		n, err := w.db.Node(t.Context(), "control-1")
		if err == nil && n.ProvisionState == "clean wait" && n.Reservation == "" && fmt.Sprint(n.DriverInternalInfo["clean_step_index"]) == "1" {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("node %+v, %v", n, err)
		}
	}
	w.provision("abort")
	n := w.await("clean failed")
	if got := w.steps(); got != "flash" || !strings.HasPrefix(n.LastError, "By request, the clean operation was aborted") {
		t.Errorf("agents ran %s, error %q", got, n.LastError)
	}
}

func TestAStepThatMayBeBrokenOffIs(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	eraser(w, true)
	w.say("hang erase_devices")
	w.provision("clean", cleanSteps("erase_devices"))
	w.running("clean wait", "erase_devices")
	w.provision("abort")
	if n := w.await("clean failed"); n.Maintenance || !strings.Contains(n.LastError, "deploy.erase_devices") {
		t.Errorf("maintenance %v, %q", n.Maintenance, n.LastError)
	}
}

func TestAFailedStepIsNamedAndSetsTheFault(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	eraser(w, true)
	w.say("fail erase_devices")
	w.provision("clean", cleanSteps("erase_devices_metadata", "erase_devices", "flash"))
	n := w.await("clean failed")
	if !n.Maintenance || n.Fault != "clean failure" || !strings.Contains(n.LastError, "failed step {'interface': 'deploy', 'step': 'erase_devices'}: the agent failed to clean.execute_clean_step: Error verifying") {
		t.Errorf("maintenance %v, fault %q, %q", n.Maintenance, n.Fault, n.LastError)
	}
	w.say("")
	w.provision("manage")
	if n := w.await("manageable"); n.Maintenance || len(n.DriverInternalInfo) > 0 {
		t.Errorf("maintenance %v, %v", n.Maintenance, n.DriverInternalInfo)
	}
}

// Wherever the conductor dies, it goes on with the step where it stood.
func TestKilledWithinAListItGoesOnWhereItStood(t *testing.T) {
	for _, step := range []string{"plan", "steps", "clean 0 erase_devices_metadata", "clean 1 reboot", "ramdisk for clean 1 reboot", "clean 2 flash",
		"restart after clean 2 flash", "ramdisk for clean 3 erase_devices", "clean 3 erase_devices", "clean 4 wait", "power off after cleaning"} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/after=%v", step, after), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				w.node("manageable")
				eraser(w, true)
				w.crashAt(step, after, func() {
					w.provision("clean", cleanSteps("erase_devices_metadata", "reboot", "flash", "erase_devices", "wait"))
				})
				n := w.await("manageable")
				if got := w.steps(); n.LastError != "" || got != "erase_devices_metadata flash erase_devices" {
					t.Errorf("error %q, agents ran %s", n.LastError, got)
				}
			})
		}
	}
}

func TestPrioritiesOfAutomatedCleaningCanBeSet(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) {
		c.CleanOnProvide = true
		c.CleanPriorities = map[string]int{"deploy.erase_devices_metadata": 0, "deploy.erase_devices": 7, "deploy.flash": 50}
	})
	w.node("manageable")
	eraser(w, true)
	w.provision("provide")
	w.await("available")
	if got := w.steps(); got != "flash erase_devices" {
		t.Errorf("agents ran %s", got)
	}
}

// fakeDeploy makes the node one without an agent.
func fakeDeploy(w *world) {
	w.set(func(n *ironic.Node) {
		n.Interfaces["boot"], n.Interfaces["deploy"] = "fake", "fake"
		n.PowerState = ironic.PowerOn
	})
}

func TestStepsOfTheHardwareTypeNeedNoRamdisk(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	fakeDeploy(w)
	var did []string
	w.drv.Fail = func(_, action string) error {
		if strings.HasPrefix(action, "clean ") {
			did = append(did, action)
		}
		if action == "clean raid.delete_configuration" {
			return errs.New(errs.Invalid, "no controller")
		}
		return nil
	}
	w.provision("clean", cleanSteps("bios.factory_reset", "power.power_off", "deploy.wait", "power.power_on", "raid.create_configuration"))
	if n := w.await("manageable"); n.LastError != "" || strings.Join(did, ", ") != "clean bios.factory_reset, clean raid.create_configuration" || n.PowerState != ironic.PowerOn {
		t.Errorf("%q, did %v, power %q", n.LastError, did, n.PowerState)
	}
	for steps, words := range map[string]string{
		"bios.polish":               "node does not support this clean step: {'interface': 'bios', 'step': 'polish'}",
		"raid.delete_configuration": "failed step {'interface': 'raid', 'step': 'delete_configuration'}: no controller",
	} {
		w.provision("clean", cleanSteps(steps))
		if n := w.await("clean failed"); !strings.Contains(n.LastError, words) {
			t.Errorf("%s: %q", steps, n.LastError)
		}
		w.provision("manage")
		w.await("manageable")
	}
}

func TestDisableRamdiskLeavesTheMachineAlone(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	w.set(func(n *ironic.Node) { n.PowerState = ironic.PowerOn })
	without := func(words ...string) func(*api.ProvisionRequest) {
		return func(r *api.ProvisionRequest) { r.CleanSteps, r.DisableRamdisk = list(words...), true }
	}
	w.provision("clean", without("bios.factory_reset"))
	if n := w.await("manageable"); n.LastError != "" || n.PowerState != ironic.PowerOn || w.boots != 0 {
		t.Errorf("%q, power %q, %d boots", n.LastError, n.PowerState, w.boots)
	}
	w.provision("clean", without("erase_devices"))
	n := w.await("clean failed")
	if !strings.Contains(n.LastError, "node does not support this clean step") || n.PowerState != ironic.PowerOn || w.boots != 0 || n.Maintenance {
		t.Errorf("%q, power %q, %d boots", n.LastError, n.PowerState, w.boots)
	}
}

func TestAWaitStepEndsByTimeOrByHeartbeat(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	w.provision("clean", func(r *api.ProvisionRequest) {
		r.CleanSteps = list("wait", "wait", "erase_devices_metadata")
		r.CleanSteps[0]["args"] = map[string]any{"seconds": 0.0}
	})
	w.await("manageable")
	w.provision("clean", func(r *api.ProvisionRequest) {
		r.CleanSteps = list("wait")
		r.CleanSteps[0]["args"] = map[string]any{"seconds": 3600.0}
	})
	w.running("clean wait", "wait")
	w.provision("abort")
	w.await("clean failed")
}

func deploySteps(steps ...any) func(*api.ProvisionRequest) {
	return func(r *api.ProvisionRequest) {
		for i := 0; i < len(steps); i += 2 {
			s := list(steps[i].(string))[0]
			s["args"], s["priority"] = map[string]any{}, float64(steps[i+1].(int))
			r.DeploySteps = append(r.DeploySteps, s)
		}
	}
}

func TestDeployStepsRunAtTheirPriority(t *testing.T) {
	w := newWorld(t, nil)
	w.node("available")
	w.offers = map[string][]any{"deploy_steps": {
		map[string]any{"step": "write_image", "priority": 0, "interface": "deploy"},
		map[string]any{"step": "apply_configuration", "priority": 0, "interface": "raid"},
		map[string]any{"step": "inject_files", "priority": 50, "interface": "deploy"}}}
	w.provision("active", deploySteps("raid.apply_configuration", 90, "hold", 70, "bios.factory_reset", 30))
	n := w.await("deploy hold")
	if n.TargetProvisionState != "active" || n.DeployStep["step"] != "hold" {
		t.Errorf("target %q, step %v", n.TargetProvisionState, n.DeployStep)
	}
	if got := w.steps(); got != "apply_configuration write_image" {
		t.Errorf("before the hold agents ran %s", got)
	}
	w.provision("unhold")
	n = w.await("active")
	if got := w.steps(); got != "apply_configuration write_image inject_files" || n.PowerState != ironic.PowerOn || w.boots != 1 {
		t.Errorf("agents ran %s, power %q, %d boots", got, n.PowerState, w.boots)
	}
	for k := range n.DriverInternalInfo {
		t.Errorf("%s is left", k)
	}
}

func TestCustomAgentWritesOnlyWhatItsStepsWrite(t *testing.T) {
	w := newWorld(t, nil)
	w.node("available")
	w.set(func(n *ironic.Node) {
		n.Interfaces["deploy"], n.InstanceInfo = "custom-agent", map[string]any{}
	})
	w.offers = map[string][]any{"deploy_steps": {map[string]any{"step": "install_os", "priority": 0, "interface": "deploy"}}}
	w.provision("active", deploySteps("install_os", 80))
	w.await("active")
	if got := w.steps(); got != "install_os" {
		t.Errorf("agents ran %s", got)
	}
}
