package configdownload_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"trefoil/internal/golden"
	"trefoil/internal/yaml"
	"trefoil/overcloud/configdownload"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/realtree"
	"trefoil/templates"
)

func passwords(t testing.TB, readable bool) map[string]string {
	t.Helper()
	made, err := plan.GeneratePasswords(nil, rand.NewChaCha8([32]byte{7}))
	if err != nil {
		t.Fatal(err)
	}
	for k := range made {
		if readable {
			made[k] = "<" + k + ">"
		}
	}
	if readable { // these must look as they do
		made["MigrationSshKey"] = `{"private_key": "<MigrationSshKey>", "public_key": "ssh-ed25519 AAAA migration"}`
		made["CephClusterFSID"], made["NovaLibvirtSecretUUID"] = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
		made["MigrationSshKey"] = `{"private_key": "<MigrationSshKey>", "public_key": "ssh-ed25519 public"}`
	}
	return made
}

// made plans a tree and lays it out.
func made(t testing.TB, tree fs.FS, o plan.Options, nodes []plan.Node, options configdownload.Options) configdownload.Files {
	t.Helper()
	images, err := fs.ReadFile(templates.FS, "environments/container-images.yaml")
	if err != nil {
		t.Fatal(err)
	}
	o.Base = []plan.File{{Name: "environments/container-images.yaml", Data: images}}
	p, err := plan.Build(context.Background(), tree, o)
	if err != nil {
		t.Fatal(err)
	}
	files, err := configdownload.Make(p, nodes, options)
	if err != nil {
		t.Fatal(err)
	}
	again, err := configdownload.Make(p, nodes, options)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if string(again[name]) != string(data) {
			t.Errorf("%s is not the same a second time", name)
		}
	}
	return files
}

func names(files configdownload.Files) []string {
	var out []string
	for name := range files {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

func ourFiles(t testing.TB, o configdownload.Options) configdownload.Files {
	return made(t, templates.FS, plan.Options{Passwords: passwords(t, true), Counts: map[string]int{"Controller": 1, "Compute": 2, "CephStorage": 1}},
		[]plan.Node{{Name: "overcloud-novacompute-1", Role: "Compute", Index: 1, Address: "192.168.255.26"},
			{Name: "overcloud-controller-0", Role: "Controller", Address: "192.168.255.15"},
			{Name: "overcloud-novacompute-0", Role: "Compute", Address: "192.168.255.21"},
			{Name: "overcloud-cephstorage-0", Role: "CephStorage", Address: "192.168.255.30"}}, o)
}

// The layout of our own tree, whole, and the files that a person reads first.
func TestOurTree(t *testing.T) {
	files := ourFiles(t, configdownload.Options{Undercloud: map[string]any{"auth_url": "http://192.168.255.1:5000/v3", "username": "admin"}})
	golden.Check(t, "own-files.txt", strings.Join(names(files), "\n")+"\n")
	golden.Check(t, "own-inventory.yaml", string(files[configdownload.InventoryFile]))
	golden.Check(t, "own-compute-1-step_1.yaml", string(files["Compute/overcloud-novacompute-1/step_1.yaml"]))
	for name, data := range files {
		parses(t, name, data)
	}
}

// parses checks that a file that is YAML is valid, and what it holds.
func parses(t *testing.T, name string, data []byte) any {
	t.Helper()
	if ext := path.Ext(name); ext == ".pp" || ext == ".sh" || ext == ".cfg" || ext == ".j2" || ext == ".py" || strings.HasPrefix(path.Base(name), ".") {
		return nil
	}
	if strings.HasPrefix(strings.TrimSpace(string(data)), "<") { // a marker in a script's place
		return nil
	}
	var v any
	if err := yaml.Unmarshal(name, data, &v); err != nil {
		t.Errorf("%v", err)
	}
	return v
}

func TestOnlyTheTypesThatAreAsked(t *testing.T) {
	files := ourFiles(t, configdownload.Options{Types: []string{"packages"}})
	if files["Controller/packages.yaml"] == nil || files["Controller/step_config.yaml"] != nil {
		t.Errorf("--config-type packages gives %v", names(files))
	}
	p, err := plan.Build(context.Background(), templates.FS, plan.Options{Passwords: passwords(t, true)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = configdownload.Make(p, nil, configdownload.Options{Types: []string{"step_confg", "nothing"}})
	if err == nil || !strings.Contains(err.Error(), "Invalid key: step_confg") || !strings.Contains(err.Error(), "step_config") || !strings.Contains(err.Error(), "Invalid key: nothing") {
		t.Errorf("unknown types: %v", err)
	}
}

// summary is the names of files and how many entries each has, without TripleO's
// text; what they say is the plan's business and held there.
func summary(files configdownload.Files, parsed map[string]any) string {
	var b strings.Builder
	for _, name := range names(files) {
		switch v := parsed[name].(type) {
		case map[string]any:
			fmt.Fprintf(&b, "%s: %d keys\n", name, len(v))
		case []any:
			fmt.Fprintf(&b, "%s: %d entries\n", name, len(v))
		default:
			fmt.Fprintf(&b, "%s: %d lines\n", name, bytes.Count(files[name], []byte("\n")))
		}
	}
	return b.String()
}

var included = regexp.MustCompile(`(?m)(?:import_tasks|include_tasks|include|include_vars|import_playbook): *["']?([A-Za-z0-9_./-]+)["']? *$`)

// includesExist checks that what playbooks and tasks include is there.
func includesExist(t *testing.T, files configdownload.Files) {
	t.Helper()
	found := 0
	for _, name := range names(files) {
		for _, m := range included.FindAllStringSubmatch(string(files[name]), -1) {
			found++
			if files[m[1]] == nil && files[path.Join(path.Dir(name), m[1])] == nil {
				t.Errorf("%s includes %s, which is not there", name, m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d includes were found", found)
	}
}

func realOptions(t testing.TB, environments ...string) plan.Options {
	o := plan.Options{Passwords: passwords(t, false)}
	for _, e := range environments {
		o.Environments = append(o.Environments, plan.File{Name: e})
	}
	return o
}

var created = time.Date(2020, 8, 14, 8, 39, 21, 0, time.UTC)

func TestQueens(t *testing.T) {
	o := realOptions(t, "environments/network-isolation.yaml", "environments/ceph-ansible/ceph-ansible.yaml", "environments/config-download-environment.yaml")
	o.Counts = map[string]int{"Controller": 1, "Compute": 2, "CephStorage": 2}
	files := made(t, realtree.WithScripts(realtree.Open(t, "queens")), o, nil, configdownload.Options{Created: created})
	parsed := map[string]any{}
	for name, data := range files {
		parsed[name] = parses(t, name, data)
	}
	golden.Check(t, "queens-files.txt", summary(files, parsed))
	includesExist(t, files)

	inv := parsed[configdownload.InventoryFile].(map[string]any)
	for _, group := range []string{"Undercloud", "Controller", "Compute", "CephStorage", "overcloud", "keystone", "nova_libvirt", "ceph_osd"} {
		if inv[group] == nil {
			t.Errorf("the inventory has no group %s", group)
		}
	}
	if inv["BlockStorage"] != nil {
		t.Error("a role without machines has a group")
	}
	vars := dig(inv, "overcloud", "vars").(map[string]any)
	if vars["internal_api_vip"] != "172.16.2.4" || vars["redis_vip"] == nil || vars["ctlplane_uri_vip"] != nil {
		t.Errorf("virtual addresses: %v", vars)
	}
	host := dig(inv, "Controller", "hosts", "overcloud-controller-0").(map[string]any)
	if host["ansible_host"] != "192.168.24.6" || host["internal_api_ip"] != "172.16.2.5" || len(host["enabled_networks"].([]any)) != 7 ||
		host["deploy_server_id"] != dig(inv, "Compute", "vars", "bootstrap_server_id") {
		t.Errorf("the controller: %v", host)
	}
	if ip := dig(inv, "Compute", "hosts", "overcloud-novacompute-1", "ansible_host"); ip != "192.168.24.8" {
		t.Errorf("the second compute node is at %v", ip)
	}

	pre := dig(parsed["group_vars/Controller"], "pre_deployments_Controller").([]any)
	if len(pre) != 7 || pre[0] != "NetworkDeployment" {
		t.Errorf("deployments of controllers: %v", pre)
	}
	for _, d := range pre {
		body := dig(parsed[fmt.Sprintf("Controller/overcloud-controller-0/%s", d)], d.(string)).(map[string]any)
		if _, isMap := body["config"].(map[string]any); isMap != (body["group"] == "hiera") {
			t.Errorf("deployment %s of group %v has a config of type %T", d, body["group"], body["config"])
		}
	}
	data := fmt.Sprint(dig(parsed["Controller/overcloud-controller-0/ControllerDeployment"], "ControllerDeployment", "config"))
	if strings.Contains(data, "get_input") || !strings.Contains(data, "datafiles") {
		t.Errorf("hieradata of the controller: %.300s", data)
	}
	if dig(parsed["Controller/overcloud-controller-0/NetworkDeployment"], "deploy_server_id") != host["deploy_server_id"] {
		t.Error("a deployment does not know its server")
	}
	playbook := parsed["Controller/upgrade_tasks_playbook.yaml"].([]any)
	if dig(playbook[0], "hosts") != "Controller" || len(dig(playbook[0], "tasks").([]any)) != 120 {
		t.Errorf("the playbook of upgrade_tasks: %.200v", playbook[0])
	}
}

// nic is a network configuration of an operator's, made as value says.
func nic(resource, value string) []byte {
	return []byte(`heat_template_version: rocky
parameters:
  ControlPlaneIp: {type: string}
  ControlPlaneSubnetCidr: {type: string}
  ControlPlaneDefaultRoute: {type: string}
  ControlPlaneStaticRoutes: {type: json}
  ControlPlaneMtu: {type: string}
  DnsServers: {type: json}
resources:
  Config: ` + resource + `
outputs: {config: {value: ` + value + `}}
`)
}

func TestWallabyNetworkConfig(t *testing.T) {
	o := realOptions(t)
	o.Networks = plan.File{Name: "network_data_default.yaml"}
	o.Environments = []plan.File{{Name: "/home/stack/nics.yaml", Data: []byte("resource_registry:\n  OS::TripleO::Controller::Net::SoftwareConfig: map.yaml\n  OS::TripleO::Compute::Net::SoftwareConfig: script.yaml\n")}}
	o.Files = map[string][]byte{
		"/home/stack/map.yaml": nic("{type: 'OS::Heat::Value', properties: {value: {network_config: [{type: interface, addresses: [{ip_netmask: {get_param: ControlPlaneIp}}]}]}}}", "{get_attr: [Config, value]}"),
		"/home/stack/script.yaml": nic("{type: 'OS::Heat::SoftwareConfig', properties: {group: script, config: {list_join: [' ', [ip, addr, add, {get_param: ControlPlaneIp}]]}}}",
			"{get_resource: Config}"),
	}
	files := made(t, realtree.WithScripts(realtree.Open(t, "wallaby")), o, nil, configdownload.Options{})
	for name, want := range map[string]string{
		"Controller/NetworkConfig": `{"network_config":[{"addresses":[{"ip_netmask":"{{ ctlplane_ip }}"}],"type":"interface"}]}`,
		"Compute/NetworkConfig":    "ip addr add {{ ctlplane_ip }}",
	} {
		if string(files[name]) != want {
			t.Errorf("%s: got %q, want %q", name, files[name], want)
		}
	}
}

func dig(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func TestWallaby(t *testing.T) {
	o := realOptions(t)
	o.Networks = plan.File{Name: "network_data_default.yaml"}
	files := made(t, realtree.WithScripts(realtree.Open(t, "wallaby")), o, nil, configdownload.Options{Created: created})
	parsed := map[string]any{}
	for name, data := range files {
		parsed[name] = parses(t, name, data)
	}
	golden.Check(t, "wallaby-files.txt", summary(files, parsed))
	includesExist(t, files)
	for step := range 6 {
		for _, name := range []string{"external_deploy_steps_tasks_step%d.yaml", "Controller/deploy_steps_tasks_step%d.yaml", "Compute/upgrade_tasks_step%d.yaml"} {
			if _, ok := parsed[fmt.Sprintf(name, step)].([]any); !ok {
				t.Errorf(name+" is no list of tasks", step)
			}
		}
	}
	if files["Controller/post_update_tasks_step3.yaml"] == nil || files["Controller/post_update_tasks_step4.yaml"] != nil || files["Controller/ansible_group_vars.yaml"] != nil {
		t.Error("post_update_tasks have steps 0 to 3; ansible_group_vars are in group_vars")
	}
	inv := parsed[configdownload.InventoryFile].(map[string]any)
	for _, group := range []string{"Undercloud", "Controller", "Compute", "overcloud", "allovercloud", "excluded_overcloud", "keystone"} {
		if inv[group] == nil {
			t.Errorf("the inventory has no group %s", group)
		}
	}
	host := dig(inv, "Compute", "hosts", "overcloud-novacompute-0").(map[string]any)
	if host["ansible_host"] != "192.168.24.7" || host["canonical_hostname"] != "overcloud-novacompute-0.localdomain" {
		t.Errorf("the compute node: %v", host)
	}
	if vars := parsed["host_vars/overcloud-novacompute-0"]; dig(vars, "fqdn_canonical") != "overcloud-novacompute-0.localdomain" || dig(vars, "pre_deployments_Compute") == nil {
		t.Errorf("variables of the compute node: %v", vars)
	}
	if dig(parsed["group_vars/Controller"], "any_errors_fatal") == nil {
		t.Error("variables of the role are not there")
	}
	if !slices.Contains(names(files), "ansible-playbook-command.sh") {
		t.Error("nothing runs the playbook")
	}
}
