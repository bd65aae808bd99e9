package plan_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
)

// needy is a tree where ntp, kernel and timezone are services with something to do in
// steps 2 and 4, and with needs as given.
func needy(t *testing.T, needs map[string]string, roles string) (*plan.Plan, error) {
	t.Helper()
	files := map[string]string{
		"deployment/keystone/keystone.yaml": service + "      service_name: keystone\n      needs: []\n",
		"deployment/database/mysql.yaml":    service + "      service_name: mysql\n      needs: []\n",
	}
	for name, file := range map[string]string{"kernel": "kernel/kernel.yaml", "ntp": "time/ntp.yaml", "timezone": "timezone/timezone.yaml"} {
		text := "      service_name: " + name + "\n"
		if needs[name] != "" {
			text += "      needs: " + needs[name] + "\n"
		}
		text += "      step_config:\n"
		for _, step := range []int{2, 4} {
			text += fmt.Sprintf("        step_%d: [{directory: {path: /%s%d}}]\n", step, name, step)
		}
		files["deployment/"+file] = service + text
	}
	return plan.Build(context.Background(), overlay(t, files), plan.Options{Passwords: passwords(t),
		Environments: []plan.File{{Name: "e.yaml", Data: []byte("resource_registry: {'OS::TripleO::Services::Horizon': 'OS::Heat::None'}\n")}}, Roles: plan.File{Name: "r.yaml", Data: []byte(roles)}})
}

// spread runs each service on one role; Idle has machines and nothing to do, Absent no machines.
const spread = `
- name: Controller
  tags: [primary, controller]
  CountDefault: 2
  ServicesDefault: [OS::TripleO::Services::Keystone, OS::TripleO::Services::Memcached, OS::TripleO::Services::MySQL]
- {name: Compute, CountDefault: 2, ServicesDefault: [OS::TripleO::Services::Kernel]}
- {name: Storage, CountDefault: 1, ServicesDefault: [OS::TripleO::Services::Ntp]}
- {name: Absent, CountDefault: 0, ServicesDefault: [OS::TripleO::Services::Timezone]}
`

func TestGatesFollowFromNeeds(t *testing.T) {
	nodes := []plan.Node{{Name: "c0", Role: "Controller"}, {Name: "c1", Role: "Controller", Index: 1}, {Name: "n0", Role: "Compute"}, {Name: "s0", Role: "Storage"}}
	for _, x := range []struct {
		name, needs string
		want        [plan.Steps]string // of Compute, whose kernel has something to do in steps 2 and 4
	}{
		{"without the key everything is needed", "", [plan.Steps]string{1: "[Controller Compute Storage] false", 3: "[Controller Compute Storage] true"}},
		{"an empty list needs nothing", "[]", [plan.Steps]string{}},
		{"keystone is needed with its catalog, from step 4 on", "[keystone]", [plan.Steps]string{1: "[Controller] false", 3: "[Controller] true"}},
		{"several", "[mysql, ntp]", [plan.Steps]string{1: "[Controller Storage] false", 3: "[Controller Storage] false"}},
		{"the service on other machines", "[kernel]", [plan.Steps]string{1: "[Compute] false", 3: "[Compute] false"}},
		{"an optional one that is not there", "['timezone?', 'nobody?', 'ntp?']", [plan.Steps]string{1: "[Storage] false", 3: "[Storage] false"}},
	} {
		p, err := needy(t, map[string]string{"kernel": x.needs}, spread)
		if err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		for i, g := range p.Gates(nodes, nil)["Compute"] {
			if x.want[i] == "" {
				x.want[i] = "[] false"
			}
			if got := fmt.Sprint(g.Roles, " ", g.Catalog); got != x.want[i] {
				t.Errorf("%s: step %d: got %s, want %s", x.name, i+1, got, x.want[i])
			}
		}
		if g := p.Gates(nodes, []string{"keystone"})["Compute"][3]; g.Catalog || g.Roles != nil {
			t.Errorf("%s: a service that is left out waits: %v", x.name, g)
		}
		if g := p.Gates(nodes, nil)["Compute"][2]; g.Roles != nil {
			t.Errorf("%s: a step with nothing to do waits: %v", x.name, g)
		}
	}
}

func TestNeedsThatCannotBeMet(t *testing.T) {
	for needs, want := range map[string]string{
		"[timezone]":       "service kernel (deployment/kernel/kernel.yaml) of role Compute needs timezone, which runs nowhere: role Absent has it and no machines; set AbsentCount",
		"[rabbitmq]":       "put OS::TripleO::Services::RabbitMQ into a role with machines (-r)",
		"[heat_api]":       "the resource_registry leaves OS::TripleO::Services::HeatApi out (OS::Heat::None); give it a template there",
		"[keyston, mysql]": `needs keyston, which runs nowhere: give it a template in a resource_registry and put its type into a role with machines (-r); did you mean "keystone"?`,
		"keystone":         "service kernel (deployment/kernel/kernel.yaml): needs must be a list of service names",
		"[{a: b}]":         `needs[0] is {"a": "b"}, not a service name`,
		"['?']":            "needs[0] is ?, not a service name",
	} {
		_, err := needy(t, map[string]string{"kernel": needs}, spread)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v\nwant %s", needs, err, want)
		}
	}
}

// A role without machines needs nothing.
func TestNeedsOfRolesWithoutMachines(t *testing.T) {
	if _, err := needy(t, map[string]string{"timezone": "[nobody]"}, spread); err != nil {
		t.Error(err)
	}
}

// What makes or asks databases through MariaDB's socket stands beside it.
func TestServicesBesideTheirDatabase(t *testing.T) {
	const asks = "      service_name: kernel\n      needs: []\n      step_config: {step_5: [{WHAT}]}\n"
	roles := func(first, second string) string {
		return "- {name: A, CountDefault: 1, tags: [primary, controller], ServicesDefault: [" + first + "]}\n- {name: B, CountDefault: 1, ServicesDefault: [" + second + "]}\n"
	}
	const sql, kernel = "'OS::TripleO::Services::MySQL'", "'OS::TripleO::Services::Kernel'"
	const wait, base = "wait: {name: w, sql: SELECT 1}", "mysql_database: {name: k}"
	for _, x := range []struct {
		name, what, roles string
		refused           bool
	}{
		{"a wait on another role", wait, roles(sql, kernel), true},
		{"a database on another role", base, roles(sql, kernel), true},
		{"a user on another role", "mysql_user: {name: k, password: p, databases: [k]}", roles(sql, kernel), true},
		{"a probe on another role", "probe: {name: p, sql: SELECT 1, pid_file: '/run/*/pid', program: p, missing: 'no *'}", roles(sql, kernel), true},
		{"on the same role", wait, roles(sql+", "+kernel, kernel), true},
		{"on the same role, where the first machine is", base + ", bootstrap_only: true", roles(sql+", "+kernel, kernel), false},
		{"where the first machine is not", base + ", bootstrap_only: true", roles(kernel, kernel+", "+sql), true},
		{"only beside it", wait + ", only_beside: mysql", roles(sql, kernel), false},
		{"a wait for something else", "wait: {name: w, tcp: 'localhost:3306'}", roles(sql, kernel), false},
	} {
		tree := overlay(t, map[string]string{"deployment/database/mysql.yaml": service + "      service_name: mysql\n      needs: []\n",
			"deployment/kernel/kernel.yaml": service + strings.Replace(asks, "WHAT", x.what, 1)})
		_, err := plan.Build(t.Context(), tree, plan.Options{Passwords: passwords(t), Roles: plan.File{Name: "r.yaml", Data: []byte(x.roles)}})
		if !x.refused && err != nil || x.refused && (!errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" ||
			!strings.Contains(err.Error(), "service kernel (deployment/kernel/kernel.yaml) of role ") || !strings.Contains(err.Error(), "works through MariaDB's socket, and the role has no MariaDB: put OS::TripleO::Services::MySQL into ")) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}
