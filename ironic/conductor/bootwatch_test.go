package conductor_test

import (
	"strings"
	"testing"
	"time"

	"trefoil/ironic/conductor"
)

func TestAMachineThatMissedItsNetworkBootIsStartedAgain(t *testing.T) {
	for verb, c := range map[string]struct{ from, to string }{
		"inspect": {"manageable", "manageable"},
		"active":  {"available", "active"},
	} {
		t.Run(verb, func(t *testing.T) {
			w := newWorld(t, func(c *conductor.Config) { c.BootStall = 20 * time.Millisecond })
			w.node(c.from)
			w.misses = 1
			w.provision(verb)
			n := w.await(c.to)
			if n.LastError != "" || n.DriverInternalInfo["boot_restarts"] != nil {
				t.Errorf("error %q, %v", n.LastError, n.DriverInternalInfo)
			}
			if h := w.history(); !strings.Contains(h, "no DHCP request was seen from the node: the machine is started anew (1 of 2)") {
				t.Errorf("the history says %s", h)
			}
		})
	}
}

// lookedOn waits until the wait has looked at the boot for some more times.
func (w *world) lookedOn() {
	w.t.Helper()
	looks := func() int { w.net.mu.Lock(); defer w.net.mu.Unlock(); return w.net.looks }
	begin := looks()
	for deadline := time.Now().Add(time.Minute); looks() < begin+8; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("nobody looks at the boot")
		}
	}
}

func (w *world) booted() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.boots
}

func TestAMachineThatNeverBootsIsNotStartedAgainForEver(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.BootStall = 5 * time.Millisecond })
	n := w.node("available")
	w.script[n.UUID] = "dead"
	w.provision("active")
	w.await("wait call-back")
	for deadline := time.Now().Add(time.Minute); w.booted() < 3 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	w.lookedOn()
	w.stop() // a restart does not count anew
	w.start()
	w.lookedOn()
	if got := w.booted(); got != 3 {
		t.Errorf("%d starts", got)
	}
	w.provision("abort")
	if got := w.await("deploy failed"); got.DriverInternalInfo["boot_restarts"] != nil {
		t.Errorf("%v", got.DriverInternalInfo)
	}
}

func TestAMachineWhoseRamdiskWasHeardOfIsLeftAlone(t *testing.T) {
	stall := time.Hour
	w := newWorld(t, func(c *conductor.Config) { c.BootStall = stall })
	n := w.node("available")
	w.script[n.UUID] = "dead"
	w.provision("active")
	w.await("wait call-back")
	if _, err := w.c.Lookup(t.Context(), []string{mac}, ""); err != nil {
		t.Fatal(err)
	}
	w.stop()
	stall = 5 * time.Millisecond
	w.start()
	w.lookedOn()
	if got := w.booted(); got != 1 || conductor.Token(w.await("wait call-back")) == "" {
		t.Errorf("%d starts", got)
	}
}
