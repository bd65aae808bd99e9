package conductor_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
)

const rescuePassword = "Sesam öffne dich"

func withPassword(r *api.ProvisionRequest) {
	p := rescuePassword
	r.RescuePassword = &p
}

// rescuable is a node with an instance that the agent can rescue.
func rescuable(t *testing.T) *world {
	w := newWorld(t, nil)
	w.node("active")
	w.set(func(n *ironic.Node) {
		n.PowerState, n.InstanceUUID, n.Interfaces["rescue"] = ironic.PowerOn, "i", "agent"
	})
	return w
}

// finalized returns the parameters of each finalize_rescue that agents were sent.
func (w *world) finalized() []map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []map[string]any
	for _, c := range w.sent {
		if c.Name == "rescue.finalize_rescue" {
			out = append(out, c.Params)
		}
	}
	return out
}

func TestRescueGivesTheRamdiskAHashAndUnrescueTheInstanceBack(t *testing.T) {
	w := rescuable(t)
	w.provision("rescue", withPassword)
	n := w.await("rescue")
	sent := w.finalized()
	if len(sent) != 1 || sent[0]["hashed"] != true || !strings.HasPrefix(fmt.Sprint(sent[0]["rescue_password"]), "$6$") {
		t.Fatalf("agents were sent %v", sent)
	}
	if _, on := w.net.entry(n.UUID); !on || n.PowerState != ironic.PowerOn || n.LastError != "" {
		t.Errorf("published %v, power %q, %q", on, n.PowerState, n.LastError)
	}
	all, _ := json.Marshal(n)
	for _, secret := range []string{rescuePassword, "$6$", "rescue_password"} {
		if strings.Contains(string(all)+w.history(), secret) {
			t.Errorf("%s is kept:\n%s", secret, all)
		}
	}
	w.provision("unrescue")
	n = w.await("active")
	device, persistent, _ := w.c.BootDevice(t.Context(), "control-1")
	if n.PowerState != ironic.PowerOn || n.InstanceUUID != "i" || device != ironic.BootDisk || !persistent {
		t.Errorf("power %q, instance %q, boots from %s", n.PowerState, n.InstanceUUID, device)
	}
}

func TestWhileARescueIsOnItsWayThePasswordIsAHashThatNobodyIsShown(t *testing.T) {
	w := rescuable(t)
	w.say("dead")
	w.provision("rescue", withPassword)
	n := w.await("rescue wait")
	if all, _ := json.Marshal(n); strings.Contains(string(all), rescuePassword) || !strings.Contains(string(all), "$6$") {
		t.Errorf("%s", all)
	}
	l, err := w.c.Lookup(t.Context(), []string{mac}, "")
	if err != nil {
		t.Fatal(err)
	}
	if all, _ := json.Marshal(l); strings.Contains(string(all), "$6$") {
		t.Errorf("a lookup shows the hash: %s", all)
	}
	w.provision("abort")
	n = w.await("rescue failed")
	if all, _ := json.Marshal(n); strings.Contains(string(all), "$6$") || n.PowerState != ironic.PowerOff {
		t.Errorf("after an abort: %s", all)
	}
	w.say("")
	w.provision("unrescue")
	w.await("active")
}

// The agent falls silent as soon as it has the password. A crash that loses its
// answer must not lose the rescue.
func TestKilledAtAnyStepOfARescueItGoesOn(t *testing.T) {
	for _, c := range []struct{ from, verb, to, step string }{
		{"active", "rescue", "rescue", "publish ramdisk"}, {"active", "rescue", "rescue", "call-back"},
		{"active", "rescue", "rescue", "finalize rescue"}, {"active", "rescue", "rescue", "done"},
		{"rescue", "unrescue", "active", "boot instance"}, {"rescue", "unrescue", "active", "done"},
	} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%s/after=%v", c.verb, c.step, after), func(t *testing.T) {
				t.Parallel()
				w := rescuable(t)
				w.set(func(n *ironic.Node) { n.ProvisionState = c.from })
				w.crashAt(c.step, after, func() { w.provision(c.verb, withPassword) })
				n := w.await(c.to)
				if n.LastError != "" || n.PowerState != ironic.PowerOn {
					t.Errorf("%q, power %q", n.LastError, n.PowerState)
				}
				if c.verb == "rescue" && len(w.finalized()) == 0 {
					t.Error("no agent has the password")
				}
			})
		}
	}
}

func TestRescueBootsTheRamdiskThatIsForIt(t *testing.T) {
	w := rescuable(t)
	w.say("dead")
	w.set(func(n *ironic.Node) { n.DriverInfo = map[string]any{"rescue_kernel": "overcloud-full"} })
	w.provision("rescue", withPassword)
	n := w.await("rescue wait")
	if e, _ := w.net.entry(n.UUID); e.Kernel != "/images/i1" || e.Ramdisk != "/r" {
		t.Errorf("%+v", e)
	}
	w.provision("deleted")
	w.say("")
	w.await("available")
}

func TestWrongRescuesAreRefused(t *testing.T) {
	w := rescuable(t)
	for words, change := range map[string]func(*ironic.Node, *api.ProvisionRequest){
		"A non-empty \"rescue_password\" is required":                   func(_ *ironic.Node, r *api.ProvisionRequest) { r.RescuePassword = nil },
		"rescue_password is longer than 512 bytes":                      func(_ *ironic.Node, r *api.ProvisionRequest) { s := strings.Repeat("x", 513); r.RescuePassword = &s },
		"does not support rescue (disabled or not implemented)":         func(n *ironic.Node, _ *api.ProvisionRequest) { n.Interfaces["rescue"] = "no-rescue" },
		"The rescuing operation can't be performed on node 00000000-00": func(n *ironic.Node, _ *api.ProvisionRequest) { n.Maintenance = true },
	} {
		req := api.ProvisionRequest{Target: "rescue"}
		withPassword(&req)
		w.set(func(n *ironic.Node) { n.Maintenance, n.Interfaces["rescue"] = false, "agent"; change(n, &req) })
		if err := w.c.Provision(t.Context(), "control-1", req); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), words) {
			t.Errorf("%v does not say %q", err, words)
		}
	}
}

func TestFakeRescueNeedsNoRamdisk(t *testing.T) {
	w := rescuable(t)
	w.set(func(n *ironic.Node) { n.Interfaces["rescue"] = "fake" })
	w.provision("rescue", withPassword)
	w.await("rescue")
	w.provision("unrescue")
	n := w.await("active")
	if w.boots != 0 || n.LastError != "" || len(w.sent) > 0 {
		t.Errorf("%d boots, %q", w.boots, n.LastError)
	}
}
