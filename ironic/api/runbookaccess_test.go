package api_test

import (
	"slices"
	"strings"
	"testing"

	"trefoil/ironic"
)

// newShelf has, beside the owner's runbook, a public one and one of nobody's.
func newShelf(t *testing.T) *secured {
	t.Helper()
	s := newSecured(t)
	list := []ironic.TemplateStep{{Interface: "bios", Name: "reset"}}
	fine(t, s.store.CreateRunbook(t.Context(), &ironic.Runbook{UUID: "11111111-3b1f-4a3a-8d4b-0a5b7a0b5f9e", Name: "CUSTOM_PUBLIC", Public: true, Steps: list}))
	fine(t, s.store.CreateRunbook(t.Context(), &ironic.Runbook{UUID: "22222222-3b1f-4a3a-8d4b-0a5b7a0b5f9e", Name: "CUSTOM_NOBODYS", Steps: list}))
	return s
}

func TestAListHasTheProjectsRunbooksAndThePublicOnes(t *testing.T) {
	for who, want := range map[string]string{"owner_reader": "CUSTOM_MEOW CUSTOM_PUBLIC", "third_party_admin": "CUSTOM_PUBLIC", "service": "CUSTOM_PUBLIC",
		"system_reader": "CUSTOM_MEOW CUSTOM_NOBODYS CUSTOM_PUBLIC"} {
		var names []string
		list, _ := newShelf(t).as(who, "GET", "/v1/runbooks", "").object(t)["runbooks"].([]any)
		for _, row := range list {
			names = append(names, row.(map[string]any)["name"].(string))
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s sees %s, not %s", who, got, want)
		}
	}
	newShelf(t).as("domain_admin", "GET", "/v1/runbooks", "").want(t, 403, "baremetal:runbook:list_all")
}

func TestAForeignRunbookIsNeitherReadNorChanged(t *testing.T) {
	for _, c := range []struct {
		who, method, name, body string
		status                  int
	}{
		{"third_party_reader", "GET", "CUSTOM_PUBLIC", "", 200},
		{"domain_reader", "GET", "CUSTOM_PUBLIC", "", 403},
		{"third_party_admin", "GET", "CUSTOM_MEOW", "", 403},
		{"third_party_admin", "GET", "CUSTOM_NOBODYS", "", 403},
		{"third_party_admin", "DELETE", "CUSTOM_MEOW", "", 403},
		{"third_party_admin", "DELETE", "CUSTOM_PUBLIC", "", 403},
		{"third_party_admin", "PATCH", "CUSTOM_MEOW", `[{"op":"add","path":"/extra/a","value":"b"}]`, 403},
		{"third_party_admin", "PATCH", "CUSTOM_PUBLIC", `[{"op":"add","path":"/extra/a","value":"b"}]`, 403},
		{"owner_manager", "PATCH", "CUSTOM_MEOW", `[{"op":"add","path":"/extra/a","value":"b"}]`, 200},
		{"owner_manager", "PATCH", "CUSTOM_MEOW", `[{"op":"add","path":"/extra/a","value":"b"},{"op":"replace","path":"/owner","value":"` + otherProject + `"}]`, 403},
		{"owner_admin", "PATCH", "CUSTOM_MEOW", `[{"op":"add","path":"/extra/a","value":"b"},{"op":"replace","path":"/public","value":true}]`, 403},
		{"owner_admin", "PATCH", "CUSTOM_MEOW", `[{"op":"remove","path":"/owner"}]`, 403},
		{"system_service", "PATCH", "CUSTOM_MEOW", `[{"op":"replace","path":"/public","value":true}]`, 403}, // may update, not publish
		{"system_member", "PATCH", "CUSTOM_MEOW", `[{"op":"replace","path":"/public","value":true}]`, 200},
		{"owner_manager", "DELETE", "CUSTOM_MEOW", "", 204},
		{"third_party_admin", "DELETE", "CUSTOM_NONE", "", 404},
	} {
		if got := newShelf(t).as(c.who, c.method, "/v1/runbooks/"+c.name, c.body); got.status != c.status {
			t.Errorf("%s %s %s %s: %d %s", c.who, c.method, c.name, c.body, got.status, got.body)
		}
	}
}

func TestANewRunbookIsTheProjects(t *testing.T) {
	for _, c := range []struct {
		who, more string
		status    int
		want      string // the owner, or the refusal
	}{
		{"third_party_manager", ``, 201, otherProject},
		{"third_party_manager", `,"owner":"` + otherProject + `"`, 201, otherProject},
		{"third_party_manager", `,"owner":"` + ownerProject + `"`, 400, "with an owner other than your own project"},
		{"service", `,"public":true`, 400, "Cannot create a public runbook"},
		{"domain_admin", ``, 403, "baremetal:runbook:create"},
		{"system_member", `,"owner":"` + ownerProject + `"`, 201, ownerProject},
		{"system_member", ``, 201, ""},
		{"system_admin", `,"public":true,"owner":"` + ownerProject + `"`, 400, "There cannot be an owner for a public runbook"},
	} {
		s := newShelf(t)
		got := s.as(c.who, "POST", "/v1/runbooks", `{"name":"CUSTOM_NEW","steps":`+runbookSteps+c.more+`}`)
		if c.status != 201 {
			got.want(t, c.status, c.want)
			if r, err := s.store.Runbook(t.Context(), "CUSTOM_NEW"); err == nil {
				t.Errorf("%s%s: refused, but stored: %+v", c.who, c.more, r)
			}
			continue
		}
		if r, err := s.store.Runbook(t.Context(), "CUSTOM_NEW"); got.status != 201 || err != nil || r.Owner != c.want {
			t.Errorf("%s%s: %d %s: %+v", c.who, c.more, got.status, got.body, r)
		}
	}
}

// The steps of a runbook carry what is shown to nobody: who may not use it does not run it.
func TestAForeignRunbookIsNotUsed(t *testing.T) {
	for _, c := range []struct {
		who, runbook string
		status       int
	}{
		{"lessee_admin", "CUSTOM_MEOW", 403}, // may provision the node, which has the trait
		{"owner_member", "CUSTOM_MEOW", 403},
		{"owner_manager", "CUSTOM_MEOW", 202},
		{"system_member", "CUSTOM_MEOW", 202},
		{"owner_manager", "CUSTOM_NOBODYS", 403},
		{"lessee_admin", "CUSTOM_PUBLIC", 202},
	} {
		s := newShelf(t)
		_, err := s.store.UpdateNode(t.Context(), leasedNode, func(n *ironic.Node) error {
			n.Traits, n.Reservation = []string{"CUSTOM_MEOW", "CUSTOM_PUBLIC", "CUSTOM_NOBODYS"}, ""
			return nil
		})
		fine(t, err)
		got := s.as(c.who, "PUT", "/v1/nodes/"+leasedNode+"/states/provision", `{"target":"clean","runbook":"`+c.runbook+`"}`)
		if got.status != c.status || c.status == 403 && !strings.Contains(got.fault(), "baremetal:runbook:use") {
			t.Errorf("%s uses %s: %d %s", c.who, c.runbook, got.status, got.body)
		}
	}
}
