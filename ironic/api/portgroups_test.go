package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
)

// bond makes a node with ports and a portgroup of the first few.
func bond(t *testing.T, r *rig, name string, ports, members int, more string) (group string, macs []string) {
	t.Helper()
	n := r.add(ironic.Node{Name: name})
	a := r.do("POST", "/v1/portgroups", "1.110", `{"node_uuid":"`+n.UUID+`"`+more+`}`)
	a.want(t, 201, "")
	group = a.object(t)["uuid"].(string)
	for i := range ports {
		mac := fmt.Sprintf("52:54:00:%02x:00:%02d", len(name), i)
		body := fmt.Sprintf(`{"node_ident":%q,"address":%q,"pxe_enabled":false`, name, mac)
		if i < members {
			body += `,"portgroup_uuid":"` + group + `"`
		}
		r.do("POST", "/v1/ports", "1.94", body+"}").want(t, 201, "")
		macs = append(macs, mac)
	}
	return group, macs
}

func TestPortgroupLife(t *testing.T) {
	r := newRig(t)
	n := r.add(ironic.Node{Name: "n", Shard: "s1", ConductorGroup: "rack1"})
	a := r.do("POST", "/v1/portgroups", "1.103", `{"node_uuid":"`+n.UUID+`","name":"bond0","address":"52-54-00-AA-BB-01","mode":"802.3ad",
		"properties":{"miimon":"100"},"category":"fast","physical_network":"ctlplane"}`)
	a.want(t, 201, "")
	g := a.object(t)
	id := g["uuid"].(string)
	if g["address"] != "52:54:00:aa:bb:01" || g["standalone_ports_supported"] != true || a.header.Get("Location") != r.url+"/v1/portgroups/"+id ||
		strings.Contains(g["created_at"].(string), ".") {
		t.Errorf("portgroup %v, Location %s", g, a.header.Get("Location"))
	}
	for field, since := range map[string]int{"ports": 24, "mode": 26, "properties": 26, "physical_network": 102, "category": 103} {
		for minor, want := range map[int]bool{since - 1: false, since: true} {
			if _, there := r.do("GET", "/v1/portgroups/bond0", fmt.Sprintf("1.%d", minor), "").object(t)[field]; there != want {
				t.Errorf("%s at 1.%d: %t", field, minor, there)
			}
		}
	}
	for path, want := range map[string]int{"/v1/portgroups": 1, "/v1/portgroups/detail": 1, "/v1/portgroups?address=52:54:00:AA:BB:01": 1,
		"/v1/portgroups?address=52:54:00:aa:bb:02": 0, "/v1/portgroups?node=n": 1, "/v1/nodes/n/portgroups": 1, "/v1/nodes/n/portgroups/detail": 1,
		"/v1/portgroups?shard=s1": 1, "/v1/portgroups?shard=s2": 0, "/v1/portgroups?conductor_groups=rack1": 1, "/v1/portgroups?fields=mode": 1} {
		if list := r.do("GET", path, "1.106", "").object(t)["portgroups"].([]any); len(list) != want {
			t.Errorf("%s gives %d, want %d", path, len(list), want)
		}
	}
	r.do("PATCH", "/v1/portgroups/bond0", "1.103", `[{"op":"replace","path":"/mode","value":"balance-rr"},{"op":"remove","path":"/address"}]`).want(t, 200, "")
	if got := r.do("GET", "/v1/portgroups/"+id, "1.103", "").object(t); got["mode"] != "balance-rr" || got["address"] != nil || got["updated_at"] == nil {
		t.Errorf("portgroup %v", got)
	}
	r.do("DELETE", "/v1/portgroups/bond0", "1.103", "").want(t, 204, "")
	r.do("GET", "/v1/portgroups/bond0", "1.103", "").want(t, 404, "Portgroup bond0 could not be found.")
	r.do("GET", "/v1/portgroups", "1.22", "").want(t, 404, "")
	r.do("DELETE", "/v1/portgroups", "1.23", "").want(t, 400, "portgroup_ident")
}

func TestPortgroupRefusals(t *testing.T) {
	r := newRig(t)
	n := r.add(ironic.Node{Name: "n"})
	node := `"node_uuid":"` + n.UUID + `"`
	r.do("POST", "/v1/portgroups", "1.23", `{`+node+`,"name":"taken","address":"52:54:00:00:00:01"}`).want(t, 201, "")
	for _, tc := range []struct {
		body, version string
		status        int
		fault         string
	}{
		{`{}`, "1.103", 400, "'node_uuid' is a required"},
		{`{"node_uuid":"182740b8-c4b2-4952-b3f0-c423af88a5bc"}`, "1.103", 400, "could not be found"},
		{`{` + node + `,"name":"taken"}`, "1.103", 409, "name taken already exists"},
		{`{` + node + `,"address":"52:54:00:00:00:01"}`, "1.103", 409, "already exists"},
		{`{` + node + `,"address":"here"}`, "1.103", 400, "MAC"},
		{`{` + node + `,"name":"bad name"}`, "1.103", 400, "invalid name"},
		{`{` + node + `,"mode":"802.3ad"}`, "1.25", 406, ""},
		{`{` + node + `,"physical_network":"a"}`, "1.101", 406, ""},
		{`{` + node + `,"category":"a"}`, "1.102", 406, ""},
		{`{` + node + `,"category":"` + strings.Repeat("x", 81) + `"}`, "1.103", 400, "longer than 80"},
		{`{` + node + `,"color":"red"}`, "1.103", 400, "'color' was unexpected"},
	} {
		r.do("POST", "/v1/portgroups", tc.version, tc.body).want(t, tc.status, tc.fault)
	}
	r.do("PATCH", "/v1/portgroups/taken", "1.103", `[{"op":"remove","path":"/mode"}]`).want(t, 400, "can not be removed")
	r.do("PATCH", "/v1/portgroups/taken", "1.103", `[{"op":"replace","path":"/uuid","value":"x"}]`).want(t, 400, "Cannot patch")
	r.do("GET", "/v1/portgroups?node=n&address=52:54:00:00:00:01", "1.103", "").want(t, 400, "simultaneously")
	r.do("GET", "/v1/portgroups?shard=a", "1.105", "").want(t, 406, "")
	r.do("GET", "/v1/portgroups?conductor_groups=a", "1.98", "").want(t, 406, "")
	r.do("GET", "/v1/portgroups?sort_key=extra", "1.103", "").want(t, 400, "sorting")
}

func TestPortsOfAPortgroup(t *testing.T) {
	r := newRig(t)
	group, macs := bond(t, r, "n", 3, 2, `,"name":"bond0"`)
	other := r.add(ironic.Node{Name: "other"})
	for path, want := range map[string]int{"/v1/portgroups/bond0/ports": 2, "/v1/portgroups/" + group + "/ports/detail": 2,
		"/v1/ports?portgroup=bond0": 2, "/v1/ports": 3, "/v1/portgroups/bond0/ports?fields=uuid": 2} {
		if list := r.do("GET", path, "1.94", "").object(t)["ports"].([]any); len(list) != want {
			t.Errorf("%s gives %d ports, want %d", path, len(list), want)
		}
	}
	r.do("GET", "/v1/portgroups/bond0/ports", "1.23", "").want(t, 404, "")
	r.do("GET", "/v1/ports?portgroup=nobody", "1.94", "").want(t, 404, "Portgroup nobody")
	r.do("GET", "/v1/ports?portgroup=bond0&node=n", "1.94", "").want(t, 403, "Operation not permitted.")
	r.do("DELETE", "/v1/portgroups/bond0", "1.94", "").want(t, 400, "contains ports")
	r.do("PATCH", "/v1/portgroups/bond0", "1.94", `[{"op":"replace","path":"/node_uuid","value":"`+other.UUID+`"}]`).want(t, 400, "there are ports associated")
	r.do("POST", "/v1/ports", "1.94", `{"node_ident":"other","address":"52:54:00:99:00:01","portgroup_uuid":"`+group+`"}`).want(t, 400, "different node")

	patch := func(mac, path, value string) answer {
		return r.do("PATCH", "/v1/ports/"+mac, "1.102", `[{"op":"replace","path":"/`+path+`","value":`+value+`}]`)
	}
	patch(macs[0], "physical_network", `"red"`).want(t, 400, "belongs to a portgroup")
	patch(macs[2], "physical_network", `"red"`).want(t, 200, "")
	patch(macs[2], "portgroup_uuid", `"`+group+`"`).want(t, 409, "physical network red cannot become a member")
	r.do("PATCH", "/v1/portgroups/bond0", "1.102", `[{"op":"add","path":"/physical_network","value":"red"}]`).want(t, 200, "")
	if got := r.do("GET", "/v1/ports/"+macs[0], "1.94", "").object(t)["physical_network"]; got != "red" {
		t.Errorf("the group's network did not reach its port: %v", got)
	}
	patch(macs[2], "portgroup_uuid", `"`+group+`"`).want(t, 200, "")

	r.do("PATCH", "/v1/portgroups/bond0", "1.94", `[{"op":"replace","path":"/standalone_ports_supported","value":false}]`).want(t, 200, "")
	patch(macs[0], "pxe_enabled", "true").want(t, 409, "doesn't support standalone ports")
	// The default of a new port is not what anybody asked for.
	post := func(mac, more string) answer {
		return r.do("POST", "/v1/ports", "1.102", `{"node_ident":"n","physical_network":"red","address":"`+mac+`","portgroup_uuid":"`+group+`"`+more+`}`)
	}
	post("52:54:00:01:01:01", `,"pxe_enabled":true`).want(t, 409, "'pxe_enabled' is set to True")
	a := post("52:54:00:01:01:01", "")
	a.want(t, 201, "")
	if got := a.object(t); got["pxe_enabled"] != true || got["portgroup_uuid"] != group {
		t.Errorf("port %v", got)
	}
	r.do("DELETE", "/v1/ports/52:54:00:01:01:01", "1.102", "").want(t, 204, "")
	r.do("PATCH", "/v1/portgroups/bond0", "1.94", `[{"op":"replace","path":"/standalone_ports_supported","value":true}]`).want(t, 200, "")
	patch(macs[0], "pxe_enabled", "true").want(t, 200, "")
	r.do("PATCH", "/v1/portgroups/bond0", "1.94", `[{"op":"replace","path":"/standalone_ports_supported","value":false}]`).want(t, 409, "pxe_enabled")
}

func TestAPortgroupKeepsToItsNodeWhileThatIsInUse(t *testing.T) {
	r := newRig(t)
	n := r.add(ironic.Node{Name: "a"})
	used := r.add(ironic.Node{Name: "used", ProvisionState: "active"})
	busy := r.add(ironic.Node{Name: "busy", ProvisionState: "inspecting"})
	r.do("POST", "/v1/portgroups", "1.23", `{"node_uuid":"`+n.UUID+`","name":"g"}`).want(t, 201, "")
	r.do("PATCH", "/v1/portgroups/g", "1.23", `[{"op":"replace","path":"/node_uuid","value":"`+used.UUID+`"}]`).want(t, 409, "maintenance mode")
	r.do("PATCH", "/v1/portgroups/g", "1.39", `[{"op":"replace","path":"/node_uuid","value":"`+busy.UUID+`"}]`).want(t, 409, "inspecting")
}

func TestVIFsPreferPortgroups(t *testing.T) {
	r := newRig(t)
	group, macs := bond(t, r, "n", 3, 2, "")
	attach := func(id, more string) answer {
		return r.do("POST", "/v1/nodes/n/vifs", "1.67", `{"id":"`+id+`"`+more+`}`)
	}
	holder := func(path string) any {
		info := r.do("GET", path, "1.67", "").object(t)["internal_info"].(map[string]any)
		return info["tenant_vif_port_id"]
	}
	attach("v1", "").want(t, 204, "")
	if got := holder("/v1/portgroups/" + group); got != "v1" {
		t.Errorf("the portgroup carries %v", got)
	}
	attach("v1", "").want(t, 409, "already attached to Ironic portgroup "+group)
	attach("v2", "").want(t, 204, "")
	if got := holder("/v1/ports/" + macs[2]); got != "v2" {
		t.Errorf("the lone port carries %v", got)
	}
	attach("v3", "").want(t, 400, "not enough free") // ports of a bond that is in use carry nothing alone
	if got := r.do("GET", "/v1/nodes/n/vifs", "1.67", "").body; got != `{"vifs":[{"id":"v1"},{"id":"v2"}]}` {
		t.Errorf("vifs %s", got)
	}
	r.do("DELETE", "/v1/nodes/n/vifs/v1", "1.67", "").want(t, 204, "")
	if got := holder("/v1/portgroups/" + group); got != nil {
		t.Errorf("after detaching the portgroup carries %v", got)
	}
	attach("v4", `,"portgroup_uuid":"`+group+`"`).want(t, 204, "")
	attach("v5", `,"portgroup_uuid":"`+group+`"`).want(t, 400, "not enough free")
	attach("v5", `,"portgroup_uuid":"`+group+`","port_uuid":"x"`).want(t, 400, "both")
	r.do("POST", "/v1/nodes/n/vifs", "1.66", `{"id":"v5","portgroup_uuid":"`+group+`"}`).want(t, 406, "")
}

// withoutGroups is a store in which portgroups are lost, as they could be before ports held them.
type withoutGroups struct{ ironic.Store }

func (withoutGroups) Portgroup(_ context.Context, ident string) (*ironic.Portgroup, error) {
	return nil, errs.New(errs.NotFound, "Portgroup %s could not be found.", ident)
}

func TestAPatchThatAPortgroupHasNoSayInGoesWithoutIt(t *testing.T) {
	r := newRig(t)
	_, macs := bond(t, r, "n", 1, 1, "")
	r.url = serve(t, api.New(api.Config{Store: withoutGroups{r.store}, Conductor: r.conductor, Log: slog.New(slog.DiscardHandler)}))
	patch := func(op string) answer { return r.do("PATCH", "/v1/ports/"+macs[0], "1.97", "["+op+"]") }
	patch(`{"op":"add","path":"/extra/a","value":1}`).want(t, 200, "")
	patch(`{"op":"replace","path":"/pxe_enabled","value":true}`).want(t, 400, "could not be found")
	patch(`{"op":"remove","path":"/portgroup_uuid"}`).want(t, 200, "")
}
