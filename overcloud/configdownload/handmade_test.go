package configdownload_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"trefoil/internal/golden"
	"trefoil/overcloud/configdownload"
	"trefoil/overcloud/plan"
)

type object = map[string]any

// handMade is a small plan with every construct of the layout, as TripleO's trees
// give it; it needs no tree.
func handMade() *plan.Plan {
	task := func(name string, when any) object { return object{"name": name, "when": when} }
	return &plan.Plan{Stack: "overcloud", Roles: []plan.Role{{Name: "Controller", Tags: []string{"primary"}}, {Name: "Compute"}, {Name: "BlockStorage"}},
		Parameters: object{"AdminPassword": "<AdminPassword>", "StackAction": "UPDATE", "ContainerCli": "podman"},
		Servers: []plan.Server{{Name: "overcloud-Controller-0", Role: "Controller", ID: "id-c0", Networks: map[string]string{"ctlplane": "192.0.2.10"}},
			{Name: "overcloud-compute-0", Role: "Compute", ID: "id-n0", Networks: map[string]string{"ctlplane": "192.0.2.20"}},
			{Name: "overcloud-compute-1", Role: "Compute", Index: 1, ID: "id-n1", Networks: map[string]string{"ctlplane": "192.0.2.21"}}},
		Deployments: []plan.Deployment{
			{Name: "PreNetwork", Path: "overcloud.Compute.0.PreNetworkConfig.Deploy", Servers: []string{"overcloud-compute-0"}, Group: "ansible", Config: "- debug: {}\n"},
			{Name: "ComputeDeployment", Path: "overcloud.Compute.0.ComputeDeployment", Servers: []string{"overcloud-compute-0", "overcloud-compute-1"}, Group: "hiera",
				Config: object{"datafiles": object{"compute": object{"a::b": 1, "up": object{"get_input": "up"}, "kept": object{"get_input": "up", "x": 1}}}},
				Inputs: object{"up": false}},
			{Name: "Script", Path: "overcloud.Compute.0.Script", Servers: []string{"overcloud-compute-0"}, Config: "#!/bin/sh\necho $a $b\n",
				Inputs: object{"b": nil, "a": []any{1}}, ConfigInputs: []any{object{"name": "a", "description": "first"}, object{"name": "c", "default": "z"}},
				ConfigOutputs: []any{object{"name": "o", "type": "String"}}},
			{Name: "Json", Path: "overcloud.ComputeExtraConfigPost.Json", Servers: []string{"overcloud-compute-0"}, Group: "script", Config: `{"b":["<&>"],"a":{}}`}},
		Outputs: object{
			"RoleData": object{
				"Controller": object{"step_config": "include ::keystone\n", "service_names": []any{"keystone"}, "external_deploy_tasks": []any{task("never here", nil)},
					"upgrade_tasks": []any{task("third", "step|int == 3"), task("none", nil), task("first", []any{"x", "step|int == 1"}), task("truth", true)}},
				"Compute": object{"step_config": nil, "post_update_tasks": []any{task("any", nil), task("zero", "( step | int ) == 0 or step == 2")},
					"param_config": object{"a": 1}, "ansible_group_vars": object{"mine": 1, "both": "service"}}},
			"RoleConfig": object{"deploy_steps_playbook": "- hosts: Controller\n", "global_vars": object{"deploy_steps_max": 6}, "script.sh": "true\n",
				"external_deploy_steps_tasks": []any{task("two", "step|int == 2"), task("any", nil)}, "nothing": nil},
			"ServerIdData":         object{"bootstrap_server_id": "id-c0", "server_ids": object{"Controller": []any{"id-c0"}, "Compute": []any{"id-n0", nil}}},
			"RoleNetIpMap":         object{"Controller": object{"ctlplane": []any{"192.0.2.10"}, "tenant": []any{"198.51.100.10"}}, "Compute": object{"ctlplane": []any{"192.0.2.20", "192.0.2.21"}}},
			"RoleNetHostnameMap":   object{"Compute": object{"canonical": []any{"overcloud-compute-0.localdomain", "overcloud-compute-1.localdomain"}}},
			"VipMap":               object{"ctlplane": "192.0.2.5", "ctlplane_uri": "192.0.2.5", "tenant": "", "redis": "192.0.2.6", "unused": "192.0.2.7"},
			"EnabledServices":      object{"Controller": []any{"Keystone"}, "Compute": []any{"kernel", "ceph_osd"}, "BlockStorage": []any{"cinder_volume"}},
			"BlacklistedHostnames": []any{"", "overcloud-compute-1"},
			"KeystoneURL":          "http://192.0.2.5:5000", "EndpointMap": object{"HorizonPublic": object{"uri": "http://192.0.2.5/dashboard"}}}}
}

// whole is all files as one text, without those that are the same for every plan.
func whole(files configdownload.Files) string {
	var b strings.Builder
	for _, name := range names(files) {
		switch name {
		case "ansible.cfg", ".gitignore", "deployments.yaml", "templates/heat-config.j2", "ansible-playbook-command.sh", "Controller/deployments.yaml", "Compute/deployments.yaml":
			fmt.Fprintf(&b, "=== %s\n…\n", name)
		default:
			fmt.Fprintf(&b, "=== %s\n%s", name, files[name])
			if text := files[name]; len(text) > 0 && text[len(text)-1] != '\n' {
				b.WriteString("\n(no newline)\n")
			}
		}
	}
	return b.String()
}

func TestLayoutOfQueens(t *testing.T) {
	files, err := configdownload.Make(handMade(), nil, configdownload.Options{Created: created})
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "handmade-queens.txt", whole(files))
}

func TestLayoutOfWallaby(t *testing.T) {
	p := handMade()
	maps.Copy(p.Outputs, object{"RoleGroupVars": object{"Compute": object{"both": "role"}, "Controller": object{"c": true}},
		"AnsibleHostVarsMap": object{"Compute": object{"overcloud-compute-0": object{"fqdn_canonical": "overcloud-compute-0.localdomain"}}}})
	files, err := configdownload.Make(p, nil, configdownload.Options{Created: created})
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "handmade-wallaby.txt", whole(files))
}

// Machines remember what they ran by its identifier.
func TestIdentifierChangesWithTheContent(t *testing.T) {
	const file = "Compute/overcloud-compute-0/Script"
	id := func(change func(p *plan.Plan)) string {
		p := handMade()
		change(p)
		files, err := configdownload.Make(p, nil, configdownload.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return dig(parses(t, file, files[file]), "Script", "id").(string)
	}
	first := id(func(*plan.Plan) {})
	if id(func(p *plan.Plan) { p.Parameters["StackAction"] = "CREATE" }) != first {
		t.Error("an update of the stack alone has the deployment run again")
	}
	if id(func(p *plan.Plan) { p.Deployments[2].Config = "#!/bin/sh\n" }) == first || id(func(p *plan.Plan) { p.Deployments[2].Inputs = nil }) == first {
		t.Error("another script, or another input, is not run")
	}
}

func TestNamesThatAreNoFilesAreRefused(t *testing.T) {
	for name, want := range map[string]string{"../../etc": "cannot be the name of a file", "step_config.pp/x": ""} {
		p := handMade()
		p.Deployments[0].Name = name
		if _, err := configdownload.Make(p, nil, configdownload.Options{}); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
