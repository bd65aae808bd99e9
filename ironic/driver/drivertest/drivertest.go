// Package drivertest is the conformance suite of driver.Driver. Each driver
// runs it against a machine that it reaches: a fake, an in-memory BMC, a virtual BMC.
package drivertest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/driver"
)

// Run runs the suite; open returns a driver and a node whose machine is off.
func Run(t *testing.T, open func(t *testing.T) (driver.Driver, *ironic.Node)) {
	for name, f := range map[string]func(*testing.T, driver.Driver, *ironic.Node){
		"power follows what is asked, also twice": power,
		"a reboot ends switched on":               reboot,
		"the boot device is read back":            bootDevice,
		"an unknown boot device is refused":       unknownDevice,
		"an unknown power target is refused":      unknownTarget,
		"a cancelled context ends the call":       cancelled,
		"a closed node works again":               closed,
	} {
		t.Run(name, func(t *testing.T) {
			d, n := open(t)
			if err := d.Validate(n); err != nil {
				t.Fatal(err)
			}
			f(t, d, n)
		})
	}
}

func set(t *testing.T, d driver.Driver, n *ironic.Node, target, want string) {
	t.Helper()
	if err := d.SetPower(t.Context(), n, target); err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	got, err := d.PowerState(t.Context(), n)
	if err != nil || got != want {
		t.Fatalf("after %s: %q %v, want %q", target, got, err, want)
	}
}

func power(t *testing.T, d driver.Driver, n *ironic.Node) {
	got, err := d.PowerState(t.Context(), n)
	if err != nil || got != ironic.PowerOff {
		t.Fatalf("at first: %q %v", got, err)
	}
	set(t, d, n, ironic.PowerOn, ironic.PowerOn)
	set(t, d, n, ironic.PowerOn, ironic.PowerOn)
	set(t, d, n, ironic.PowerOff, ironic.PowerOff)
	set(t, d, n, ironic.PowerOff, ironic.PowerOff)
	set(t, d, n, ironic.PowerOn, ironic.PowerOn)
	set(t, d, n, ironic.SoftPowerOff, ironic.PowerOff)
}

func reboot(t *testing.T, d driver.Driver, n *ironic.Node) {
	set(t, d, n, ironic.Rebooting, ironic.PowerOn) // a machine that is off is switched on
	set(t, d, n, ironic.Rebooting, ironic.PowerOn)
	set(t, d, n, ironic.SoftRebooting, ironic.PowerOn)
	stays := *n
	stays.DisablePowerOff = true
	set(t, d, &stays, ironic.Rebooting, ironic.PowerOn)
	set(t, d, n, ironic.PowerOff, ironic.PowerOff)
	set(t, d, &stays, ironic.Rebooting, ironic.PowerOn)
}

func bootDevice(t *testing.T, d driver.Driver, n *ironic.Node) {
	all := d.SupportedBootDevices(n)
	for _, want := range []string{ironic.BootPXE, ironic.BootDisk} {
		if !slices.Contains(all, want) {
			t.Errorf("%s is not among %v", want, all)
		}
	}
	for _, c := range []struct {
		device     string
		persistent bool
	}{{ironic.BootPXE, false}, {ironic.BootDisk, true}, {ironic.BootPXE, true}, {ironic.BootCDROM, false}} {
		if err := d.SetBootDevice(t.Context(), n, c.device, c.persistent); err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		device, persistent, err := d.BootDevice(t.Context(), n)
		if err != nil || device != c.device || persistent != c.persistent {
			t.Errorf("set %+v, got %q %v %v", c, device, persistent, err)
		}
	}
}

func unknownDevice(t *testing.T, d driver.Driver, n *ironic.Node) {
	if err := d.SetBootDevice(t.Context(), n, "floppy of doom", false); !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
}

func unknownTarget(t *testing.T, d driver.Driver, n *ironic.Node) {
	if err := d.SetPower(t.Context(), n, "sideways"); !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
}

func cancelled(t *testing.T, d driver.Driver, n *ironic.Node) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.PowerState(ctx, n); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func closed(t *testing.T, d driver.Driver, n *ironic.Node) {
	set(t, d, n, ironic.PowerOn, ironic.PowerOn)
	for range 2 {
		if err := d.Close(t.Context(), n.UUID); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := d.PowerState(t.Context(), n); err != nil || got != ironic.PowerOn {
		t.Errorf("%q %v", got, err)
	}
}
