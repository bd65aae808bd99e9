package conductor_test

import (
	"strings"
	"testing"

	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
)

// A machine that boots another ramdisk in between gets its automated cleaning listed anew.
func TestAutomatedCleaningBeginsAnewWithAnotherRamdisk(t *testing.T) {
	for name, provide := range map[string]func(*world){
		"in a row":      func(w *world) { w.provision("provide") },
		"killed before": func(w *world) { w.crashAt("steps anew 1", false, func() { w.provision("provide") }) },
		"killed behind": func(w *world) { w.crashAt("steps anew 1", true, func() { w.provision("provide") }) },
		"killed in round": func(w *world) {
			w.crashAt("clean 0 erase_devices_metadata (round 2)", true, func() { w.provision("provide") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *conductor.Config) { c.CleanOnProvide = true })
			w.node("manageable")
			w.stale = 1
			provide(w)
			if n := w.await("available"); n.LastError != "" || len(n.DriverInternalInfo) > 0 {
				t.Errorf("%q, %v", n.LastError, n.DriverInternalInfo)
			}
			if got := w.steps(); got != "erase_devices_metadata erase_devices_metadata" {
				t.Errorf("agents were sent %s", got)
			}
			if h := w.history(); !strings.Contains(h, "step erase_devices_metadata was listed by another version of the ramdisk: cleaning begins anew") {
				t.Errorf("the history says %s", h)
			}
		})
	}
}

// What a person asked for, and a deployment, goes on where it was.
func TestStepsThatWereAskedForAreSentOnceMoreToAnotherRamdisk(t *testing.T) {
	for verb, c := range map[string]struct {
		from, to, steps string
		more            func(*api.ProvisionRequest)
	}{
		"clean":   {"manageable", "manageable", "erase_devices_metadata erase_devices_metadata erase_devices erase_devices", cleanSteps("erase_devices_metadata", "erase_devices")},
		"active":  {"available", "active", "write_image write_image", func(*api.ProvisionRequest) {}},
		"service": {"active", "active", "erase_devices erase_devices", func(r *api.ProvisionRequest) { r.ServiceSteps = list("erase_devices") }},
	} {
		t.Run(verb, func(t *testing.T) {
			w := newWorld(t, nil)
			w.node(c.from)
			eraser(w, true)
			w.stale = 1
			w.provision(verb, c.more)
			if n := w.await(c.to); n.LastError != "" {
				t.Errorf("%q", n.LastError)
			}
			if got := w.steps(); got != c.steps {
				t.Errorf("agents were sent %s", got)
			}
		})
	}
}

// A ramdisk that never agrees with itself is given up.
func TestARamdiskOfEverOtherVersionsFailsCleaning(t *testing.T) {
	for verb, c := range map[string]struct {
		sent int
		more func(*api.ProvisionRequest)
	}{
		"provide": {3, func(*api.ProvisionRequest) {}},
		"clean":   {2, cleanSteps("erase_devices_metadata")},
	} {
		w := newWorld(t, func(c *conductor.Config) { c.CleanOnProvide = true })
		w.node("manageable")
		w.stale = 100
		w.provision(verb, c.more)
		if n := w.await("clean failed"); !strings.Contains(n.LastError, "hardware managers are of other versions than those that listed the steps") {
			t.Errorf("%s: %q", verb, n.LastError)
		}
		if got := len(strings.Fields(w.steps())); got != c.sent {
			t.Errorf("%s: %d steps were sent, want %d", verb, got, c.sent)
		}
	}
}
