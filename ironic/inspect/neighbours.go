package inspect

import (
	"trefoil/ironic"
	"trefoil/ironic/inspect/lldp"
)

// maxInterfaces bounds how many interfaces are looked at for what switches said.
const maxInterfaces = 64

// Neighbours reads what switches said on a machine's interfaces, of the ramdisk's
// lldp_raw or of each interface's lldp, into the plugin data under KeyLLDP.
func Neighbours(inv *ironic.Inventory) {
	delete(inv.PluginData, KeyLLDP)
	raw, _ := inv.PluginData["lldp_raw"].(map[string]any)
	interfaces, _ := inv.Inventory["interfaces"].([]any)
	heard := map[string]any{}
	for _, item := range interfaces[:min(len(interfaces), maxInterfaces)] {
		i, _ := item.(map[string]any)
		name, _ := i["name"].(string)
		tlvs, _ := raw[name].([]any)
		if len(tlvs) == 0 {
			tlvs, _ = i["lldp"].([]any)
		}
		if facts := lldp.Parse(tlvs); name != "" && len(facts) > 0 {
			heard[name] = facts
		}
	}
	if len(heard) == 0 {
		return
	}
	if inv.PluginData == nil {
		inv.PluginData = map[string]any{}
	}
	inv.PluginData[KeyLLDP] = heard
}
