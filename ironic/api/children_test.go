package api_test

import (
	"strings"
	"testing"

	"trefoil/ironic"
)

func names(t *testing.T, a answer) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, n := range a.object(t)["nodes"].([]any) {
		out[n.(map[string]any)["name"].(string)] = true
	}
	return out
}

func TestPartsAreListedOnlyWhereAskedFor(t *testing.T) {
	r := newRig(t)
	parent := r.add(ironic.Node{Name: "server"})
	r.add(ironic.Node{Name: "other"})
	r.do("POST", "/v1/nodes", "1.83", `{"driver":"ipmi","name":"card","parent_node":"server"}`).want(t, 201, "")
	card := r.node("card")
	if card.ParentNode != parent.UUID {
		t.Errorf("parent %q", card.ParentNode)
	}
	for query, want := range map[string][]string{
		"": {"server", "other"}, "?include_children=True": {"server", "other", "card"}, "?include_children=false": {"server", "other"},
		"?parent_node=" + parent.UUID: {"card"}, "?parent_node=server": {"card"}, "?parent_node=other": {}, "?parent_node=nobody": {},
	} {
		got := names(t, r.do("GET", "/v1/nodes"+query, "1.83", ""))
		if len(got) != len(want) {
			t.Errorf("%q lists %v, want %v", query, got, want)
		}
		for _, name := range want {
			if !got[name] {
				t.Errorf("%q lists %v, want %v", query, got, want)
			}
		}
	}
	if got := names(t, r.do("GET", "/v1/nodes/detail", "1.82", "")); got["card"] {
		t.Error("an older version lists the part")
	}
	r.do("GET", "/v1/nodes?include_children=1", "1.82", "").want(t, 406, "")
	r.do("GET", "/v1/nodes?parent_node=server", "1.82", "").want(t, 406, "")
	r.do("GET", "/v1/nodes?include_children=perhaps", "1.83", "").want(t, 400, "boolean")

	r.do("GET", "/v1/nodes/server/children", "1.82", "").want(t, 404, "")
	want := `{"children":["` + card.UUID + `"],"links":{"href":"` + r.url + `/v1/nodes?parent_node=` + parent.UUID + `","rel":"children"}}`
	if got := r.do("GET", "/v1/nodes/server/children", "1.83", "").body; got != want {
		t.Errorf("children\n%s, want\n%s", got, want)
	}
	if got := r.do("GET", "/v1/nodes/other/children", "1.83", "").object(t)["children"].([]any); len(got) != 0 {
		t.Errorf("children of a node without: %v", got)
	}
}

func TestParentsThatCannotBeAreRefused(t *testing.T) {
	r := newRig(t)
	server := r.add(ironic.Node{Name: "server"})
	r.add(ironic.Node{Name: "card", ParentNode: server.UUID})
	r.add(ironic.Node{Name: "free"})
	r.add(ironic.Node{Name: "foreign", Owner: "them"})
	set := func(node, parent string) answer {
		return r.do("PATCH", "/v1/nodes/"+node, "1.83", `[{"op":"add","path":"/parent_node","value":"`+parent+`"}]`)
	}
	set("free", "nobody").want(t, 400, "Unable to apply the requested parent_node 'nobody'")
	set("free", "free").want(t, 400, "part of itself")
	set("free", "card").want(t, 400, "part of another")
	set("free", "foreign").want(t, 400, "Requested value was invalid.")
	set("server", "free").want(t, 400, "parts of its own")
	r.do("POST", "/v1/nodes", "1.83", `{"driver":"ipmi","parent_node":"card"}`).want(t, 400, "part of another")
	r.do("POST", "/v1/nodes", "1.82", `{"driver":"ipmi","parent_node":"server"}`).want(t, 406, "")
	if got := r.node("free").ParentNode; got != "" {
		t.Errorf("a refused parent stands in the row: %s", got)
	}
	set("free", "server").want(t, 200, "")
	if got := r.node("free").ParentNode; got != server.UUID {
		t.Errorf("the parent's name was stored, not its uuid: %s", got)
	}
	r.do("PATCH", "/v1/nodes/free", "1.83", `[{"op":"remove","path":"/parent_node"}]`).want(t, 200, "")
	if got := r.node("free").ParentNode; got != "" {
		t.Errorf("parent %s after its removal", got)
	}
}

func TestANodeWithPartsIsNotDeleted(t *testing.T) {
	r := newRig(t)
	server := r.add(ironic.Node{Name: "server", ProvisionState: "available", Maintenance: true})
	r.add(ironic.Node{Name: "card", ProvisionState: "available", ParentNode: server.UUID})
	unnamed := r.add(ironic.Node{ProvisionState: "available", ParentNode: server.UUID})
	refused := r.do("DELETE", "/v1/nodes/server", "1.83", "")
	refused.want(t, 409, "is the parent_node of 2 nodes: ")
	for _, name := range []string{"card", unnamed.UUID, "unset NODE --parent-node"} {
		if !strings.Contains(refused.body, name) {
			t.Errorf("no %s in %s", name, refused.body)
		}
	}
	r.do("DELETE", "/v1/nodes/card", "1.83", "").want(t, 204, "")
	r.do("PATCH", "/v1/nodes/"+unnamed.UUID, "1.83", `[{"op":"remove","path":"/parent_node"}]`).want(t, 200, "")
	r.do("DELETE", "/v1/nodes/server", "1.83", "").want(t, 204, "")
}

// Of the two parts of the owner's node one is not his.
func TestPartsThatTheCallerDoesNotSeeAreNotNamed(t *testing.T) {
	const own, nobodys = "3c3b8adb-edd7-4ed0-8e82-aab714d8411a", "2b3b8adb-add7-4fd0-8e82-dcb714d848e7"
	s := newSecured(t)
	_, err := s.store.UpdateNode(t.Context(), ownedNode, func(n *ironic.Node) error { n.Maintenance = true; return nil })
	fine(t, err)
	refused := s.as("owner_admin", "DELETE", "/v1/nodes/"+ownedNode, "")
	refused.want(t, 409, "of 2 nodes: "+own+", 1 more.")
	if strings.Contains(refused.body, nobodys) {
		t.Error(refused.body)
	}
}

func TestNewerFieldsAreWrittenAndFiltered(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "a", Health: "Warning"})
	r.add(ironic.Node{Name: "b", InstanceName: "db"})
	r.do("PATCH", "/v1/nodes/a", "1.104", `[{"op":"add","path":"/instance_info/display_name","value":"web"},
		{"op":"replace","path":"/disable_power_off","value":"true"}]`).want(t, 200, "")
	r.do("PATCH", "/v1/nodes/b", "1.104", `[{"op":"add","path":"/instance_info/display_name","value":"web"}]`).want(t, 200, "")
	a, b := r.node("a"), r.node("b")
	if a.InstanceName != "web" || !a.DisablePowerOff || b.InstanceName != "db" {
		t.Errorf("instance names %q %q, disable_power_off %t", a.InstanceName, b.InstanceName, a.DisablePowerOff)
	}
	for query, want := range map[string]string{"instance_name=web": "a", "instance_name=db": "b", "health=Warning": "a"} {
		if got := names(t, r.do("GET", "/v1/nodes?"+query, "1.109", "")); len(got) != 1 || !got[want] {
			t.Errorf("%s lists %v", query, got)
		}
	}
	r.do("GET", "/v1/nodes?instance_name=web", "1.103", "").want(t, 406, "")
	r.do("GET", "/v1/nodes?health=OK", "1.108", "").want(t, 406, "")
	r.do("PATCH", "/v1/nodes/a", "1.109", `[{"op":"add","path":"/health","value":"OK"}]`).want(t, 400, "Cannot patch /health")
	r.do("PATCH", "/v1/nodes/a", "1.94", `[{"op":"add","path":"/disable_power_off","value":true}]`).want(t, 406, "")
	r.do("PATCH", "/v1/nodes/a", "1.98", `[{"op":"add","path":"/extra/a~1b","value":1}]`).want(t, 200, "")
	if r.node("a").Extra["a/b"] == nil {
		t.Errorf("a key with a slash: %v", r.node("a").Extra)
	}
}

// Of the owner's node one part is the owner's, the other nobody's.
func TestStepsOnChildNodesAreForThoseWhoMayProvisionThem(t *testing.T) {
	const own, nobodys = "3c3b8adb-edd7-4ed0-8e82-aab714d8411a", "2b3b8adb-add7-4fd0-8e82-dcb714d848e7"
	for _, c := range []struct {
		who, more string
		status    int
	}{
		{"owner_admin", ``, 202},
		{"owner_admin", `,"execute_on_child_nodes":false`, 202},
		{"owner_admin", `,"execute_on_child_nodes":true`, 403},
		{"owner_admin", `,"execute_on_child_nodes":true,"limit_child_node_execution":["` + own + `"]`, 202},
		{"owner_admin", `,"execute_on_child_nodes":true,"limit_child_node_execution":["` + own + `","` + strings.ToUpper(nobodys) + `"]`, 403},
		{"system_admin", `,"execute_on_child_nodes":true`, 202},
	} {
		for target, state := range map[string]string{"clean": "manageable", "service": "active"} {
			s := newSecured(t)
			_, err := s.store.UpdateNode(t.Context(), ownedNode, func(n *ironic.Node) error { n.ProvisionState, n.Reservation = state, ""; return nil })
			fine(t, err)
			got := s.as(c.who, "PUT", "/v1/nodes/"+ownedNode+"/states/provision",
				`{"target":"`+target+`","`+target+`_steps":[{"interface":"power","step":"power_on"`+c.more+`}]}`)
			if got.status != c.status || c.status == 403 && !strings.HasSuffix(got.fault(), "baremetal:node:set_provision_state") {
				t.Errorf("%s %s%s: %d %s", c.who, target, c.more, got.status, got.body)
			}
		}
	}
}
