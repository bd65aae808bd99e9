package driver

import (
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/inspect"
)

// CheckBootDevice refuses a device that m does not support; the error is Invalid
// and names those it does.
func CheckBootDevice(m Management, n *ironic.Node, device string) error {
	if all := m.SupportedBootDevices(n); !slices.Contains(all, device) {
		return errs.New(errs.Invalid, "Invalid boot device %s specified.", device).
			WithHint("choose one of %s", strings.Join(all, ", "))
	}
	return nil
}

// KnownBootMode is how a node's firmware boots as its capability boot_mode has it, else as
// it was found or set; empty when nobody knows.
func KnownBootMode(n *ironic.Node) string {
	caps, _ := n.Properties["capabilities"].(string)
	if m := inspect.ParseCapabilities(caps)["boot_mode"]; m != "" {
		return m
	}
	return n.BootMode
}

// BootMode is how a node is to boot: by BIOS if that is known of it, else by UEFI, which is
// Ironic's default ([deploy]default_boot_mode).
func BootMode(n *ironic.Node) string {
	if KnownBootMode(n) == ironic.BIOS {
		return ironic.BIOS
	}
	return ironic.UEFI
}
