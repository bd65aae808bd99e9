// Package inventory reads the list of machines that an operator writes
// (instackenv.json, the article's inspection.json), checks it as TripleO's
// validators do and turns each entry into what the bare-metal API wants.
// It is pure.
package inventory

import (
	"fmt"
	"sort"
	"strings"
)

// Machine is one entry, ready to be registered.
type Machine struct {
	Index         int // in the file
	Name          string
	Driver        string            // hardware type: ipmi, fake-hardware
	DriverInfo    map[string]any    // ipmi_address, …
	Properties    map[string]any    // cpus, memory_mb, local_gb, cpu_arch, capabilities, root_device: text as TripleO writes it
	Interfaces    map[string]string // boot_interface → …
	MACs          []string          // lower case
	UUID          string            // of an existing node, if the file names one
	ResourceClass string
	BMC           string // identity of the BMC: address:port
}

// prefixes maps a pm_type to hardware type and driver_info prefix (TripleO's
// driver handlers). Types that this undercloud has no driver for are known but refused.
func hardwareType(pmType string) (hw, prefix string, known bool) {
	switch {
	case pmType == "ipmi", strings.HasSuffix(pmType, "_ipmitool"):
		return "ipmi", "ipmi", true
	case pmType == "fake-hardware", pmType == "manual-management", pmType == "fake", pmType == "fake_pxe", pmType == "fake_agent":
		return "fake-hardware", "fake", true
	}
	for _, p := range []string{"idrac", "ilo", "irmc", "cisco-ucs-managed", "redfish", "xclarity", "staging-ovirt"} {
		if pmType == p {
			return "", "", true
		}
	}
	for _, s := range []string{"_drac", "_ilo", "_irmc", "_ucs", "_iboot", "_wol", "_amt"} {
		if strings.HasSuffix(pmType, s) {
			return "", "", true
		}
	}
	return "", "", false
}

// capabilities brings "a:1,b:2" or a map into the sorted text that Ironic keeps,
// with boot_option added when it is missing.
func capabilities(v any, bootOption string) (string, error) {
	caps := map[string]string{}
	switch x := v.(type) {
	case nil:
	case string:
		for part := range strings.SplitSeq(x, ",") {
			if strings.TrimSpace(part) == "" {
				continue
			}
			k, val, ok := strings.Cut(part, ":")
			if !ok || strings.TrimSpace(k) == "" {
				return "", fmt.Errorf("Invalid capabilities: %v", x) //nolint:staticcheck // TripleO's words
			}
			caps[strings.TrimSpace(k)] = strings.TrimSpace(val)
		}
	case map[string]any:
		for k, val := range x {
			caps[k] = fmt.Sprint(val)
		}
	default:
		return "", fmt.Errorf("Invalid capabilities: %v", x) //nolint:staticcheck // TripleO's words
	}
	if _, ok := caps["boot_option"]; !ok && bootOption != "" {
		caps["boot_option"] = bootOption
	}
	keys := make([]string, 0, len(caps))
	for k := range caps {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for i, k := range keys {
		keys[i] = k + ":" + caps[k]
	}
	return strings.Join(keys, ","), nil
}
