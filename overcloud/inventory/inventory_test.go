package inventory_test

import (
	"os"
	"strings"
	"testing"

	"trefoil/overcloud/inventory"
)

func load(t *testing.T, name, text string) ([]inventory.Machine, error) {
	t.Helper()
	nodes, err := inventory.Parse(name, []byte(text))
	if err != nil {
		return nil, err
	}
	return inventory.Machines(nodes, inventory.Options{BootOption: "local"})
}

func TestArticleFile(t *testing.T) {
	data, err := os.ReadFile("testdata/inspection.json")
	if err != nil {
		t.Fatal(err)
	}
	ms, err := load(t, "inspection.json", string(data))
	if err != nil {
		t.Fatal(err)
	}
	if len(ms) != 5 {
		t.Fatalf("%d machines", len(ms))
	}
	m := ms[0]
	if m.Name != "control-1" || m.Driver != "ipmi" || m.BMC != "192.168.255.200:7001" || m.MACs[0] != "52:54:00:20:a2:2f" {
		t.Errorf("%+v", m)
	}
	for k, want := range map[string]any{"cpus": "8", "memory_mb": "32768", "local_gb": "60", "cpu_arch": "x86_64", "capabilities": "boot_option:local"} {
		if m.Properties[k] != want {
			t.Errorf("property %s = %v, want %v", k, m.Properties[k], want)
		}
	}
	for k, want := range map[string]any{"ipmi_address": "192.168.255.200", "ipmi_port": "7001", "ipmi_username": "admin", "ipmi_password": "admin"} {
		if m.DriverInfo[k] != want {
			t.Errorf("driver_info %s = %v, want %v", k, m.DriverInfo[k], want)
		}
	}
}

func TestErrors(t *testing.T) {
	node := func(extra string) string {
		return `[{"pm_type":"ipmi","pm_addr":"1.2.3.4","mac":["52:54:00:00:00:01"]` + extra + `}]`
	}
	two := func(a, b string) string {
		return `{"nodes":[{"pm_type":"ipmi",` + a + `},{"pm_type":"ipmi",` + b + `}],"arch":"x"}`
	}
	cases := []struct{ name, file, text, want string }{
		{"broken JSON names line and column", "a.json", "[\n {\"pm_type\": ipmi}]", `a.json:2:14: not valid JSON`},
		{"JSON that ends too early", "a.json", "[{\n\"a\":1", `a.json:2:6: not valid JSON: the document ends too early`},
		{"text after the document", "a.json", "[] x", `a.json:1:4: not valid JSON`},
		{"wrong extension", "a.txt", "[]", `Invalid file extension for a.txt, must be json, yaml or csv`},
		{"no nodes key", "a.json", "{}", `no "nodes" at the top level`},
		{"empty list", "a.json", "[]", `the list of nodes is empty`},
		{"not a map", "a.json", "[1]", `node #0: expected a map`},
		{"pm_type missing", "a.json", `[{}]`, `pm_type (ironic driver to use) is required`},
		{"pm_type unknown", "a.json", `[{"pm_type":"pxe_ssh"}]`, `unknown pm_type (ironic driver to use): pxe_ssh`},
		{"address missing", "a.json", `[{"pm_type":"ipmi"}]`, `node #0: The following fields are missing: pm_addr`},
		{"bad MAC", "a.json", `[{"pm_type":"ipmi","pm_addr":"a","mac":["42"]}]`, `node #0: MAC address 42 is invalid`},
		{"MAC twice, whatever the case", "a.json", two(`"pm_addr":"a","mac":["52:54:00:AA:00:01"]`, `"pm_addr":"b","mac":["52:54:00:aa:00:01"]`), `node #1: MAC 52:54:00:aa:00:01 is not unique`},
		{"BMC twice", "a.json", two(`"pm_addr":"a","pm_port":"7001"`, `"pm_addr":"a","pm_port":7001`), `node #1: Node identified by a:7001 is already present`},
		{"BMC twice, default port", "a.json", two(`"pm_addr":"a"`, `"pm_addr":"a","pm_port":623`), `node #1: Node identified by a:623 is already present`},
		{"name twice", "a.json", two(`"pm_addr":"a","name":"x"`, `"pm_addr":"b","name":"x"`), `node #1 x: Name "x" is not unique`},
		{"platform without arch", "a.json", node(`,"platform":"p"`), `node #0: You have specified a platform without an architecture`},
		{"capabilities", "a.json", node(`,"capabilities":"profile"`), `node #0: Invalid capabilities: profile`},
		{"root device", "a.json", node(`,"root_device":"sda"`), `node #0: Invalid root device: expected dict, got sda`},
		{"root device hint", "a.json", node(`,"root_device":{"szie":5}`), `node #0: Invalid root device: unknown hint szie; expected one of size, model, wwn, serial, vendor, wwn_with_extension, wwn_vendor_extension, name, rotational, hctl, by_path, tran; did you mean size?`},
		{"a list for a password", "a.json", node(`,"pm_password":["hunter2"]`), `node #0: pm_password: expected a text, found a list`},
		{"a number for a driver", "a.json", `[{"pm_type":5}]`, `pm_type (ironic driver to use): expected a name such as ipmi, found 5`},
		{"the name of the entry", "a.json", node(`,"name":"control-1","pm_foo":1`), `node #0 control-1: Unknown field pm_foo`},
		{"the name of an entry without a type", "a.json", `[{"name":"control-1"}]`, `node #0 control-1: pm_type (ironic driver to use) is required`},
		{"a name that is none", "a.json", node(`,"name":"a b","pm_foo":1`), `node #0: Unknown field pm_foo`},
		{"unknown field", "a.json", node(`,"pm_foo":1`), `node #0: Unknown field pm_foo`},
		{"unknown field that has a slip", "a.json", node(`,"prots":[]`), `node #0: Unknown field prots; did you mean "ports"?`},
		{"key of a port", "a.json", node(`,"ports":[{"addres":"52:54:00:00:00:02"}]`), `node #0: ports[0]: unknown key addres; did you mean "address"?`},
		{"port without an address", "a.json", node(`,"ports":[{"physical_network":"ctlplane"}]`), `node #0: ports[0]: address is missing`},
		{"port that is no map", "a.json", node(`,"ports":["52:54:00:00:00:02"]`), `node #0: Invalid ports: ports[0]: expected {address: …}, found 52:54:00:00:00:02`},
		{"pm_type that has a slip", "a.json", `[{"pm_type":"imp"}]`, `node #0: unknown pm_type (ironic driver to use): imp; did you mean "ipmi"?`},
		{"port out of range", "a.json", node(`,"pm_port":"70001"`), `pm_port "70001" is not a port`},
		{"memory not a number", "a.json", node(`,"memory":"8G"`), `node #0: memory "8G" is not a number`},
		{"csv with too few columns", "a.csv", "ipmi,1.2.3.4\n", `a.csv:1: 2 columns`},
		{"yaml with a tab", "a.yaml", "- a:\n\t- b\n", `a.yaml:`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.file, c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant …%s…", err, c.want)
			}
		})
	}
}

func TestErrorsAreCollected(t *testing.T) {
	_, err := load(t, "a.json", `[{"pm_type":"ipmi","mac":["x"]},{"pm_type":"ipmi","pm_addr":"a","zzz":1}]`)
	for _, want := range []string{"node #0: The following fields", "node #0: MAC address x", "node #1: Unknown field zzz", "2 of 2 nodes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q not in %v", want, err)
		}
	}
}

// A type that is not known hides nothing else, and no key that may be its driver's is refused.
func TestAWrongTypeHidesNothing(t *testing.T) {
	_, err := load(t, "a.json", `[{"pm_type":"pxe_ssh","mac":["x"],"ssh_key":"k","resource_clas":"a"},{"pm_type":"redfish","redfish_system_id":"/1","memory":"8G"},{"name":"c","prots":[]},{"pm_type":"ipmi","pm_addr":"a","zzz":1}]`)
	for _, want := range []string{"node #0: unknown pm_type (ironic driver to use): pxe_ssh", "node #0: MAC address x is invalid", `node #0: Unknown field resource_clas; did you mean "resource_class"?`,
		"node #1: pm_type redfish has no driver", `node #1: memory "8G" is not a number`, "node #2 c: pm_type (ironic driver to use) is required", "node #2 c: Unknown field prots", "node #3: Unknown field zzz", "4 of 4 nodes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q not in %v", want, err)
		}
	}
	for _, other := range []string{"ssh_key", "redfish_system_id"} {
		if strings.Contains(err.Error(), other) {
			t.Errorf("%s in %v", other, err)
		}
	}
}

func TestProfileAndCSV(t *testing.T) {
	ms, err := load(t, "a.yaml", "nodes:\n- pm_type: ipmi\n  pm_addr: a\n  profile: control\n  ipmi_cipher_suite: 3\n")
	if err != nil || ms[0].Properties["capabilities"] != "boot_option:local,profile:control" || ms[0].DriverInfo["ipmi_cipher_suite"] != 3 {
		t.Errorf("%+v %v", ms, err)
	}
	ms, err = load(t, "a.csv", "pxe_ipmitool,10.0.0.1,admin,pw,52:54:00:00:00:01,6230\n")
	if err != nil || ms[0].BMC != "10.0.0.1:6230" {
		t.Errorf("%+v %v", ms, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a.json", `{"nodes":[{"pm_type":"ipmi","pm_addr":"a","mac":["52:54:00:00:00:01"]}]}`)
	f.Add("a.yaml", "- pm_type: ipmi\n")
	f.Add("a.csv", "ipmi,a,b,c,d\n")
	f.Fuzz(func(t *testing.T, name, text string) {
		nodes, err := inventory.Parse(name, []byte(text))
		if err == nil {
			_, _ = inventory.Machines(nodes, inventory.Options{})
		}
	})
}

// TripleO passes over what it does not read of a port, such as what an export has.
func TestOtherKeysOfAPortArePassedOver(t *testing.T) {
	text := `[{"pm_type":"ipmi","pm_addr":"192.0.2.1","ports":[{"address":"52:54:00:00:00:02","uuid":"x","description":"left","portgroup_uuid":null}]}]`
	if ms, err := load(t, "a.json", text); err != nil || len(ms) != 1 || len(ms[0].MACs) != 1 {
		t.Errorf("%+v %v", ms, err)
	}
}
