package fencing_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"trefoil/internal/yaml"
	"trefoil/overcloud/fencing"
	"trefoil/overcloud/inventory"
)

// testdata/fencing.yaml was made once by tripleo-common's own function of
// testdata/instackenv.json.
func TestSameAsTripleO(t *testing.T) {
	data, err := os.ReadFile("testdata/instackenv.json")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := inventory.Parse("instackenv.json", data)
	if err != nil {
		t.Fatal(err)
	}
	env, warnings, err := fencing.Parameters("instackenv.json", entries, fencing.Options{Delay: 28, Cipher: 5, Level: "operator"})
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if got, want := reread(t, env), theirs(t); !reflect.DeepEqual(got, want) {
		t.Errorf(" got %v\nwant %v", got, want)
	}
}

func theirs(t *testing.T) (v any) {
	t.Helper()
	data, err := os.ReadFile("testdata/fencing.yaml")
	if err == nil {
		err = yaml.Unmarshal("fencing.yaml", data, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// reread is what a reader of the written file gets.
func reread(t *testing.T, env any) (v any) {
	t.Helper()
	text, err := yaml.Marshal(env)
	if err == nil {
		err = yaml.Unmarshal("ours", text, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func devices(env map[string]any) []any {
	d, _ := env["parameter_defaults"].(map[string]any)["FencingConfig"].(map[string]any)["devices"].([]any)
	return d
}

func entry(more ...any) map[string]any {
	e := map[string]any{"pm_type": "ipmi", "pm_addr": "192.0.2.1", "pm_user": "admin", "pm_password": "hunter2", "mac": []any{"52:54:00:AA:00:01", "52:54:00:aa:00:02"}}
	for i := 0; i < len(more); i += 2 {
		if e[more[i].(string)] = more[i+1]; more[i+1] == nil {
			delete(e, more[i].(string))
		}
	}
	return e
}

func TestOnlyDeployedMachines(t *testing.T) {
	hosts := map[string]string{"52:54:00:aa:00:02": "overcloud-controller-0"} // its second port
	entries := []map[string]any{entry(), entry("mac", []any{"52:54:00:aa:00:09"}, "pm_password", nil), entry("mac", nil)}
	env, warnings, err := fencing.Parameters("f", entries, fencing.Options{Hosts: hosts, NoLanplus: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []any{
		map[string]any{"agent": "fence_ipmilan", "host_mac": "52:54:00:aa:00:01", "params": map[string]any{
			"ipaddr": "192.0.2.1", "login": "admin", "passwd": "hunter2", "pcmk_host_list": "overcloud-controller-0"}},
		map[string]any{"agent": "fence_ipmilan", "params": map[string]any{"ipaddr": "192.0.2.1", "login": "admin", "passwd": "hunter2"}},
	}
	if got := devices(env); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	if want := []string{"f: node #2: no mac; Pacemaker cannot tell which machine this fences"}; !reflect.DeepEqual(warnings, want) {
		t.Errorf("got %q", warnings)
	}
}

func TestMistakesAllAtOnce(t *testing.T) {
	_, _, err := fencing.Parameters("nodes.json", []map[string]any{
		entry("name", "one", "pm_addr", "", "pm_user", nil),
		entry("pm_type", nil, "mac", "nonsense"),
		entry("pm_type", "pxe_ssh"),
		entry("pm_type", "redfish"),
		entry("pm_type", "staging-ovirt", "pm_password", nil),
		entry("ports", []any{"x"}),
	}, fencing.Options{})
	want := `nodes.json: node #0 (one): pm_addr is missing
nodes.json: node #0 (one): pm_user is missing
nodes.json: node #1: MAC address nonsense is invalid
nodes.json: node #1: pm_type is missing
nodes.json: node #2: Unable to generate fencing parameters for pxe_ssh; expected ipmi, redfish, idrac, ilo, staging-ovirt or a driver of old like pxe_ipmitool
nodes.json: node #3: pm_system_id is missing
nodes.json: node #4: pm_vm_name is missing
nodes.json: node #4: pm_password is missing
nodes.json: node #5: MAC address <nil> is invalid`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Error("a password shows")
	}
}
