package conductor_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
)

// power asks for a power action of the node.
func (w *world) power(target string) {
	w.t.Helper()
	if err := w.c.SetPower(w.t.Context(), "control-1", target, 0); err != nil {
		w.t.Fatalf("%s: %v", target, err)
	}
}

// settled waits until a power action has ended.
func (w *world) settled() *ironic.Node {
	w.t.Helper()
	for deadline := time.Now().Add(awaitLimit); ; time.Sleep(time.Millisecond) {
		n, err := w.db.Node(w.t.Context(), "control-1")
		if err != nil {
			w.t.Fatal(err)
		}
		if n.TargetPowerState == "" && n.Reservation == "" {
			return n
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("target %q, held by %q", n.TargetPowerState, n.Reservation)
		}
	}
}

// waits are the verbs that boot a ramdisk and wait for it without cleaning.
func waits() map[string]struct {
	from, wait, to string
	more           func(*api.ProvisionRequest)
} {
	type row = struct {
		from, wait, to string
		more           func(*api.ProvisionRequest)
	}
	password := "s3cret"
	return map[string]row{
		"inspect": {"manageable", "inspect wait", "manageable", func(*api.ProvisionRequest) {}},
		"active":  {"available", "wait call-back", "active", func(*api.ProvisionRequest) {}},
		"rescue":  {"active", "rescue wait", "rescue", func(r *api.ProvisionRequest) { r.RescuePassword = &password }},
		"service": {"active", "service wait", "active", func(r *api.ProvisionRequest) { r.ServiceSteps = list("erase_devices") }},
	}
}

// Whose machine hangs on its way into the ramdisk starts it anew, and the wait has what it waits for.
func TestAMachineThatIsWaitedForIsPowerCycled(t *testing.T) {
	for verb, c := range waits() {
		t.Run(verb, func(t *testing.T) {
			w := newWorld(t, nil)
			w.node(c.from)
			w.set(func(n *ironic.Node) { n.Interfaces["rescue"] = "agent" })
			eraser(w, true)
			w.say("dead")
			w.provision(verb, c.more)
			n := w.await(c.wait)
			if verb != "inspect" { // the ramdisk got its token, and hung before it called
				if _, err := w.c.Lookup(t.Context(), []string{mac}, ""); err != nil {
					t.Fatal(err)
				}
			}
			w.power(ironic.PowerOff)
			if n := w.settled(); n.PowerState != ironic.PowerOff || n.ProvisionState != c.wait || n.ProvisionUpdatedAt == nil {
				t.Fatalf("power %q in %q", n.PowerState, n.ProvisionState)
			}
			w.power(ironic.PowerOn)
			w.settled()
			w.say("")
			w.power(ironic.Rebooting)
			if got := w.await(c.to); got.LastError != "" || got.TargetPowerState != "" || got.DriverInternalInfo["power_action_asked"] != nil {
				t.Errorf("%q, target %q, %v", got.LastError, got.TargetPowerState, got.DriverInternalInfo)
			}
			if got := w.booted(); got != 3 {
				t.Errorf("%d boots of %s, want 3\n%s", got, n.UUID, w.history())
			}
		})
	}
}

// A person has switched it off, and works on it maybe.
func TestAWaitedForMachineThatWasSwitchedOffStaysOff(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.BootStall = 100 * time.Millisecond })
	w.node("available")
	w.say("dead")
	w.provision("active")
	w.await("wait call-back")
	w.power(ironic.PowerOff)
	w.settled()
	before := w.booted()
	w.lookedOn()
	if got := w.booted(); got != before {
		t.Errorf("%d boots, then %d", before, got)
	}
	w.say("")
	w.power(ironic.PowerOn)
	w.await("active")
}

// The BMC's failure is told, and ends nothing.
func TestAPowerActionThatFailsLeavesTheWait(t *testing.T) {
	w := newWorld(t, nil)
	w.node("available")
	w.say("dead")
	w.provision("active")
	w.await("wait call-back")
	w.drv.Fail = func(_, action string) error { return errs.New(errs.Unavailable, "no answer") }
	w.power(ironic.PowerOff)
	n := w.settled()
	if n.ProvisionState != "wait call-back" || n.LastError != "Failed to change power state of node control-1 to 'power off': no answer" || !conductor.HasJob(n) {
		t.Errorf("%q in %q", n.LastError, n.ProvisionState)
	}
	w.drv.Fail = nil
	w.say("")
	w.power(ironic.Rebooting)
	w.await("active")
}

// A machine is restarted by one person while another one's job waits for it: the history tells them apart.
func TestTheHistorySaysWhoAskedForThePowerActionOfAWait(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("available")
	w.say("dead")
	if err := w.c.Provision(ironic.WithUser(t.Context(), "id-of-alice"), n.UUID, api.ProvisionRequest{Target: "active"}); err != nil {
		t.Fatal(err)
	}
	w.await("wait call-back")
	w.drv.Fail = func(_, action string) error { return errs.New(errs.Unavailable, "no answer") }
	bob := ironic.WithUser(t.Context(), "id-of-bob")
	if err := w.c.SetPower(bob, n.UUID, ironic.PowerOff, 0); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.drv.Fail = nil
	if err := w.c.SetPower(bob, n.UUID, ironic.PowerOff, 0); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.say("")
	w.power(ironic.Rebooting) // by nobody who is known
	w.await("active")
	for line, user := range map[string]string{"Failed to change power state of node control-1 to 'power off': no answer": "id-of-bob",
		"power off: done": "id-of-bob", "rebooting: done": "", "deployed; the instance boots from its disk": "id-of-alice"} {
		if got := w.askedBy(line); got != user {
			t.Errorf("%q: by %q, want %q", line, got, user)
		}
	}
}

// What a power job of before has left is not for the wait.
func TestAWaitCarriesOutNothingOfAPowerJob(t *testing.T) {
	w := newWorld(t, nil)
	w.node("available")
	w.say("dead")
	w.provision("active")
	n := w.await("wait call-back")
	w.set(func(n *ironic.Node) { n.DriverInternalInfo["power_action"] = ironic.PowerOff })
	w.stop()
	w.start()
	w.power(ironic.Rebooting) // and it refuses nothing
	w.settled()
	if h := w.history(); strings.Contains(h, "power off: done") || !strings.Contains(h, "rebooting: done") {
		t.Errorf("node %s:\n%s", n.UUID, h)
	}
}

// Killed in between, the action is done by the next life of the conductor.
func TestAPowerActionOfAWaitOutlivesARestart(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("available")
	w.say("dead")
	w.provision("active")
	w.await("wait call-back")
	_, release, err := w.c.Hold(t.Context(), n.UUID, "the job has to wait")
	if err != nil {
		t.Fatal(err)
	}
	w.say("")
	w.set(func(n *ironic.Node) { // as SetPower does, which had the lock
		n.TargetPowerState = ironic.PowerOn
		n.DriverInternalInfo["power_action_asked"] = ironic.Rebooting
	})
	w.stop()
	release()
	w.start()
	w.await("active")
}

// What is at work is not broken off by power, and what was asked for ends with the wait.
func TestWhereAnAgentIsAtWorkPowerIsRefused(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.LockWait = 30 * time.Millisecond })
	w.node("available")
	w.say("hang write_image")
	w.provision("active")
	w.running("wait call-back", "write_image")
	err := w.c.SetPower(t.Context(), "control-1", ironic.PowerOff, 0)
	if !errs.Is(err, errs.Locked) || !strings.Contains(err.Error(), `locked by host undercloud (deployment is under way in state "wait call-back", held for `) ||
		!strings.Contains(errs.HintOf(err), "openstack baremetal node undeploy ") {
		t.Errorf("%v (hint %q)", err, errs.HintOf(err))
	}
	w.set(func(n *ironic.Node) {
		n.TargetPowerState = ironic.PowerOn
		n.DriverInternalInfo["power_action_asked"] = ironic.Rebooting
	})
	err = w.c.SetPower(t.Context(), "control-1", ironic.PowerOff, 0)
	if !errs.Is(err, errs.Locked) || !strings.Contains(err.Error(), "(power action rebooting") {
		t.Errorf("%v", err)
	}
	w.provision("abort")
	if n := w.await("deploy failed"); n.TargetPowerState != "" || n.DriverInternalInfo["power_action_asked"] != nil {
		t.Errorf("target %q, %v", n.TargetPowerState, n.DriverInternalInfo)
	}
}

// A ramdisk that runs on keeps its token: whoever knows the machine's address would get one in its place.
func TestAPowerActionThatFailsLeavesTheRamdiskItsToken(t *testing.T) {
	for name, c := range map[string]struct {
		target string
		stays  bool // the machine must not be off
	}{"off": {ironic.PowerOff, false}, "reboot": {ironic.Rebooting, false}, "reset": {ironic.Rebooting, true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.node("available")
			w.set(func(n *ironic.Node) { n.DisablePowerOff = c.stays })
			w.say("dead")
			w.provision("active")
			n := w.await("wait call-back")
			first := w.lookedUp()
			w.drv.Fail = func(_, action string) error {
				if action == "boot device" {
					return nil
				}
				if got := w.lookedUp(); got == first || got != "" && got != "******" {
					t.Errorf("asked for while the BMC is at work: %q", got)
				}
				return errs.New(errs.Unavailable, "still on")
			}
			w.power(c.target)
			w.settled()
			w.drv.Fail = nil
			if got := w.lookedUp(); got != "******" {
				t.Errorf("the next one that asks gets %q", got)
			}
			hb := agentapi.Heartbeat{CallbackURL: "http://192.0.2.9:9999", AgentToken: first, AgentVersion: "9"}
			if err := w.c.Heartbeat(t.Context(), n.UUID, hb); err != nil {
				t.Error(err)
			}
		})
	}
}

// The ramdisk behind a restart has a token of its own.
func TestARestartedMachineGetsANewToken(t *testing.T) {
	for _, stays := range []bool{false, true} {
		w := newWorld(t, nil)
		w.node("available")
		w.set(func(n *ironic.Node) { n.DisablePowerOff = stays })
		w.say("dead")
		w.provision("active")
		w.await("wait call-back")
		first := w.lookedUp()
		w.power(ironic.Rebooting)
		w.settled()
		if got := w.lookedUp(); got == "" || got == first || got == "******" {
			t.Errorf("must stay on %v: token %q behind a restart, %q before", stays, got, first)
		}
		w.say("")
		w.power(ironic.Rebooting)
		w.await("active")
	}
}

// lookedUp is the token that a ramdisk is shown which asks by address; empty: none is shown.
func (w *world) lookedUp() string {
	l, err := w.conductor().Lookup(w.t.Context(), []string{mac}, "")
	if err != nil {
		return ""
	}
	return l.Config.AgentToken
}

// Who may switch a machine need not be who may undeploy it, and cannot keep him from it.
func TestAPowerActionOfAWaitEndsSoon(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.PowerTimeout, c.LockWait = 5*time.Second, awaitLimit })
	n := w.node("available")
	w.say("dead")
	w.provision("active")
	w.await("wait call-back")
	for _, target := range []string{ironic.SoftPowerOff, ironic.SoftRebooting} {
		err := w.c.SetPower(t.Context(), n.UUID, target, 0)
		if !errs.Is(err, errs.Locked) || !strings.Contains(errs.HintOf(err), "use power off or rebooting") {
			t.Errorf("%s: %v (hint %q)", target, err, errs.HintOf(err))
		}
	}
	w.set(func(n *ironic.Node) { n.DriverInfo = map[string]any{"fake_power_delay": "86400"} }) // the BMC hangs
	if err := w.c.SetPower(t.Context(), n.UUID, ironic.PowerOff, math.MaxInt32); err != nil {
		t.Fatal(err)
	}
	if got := w.settled(); got.ProvisionState != "wait call-back" || !strings.Contains(got.LastError, "Failed to change power state") {
		t.Errorf("%q in %q", got.LastError, got.ProvisionState)
	}
	w.set(func(n *ironic.Node) { n.DriverInfo = nil })
	w.say("") // so that it can be cleaned
	w.provision("deleted")
	w.await("available")
}

// It was accepted, and its wait ended before its turn came: the history tells it, of who asked.
func TestAPowerActionThatIsOvertakenIsTold(t *testing.T) {
	for to, end := range map[string]func(*world){
		"deploy failed": func(w *world) { w.provision("abort") },
		"available":     func(w *world) { w.provision("deleted") },
		"wait failed": func(w *world) { // as a time-out does
			if err := w.c.Fail(t.Context(), "control-1", errs.New(errs.Unavailable, "time is up")); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(to, func(t *testing.T) {
			w := newWorld(t, nil)
			w.node("available")
			w.say("hang write_image")
			w.provision("active")
			w.running("wait call-back", "write_image") // where nothing carries it out
			w.set(func(n *ironic.Node) {
				n.TargetPowerState = ironic.PowerOn
				n.DriverInternalInfo["power_action_asked"], n.DriverInternalInfo["power_action_user"] = ironic.Rebooting, "id-of-bob"
			})
			end(w)
			n := w.await(strings.Replace(to, "wait failed", "deploy failed", 1))
			if got := w.askedBy("rebooting was asked for and not carried out: the wait for the ramdisk ended before"); got != "id-of-bob" {
				t.Errorf("by %q", got)
			}
			if n.TargetPowerState != "" || n.DriverInternalInfo["power_action_user"] != nil {
				t.Errorf("target %q, %v", n.TargetPowerState, n.DriverInternalInfo)
			}
		})
	}
}
