package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// typed runs a command line as a user without a login and with no other openstack on PATH would.
func typed(t *testing.T, line string) (code int, out, errw string) {
	t.Helper()
	return typedAs(t, line, nil)
}

// typedAs is typed with variables of the environment.
func typedAs(t *testing.T, line string, env map[string]string) (code int, out, errw string) {
	t.Helper()
	t.Setenv("PATH", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	for _, k := range []string{"OS_CLOUD", "OS_AUTH_URL", "OS_AUTH_TYPE", "OS_ENDPOINT", "OS_USERNAME", "OS_PASSWORD", "OS_CACERT", "OS_BAREMETAL_API_VERSION"} {
		t.Setenv(k, env[k])
	}
	var o, e bytes.Buffer
	code = run(context.Background(), append([]string{"openstack"}, strings.Fields(line)...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func TestCommandLines(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	good := filepath.Join(dir, "good.json")
	text := filepath.Join(dir, "nodes.txt")
	for f, data := range map[string]string{bad: "{\n  \"nodes\": [,]\n}", good: `[{"pm_type":"ipmi","pm_addr":"10.0.0.1"}]`, text: "x"} {
		if err := os.WriteFile(f, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		name, line string
		code       int
		want       string
	}{
		{"help", "--help", 0, "overcloud"},
		{"a mistyped command names the nearest", "overcloud nod import x", 2, "overcloud node import"},
		{"it names where to look", "overcloud nod import x", 2, "hint: openstack overcloud --help lists the commands"},
		{"a group alone tells its commands", "overcloud", 2, "deploy"},
		{"so does a group in a group", "overcloud roles", 2, "generate"},
		{"help of a command", "help overcloud deploy", 0, "--control-scale"},
		{"help of what only the Python client has", "help volume create", 2, "'volume create' is not a known command"},
		{"a mistyped flag", "overcloud node import --provid x", 2, "'--provid' is not a known option of openstack overcloud node import"},
		{"it names the nearest", "overcloud node import --provid x", 2, "Did you mean --provide?\nhint: openstack overcloud node import --help lists the options"},
		{"a flag that is one letter short", "overcloud deploy --compute-scal=2", 2, "Did you mean --compute-scale?"},
		{"an argument is missing", "overcloud node import", 2, "the following arguments are required: FILE"},
		{"an argument too many", "baremetal node list x", 2, "unrecognized arguments: x"},
		{"no login", "baremetal node list", 1, "source stackrc"},
		{"an unknown cloud", "--os-cloud nope baremetal node list", 1, `cloud "nope"`},
		{"a broken node file", "overcloud node import " + bad, 1, bad + ":2:13: not valid JSON"},
		{"a node file of another kind", "overcloud node import " + text, 1, "must be json, yaml or csv"},
		{"a node file that is not there", "overcloud node import /nope.json", 1, "no such file"},
		{"validate only needs no login", "overcloud node import --validate-only " + good, 0, "Successfully validated environment file"},
		{"flags behind the argument", "overcloud node import " + good + " --validate-only", 0, "Successfully validated environment file"},
		{"deploy without templates", "overcloud deploy --control-scale 1", 2, "You must specify either --templates or --answers-file"},
		{"a wrong choice", "overcloud deploy --templates --libvirt-type xen", 2, "invalid choice: 'xen'"},
		{"several controllers need a clock", "overcloud deploy --templates --control-scale 3", 1, "Specify --ntp-server"},
		{"an environment that is not there", "overcloud deploy --templates -e nope.yaml", 1, "The following files were not found: nope.yaml"},
		{"a j2 environment", "overcloud deploy --templates -e x.j2.yaml", 1, "Did you mean -e x.yaml?"},
		{"both uuids and all", "overcloud node provide --all-manageable abc", 2, "either node UUIDs or --all-manageable"},
		{"set without anything", "baremetal node set x", 2, "nothing to set"},
		{"a value missing at the end", "baremetal node set x --property", 2, "openstack: error: argument --property: expected one argument\n"},
		{"of another", "baremetal node set x --driver-info", 2, "openstack: error: argument --driver-info: expected one argument\n"},
		{"of a short one", "baremetal node list -f", 2, "openstack: error: argument -f: expected one argument\n"},
		{"of a global one", "baremetal node list --os-cloud", 2, "openstack: error: argument --os-cloud: expected one argument\n"},
		{"set with half a pair", "baremetal node set x --property capabilities", 2, "expected KEY=VALUE"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, out, errw := typed(t, c.line)
			if code != c.code || !strings.Contains(out+errw, c.want) {
				t.Errorf("openstack %s\ncode %d, want %d\n%s%s\nwant …%s…", c.line, code, c.code, out, errw, c.want)
			}
		})
	}
}

// What is unknown goes to the next openstack on PATH, unchanged.
func TestNextOnPath(t *testing.T) {
	dir := t.TempDir()
	next := filepath.Join(dir, "openstack")
	if err := os.WriteFile(next, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if got := nextOnPath("openstack"); got != next {
		t.Errorf("got %q", got)
	}
	p := &program{out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	app := p.app()
	for line, want := range map[string]bool{
		"openstack --os-cloud overcloud volume list": true, "openstack server create x --image y": true, "openstack network agent list": true, "openstack server list --long": true,
		"openstack server list": false, "openstack baremetal node list -f json": false, "openstack overcloud deploy --templates --control-scale 1": false,
		"openstack --os-cloud overcloud token issue": false, "openstack --os-region-name r server list": true,
	} {
		if _, ok := p.handOver(app, strings.Fields(line)); ok != want {
			t.Errorf("%s: handed over %v, want %v", line, ok, want)
		}
	}
}

func TestRCFileQuotes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "overcloudrc")
	if err := writeRC(file, access{name: "overcloud", url: "http://192.168.255.21:5000/", region: "RegionTwo", password: "a'b$(touch x)", direct: "10.0.0.9,10.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(file)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", st.Mode(), err)
	}
	for _, want := range []string{`export OS_PASSWORD='a'\''b$(touch x)'`, "export OS_AUTH_URL='http://192.168.255.21:5000/v3'", "export OS_REGION_NAME='RegionTwo'", "export no_proxy='10.0.0.1,10.0.0.9,192.168.255.21'"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%s is missing in\n%s", want, data)
		}
	}
}

func TestAddCloudKeepsOthers(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, ".config", "openstack", "clouds.yaml")
	if err := writeFile(file, []byte("clouds:\n  mine:\n    auth: {auth_url: http://x}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := addCloud(home, access{name: "overcloud", url: "http://1.2.3.4:5000/", region: "RegionTwo", password: "pw"}); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(file)
	for _, want := range []string{"mine:", "http://x", "overcloud:", "http://1.2.3.4:5000/v3", "region_name: RegionTwo"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%s is missing in\n%s", want, data)
		}
	}
}
