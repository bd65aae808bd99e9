package ipmi

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

func TestTheAddressIsAText(t *testing.T) {
	for _, v := range []any{5.0, true, []any{"192.0.2.1"}} {
		_, err := parse(&ironic.Node{UUID: "u", Name: "n", DriverInfo: map[string]any{"ipmi_address": v}})
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "driver_info of node n: ipmi_address is "+ironic.PyRepr(v)+", no text; expected an address or a host name") {
			t.Errorf("%v: %v", v, err)
		}
	}
}
