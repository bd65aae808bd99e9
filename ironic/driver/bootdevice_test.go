package driver_test

import (
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/driver"
)

func TestBootMode(t *testing.T) {
	for _, c := range []struct{ capabilities, found, known, mode string }{
		{"", "", "", ironic.UEFI}, // Ironic's default
		{"profile:control", ironic.BIOS, ironic.BIOS, ironic.BIOS},
		{"profile:control", ironic.UEFI, ironic.UEFI, ironic.UEFI},
		{"profile:control, boot_mode:bios", ironic.UEFI, ironic.BIOS, ironic.BIOS},
		{"boot_mode:uefi", ironic.BIOS, ironic.UEFI, ironic.UEFI},
		{"boot_mode:", ironic.BIOS, ironic.BIOS, ironic.BIOS},
	} {
		n := &ironic.Node{BootMode: c.found, Properties: map[string]any{"capabilities": c.capabilities}}
		if known, mode := driver.KnownBootMode(n), driver.BootMode(n); known != c.known || mode != c.mode {
			t.Errorf("%q, found %q: known %q, boots by %q", c.capabilities, c.found, known, mode)
		}
	}
	if known, mode := driver.KnownBootMode(&ironic.Node{}), driver.BootMode(&ironic.Node{}); known != "" || mode != ironic.UEFI {
		t.Errorf("without properties: known %q, boots by %q", known, mode)
	}
}
