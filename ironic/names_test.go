package ironic_test

import (
	"strings"
	"testing"

	"trefoil/ironic"
)

func TestNames(t *testing.T) {
	const id = "182740b8-c4b2-4952-b3f0-c423af88a5bc"
	for name, want := range map[string][2]bool{ // of anything, of a node
		"control-1": {true, true}, "detail": {true, false}, "vmedia": {true, false}, id: {}, strings.ToUpper(strings.ReplaceAll(id, "-", "")): {},
		"": {}, "a b": {}, strings.Repeat("x", 256): {},
	} {
		if got := [2]bool{ironic.ValidName(name), ironic.ValidNodeName(name)}; got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]bool{"CUSTOM_X": true, "HW_CPU_X86_VMX": true, "X_Y": false, "CUSTOM_x": false, "CUSTOM_" + strings.Repeat("X", 250): false} {
		if ironic.ValidTrait(name) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
}

func TestSecretWords(t *testing.T) {
	for key, want := range map[string]bool{"ipmi_password": true, "Redfish_Password": true, "snmp_community": true, "ipmi_username": false, "": false} {
		if ironic.Secret(key) != want {
			t.Errorf("%q: want %v", key, want)
		}
	}
}
