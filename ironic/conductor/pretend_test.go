package conductor_test

import (
	"strings"
	"testing"
	"time"

	"trefoil/ironic"
	"trefoil/ironic/conductor"
	"trefoil/ironic/fsm"
)

// What fake interfaces stand for fails where the user said so.
func TestFakeInterfacesFailAsTheyWereTold(t *testing.T) {
	for fails, tc := range map[string]struct{ state, target, end string }{
		"inspect": {"manageable", "inspect", "inspect failed"},
		"deploy":  {"available", "active", "deploy failed"},
	} {
		w := newWorld(t, nil)
		w.node(tc.state)
		w.set(func(n *ironic.Node) {
			n.Interfaces["boot"], n.Interfaces["deploy"], n.Interfaces["inspect"] = "fake", "fake", "fake"
			n.DriverInfo = map[string]any{"fake_fail": fails}
		})
		w.provision(tc.target)
		if n := w.await(tc.end); !strings.Contains(n.LastError, fails+": the machine was told to fail by driver_info/fake_fail") {
			t.Errorf("%s: %q", fails, n.LastError)
		}
	}
}

// Each kind of wait has its own patience with the ramdisk.
func TestAWaitHasItsOwnTimeout(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) {
		c.CleanOnProvide = true
		c.CallbackTimeouts = map[fsm.State]time.Duration{fsm.CleanWait: 20 * time.Millisecond}
	})
	w.node("manageable")
	w.say("dead")
	w.provision("provide")
	if n := w.await("clean failed"); !strings.Contains(n.LastError, "imeout reached") {
		t.Errorf("%q", n.LastError)
	}
}
