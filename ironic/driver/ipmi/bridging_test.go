package ipmi

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
)

// A bridged machine's power must not go to its carrier: nothing is sent to any BMC.
func TestABMCBehindAnotherOneIsRefused(t *testing.T) {
	for value, want := range map[string]string{"single": "no BMC behind another one", "dual": "no BMC behind another one", "No": "expected no"} {
		n := node(startBMC(t, 0).port)
		n.DriverInfo["ipmi_bridging"], n.DriverInfo["ipmi_target_channel"], n.DriverInfo["ipmi_target_address"] = value, "7", "0x72"
		_, err := quick().PowerState(t.Context(), n)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "ipmi_bridging") || !strings.Contains(err.Error(), want) || errs.HintOf(err) == "" {
			t.Errorf("%s: %v (hint %q)", value, err, errs.HintOf(err))
		}
	}
	n := node(7001)
	n.DriverInfo["ipmi_bridging"], n.DriverInfo["ipmi_target_address"] = "no", "0x72" // which Ironic ignores, too
	if err := (&Driver{}).Validate(n); err != nil {
		t.Errorf("%v", err)
	}
	for key := range (&Driver{}).Properties() {
		delete(n.DriverInfo, key)
	}
	if len(n.DriverInfo) > 0 {
		t.Errorf("no properties: %v", n.DriverInfo)
	}
}
