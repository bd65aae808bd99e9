package conductor_test

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
)

// What makes cleaning or inspecting impossible is told by the refusal, as in Ironic, and
// not by a job that fails; the node stays as it was.
func TestWhatCannotBeCleanedOrInspectedIsRefusedAtOnce(t *testing.T) {
	wrongBMC := func(n *ironic.Node) { n.DriverInfo = map[string]any{"fake_fail": 7} }
	noKernel := func(c *conductor.Config) { c.DeployKernel = "" }
	for name, c := range map[string]struct {
		verb   string
		tweak  func(*conductor.Config)
		change func(*ironic.Node)
		words  []string
	}{
		"clean in maintenance": {"clean", nil, func(n *ironic.Node) { n.Maintenance = true },
			[]string{"The cleaning operation can't be performed on node 00000000-0000-4000-8000-000000000001 because it's in maintenance mode."}},
		"clean, BMC":               {"clean", nil, wrongBMC, []string{"Validation of node 00000000-0000-4000-8000-000000000001 for cleaning failed: ", "fake_fail"}},
		"clean, no ramdisk":        {"clean", noKernel, nil, []string{"has no deploy_kernel"}},
		"inspect, BMC":             {"inspect", nil, wrongBMC, []string{"fake_fail"}},
		"inspect, no ramdisk":      {"inspect", noKernel, nil, []string{"has no deploy_kernel"}},
		"inspect, no network boot": {"inspect", func(c *conductor.Config) { c.NetBoot = nil }, nil, []string{"network boot is not switched on"}},
		"no inspect interface":     {"inspect", nil, func(n *ironic.Node) { n.Interfaces["inspect"] = "no-inspect" }, []string{"does not support inspect"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.tweak)
			w.node("manageable")
			if c.change != nil {
				w.set(c.change)
			}
			req := api.ProvisionRequest{Target: c.verb}
			if c.verb == "clean" {
				cleanSteps("erase_devices")(&req)
			}
			err := w.c.Provision(t.Context(), "control-1", req)
			for _, words := range c.words {
				if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), words) {
					t.Errorf("%v does not say %q", err, words)
				}
			}
			if n := w.await("manageable"); n.LastError != "" || len(w.ran) > 0 || w.boots > 0 {
				t.Errorf("%q, %d boots, the agent ran %v", n.LastError, w.boots, w.ran)
			}
		})
	}
}

func TestCleaningWithoutRamdiskNeedsNoNetworkBoot(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.NetBoot = nil })
	w.node("manageable")
	w.provision("clean", cleanSteps("bios.factory_reset"), func(r *api.ProvisionRequest) { r.DisableRamdisk = true })
	if n := w.await("manageable"); n.LastError != "" {
		t.Errorf("%q", n.LastError)
	}
}
