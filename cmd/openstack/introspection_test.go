package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What introspection saw is saved with the summary, or as the ramdisk sent it.
func TestIntrospectionDataSave(t *testing.T) {
	o := newOperator(t)
	n := o.AddNode("storage-1", nil)
	o.want("baremetal introspection data save storage-1", 1, "", "Introspection data not found for node "+n.UUID)
	o.want("baremetal introspection data save nope", 1, "", "nope")
	o.want("baremetal introspection data save", 2, "", "the following arguments are required: NODE")
	o.Inspected("storage-1", map[string]any{"cpu": map[string]any{"count": 4}, "memory": map[string]any{"physical_mb": 2048}}, map[string]any{"root_disk": map[string]any{"name": "/dev/vda"}})
	read := func(data string) map[string]any {
		t.Helper()
		var got map[string]any
		if err := json.Unmarshal([]byte(data), &got); err != nil {
			t.Errorf("%v in %q", err, data)
		}
		return got
	}
	code, out, errw := o.types(t.Context(), "baremetal introspection data save "+n.UUID)
	if got := read(out); code != 0 || errw != "" || got["memory_mb"] != 2048.0 || got["inventory"] == nil || got["root_disk"] == nil {
		t.Errorf("code %d\n%s%s", code, out, errw)
	}
	file := filepath.Join(t.TempDir(), "data.json")
	o.want("baremetal introspection data save --unprocessed storage-1 --file "+file, 0, "", "")
	data, err := os.ReadFile(file)
	if got := read(string(data)); err != nil || got["inventory"] == nil || got["memory_mb"] != nil {
		t.Errorf("%v\n%s", err, data)
	}
}

func TestIntrospectionRules(t *testing.T) {
	o := newOperator(t)
	file := filepath.Join(t.TempDir(), "rules.yaml")
	const id = "b0ea6361-03cd-467c-859c-7230547dcb9a"
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("- {uuid: " + id + ", description: mem, conditions: [{op: lt, field: memory_mb, value: 4096}], actions: [{action: fail, message: too small}]}\n" +
		"- {actions: [{action: explode}]}\n")
	o.want("baremetal introspection rule import "+file, 1, "", "rule 2 of 2: ")
	write(`{"uuid": "` + id + `", "actions": [{"action": "fail", "message": "no"}]}`)
	o.want("baremetal introspection rule import "+file, 1, "", "Rule with UUID "+id+" already exists")
	o.want("baremetal introspection rule list -f value", 0, id+" mem\n", "")
	code, out, errw := o.types(t.Context(), "baremetal introspection rule show "+id+" -f json")
	if code != 0 || errw != "" || !strings.Contains(out, `"too small"`) || !strings.Contains(out, `"multiple": "any"`) || strings.Contains(out, "links") {
		t.Errorf("%d %s%s", code, out, errw)
	}
	o.want("baremetal introspection rule delete "+id, 0, "", "")
	o.want("baremetal introspection rule delete "+id, 1, "", "Rule "+id+" was not found")
	o.want("baremetal introspection rule import -f value -c Description "+file, 0, "None\n", "")
	o.want("baremetal introspection rule purge", 0, "", "")
	o.want("baremetal introspection rule show "+id, 1, "", "was not found")
	o.want("baremetal introspection rule import "+file+".no", 1, "", "no such file")
}

func TestIntrospectionInterfaces(t *testing.T) {
	o := newOperator(t)
	o.AddNode("n", nil)
	o.Inspected("n", map[string]any{"interfaces": []any{map[string]any{"name": "eth0", "mac_address": "52:54:00:00:00:01"},
		map[string]any{"name": "eth1", "mac_address": "52:54:00:00:00:02"}}},
		map[string]any{"parsed_lldp": map[string]any{"eth1": map[string]any{"switch_port_id": "7", "switch_chassis_id": "sw",
			"switch_port_vlans": []any{map[string]any{"id": 101, "name": "a"}}}}})
	o.want("baremetal introspection interface list n -f csv", 0, "\"Interface\",\"MAC Address\",\"Switch Port VLAN IDs\",\"Switch Chassis ID\",\"Switch Port ID\"\n"+
		"\"eth0\",\"52:54:00:00:00:01\",\"[]\",\"None\",\"None\"\n\"eth1\",\"52:54:00:00:00:02\",\"[101]\",\"sw\",\"7\"\n", "")
	o.want("baremetal introspection interface list n -f value --vlan 101 --fields interface --fields switch_port_id", 0, "eth1 7\n", "")
	o.want("baremetal introspection interface list n -f value --vlan 102", 0, "", "")
	o.want("baremetal introspection interface show n eth1 -f value --fields switch_chassis_id", 0, "sw\n", "")
	o.want("baremetal introspection interface show n eth9", 1, "", "Interface eth9 was not found on this node")
	o.want("baremetal introspection interface list n --fields colour", 2, "", "expected one of interface")
	o.want("baremetal introspection interface list n --long --fields mac", 2, "", "not allowed with argument --long")
}
