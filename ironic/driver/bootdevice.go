package driver

import (
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
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
