package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"trefoil/ironic"
)

const networkData = `{"links":[{"id":"eth0","type":"phy","ethernet_mac_address":"52:54:00:12:34:56","mtu":1500,"any":"thing"},
	{"id":"eth1","type":"phy","ethernet_mac_address":"52-54-00-12-34-57","mtu":null},
	{"id":"b","type":"bond","ethernet_mac_address":"52:54:00:12:34:56","bond_mode":"802.1ad","bond_links":["eth0","eth1"]},
	{"id":"v","type":"vlan","vlan_mac_address":"52:54:00:12:34:56","vlan_link":"b","vlan_id":7}],
	"networks":[{"id":"n","link":"v","network_id":"x","type":"ipv4","ip_address":"192.0.2.5","netmask":"255.255.255.0",
	"routes":[{"network":"0.0.0.0","netmask":"0.0.0.0","gateway":"192.0.2.1","services":[{"type":"dns","address":"192.0.2.2"}]}]},
	{"id":"m","link":"v","network_id":"x","type":"ipv6_slaac","ip_address":"2001:db8::5/64"}],
	"services":[{"type":"dns","address":"2001:db8::53"},{"type":"dns","address":"192.0.2.53"}]}`

// The shape is that of Ironic's network-data-schema.json.
func TestNetworkDataHasTheShapeOfIronicsSchema(t *testing.T) {
	r := newRig(t)
	for _, data := range []string{networkData, "null", "{}", `{"links":[],"networks":[],"services":[]}`} {
		r.do("POST", "/v1/nodes", "1.66", `{"driver":"fake-hardware","network_data":`+data+`}`).want(t, http.StatusCreated, "")
	}
	r.add(ironic.Node{Name: "n"})
	r.setNetworkData(networkData).want(t, http.StatusOK, "")
	r.do("PATCH", "/v1/nodes/n", "1.66", `[{"op":"remove","path":"/network_data/services"}]`).want(t, 400, "Invalid network_data: 'services' is a required property")
	r.do("PATCH", "/v1/nodes/n", "1.66", `[{"op":"remove","path":"/network_data"}]`).want(t, http.StatusOK, "")
	for name, c := range map[string]struct{ data, fault, hint string }{
		"no object":   {`[]`, "[] is not of type 'object', 'null'", ""},
		"strangers":   {`{"foo":1}`, "Invalid network_data: 'links' is a required property", ""},
		"no services": {`{"links":[],"networks":[]}`, "Invalid network_data: 'services' is a required property", ""},
		"no list":     {`{"links":{},"networks":[],"services":[]}`, "Invalid network_data: {} is not of type 'array'", "links is a list of objects"},
		"long":        {`{"links":"` + strings.Repeat("x", 500) + `"}`, strings.Repeat("x", 99) + "…", ""},
	} {
		if a := r.setNetworkData(c.data); a.status != 400 || !strings.Contains(a.fault(), c.fault) || !strings.Contains(a.hint(), c.hint) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if a := r.do("POST", "/v1/nodes", "1.66", `{"driver":"fake-hardware","network_data":`+c.data+`}`); a.status != 400 {
			t.Errorf("%s in POST: %d", name, a.status)
		}
	}
}

func (r *rig) setNetworkData(data string) answer {
	r.Helper()
	return r.do("PATCH", "/v1/nodes/n", "1.66", `[{"op":"add","path":"/network_data","value":`+data+`}]`)
}

func TestPartsOfNetworkDataAreNamed(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	var whole map[string][]any
	if err := json.Unmarshal([]byte(networkData), &whole); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		part   string
		index  int
		member string
		value  any // nil: without it
		hint   string
	}{
		{"links", 0, "", 5.0, "links[0]: 5 is not of type 'object'"},
		{"links", 0, "id", nil, "links[0]: 'id' is a required property"},
		{"links", 0, "ethernet_mac_address", nil, "links[0]: 'ethernet_mac_address' is a required property"},
		{"links", 0, "ethernet_mac_address", "zz", "links[0].ethernet_mac_address: 'zz' is not a MAC address"},
		{"links", 0, "id", 5.0, "links[0].id: 5 is not of type 'string'"},
		{"links", 0, "type", "ethernet", "links[0].type: 'ethernet' is not one of bond, vlan, bridge"},
		{"links", 1, "mtu", 0.0, "links[1].mtu: 0 is not a whole number from 1 to 65535"},
		{"links", 2, "bond_links", nil, "links[2]: 'bond_links' is a required property"},
		{"links", 2, "bond_links", []any{1.0}, "links[2].bond_links[0]: 1 is not of type 'string'"},
		{"links", 2, "bond_mode", "4", "links[2].bond_mode: '4' is not one of 802.1ad"},
		{"links", 3, "vlan_id", "7", "links[3].vlan_id: '7' is not a whole number"},
		{"links", 3, "vlan_mac_address", nil, "links[3]: 'vlan_mac_address' is a required property"},
		{"networks", 0, "link", nil, "networks[0]: 'link' is a required property"},
		{"networks", 0, "ip_address", "2001:db8::1", "networks[0].ip_address: '2001:db8::1' is not an IPv4 address"},
		{"networks", 0, "routes", []any{map[string]any{"network": "0.0.0.0", "netmask": "0.0.0.0"}}, "networks[0].routes[0]: 'gateway' is a required property"},
		{"networks", 1, "ip_address", "192.0.2.5", "networks[1].ip_address: '192.0.2.5' is not an IPv6 address"},
		{"networks", 1, "type", "static", "networks[1].type: 'static' is not one of ipv4, ipv4_dhcp"},
		{"services", 0, "type", "ntp", "services[0].type: 'ntp' is not one of dns"},
		{"services", 1, "address", "x", "services[1].address: 'x' is not an IPv4 address"},
	} {
		bad := maps.Clone(whole)
		bad[c.part] = append([]any{}, whole[c.part]...)
		if item, _ := bad[c.part][c.index].(map[string]any); c.member == "" {
			bad[c.part][c.index] = c.value
		} else {
			item = maps.Clone(item)
			item[c.member] = c.value
			if c.value == nil {
				delete(item, c.member)
			}
			bad[c.part][c.index] = item
		}
		text, _ := json.Marshal(bad)
		a := r.setNetworkData(string(text))
		if a.status != 400 || !strings.HasPrefix(a.fault(), "Invalid network_data: ") || !strings.HasSuffix(a.fault(), "is not valid under any of the given schemas") || !strings.HasPrefix(a.hint(), c.hint) {
			t.Errorf("%s: %d %s", fmt.Sprint(c.part, c.index, c.member), a.status, a.body)
		}
	}
}
