package fake

import (
	"errors"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/driver"
	"trefoil/ironic/driver/drivertest"
)

func TestDriverKeepsItsContract(t *testing.T) {
	drivertest.Run(t, func(*testing.T) (driver.Driver, *ironic.Node) { return &Driver{}, &ironic.Node{UUID: "n"} })
}

func TestAOneTimeDeviceIsUsedOnce(t *testing.T) {
	var booted []string
	d := &Driver{Switched: func(_, state, dev string) {
		if state == ironic.PowerOn {
			booted = append(booted, dev)
		}
	}}
	n := &ironic.Node{UUID: "n"}
	if device, persistent, err := d.BootDevice(t.Context(), n); device != ironic.BootPXE || persistent || err != nil {
		t.Errorf("a machine that was told nothing boots from %s, persistent %v: %v", device, persistent, err)
	}
	if err := d.SetBootDevice(t.Context(), n, ironic.BootPXE, false); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.SetPower(t.Context(), n, ironic.Rebooting); err != nil {
			t.Fatal(err)
		}
	}
	if len(booted) != 2 || booted[0] != ironic.BootPXE || booted[1] != ironic.BootDisk {
		t.Errorf("booted from %v", booted)
	}
}

func TestAFailureIsPassedOn(t *testing.T) {
	no := errors.New("no")
	d := &Driver{Fail: func(string, string) error { return no }}
	if err := d.SetPower(t.Context(), &ironic.Node{UUID: "n"}, ironic.PowerOn); !errors.Is(err, no) {
		t.Error(err)
	}
}
