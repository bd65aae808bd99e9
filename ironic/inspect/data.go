package inspect

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"trefoil/ironic"
	"trefoil/ironic/agentapi"
)

// Keys of the plugin data that are not the ramdisk's.
const (
	KeyLogs       = "logs"            // never shown
	KeyLLDP       = "parsed_lldp"     // what switches said, by the name of the interface
	KeyDiscovered = "auto_discovered" // true: nobody knew the machine
)

// Unprocessed is what the ramdisk sent, but for its logs.
func Unprocessed(inv *ironic.Inventory) map[string]any {
	out := maps.Clone(inv.PluginData)
	if out == nil {
		out = map[string]any{}
	}
	delete(out, KeyLogs)
	delete(out, KeyLLDP)
	out["inventory"] = inv.Inventory
	return out
}

// Data is all that introspection knows of a machine in one object, as ironic-inspector
// shows it: what the ramdisk sent and what the hooks made of it. It shares nothing
// with the inventory.
func Data(n *ironic.Node, inv *ironic.Inventory) (map[string]any, error) {
	out := Unprocessed(inv)
	summary, err := summarize(n, inv)
	if err != nil {
		return nil, err
	}
	for k, v := range summary {
		if _, given := out[k]; !given {
			out[k] = v
		}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("write introspection data: %w", err)
	}
	var plain map[string]any
	if err := json.Unmarshal(raw, &plain); err != nil {
		return nil, fmt.Errorf("read introspection data: %w", err)
	}
	return plain, nil
}

// nic is an interface in the inspector's short form.
type nic struct {
	IP       string  `json:"ip"`
	MAC      string  `json:"mac"`
	PXE      bool    `json:"pxe"`
	ClientID *string `json:"client_id"`
	LLDP     any     `json:"lldp_processed,omitempty"`
}

// summarize has the members that the inspector's classic hooks add.
func summarize(n *ironic.Node, inv *ironic.Inventory) (map[string]any, error) {
	raw, err := json.Marshal(inv.Inventory)
	if err != nil {
		return nil, fmt.Errorf("read inventory: %w", err)
	}
	var parsed agentapi.Inventory
	if err := json.Unmarshal(raw, &parsed); err != nil {
		return nil, fmt.Errorf("read inventory: %w", err)
	}
	boot, _ := inv.PluginData["boot_interface"].(string)
	bootMAC := bootAddress(boot, parsed.Boot.PXEInterface)
	neighbours, _ := inv.PluginData[KeyLLDP].(map[string]any)
	all, macs := map[string]nic{}, []string{}
	for _, i := range parsed.Interfaces {
		if i.MACAddress == "" || i.Name == "lo" {
			continue
		}
		mac := strings.ToLower(i.MACAddress)
		all[i.Name] = nic{IP: i.IPv4Address, MAC: mac, PXE: mac == bootMAC, ClientID: i.ClientID, LLDP: neighbours[i.Name]}
		macs = append(macs, mac)
	}
	return map[string]any{
		"cpus": parsed.CPU.Count, "cpu_arch": parsed.CPU.Architecture, "memory_mb": parsed.Memory.PhysicalMB,
		"local_gb": localGB(n, inv), "interfaces": all, "all_interfaces": all, "macs": macs,
		"boot_interface": bootMAC, "ipmi_address": parsed.BMCAddress,
	}, nil
}

// bootAddress understands "01-mac-with-dashes" and a plain MAC address.
func bootAddress(candidates ...string) string {
	for _, text := range candidates {
		mac := strings.ToLower(strings.ReplaceAll(text, "-", ":"))
		if len(mac) == len("01:aa:bb:cc:dd:ee:ff") {
			mac = mac[3:]
		}
		if mac != "" {
			return mac
		}
	}
	return ""
}

// localGB is the size of the root disk less one GiB, as the inspector counts;
// what the node's properties say goes first.
func localGB(n *ironic.Node, inv *ironic.Inventory) int64 {
	switch v := n.Properties["local_gb"].(type) {
	case float64:
		return int64(v)
	case string:
		var gb int64
		if _, err := fmt.Sscan(v, &gb); err == nil {
			return gb
		}
	}
	disk, _ := inv.PluginData["root_disk"].(map[string]any)
	size, _ := disk["size"].(float64)
	return max(0, int64(size)>>30-1)
}
