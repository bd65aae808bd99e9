package conductor_test

import (
	"strings"
	"testing"
	"time"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
)

func bootedByOthers(r *api.ProvisionRequest) { r.BootedByOthers = true }

// touched fails the test if the machine was switched or published for a network boot.
func (w *world) touched(n *ironic.Node) {
	w.t.Helper()
	if state, err := w.drv.PowerState(w.t.Context(), n); err != nil || state != ironic.PowerOn || w.booted() != 0 {
		w.t.Errorf("the machine is in %q after %d boots: %v", state, w.booted(), err)
	}
	if _, on := w.net.entry(n.UUID); on {
		w.t.Error("a network boot is published")
	}
}

// manage_boot=0: the machine is somebody else's to boot, and only its inventory is waited for.
func TestAnInspectionOfAMachineThatOthersBoot(t *testing.T) {
	for from, ask := range map[string]func(*world){
		"manageable": func(w *world) { w.provision("inspect", bootedByOthers) },
		"enroll":     func(w *world) { w.provision("manage", thenInspect, bootedByOthers) },
	} {
		w := newWorld(t, func(c *conductor.Config) { c.NetBoot, c.BootStall = nil, time.Millisecond })
		n := w.node(from)
		w.drv.Force(n, ironic.PowerOn)
		ask(w)
		w.await("inspect wait")
		w.stop() // the wait is one after a restart, too
		w.start()
		w.await("inspect wait")
		if _, err := w.c.ContinueInspection(t.Context(), []byte(inventory)); err != nil {
			t.Fatal(err)
		}
		if got := w.await("manageable"); got.Properties["cpus"] != "4" || got.InspectionFinishedAt == nil || len(got.DriverInternalInfo) > 0 {
			t.Errorf("from %s: %v, %v", from, got.Properties, got.DriverInternalInfo)
		}
		w.touched(n)
	}
}

func TestAMachineThatOthersBootIsLeftAloneWhenItsInspectionEnds(t *testing.T) {
	for name, c := range map[string]struct {
		limit time.Duration
		api   string
		end   func(*world)
		want  string
	}{
		"aborted":            {awaitLimit, "", func(w *world) { w.await("inspect wait"); w.provision("abort") }, "Inspection was aborted by request."},
		"too late":           {time.Millisecond, "http://192.0.2.1:6385", func(*world) {}, "must post to http://192.0.2.1:6385/v1/continue_inspection"},
		"no address of ours": {time.Millisecond, "", func(*world) {}, "must post to /v1/continue_inspection of the bare-metal API, at an address that the machine reaches"},
	} {
		w := newWorld(t, func(cfg *conductor.Config) { cfg.InspectTimeout, cfg.APIURL = c.limit, c.api })
		n := w.node("manageable")
		w.drv.Force(n, ironic.PowerOn)
		w.provision("inspect", bootedByOthers)
		c.end(w)
		if got := w.await("inspect failed"); !strings.Contains(got.LastError, c.want) {
			t.Errorf("%s: %q", name, got.LastError)
		}
		w.touched(n)
		if name != "aborted" {
			continue
		}
		w.provision("inspect") // and this one is ours again
		if w.await("manageable"); w.booted() != 1 {
			t.Errorf("%s: %d boots", name, w.booted())
		}
	}
}
