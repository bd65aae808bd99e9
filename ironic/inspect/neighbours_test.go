package inspect

import (
	"encoding/json"
	"fmt"
	"testing"

	"trefoil/ironic"
)

func TestNeighboursAreShownAtTheirInterface(t *testing.T) {
	var inv ironic.Inventory
	if err := json.Unmarshal([]byte(`{"Inventory":{"interfaces":[
		{"name":"eth0","mac_address":"52:54:00:00:00:01","lldp":[[5,"6f6c64"]]},
		{"name":"eth1","mac_address":"52:54:00:00:00:02","lldp":[[2,"0731"],[127,"0080c203006504766c616e"]]},
		{"name":"eth2","mac_address":"52:54:00:00:00:03","lldp":[]}, null]},
		"PluginData":{"lldp_raw":{"eth0":[[5,"73773031"]],"eth9":[[5,"73773031"]]},"parsed_lldp":{"eth2":{"lie":1}}}}`), &inv); err != nil {
		t.Fatal(err)
	}
	Neighbours(&inv)
	if got := fmt.Sprint(inv.PluginData[KeyLLDP]); got != "map[eth0:map[switch_system_name:sw01] eth1:map[switch_port_id:1 switch_port_vlans:[map[id:101 name:vlan]]]]" {
		t.Errorf("%s", got)
	}
	// After a way through the store, as clients see it.
	raw, err := json.Marshal(inv)
	if err != nil {
		t.Fatal(err)
	}
	inv = ironic.Inventory{}
	if err := json.Unmarshal(raw, &inv); err != nil {
		t.Fatal(err)
	}
	data, err := Data(&ironic.Node{}, &inv)
	if err != nil {
		t.Fatal(err)
	}
	all := data["all_interfaces"].(map[string]any)
	if got := fmt.Sprint(all["eth1"].(map[string]any)["lldp_processed"]); got != "map[switch_port_id:1 switch_port_vlans:[map[id:101 name:vlan]]]" {
		t.Errorf("%s", got)
	}
	if _, given := all["eth2"].(map[string]any)["lldp_processed"]; given || data[KeyLLDP] != nil {
		t.Errorf("%v", data)
	}
	silent := &ironic.Inventory{Inventory: map[string]any{"interfaces": 7}}
	if Neighbours(silent); silent.PluginData != nil {
		t.Errorf("%v", silent.PluginData)
	}
}
