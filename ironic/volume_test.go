package ironic

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
)

func TestVolumesChangeWhileTheirMachineIsOff(t *testing.T) {
	for name, tc := range map[string]struct {
		node           Node
		update, delete errs.Code
		says           string
	}{
		"off":                        {Node{ProvisionState: "active", PowerState: PowerOff}, "", "", ""},
		"on":                         {Node{ProvisionState: "active", PowerState: PowerOn}, errs.Invalid, errs.Invalid, `in state "power on"`},
		"never asked":                {Node{ProvisionState: "available"}, errs.Invalid, errs.Invalid, `in state "None"`},
		"on, but may be deleted":     {Node{ProvisionState: "manageable", PowerState: PowerOn}, errs.Invalid, "", `in state "power on"`},
		"never asked, just enrolled": {Node{ProvisionState: "enroll"}, errs.Invalid, "", `in state "None"`},
		"an adoption failed":         {Node{ProvisionState: "adopt failed", PowerState: PowerOn}, errs.Invalid, "", `in state "power on"`},
		"off, but somebody has it":   {Node{ProvisionState: "enroll", PowerState: PowerOff, Reservation: "host-1"}, errs.Locked, errs.Locked, "locked by host host-1"},
	} {
		tc.node.UUID = "u"
		update, remove := tc.node.MayUpdateVolume("volume target"), tc.node.MayDeleteVolume("volume target")
		if errs.CodeOf(update) != tc.update || errs.CodeOf(remove) != tc.delete {
			t.Errorf("%s: update %v, deletion %v", name, update, remove)
		}
		if update != nil && !strings.Contains(update.Error(), tc.says) {
			t.Errorf("%s: %q does not say %q", name, update, tc.says)
		}
	}
	err := (&Node{UUID: "u", PowerState: PowerOn, ProvisionState: "active"}).MayDeleteVolume("volume target")
	const want = `The requested action "volume target deletion" can not be performed on node "u" while it is in state "power on".`
	if err == nil || err.Error() != want || !strings.Contains(errs.HintOf(err), "power off u") {
		t.Errorf("%v (%s)", err, errs.HintOf(err))
	}
}
