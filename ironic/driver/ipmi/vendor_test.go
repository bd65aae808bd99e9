package ipmi

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/steps"
	vbmc "trefoil/vbmc/ipmi"
	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/ipmi/ipmitest"
	"trefoil/vbmc/ipmi/wire"
)

// ours is our own BMC on loopback, with a node that reaches it.
type ours struct {
	*ipmitest.BMC
	node *ironic.Node
}

func serveOurs(t *testing.T, c vbmc.Config) *ours {
	t.Helper()
	c.Username, c.Password = user, password
	b := ipmitest.Serve(t, c)
	return &ours{b, node(float64(b.Port))}
}

// virtual is a quick driver for our own BMC, closed before that ends.
func virtual(t *testing.T) (*Driver, *ours) {
	t.Helper()
	o, d := serveOurs(t, vbmc.Config{}), quick()
	t.Cleanup(func() { _ = d.Close(context.Background(), "n") })
	return d, o
}

func raw(bytes string) map[string]any { return map[string]any{"raw_bytes": bytes} }

func TestARawCommandArrives(t *testing.T) {
	d, b := virtual(t)
	done, err := d.CallVendor(t.Context(), b.node, "send_raw", raw("0x00 2 0x01")) // Chassis Control: power up
	if err != nil || !strings.Contains(done, "raw command 0x00 0x02 with 1 bytes of data and answered nothing more") {
		t.Fatalf("%q, %v", done, err)
	}
	if on, _ := b.Machine.Power(); !on {
		t.Error("the machine is off")
	}
	if done, err = d.CallVendor(t.Context(), b.node, "send_raw", raw("0x00 0x01")); err != nil || !strings.Contains(done, "answered 21 ") && !strings.Contains(done, "answered 01 ") {
		t.Errorf("chassis status: %q, %v", done, err)
	}
	_, err = d.CallVendor(t.Context(), b.node, "send_raw", raw("0x06 0x7e 0xfe 0xfe")) // letters: the port in the error may have any digits
	if err == nil || !strings.Contains(err.Error(), "raw command 0x06 0x7e") || !strings.Contains(err.Error(), "completion code 0xc1") || strings.Contains(err.Error(), "fe") {
		t.Errorf("a command that the BMC does not know: %v", err)
	}
}

// A BMC that was reset by somebody else has forgotten the kept session: the command goes out once, in a new one.
func TestARawCommandInAForgottenSession(t *testing.T) {
	d, b := virtual(t)
	d.Timeout = time.Second // the lost question is waited for
	if _, err := d.PowerState(t.Context(), b.node); err != nil {
		t.Fatal(err)
	}
	other, err := ipmiclient.Dial(t.Context(), b.Addr, ipmiclient.Options{Username: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	if cc, _, err := other.Do(wire.App, 0x03); cc != 0 || err != nil {
		t.Fatalf("reset: %#x %v", cc, err)
	}
	other.Close()
	if _, err := d.CallVendor(t.Context(), b.node, "send_raw", raw("0x00 0x02 0x01")); err != nil {
		t.Fatal(err)
	}
	if got := b.Machine.Log(); len(slices.DeleteFunc(got, func(s string) bool { return s != "on" })) != 1 {
		t.Errorf("the machine was told %q", b.Machine.Log())
	}
}

func TestTheBMCIsReset(t *testing.T) {
	for _, warm := range []any{nil, true, "true", "False", false} {
		d, b := virtual(t)
		if _, err := d.PowerState(t.Context(), b.node); err != nil {
			t.Fatal(err)
		}
		args, kind := map[string]any{"warm": warm}, "warm"
		switch warm {
		case nil:
			args = map[string]any{}
		case "False", false:
			kind = "cold"
		}
		done, err := d.CallVendor(t.Context(), b.node, "bmc_reset", args)
		if err != nil || !strings.Contains(done, kind+" reset") {
			t.Fatalf("warm %v: %q, %v", warm, done, err)
		}
		if s := b.Stats(); s.Sessions != 0 || s.Logins != 1 || d.session("n").client != nil {
			t.Errorf("warm %v: after the reset %+v, and the driver keeps %v; want no session", warm, s, d.session("n").client)
		}
		if _, err := d.PowerState(t.Context(), b.node); err != nil { // at once: nothing waits for the old session
			t.Errorf("warm %v: %v", warm, err)
		}
		if s := b.Stats(); s.Logins != 2 {
			t.Errorf("warm %v: %+v", warm, s)
		}
	}
}

func TestVendorArgumentsAreLookedAt(t *testing.T) {
	d, n := quick(), node(623.)
	for _, c := range []struct {
		method string
		args   map[string]any
		want   string // in the error; empty: none
	}{
		{"send_raw", raw("0x06 0x01"), ""},
		{"send_raw", raw(" 6\t010 255 "), ""},
		{"send_raw", map[string]any{"raw_bytes": "0x06 1", "other": 1.}, ""}, // as in Ironic
		{"send_raw", nil, "Parameter raw_bytes (string of bytes) was not specified."},
		{"send_raw", raw(""), "Parameter raw_bytes (string of bytes) was not specified."},
		{"send_raw", raw("  "), "has 0 bytes"},
		{"send_raw", raw("0x06"), "has 1 bytes; expected network function and command"},
		{"send_raw", raw("0x06 0xgg"), `byte 2 is "0xgg", not a number between 0x00 and 0xff`},
		{"send_raw", raw("0x06 0x01 256"), `byte 3 is "256"`},
		{"send_raw", raw("0x06,0x01"), `byte 1 is "0x06,0x01"`},
		{"send_raw", raw("0x06 -1"), `byte 2 is "-1"`},
		{"send_raw", raw("0x07 0x01"), "network function 0x07 is none of a request"},
		{"send_raw", raw("0x40 0x01"), "network function 0x40 is none of a request"},
		{"send_raw", raw(strings.Repeat("0 ", 256)), "has 256 bytes; expected 255 at most"},
		{"send_raw", map[string]any{"raw_bytes": []any{6., 1.}}, "raw_bytes is no text"},
		{"bmc_reset", nil, ""},
		{"bmc_reset", map[string]any{"warm": "off"}, ""},
		{"bmc_reset", map[string]any{"warm": "tepid"}, "warm is 'tepid'; expected true or false"},
		{"bmc_reset", map[string]any{"warm": nil}, "warm is None; expected true or false"},
		{"bmc_reset", map[string]any{"cold": true}, `does not know the argument "cold"`},
		{"boil", nil, "No handler for method boil"},
	} {
		err := d.CheckVendor(n, c.method, c.args)
		if c.want == "" && err != nil || c.want != "" && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %v: %v, want %q", c.method, c.args, err, c.want)
		}
	}
	n.DriverInfo = nil
	if err := d.CheckVendor(n, "send_raw", raw("6 1")); err == nil || !strings.Contains(err.Error(), "ipmi_address") {
		t.Errorf("without an address: %v", err)
	}
}

func TestARawCommandIsAStepWhereTheVendorInterfaceIsOn(t *testing.T) {
	d, b := virtual(t)
	step := func(bytes string) steps.Step {
		return steps.Step{Interface: "vendor", Name: "send_raw", Args: raw(bytes)}
	}
	for _, off := range []string{"no-vendor", ""} {
		b.node.Interfaces = map[string]string{"vendor": off}
		if got := d.Steps(b.node, steps.Clean); got != nil {
			t.Errorf("vendor interface %q: %v", off, got)
		}
		if _, err := d.RunStep(t.Context(), b.node, steps.Clean, step("0x00 0x02 0x01")); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.HintOf(err), "--vendor-interface ipmitool") {
			t.Errorf("vendor interface %q: %v", off, err)
		}
	}
	b.node.Interfaces["vendor"] = "ipmitool"
	for _, kind := range []steps.Kind{steps.Clean, steps.Deploy, steps.Service} {
		got := d.Steps(b.node, kind)
		if len(got) != 1 || got[0].ID() != "vendor.send_raw" || !got[0].ArgsInfo["raw_bytes"].Required || got[0].RequiresRamdisk || got[0].Abortable || got[0].Priority != 0 {
			t.Errorf("%s steps: %+v", kind, got)
		}
	}
	if err := d.CheckStep(b.node, step("0x06")); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "raw_bytes has 1 bytes") {
		t.Errorf("one byte: %v", err)
	}
	done, err := d.RunStep(t.Context(), b.node, steps.Service, step("0x00 0x02 0x01"))
	if on, _ := b.Machine.Power(); err != nil || !on || !strings.Contains(done, "raw command 0x00 0x02") {
		t.Errorf("%q, %v; the machine is on: %t", done, err, on)
	}
	if _, err := d.RunStep(t.Context(), b.node, steps.Clean, steps.Step{Interface: "vendor", Name: "bmc_reset"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("bmc_reset is no step of Ironic's: %v", err)
	}
}
