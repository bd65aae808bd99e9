package plan_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
)

// Of null a template could take no first item; it is what is not written.
func TestNullForAListOfARole(t *testing.T) {
	o := apart(t, "")
	o.Environments = append(o.Environments, plan.File{Name: "environments/net-single-nic-with-vlans.yaml"})
	plain := "- name: Controller\n  tags: [primary, controller]\n  ServicesDefault: [OS::TripleO::Services::Kernel]\n"
	made := func(more string) plan.Role {
		o.Roles, o.Counts = plan.File{Name: "my_roles.yaml", Data: []byte(plain + more)}, map[string]int{"Controller": 1}
		o.Flavors = nil
		return build(t, o).Roles[0]
	}
	if got, want := made("  networks:\n  default_route_networks: null\n"), made(""); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// Of a key that a role has twice, YAML readers take one or the other silently.
func TestKeyTwiceInARole(t *testing.T) {
	o := article(t)
	o.Roles = plan.File{Name: "my_roles.yaml", Data: []byte("- name: Controller\n  CountDefault: 1\n  CountDefault: 2\n")}
	_, err := plan.Build(context.Background(), overlay(t, nil), o)
	if err == nil || !strings.Contains(err.Error(), `my_roles.yaml:3: key "CountDefault" stands twice in a role: line 2 has it too`) {
		t.Fatalf("got %v", err)
	}
}
