package ipmi

import (
	"strings"
	"testing"

	"trefoil/internal/errs"

	"github.com/bougou/go-ipmi/pkg/bmc"
)

// A key in driver_info is refused with a command that mends it, and shown nowhere.
func TestABMCKeyInDriverInfoIsRefusedWithWhatMendsIt(t *testing.T) {
	n := node("7001")
	n.DriverInfo["ipmi_hex_kg_key"] = strings.Repeat("5e", 20)
	err := (&Driver{}).Validate(n)
	if !errs.Is(err, errs.Invalid) || !strings.HasPrefix(errs.HintOf(err), "openstack baremetal node set n --driver-info ipmi_hex_kg_key=  (or node unset n --driver-info ipmi_hex_kg_key)") {
		t.Errorf("%v (hint %q)", err, errs.HintOf(err))
	}
	if strings.Contains(err.Error()+errs.HintOf(err), "5e5e") {
		t.Errorf("the key shows: %v (hint %q)", err, errs.HintOf(err))
	}
	n.DriverInfo["ipmi_hex_kg_key"] = "" // what the command makes of it
	if err := (&Driver{}).Validate(n); err != nil {
		t.Errorf("behind that command: %v", err)
	}
}

// A BMC that has a key fails the login behind a password that is right, and is not told of as a wrong one.
func TestABMCWithAKeyIsToldFromAWrongPassword(t *testing.T) {
	b := serveBMC(t, 0, newBMC(bmc.WithKG([]byte(strings.Repeat("k", 20)))))
	n := node(b.port)
	_, err := quick().PowerState(t.Context(), n)
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "has a BMC key (K_g)") || !strings.Contains(errs.HintOf(err), "vbmc edit NAME --kg") {
		t.Errorf("%v (hint %q)", err, errs.HintOf(err))
	}
	n.DriverInfo["ipmi_password"] = "nope"
	if _, err := quick().PowerState(t.Context(), n); err == nil || !strings.Contains(err.Error(), "wrong user name or password") {
		t.Errorf("%v", err)
	}
}
