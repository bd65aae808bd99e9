package inspect

import (
	"fmt"
	"strings"

	"trefoil/ironic/agentapi"
)

// maxNamed bounds how many bad addresses one sentence names.
const maxNamed = 5

// NoMAC says why an inventory has no usable address, with the place of each that is none;
// empty where it has one.
func NoMAC(d *agentapi.InspectionData) string {
	if len(MACs(d)) > 0 {
		return ""
	}
	if len(d.Inventory.Interfaces) == 0 {
		return "inventory.interfaces has no entry"
	}
	var bad []string
	for i, nic := range d.Inventory.Interfaces {
		at := fmt.Sprintf("inventory.interfaces[%d].mac_address", i)
		switch text := []rune(nic.MACAddress); {
		case nic.Name == "lo":
			bad = append(bad, at+" is that of lo")
		case len(text) == 0:
			bad = append(bad, at+" is missing or empty")
		default:
			bad = append(bad, fmt.Sprintf("%s is %q, no address of an Ethernet card", at, string(text[:min(len(text), 40)])))
		}
	}
	if n := len(bad) - maxNamed; n > 0 {
		bad = append(bad[:maxNamed], fmt.Sprintf("%d more are none either", n))
	}
	return strings.Join(bad, "; ")
}
