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

// What an alias of YAML stands for is read, and told of where the alias stands.
func TestAliasesInARole(t *testing.T) {
	o := article(t)
	o.Counts, o.Flavors = nil, nil
	roles := func(networks string) plan.Options {
		o.Roles = plan.File{Name: "my_roles.yaml", Data: []byte("- name: &name Controller\n  description: &text internal_api\n  CountDefault: &one 1\n  tags: [primary, controller]\n" +
			"  update_serial: *one\n  networks: [InternalApi]\n  ServicesDefault: [&kernel OS::TripleO::Services::Kernel]\n" +
			"- &role\n  name: Other\n  deprecated_server_resource_name: *name\n  networks: " + networks + "\n  ServicesDefault: [*kernel]\n")}
		return o
	}
	if p := build(t, roles("[]")); p.Roles[0].UpdateSerial != 1 || p.Roles[1].Name != "Other" || len(p.Roles[1].Services) != 1 {
		t.Errorf("got %+v", p.Roles)
	}
	_, err := plan.Build(t.Context(), overlay(t, nil), roles("*text"))
	if err == nil || !strings.Contains(err.Error(), `my_roles.yaml:11: networks is "internal_api"; expected a list`) {
		t.Errorf("got %v", err)
	}
	o.Roles.Data = append(roles("[]").Roles.Data, "- *role\n"...)
	if _, err = plan.Build(t.Context(), overlay(t, nil), o); err == nil || !strings.Contains(err.Error(), "my_roles.yaml:13: role Other is given twice") {
		t.Errorf("got %v", err)
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
