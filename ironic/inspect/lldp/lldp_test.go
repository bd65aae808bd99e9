package lldp

import (
	"encoding/json"
	"reflect"
	"testing"
)

func parse(t testing.TB, s string) map[string]any {
	t.Helper()
	var tlvs []any
	if err := json.Unmarshal([]byte(s), &tlvs); err != nil {
		t.Fatal(err)
	}
	return Parse(tlvs)
}

// What a switch sends; the frame is that of ironic-inspector's tests, the expectation what it makes of it.
const frame = `[[1,"04112233aabbcc"],[2,"07373334"],[3,"003c"],[4,"686f737430322e6c61622e656e6720706f7274203320"],
 [5,"737730312d646973742d31622d623132"],[6,"4d61726b"],[7,"00140014"],[8,"0501c0a80001020000000000"],
 [8,"110220010db885a3000000008a2e03707334020000000000"],
 [127,"0080c2010079"],[127,"0080c202060001"],[127,"0080c202060002"],[127,"0080c203006504766c616e"],[127,"0080c204028100"],[127,"0080c2060010"],
 [127,"00120f0301000000fa"],[127,"00120f042328"],[127,"00120f01036c11001e"],[127,"aabbcc0100"],[0,""]]`

func TestAFrameOfASwitch(t *testing.T) {
	want := map[string]any{
		"switch_chassis_id": "11:22:33:aa:bb:cc", "switch_port_id": "734", "switch_port_description": "host02.lab.eng port 3 ",
		"switch_system_name": "sw01-dist-1b-b12", "switch_system_description": "Mark",
		"switch_capabilities_support": []any{"Bridge", "Router"}, "switch_capabilities_enabled": []any{"Bridge", "Router"},
		"switch_mgmt_addresses":             []any{"192.168.0.1", "2001:db8:85a3::8a2e:370:7334"},
		"switch_port_untagged_vlan_id":      121.0,
		"switch_port_protocol_vlan_enabled": true, "switch_port_protocol_vlan_support": true, "switch_port_protocol_vlan_ids": []any{1.0, 2.0},
		"switch_port_vlans":                    []any{map[string]any{"id": 101.0, "name": "vlan"}},
		"switch_protocol_identities":           []any{"8100"},
		"switch_port_management_vlan_id":       16.0,
		"switch_port_link_aggregation_enabled": false, "switch_port_link_aggregation_support": true, "switch_port_link_aggregation_id": 250.0,
		"switch_port_mtu":                     9000.0,
		"switch_port_autonegotiation_enabled": true, "switch_port_autonegotiation_support": true,
		"switch_port_physical_capabilities": []any{"100BASE-TX fdx", "100BASE-TX hdx", "1000BASE-T fdx", "10BASE-T fdx", "10BASE-T hdx", "Asym and Sym PAUSE fdx"},
		"switch_port_mau_type":              "1000BASE-T full duplex",
	}
	got := parse(t, frame)
	for k, v := range want {
		if !reflect.DeepEqual(got[k], v) {
			t.Errorf("%s: %#v, want %#v", k, got[k], v)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s: %v was not expected", k, got[k])
		}
	}
}

func TestNamesOfChassisAndPorts(t *testing.T) {
	for tlv, want := range map[string]string{
		`[1,"0773773031"]`:           "switch_chassis_id sw01",
		`[1,"0501c0a80001"]`:         "switch_chassis_id 192.168.0.1",
		`[1,"06657468"]`:             "switch_chassis_id eth",
		`[2,"03112233aabbcc"]`:       "switch_port_id 11:22:33:aa:bb:cc",
		`[2,"0557656e"]`:             "switch_port_id Wen",
		`[2,"0401c0a80001"]`:         "switch_port_id 192.168.0.1",
		`[8,"0706112233aabbcc0200"]`: "switch_mgmt_addresses [11:22:33:aa:bb:cc]",
	} {
		got := parse(t, "["+tlv+"]")
		if len(got) != 1 {
			t.Errorf("%s: %v", tlv, got)
		}
		for k, v := range got {
			if list, ok := v.([]any); ok {
				v = "[" + list[0].(string) + "]"
			}
			if k+" "+v.(string) != want {
				t.Errorf("%s: %s %v, want %s", tlv, k, v, want)
			}
		}
	}
}

func TestWhatIsCutShortOrNonsenseIsLeftOut(t *testing.T) {
	for _, tlv := range []string{`[1,"04112233"]`, `[1,"04"]`, `[1,""]`, `[1,"0a616263"]`, `[5,"ff"]`, `[5,"xyz"]`, `[7,"0014"]`, `[8,"05"]`, `[8,"ff01c0a80001"]`,
		`[8,"0501c0a8"]`, `[127,"0080c2"]`, `[127,"0080c20100"]`, `[127,"0080c2030065ff41"]`, `[127,"0080c204ff81"]`, `[127,"00120f0301"]`,
		`[127,"00120f01036c11ffff"]`, `["1","0773773031"]`, `[1]`, `1`, `null`} {
		if got := parse(t, "["+tlv+"]"); len(got) != 0 {
			t.Errorf("%s: %v", tlv, got)
		}
	}
	if got := parse(t, `[[5,"41"],[5,"42"]]`); got["switch_system_name"] != "A" {
		t.Errorf("said twice: %v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(frame)
	f.Fuzz(func(t *testing.T, s string) {
		var tlvs []any
		if json.Unmarshal([]byte(s), &tlvs) != nil {
			return
		}
		if _, err := json.Marshal(Parse(tlvs)); err != nil {
			t.Error(err)
		}
	})
}
