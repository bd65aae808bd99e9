package api_test

import (
	"fmt"
	"strings"
	"testing"

	"trefoil/ironic"
)

func TestPortLife(t *testing.T) {
	r := newRig(t)
	n := r.add(ironic.Node{Name: "n"})
	other := r.add(ironic.Node{Name: "other"})
	a := r.do("POST", "/v1/ports", "1.82", `{"node_uuid":"`+n.UUID+`","address":"52-54-00-AA-BB-01","extra":{"a":1}}`)
	a.want(t, 201, "")
	port := a.object(t)
	id := port["uuid"].(string)
	if port["address"] != "52:54:00:aa:bb:01" || port["pxe_enabled"] != true || a.header.Get("Location") != r.url+"/v1/ports/"+id {
		t.Errorf("port %v, Location %s", port, a.header.Get("Location"))
	}
	for path, want := range map[string]int{
		"/v1/ports?address=52:54:00:AA:BB:01": 1, "/v1/ports?address=52:54:00:aa:bb:02": 0, "/v1/ports?node=n": 1,
		"/v1/ports?node=other": 0, "/v1/ports?node_uuid=" + n.UUID: 1, "/v1/nodes/n/ports": 1, "/v1/nodes/other/ports": 0,
		"/v1/ports/detail?node=n": 1, "/v1/nodes/n/ports/detail": 1, "/v1/ports?fields=uuid,pxe_enabled": 1, "/v1/ports?detail=true": 1,
	} {
		if list := r.do("GET", path, "1.82", "").object(t)["ports"].([]any); len(list) != want {
			t.Errorf("%s gives %d ports, want %d", path, len(list), want)
		}
	}
	r.do("PATCH", "/v1/ports/"+id, "1.82", `[{"op":"replace","path":"/pxe_enabled","value":"false"},
		{"op":"add","path":"/physical_network","value":"ctlplane"},{"op":"replace","path":"/node_uuid","value":"`+other.UUID+`"}]`).want(t, 200, "")
	got := r.do("GET", "/v1/ports/52:54:00:aa:bb:01", "1.82", "").object(t)
	if got["pxe_enabled"] != false || got["physical_network"] != "ctlplane" || got["node_uuid"] != other.UUID || got["updated_at"] == nil {
		t.Errorf("port %v", got)
	}
	r.do("DELETE", "/v1/ports/"+id, "1.82", "").want(t, 204, "")
	r.do("GET", "/v1/ports/"+id, "1.82", "").want(t, 404, "Port "+id+" could not be found.")
}

func TestPortRefusals(t *testing.T) {
	r := newRig(t)
	n := r.add(ironic.Node{Name: "n"})
	body := func(format string, args ...any) string { return fmt.Sprintf(format, args...) }
	r.do("POST", "/v1/ports", "1.82", body(`{"node_uuid":%q,"address":"52:54:00:00:00:01"}`, n.UUID)).want(t, 201, "")
	for _, tc := range []struct {
		body, version string
		status        int
		fault         string
	}{
		{body(`{"node_uuid":%q}`, n.UUID), "1.82", 400, "'address' is a required"},
		{`{"address":"52:54:00:00:00:02"}`, "1.82", 400, "'node_uuid' is a required"},
		{body(`{"node_uuid":%q,"address":"52:54:00"}`, n.UUID), "1.82", 400, "Expected a MAC address"},
		{`{"node_uuid":"182740b8-c4b2-4952-b3f0-c423af88a5bc","address":"52:54:00:00:00:02"}`, "1.82", 400, "could not be found"},
		{body(`{"node_uuid":%q,"address":"52:54:00:00:00:01"}`, n.UUID), "1.82", 409, "already exists"},
		{body(`{"node_uuid":%q,"address":"52:54:00:00:00:03","color":1}`, n.UUID), "1.82", 400, "'color' was unexpected"},
		{body(`{"node_uuid":%q,"address":"52:54:00:00:00:03","physical_network":"a"}`, n.UUID), "1.33", 406, ""},
		{body(`{"node_uuid":%q,"address":"52:54:00:00:00:03","portgroup_uuid":%q}`, n.UUID, n.UUID), "1.82", 400, "Portgroup " + n.UUID + " could not be found"},
	} {
		r.do("POST", "/v1/ports", tc.version, tc.body).want(t, tc.status, tc.fault)
	}
	r.do("GET", "/v1/ports?address=x", "1.82", "").want(t, 400, "MAC")
	r.do("GET", "/v1/ports?node=nobody", "1.82", "").want(t, 404, "")
	r.do("GET", "/v1/ports?color=red", "1.82", "").want(t, 400, "Unexpected")
	r.do("PATCH", "/v1/ports/52:54:00:00:00:01", "1.82", `[{"op":"remove","path":"/address"}]`).want(t, 400, "address")
	r.do("PATCH", "/v1/ports/52:54:00:00:00:01", "1.82", `[{"op":"add","path":"/internal_info/a","value":1}]`).want(t, 400, "Cannot patch")
}

func TestPortFieldsAppearWithTheirVersion(t *testing.T) {
	r := newRig(t)
	n := r.add(ironic.Node{Name: "n"})
	r.do("POST", "/v1/ports", "1.101", `{"node_ident":"n","address":"52:54:00:00:00:01","name":"uplink","description":"to the left",
		"vendor":"acme","category":"fast"}`).want(t, 201, "")
	for field, since := range map[string]int{"internal_info": 18, "pxe_enabled": 19, "portgroup_uuid": 24, "physical_network": 34,
		"is_smartnic": 53, "name": 88, "description": 97, "vendor": 100, "category": 101} {
		below, at := fmt.Sprintf("1.%d", since-1), fmt.Sprintf("1.%d", since)
		if _, there := r.do("GET", "/v1/ports/52:54:00:00:00:01", below, "").object(t)[field]; there {
			t.Errorf("%s is shown at %s", field, below)
		}
		if _, there := r.do("GET", "/v1/ports/52:54:00:00:00:01", at, "").object(t)[field]; !there {
			t.Errorf("%s is not shown at %s", field, at)
		}
		r.do("GET", "/v1/ports?fields="+field, below, "").want(t, 406, "")
	}
	if p := r.do("GET", "/v1/ports/uplink", "1.101", "").object(t); p["node_uuid"] != n.UUID || p["vendor"] != "acme" || p["category"] != "fast" {
		t.Errorf("port %v", p)
	}
	r.do("GET", "/v1/ports/uplink", "1.87", "").want(t, 404, "Port uplink")
	post := func(version, more string) answer {
		return r.do("POST", "/v1/ports", version, `{"address":"52:54:00:00:00:02",`+more+`}`)
	}
	post("1.93", `"node_ident":"n"`).want(t, 406, "")
	post("1.94", `"node_ident":"n","node_uuid":"`+n.UUID+`"`).want(t, 400, "not both")
	post("1.94", `"node_ident":"nobody"`).want(t, 400, "Node nobody could not be found.")
	post("1.94", `"node_ident":"n","name":"uplink"`).want(t, 409, "name uplink already exists")
	post("1.94", `"node_ident":"n","name":"52:54:00:00:00:09"`).want(t, 400, "Invalid name")
	post("1.100", `"node_ident":"n","vendor":"`+strings.Repeat("x", 33)+`"`).want(t, 400, "longer than 32")
}

func TestPortFiltersThatLookAtTheNode(t *testing.T) {
	r := newRig(t)
	for i, n := range []ironic.Node{{Name: "a", Shard: "s1", ConductorGroup: "rack1"}, {Name: "b", Shard: "s2"}, {Name: "c"}} {
		r.add(n)
		r.do("POST", "/v1/ports", "1.97", fmt.Sprintf(`{"node_ident":%q,"address":"52:54:00:00:00:0%d","description":"port of %s"}`, n.Name, i, n.Name)).want(t, 201, "")
	}
	for query, want := range map[string]int{"shard=s1": 1, "shard=s1,s2": 2, "shard=s9": 0, "conductor_groups=rack1": 1,
		"conductor_groups=rack1,": 3, "description_contains=of+b": 1, "shard=s1&conductor_groups=rack1": 1} {
		if list := r.do("GET", "/v1/ports?"+query, "1.99", "").object(t)["ports"].([]any); len(list) != want {
			t.Errorf("%s gives %d ports, want %d", query, len(list), want)
		}
	}
	r.do("GET", "/v1/ports?shard=s1", "1.81", "").want(t, 406, "")
	r.do("GET", "/v1/ports?conductor_groups=x", "1.98", "").want(t, 406, "")
	r.do("GET", "/v1/ports?description_contains=x", "1.96", "").want(t, 406, "")
	r.do("GET", "/v1/ports?shard=s1&node=a", "1.99", "").want(t, 403, "Operation not permitted.")
	r.do("GET", "/v1/nodes/a/ports?shard=s1", "1.99", "").want(t, 403, "Operation not permitted.")
	r.do("GET", "/v1/ports?conductor_groups=x&node=a", "1.99", "").want(t, 400, "cannot be combined")
}

func TestLocalLinkConnectionHasItsSchema(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	for i, tc := range []struct {
		link, version string
		status        int
		fault         string
	}{
		{`{"port_id":"eth1","switch_id":"00-11-22-33-44-55","switch_info":"tor"}`, "1.94", 201, ""},
		{`{"port_id":"eth1","switch_id":"00:11:22:33:44:55:66:77"}`, "1.94", 201, ""},
		{`{"port_id":"rep0-0","hostname":"smart"}`, "1.94", 201, ""},
		{`{"network_type":"unmanaged"}`, "1.94", 201, ""},
		{`{}`, "1.94", 201, ""},
		{`{"network_type":"managed"}`, "1.94", 400, "it needs port_id"},
		{`{"network_type":"other","port_id":"a","switch_id":"00:11:22:33:44:55"}`, "1.94", 400, "managed, unmanaged"},
		{`{"port_id":"eth1"}`, "1.94", 400, "it needs port_id"},
		{`{"port_id":"eth1","switch_id":"the left one"}`, "1.94", 400, "Invalid switch_id"},
		{`{"port_id":1,"switch_id":"00:11:22:33:44:55"}`, "1.94", 400, "is not of type 'string'"},
		{`{"port_id":"eth1","switch_id":"00:11:22:33:44:55","color":"red"}`, "1.94", 400, "'color' was unexpected"},
		{`{"port_id":"p","vtep-logical-switch":"l","vtep-physical-switch":"p"}`, "1.104", 201, ""},
		{`{"port_id":"p","vtep-logical-switch":"l","vtep-physical-switch":"p"}`, "1.105", 400, "was unexpected"},
		{`{"port_id":"p","vtep-logical-switch":"l","switch_id":"00:11:22:33:44:55"}`, "1.104", 400, "it needs port_id"},
	} {
		mac := fmt.Sprintf("52:54:00:00:00:%02d", i)
		r.do("POST", "/v1/ports", tc.version, `{"node_ident":"n","address":"`+mac+`","local_link_connection":`+tc.link+`}`).want(t, tc.status, tc.fault)
	}
	link := func(port, version string) map[string]any {
		return r.do("GET", "/v1/ports/52:54:00:00:00:"+port, version, "").object(t)["local_link_connection"].(map[string]any)
	}
	if got := link("00", "1.94")["switch_id"]; got != "00:11:22:33:44:55" {
		t.Errorf("switch_id %v", got)
	}
	if len(link("11", "1.89")) != 0 || len(link("11", "1.90")) != 3 || len(link("11", "1.105")) != 0 {
		t.Errorf("VTEP switch: %v, %v, %v", link("11", "1.89"), link("11", "1.90"), link("11", "1.105"))
	}
	n := r.node("n")
	r.do("POST", "/v1/ports", "1.63", `{"node_uuid":"`+n.UUID+`","address":"52:54:00:00:01:00","local_link_connection":{"network_type":"unmanaged"}}`).want(t, 406, "")
	r.do("POST", "/v1/ports", "1.94", `{"node_ident":"n","address":"52:54:00:00:01:00","is_smartnic":true}`).want(t, 400, "Smart NIC port")
}

func TestAMachineInUseKeepsItsWiring(t *testing.T) {
	pxe := `[{"op":"replace","path":"/pxe_enabled","value":false}]`
	mac := `[{"op":"replace","path":"/address","value":"52:54:00:00:00:02"}]`
	extra := `[{"op":"add","path":"/extra/a","value":1}]`
	for _, tc := range []struct {
		node    ironic.Node
		patch   string
		version string
		status  int
		fault   string
	}{
		{ironic.Node{ProvisionState: "manageable"}, pxe, "1.82", 200, ""},
		{ironic.Node{ProvisionState: "available"}, pxe, "1.82", 409, "connectivity attributes (pxe_enabled)"},
		{ironic.Node{ProvisionState: "available", Maintenance: true}, pxe, "1.82", 200, ""},
		{ironic.Node{ProvisionState: "active"}, pxe, "1.82", 409, "connectivity"},
		{ironic.Node{ProvisionState: "active"}, mac, "1.82", 409, "hardware address"},
		{ironic.Node{ProvisionState: "active"}, extra, "1.82", 200, ""},
		{ironic.Node{ProvisionState: "available"}, mac, "1.82", 200, ""},
		{ironic.Node{ProvisionState: "inspecting"}, extra, "1.39", 409, "inspecting"},
		{ironic.Node{ProvisionState: "inspecting"}, extra, "1.38", 200, ""},
	} {
		r := newRig(t)
		n := r.add(tc.node)
		r.do("POST", "/v1/ports", "1.82", `{"node_uuid":"`+n.UUID+`","address":"52:54:00:00:00:01"}`).want(t, 201, "")
		a := r.do("PATCH", "/v1/ports/52:54:00:00:00:01", tc.version, tc.patch)
		a.want(t, tc.status, tc.fault)
		if a.status == 200 && strings.Contains(a.object(t)["updated_at"].(string), ".") {
			t.Errorf("updated_at has micros: %v", a.object(t)["updated_at"])
		}
	}
}

func TestDriversAndConductors(t *testing.T) {
	r := newRig(t)
	list := r.do("GET", "/v1/drivers", "1.82", "").object(t)["drivers"].([]any)
	if len(list) != 2 || list[0].(map[string]any)["default_boot_interface"] != nil {
		t.Errorf("drivers %v", list)
	}
	if d := r.do("GET", "/v1/drivers/ipmi", "1.82", "").object(t); d["default_boot_interface"] != "fake" || d["type"] != "dynamic" {
		t.Errorf("driver %v", d)
	}
	if d := r.do("GET", "/v1/drivers/ipmi?fields=name,hosts", "1.77", "").object(t); len(d) != 3 {
		t.Errorf("driver %v", d)
	}
	r.do("GET", "/v1/drivers/ipmi?fields=bogus", "1.77", "").want(t, 400, "bogus")
	r.do("GET", "/v1/drivers/abacus", "1.82", "").want(t, 404, "abacus")
	r.do("GET", "/v1/drivers?type=odd", "1.82", "").want(t, 400, "odd")
	if c := r.do("GET", "/v1/conductors/localhost", "1.49", "").object(t); c["alive"] != true || len(c["drivers"].([]any)) != 2 {
		t.Errorf("conductor %v", c)
	}
	r.do("GET", "/v1/conductors/elsewhere", "1.49", "").want(t, 404, "cannot be found")
}
