package conductor_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver/ipmi"
	machine "trefoil/vbmc/domain/fake"
	vbmc "trefoil/vbmc/ipmi"
	"trefoil/vbmc/ipmi/ipmitest"
)

// virtualBMC runs our own BMC and makes of the world's node one that it is the BMC of.
func virtualBMC(t *testing.T, w *world, c vbmc.Config) *machine.Machine {
	t.Helper()
	b := ipmitest.Serve(t, c)
	t.Cleanup(w.stop) // the conductor logs out first
	w.node("manageable")
	w.set(func(n *ironic.Node) {
		n.Driver, n.Interfaces["vendor"], n.Interfaces["console"] = ipmi.Name, "ipmitool", "no-console"
		n.DriverInfo = map[string]any{"ipmi_address": "127.0.0.1", "ipmi_port": float64(b.Port),
			"ipmi_username": ipmitest.Username, "ipmi_password": ipmitest.Password}
	})
	return b.Machine
}

// withIPMI gives the world's conductor the real driver for BMCs.
func withIPMI(cfg *conductor.Config) {
	cfg.Drivers[ipmi.Name] = &ipmi.Driver{Timeout: 30 * time.Second, Rate: 1e6, Burst: 1e6, Poll: time.Millisecond}
}

func TestAVendorMethodReachesTheBMC(t *testing.T) {
	w := newWorld(t, withIPMI)
	m := virtualBMC(t, w, vbmc.Config{})
	ctx := t.Context()
	call := func(bytes string) error {
		return w.c.CallVendor(ctx, "control-1", "send_raw", "POST", map[string]any{"raw_bytes": bytes})
	}
	w.ok(call("0x00 0x02 0x01"))
	if on, _ := m.Power(); !on {
		t.Error("the machine is off")
	}
	if h := w.history(); !strings.Contains(h, "send_raw: the BMC carried out the raw command 0x00 0x02") {
		t.Errorf("history:\n%s", h)
	}
	w.ok(call("0x06 0x7e"))
	const words = "Vendor method send_raw failed: raw command 0x06 0x7e: the BMC "
	if row := w.row(); !strings.HasPrefix(row.LastError, words) || row.Reservation != "" || !strings.Contains(w.history(), words) {
		t.Errorf("last_error %q, held by %q", row.LastError, row.Reservation)
	}
	w.ok(w.c.CallVendor(ctx, "control-1", "bmc_reset", "POST", nil)) // another method: why the first failed stays
	if row := w.row(); !strings.HasPrefix(row.LastError, words) || !strings.Contains(w.history(), "bmc_reset: the BMC was told to start anew (warm reset)") {
		t.Errorf("last_error %q", row.LastError)
	}
	w.ok(call("0x06 0x01"))
	if row := w.row(); row.LastError != "" {
		t.Errorf("last_error stays after success: %q", row.LastError)
	}
	methods, err := w.c.VendorMethods(ctx, "control-1")
	if err != nil || len(methods) != 2 || !slices.Equal(methods["bmc_reset"].Verbs, []string{"POST"}) {
		t.Errorf("methods %v, %v", methods, err)
	}
}

func TestVendorCallsThatAreRefused(t *testing.T) {
	w := newWorld(t, withIPMI)
	virtualBMC(t, w, vbmc.Config{})
	good := map[string]any{"raw_bytes": "0x06 0x01"}
	refused := func(method, verb string, args map[string]any, want, hint string) {
		t.Helper()
		err := w.c.CallVendor(t.Context(), "control-1", method, verb, args)
		if !errs.Is(err, errs.Invalid) || !strings.HasPrefix(err.Error(), want) || !strings.Contains(errs.HintOf(err), hint) {
			t.Errorf("%s %s: %v (%s), want %q", verb, method, err, errs.HintOf(err), want)
		}
	}
	refused("send_rwa", "POST", good, "No handler for method send_rwa", "did you mean \"send_raw\"?")
	refused("send_raw", "GET", good, "The method send_raw does not support HTTP GET", "POST")
	refused("send_raw", "POST", nil, "Parameter raw_bytes (string of bytes) was not specified.", "0x06 0x01")
	w.set(func(n *ironic.Node) { n.Interfaces["vendor"] = "no-vendor" })
	refused("send_raw", "POST", good, "No handler for method send_raw", "no-vendor")
	if methods, err := w.c.VendorMethods(t.Context(), "control-1"); err != nil || len(methods) != 0 {
		t.Errorf("methods of no-vendor: %v, %v", methods, err)
	}
	if row := w.row(); row.LastError != "" || w.history() != "" {
		t.Errorf("last_error %q, history %q", row.LastError, w.history())
	}
}

// A reset is what one tries on a BMC that counts as dead.
func TestAFaultyBMCMayBeReset(t *testing.T) {
	w := newWorld(t, withIPMI)
	virtualBMC(t, w, vbmc.Config{})
	w.set(func(n *ironic.Node) { n.Maintenance, n.Fault = true, "power failure" })
	w.ok(w.c.CallVendor(t.Context(), "control-1", "bmc_reset", "POST", map[string]any{"warm": "false"}))
	if h := w.history(); !strings.Contains(h, "(cold reset)") {
		t.Errorf("history: %s", h)
	}
}

// rawStep is a step that sends bytes to the BMC.
func rawStep(bytes string) []map[string]any {
	return []map[string]any{{"interface": "vendor", "step": "send_raw", "args": map[string]any{"raw_bytes": bytes}}}
}

func TestARawCommandAsAStep(t *testing.T) {
	w := newWorld(t, withIPMI)
	m := virtualBMC(t, w, vbmc.Config{})
	fakeDeploy(w)
	w.provision("clean", func(r *api.ProvisionRequest) { r.CleanSteps = rawStep("0x00 0x02 0x01") })
	n := w.await("manageable")
	if on, _ := m.Power(); !on || n.LastError != "" {
		t.Errorf("the machine is on: %t, last_error %q", on, n.LastError)
	}
	if h := w.history(); !strings.Contains(h, "send_raw: the BMC carried out the raw command 0x00 0x02") {
		t.Errorf("history:\n%s", h)
	}
	w.provision("clean", func(r *api.ProvisionRequest) { r.CleanSteps = rawStep("0x06 0x7e 0xab") })
	n = w.await("clean failed")
	if !strings.Contains(n.LastError, "raw command 0x06 0x7e: the BMC ") || strings.Contains(n.LastError+w.history(), "0xab") {
		t.Errorf("last_error %q, history\n%s", n.LastError, w.history())
	}
}

func TestAStepsArgumentsAreLookedAtBeforeAnythingBegins(t *testing.T) {
	w := newWorld(t, withIPMI)
	virtualBMC(t, w, vbmc.Config{})
	for words, args := range map[string]map[string]any{
		`: raw_bytes: byte 2 is "0xgg"`:                                  {"raw_bytes": "0x06 0xgg"},
		" has these unexpected arguments: x":                             {"raw_bytes": "0x06 0x01", "x": 1},
		" is missing these required arguments: raw_bytes (network funct": {},
	} {
		step := map[string]any{"interface": "vendor", "step": "send_raw", "args": args}
		for state, req := range map[string]api.ProvisionRequest{
			"manageable": {Target: "clean", CleanSteps: []map[string]any{step}},
			"active":     {Target: "service", ServiceSteps: []map[string]any{step}},
			"available":  {Target: "active", DeploySteps: []map[string]any{{"interface": "vendor", "step": "send_raw", "args": args, "priority": 150}}},
		} {
			w.set(func(n *ironic.Node) { n.ProvisionState = state })
			err := w.c.Provision(t.Context(), "control-1", req)
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), `step {'interface': 'vendor', 'step': 'send_raw'}`+words) ||
				errs.HintOf(err) != `the step vendor.send_raw has "args": {"raw_bytes": "0x06 0x01"}` || w.row().ProvisionState != state {
				t.Errorf("%s: %v (%s); now %s", req.Target, err, errs.HintOf(err), w.row().ProvisionState)
			}
		}
	}
}
