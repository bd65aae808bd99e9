package conductor_test

import (
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
)

// A step that an abort waits for may never end: the second abort breaks it off, also over a restart.
func TestASecondAbortBreaksOffAStepThatDoesNotEnd(t *testing.T) {
	for verb, c := range map[string]struct {
		from, wait, to string
		asked          func(*api.ProvisionRequest)
	}{
		"clean":   {"manageable", "clean wait", "clean failed", cleanSteps("erase_devices")},
		"service": {"active", "service wait", "service failed", serviceSteps("erase_devices")},
	} {
		t.Run(verb, func(t *testing.T) {
			w := newWorld(t, nil)
			w.node(c.from)
			eraser(w, false)
			w.say("hang erase_devices")
			w.provision(verb, c.asked)
			w.running(c.wait, "erase_devices")
			w.provision("abort")
			w.running(c.wait, "erase_devices") // it goes on
			if h := w.history(); !strings.Contains(h, "ends after step erase_devices, which should not be broken off; a second abort breaks it off") {
				t.Errorf("history:\n%s", h)
			}
			w.stop()
			w.start()
			w.running(c.wait, "erase_devices")
			w.provision("abort")
			if n := w.await(c.to); !strings.Contains(n.LastError, "deploy.erase_devices") || n.PowerState != ironic.PowerOff {
				t.Errorf("%q, power %q", n.LastError, n.PowerState)
			}
		})
	}
}
