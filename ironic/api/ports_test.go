package api_test

import (
	"fmt"
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
		{body(`{"node_uuid":%q,"address":"52:54:00:00:00:03","portgroup_uuid":%q}`, n.UUID, n.UUID), "1.82", 400, "Portgroup"},
	} {
		r.do("POST", "/v1/ports", tc.version, tc.body).want(t, tc.status, tc.fault)
	}
	r.do("GET", "/v1/ports?address=x", "1.82", "").want(t, 400, "MAC")
	r.do("GET", "/v1/ports?node=nobody", "1.82", "").want(t, 404, "")
	r.do("GET", "/v1/ports?color=red", "1.82", "").want(t, 400, "Unexpected")
	r.do("PATCH", "/v1/ports/52:54:00:00:00:01", "1.82", `[{"op":"remove","path":"/address"}]`).want(t, 400, "address")
	r.do("PATCH", "/v1/ports/52:54:00:00:00:01", "1.82", `[{"op":"add","path":"/internal_info/a","value":1}]`).want(t, 400, "Cannot patch")
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
