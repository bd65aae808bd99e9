package rules

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// object reads JSON.
func object(t testing.TB, s string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return m
}

const found = `{"inventory":{"cpu":{"count":4,"architecture":"x86_64","flags":["aes","vmx"]},"bmc_address":"192.0.2.7",
 "disks":[{"name":"/dev/vda","size":10},{"name":"/dev/vdb","size":20}],"system_vendor":{"manufacturer":"ACME 'Inc'"},"hostname":""},
 "auto_discovered":true,"memory_mb":8192,"a.b":{"c":"dotted"},"nothing":null,"empty":[]}`

// machine is a node with one port on which found was found.
func machine(t testing.TB) *Machine {
	data := object(t, found)
	plugin := object(t, `{"auto_discovered":true,"list":["x"],"ipmi_password":"hush"}`)
	return &Machine{
		Node: &ironic.Node{UUID: "u", Name: "control-1", Driver: "ipmi", Traits: []string{"CUSTOM_OLD"},
			Interfaces: map[string]string{"deploy": "direct"},
			DriverInfo: map[string]any{"ipmi_address": "192.0.2.7", "ipmi_password": "hush"},
			Properties: map[string]any{"capabilities": "profile:control,boot_mode:uefi", "inspection_scope": "edge"}},
		Ports:     []*ironic.Port{{UUID: "p1", Address: "52:54:00:00:00:01"}},
		Inventory: data["inventory"].(map[string]any), PluginData: plugin, Data: data,
	}
}

// rule reads one rule in a dialect.
func rule(t testing.TB, dialect, s string) *ironic.InspectionRule {
	t.Helper()
	var r ironic.InspectionRule
	if err := json.Unmarshal([]byte(s), &r); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	r.Dialect = dialect
	if r.UUID == "" {
		r.UUID = "rule-1"
	}
	return &r
}

func try(t testing.TB, m *Machine, rs ...*ironic.InspectionRule) ([]Note, error) {
	t.Helper()
	all, err := CompileAll(rs)
	if err != nil {
		t.Fatal(err)
	}
	return Run(t.Context(), all, m)
}

func TestConditionsOfInspector(t *testing.T) {
	for cond, want := range map[string]bool{
		`"op":"eq","field":"data://auto_discovered","value":true`:                                 true,
		`"op":"eq","field":"memory_mb","value":8192`:                                              true,
		`"op":"eq","field":"memory_mb","value":"8192"`:                                            true,
		`"op":"ne","field":"memory_mb","value":8192`:                                              false,
		`"op":"lt","field":"memory_mb","value":9000`:                                              true,
		`"op":"gt","field":"memory_mb","value":8192`:                                              false,
		`"op":"le","field":"memory_mb","value":8192`:                                              true,
		`"op":"ge","field":"memory_mb","value":8193`:                                              false,
		`"op":"eq","field":"inventory.cpu.architecture","value":"x86_64"`:                         true,
		`"op":"eq","field":"inventory.disks[0].size","value":10`:                                  true,
		`"op":"eq","field":"inventory.disks[1].size","value":10`:                                  false,
		`"op":"eq","field":"inventory.disks[2].size","value":10`:                                  false,
		`"op":"eq","field":"inventory.disks[*].size","value":20`:                                  true,
		`"op":"eq","field":"inventory.disks[*].size","value":20,"multiple":"first"`:               false,
		`"op":"eq","field":"inventory.disks[*].size","value":20,"multiple":"all"`:                 false,
		`"op":"ge","field":"inventory.disks[*].size","value":10,"multiple":"all"`:                 true,
		`"op":"eq","field":"inventory.disks[*].size","value":20,"multiple":"first","invert":true`: true,
		`"op":"eq","field":"$..size","value":20`:                                                  true,
		`"op":"eq","field":"['a.b'].c","value":"dotted"`:                                          true,
		`"op":"in-net","field":"inventory.bmc_address","value":"192.0.2.0/24"`:                    true,
		`"op":"in-net","field":"inventory.bmc_address","value":"192.0.2.9/29"`:                    false,
		`"op":"in-net","field":"inventory.bmc_address","value":"192.0.2.9/28"`:                    true,
		`"op":"matches","field":"inventory.cpu.architecture","value":"x86"`:                       false,
		`"op":"matches","field":"inventory.cpu.architecture","value":"i386|x86.*"`:                true,
		`"op":"matches","field":"auto_discovered","value":"True"`:                                 true,
		`"op":"contains","field":"inventory.cpu.architecture","value":"86"`:                       true,
		`"op":"contains","field":"inventory.cpu.architecture","value":"86","invert":true`:         false,
		`"op":"contains","field":"inventory.cpu.flags","value":"'vmx'"`:                           true,
		`"op":"is-empty","field":"nothing"`:                                                       true,
		`"op":"is-empty","field":"empty"`:                                                         true,
		`"op":"is-empty","field":"inventory.hostname"`:                                            true,
		`"op":"is-empty","field":"not.there"`:                                                     true,
		`"op":"is-empty","field":"memory_mb"`:                                                     false,
		`"op":"is-empty","field":"memory_mb","invert":true`:                                       true,
		`"op":"eq","field":"not.there","value":1`:                                                 false,
		`"op":"eq","field":"not.there","value":1,"invert":true`:                                   false,
		`"op":"eq","field":"node://driver","value":"ipmi"`:                                        true,
		`"op":"eq","field":"node://driver_info.ipmi_address","value":"192.0.2.7"`:                 true,
		`"op":"eq","field":"node://driver_info.ipmi_password","value":"hush"`:                     false,
		`"op":"eq","field":"node://traits[*]","value":"CUSTOM_OLD"`:                               true,
		`"op":"eq","field":"node://deploy_interface","value":"direct"`:                            true,
	} {
		m := machine(t)
		_, err := try(t, m, rule(t, ironic.RuleInspector, `{"Conditions":[{`+cond+`}],"Actions":[{"action":"add-trait","name":"CUSTOM_YES"}]}`))
		if got := len(m.Node.Traits) == 2; err != nil || got != want {
			t.Errorf("%s: %v %v", cond, got, err)
		}
	}
}

func TestConditionsOfIronic(t *testing.T) {
	for cond, want := range map[string]bool{
		`"op":"eq","args":{"values":["{node.driver}","ipmi"]}`:                                             true,
		`"op":"!eq","args":{"values":["{node.driver}","ipmi"]}`:                                            false,
		`"op":"! eq","args":{"values":["{node.driver}","fake"]}`:                                           true,
		`"op":"eq","args":["{node.driver}","ipmi","ipmi"]`:                                                 true,
		`"op":"eq","args":[["{node.driver}","ipmi"],true]`:                                                 true,
		`"op":"eq","args":{"values":["{inventory[cpu][count]}",4]}`:                                        true,
		`"op":"gt","args":{"values":["{inventory[cpu][count]}",3]}`:                                        true,
		`"op":"lt","args":{"values":[1,2,2]}`:                                                              false,
		`"op":"lt","args":{"values":[9,10],"force_strings":true}`:                                          false,
		`"op":"ne","args":{"values":["{inventory[disks][1][name]}","/dev/vda"]}`:                           true,
		`"op":"le","args":{"values":[2,2]}`:                                                                true,
		`"op":"ge","args":{"values":[1,2]}`:                                                                false,
		`"op":"is-empty","args":{"value":"{inventory[hostname]}"}`:                                         true,
		`"op":"is-empty","args":{"value":"{inventory[nowhere]}"}`:                                          false,
		`"op":"is-none","args":{"value":"{node.resource_class}"}`:                                          true,
		`"op":"is-true","args":{"value":"{plugin_data[auto_discovered]}"}`:                                 true,
		`"op":"is-false","args":{"value":"{plugin_data[auto_discovered]}"}`:                                false,
		`"op":"eq","args":{"values":["{plugin_data[auto_discovered]}",true]}`:                              true,
		`"op":"ne","args":{"values":["{plugin_data[auto_discovered]}",true]}`:                              false,
		`"op":"is-false","args":{"value":0}`:                                                               true,
		`"op":"in-net","args":{"address":"{inventory[bmc_address]}","subnet":"192.0.2.0/24"}`:              true,
		`"op":"matches","args":["{inventory[cpu][architecture]}","x86_[0-9]{2}"]`:                          true,
		`"op":"matches","args":["{inventory[cpu][architecture]}","x86"]`:                                   false,
		`"op":"contains","args":{"value":"{inventory[system_vendor][manufacturer]}","regex":"(?i)acme"}`:   true,
		`"op":"one-of","args":{"value":"{node.driver}","values":["fake","ipmi"]}`:                          true,
		`"op":"eq","args":{"values":["{node.name}","{item}"]},"loop":["x","control-1"]`:                    true,
		`"op":"eq","args":{"values":["{node.name}","{item}"]},"loop":["x","control-1"],"multiple":"all"`:   false,
		`"op":"eq","args":{"values":["{node.name}","{item}"]},"loop":["control-1","x"],"multiple":"last"`:  false,
		`"op":"eq","args":{"values":["{node.name}","{item}"]},"loop":["x","control-1"],"multiple":"first"`: true,
		`"op":"eq","args":{"values":["{node.name}","{item[n]}"]},"loop":{"n":"control-1"}`:                 true,
	} {
		m := machine(t)
		_, err := try(t, m, rule(t, ironic.RuleIronic, `{"Conditions":[{`+cond+`}],"Actions":[{"op":"add-trait","args":["CUSTOM_YES"]}]}`))
		if got := len(m.Node.Traits) == 2; err != nil || got != want {
			t.Errorf("%s: %v %v", cond, got, err)
		}
	}
}

func TestActions(t *testing.T) {
	node := func(f func(n *ironic.Node) any) func(*Machine) any { return func(m *Machine) any { return f(m.Node) } }
	for _, c := range []struct {
		dialect, action string
		get             func(*Machine) any
		want            string
	}{
		{"inspector", `"action":"set-attribute","path":"driver_info/ipmi_username","value":"admin"`,
			node(func(n *ironic.Node) any { return n.DriverInfo["ipmi_username"] }), "admin"},
		{"inspector", `"action":"set-attribute","path":"/extra/where/rack","value":"{data[inventory][cpu][count]} of {{4}}"`,
			node(func(n *ironic.Node) any { return n.Extra }), "map[where:map[rack:4 of {4}]]"},
		{"inspector", `"action":"set-attribute","path":"/properties/x","value":{"a":["{data[memory_mb]}"]}`,
			node(func(n *ironic.Node) any { return n.Properties["x"] }), "map[a:[8192]]"},
		{"inspector", `"action":"set-capability","name":"profile","value":"compute"`,
			node(func(n *ironic.Node) any { return n.Properties["capabilities"] }), "profile:compute,boot_mode:uefi"},
		{"inspector", `"action":"set-capability","name":"profile"`,
			node(func(n *ironic.Node) any { return n.Properties["capabilities"] }), "boot_mode:uefi"},
		{"inspector", `"action":"extend-attribute","path":"/extra/list","value":"a"`,
			node(func(n *ironic.Node) any { return n.Extra["list"] }), "[a]"},
		{"inspector", `"action":"add-trait","name":"HW_CPU_X86_VMX"`, node(func(n *ironic.Node) any { return n.Traits }), "[CUSTOM_OLD HW_CPU_X86_VMX]"},
		{"inspector", `"action":"remove-trait","name":"CUSTOM_OLD"`, node(func(n *ironic.Node) any { return n.Traits }), "[]"},
		{"ironic", `"op":"set-attribute","args":{"path":"driver_info.ipmi_address","value":"{inventory[bmc_address]}"}`,
			node(func(n *ironic.Node) any { return n.DriverInfo["ipmi_address"] }), "192.0.2.7"},
		{"ironic", `"op":"set-attribute","args":["/resource_class","gold"]`, node(func(n *ironic.Node) any { return n.ResourceClass }), "gold"},
		{"ironic", `"op":"set-attribute","args":["/maintenance","True"]`, node(func(n *ironic.Node) any { return n.Maintenance }), "true"},
		{"ironic", `"op":"set-attribute","args":["/deploy_interface","custom-agent"]`, node(func(n *ironic.Node) any { return n.Interfaces["deploy"] }), "custom-agent"},
		{"ironic", `"op":"set-attribute","args":["/automated_clean",false]`, node(func(n *ironic.Node) any { return *n.AutomatedClean }), "false"},
		{"ironic", `"op":"set-attribute","args":["/conductor_group","Rack-A"]`, node(func(n *ironic.Node) any { return n.ConductorGroup }), "rack-a"},
		{"ironic", `"op":"set-attribute","args":["/chassis_uuid","182740B8-C4B2-4952-B3F0-C423AF88A5BC"]`,
			node(func(n *ironic.Node) any { return n.ChassisUUID }), "182740b8-c4b2-4952-b3f0-c423af88a5bc"},
		{"ironic", `"op":"del-attribute","args":["/driver_info/ipmi_address"]`,
			node(func(n *ironic.Node) any { return n.DriverInfo["ipmi_address"] }), "<nil>"},
		{"ironic", `"op":"del-attribute","args":["/extra/not/there"]`, node(func(n *ironic.Node) any { return n.Extra }), "map[]"},
		{"ironic", `"op":"del-attribute","args":["/name"]`, node(func(n *ironic.Node) any { return n.Name }), ""},
		{"ironic", `"op":"extend-attribute","args":{"path":"/extra/l","value":"{item}","unique":true},"loop":["a","b","a"]`,
			node(func(n *ironic.Node) any { return n.Extra["l"] }), "[a b]"},
		{"ironic", `"op":"set-attribute","args":{"path":"{item[path]}","value":"{item[value]}"},"loop":[{"path":"/extra/a","value":"{inventory[cpu][count]}"}]`,
			node(func(n *ironic.Node) any { return n.Extra["a"] }), "4"},
		{"ironic", `"op":"set-capability","args":["cores","{inventory[cpu][count]}"]`,
			node(func(n *ironic.Node) any { return n.Properties["capabilities"] }), "profile:control,boot_mode:uefi,cores:4"},
		{"ironic", `"op":"unset-capability","args":["profile"]`,
			node(func(n *ironic.Node) any { return n.Properties["capabilities"] }), "boot_mode:uefi"},
		{"ironic", `"op":"set-plugin-data","args":["a.b","x"]`, func(m *Machine) any { return m.PluginData["a"] }, "map[b:x]"},
		{"ironic", `"op":"extend-plugin-data","args":["list","y"]`, func(m *Machine) any { return m.PluginData["list"] }, "[x y]"},
		{"ironic", `"op":"unset-plugin-data","args":["list"]`, func(m *Machine) any { return m.PluginData["list"] }, "<nil>"},
		{"ironic", `"op":"set-port-attribute","args":["52:54:00:00:00:01","/physical_network","ctlplane"]`,
			func(m *Machine) any { return m.Ports[0].PhysicalNetwork }, "ctlplane"},
		{"ironic", `"op":"extend-port-attribute","args":["p1","/extra/l","a"]`, func(m *Machine) any { return m.Ports[0].Extra }, "map[l:[a]]"},
		{"ironic", `"op":"del-port-attribute","args":["p1","/name"]`, func(m *Machine) any { return m.Ports[0].Name }, ""},
		{"ironic", `"op":"set-attribute","args":["/extra/secret_of","{node.driver_info[ipmi_password]} {plugin_data[ipmi_password]}"]`,
			node(func(n *ironic.Node) any { return n.Extra["secret_of"] }), "****** ******"},
	} {
		m := machine(t)
		if _, err := try(t, m, rule(t, c.dialect, `{"Actions":[{`+c.action+`}]}`)); err != nil {
			t.Errorf("%s: %v", c.action, err)
		} else if got := fmt.Sprint(c.get(m)); got != c.want {
			t.Errorf("%s gives %s, want %s", c.action, got, c.want)
		}
	}
}

func TestAFailureNamesRuleAndPhase(t *testing.T) {
	for _, c := range []struct{ dialect, rule, want string }{
		{"inspector", `{"Description":"too small","Actions":[{"action":"fail","message":"buy memory"}]}`,
			"buy memory (inspection rule too small, phase main)"},
		{"ironic", `{"Actions":[{"op":"fail","args":{"msg":"{node.name} is too small"}}]}`,
			"control-1 is too small (inspection rule rule-1, phase main)"},
		{"inspector", `{"Actions":[{"action":"set-attribute","path":"/extra/a","value":"{data[nowhere]}"}]}`,
			"inspection rule rule-1 failed in phase main at action 1 (set-attribute): Invalid formatting variable key provided: there is no data[nowhere]"},
		{"inspector", `{"Conditions":[{"op":"lt","field":"inventory.cpu","value":4}],"Actions":[{"action":"fail","message":"x"}]}`,
			"inspection rule rule-1 failed in phase main at condition 1 (lt inventory.cpu): an object and a number cannot be compared"},
		{"ironic", `{"Conditions":[{"op":"in-net","args":["{node.name}","192.0.2.0/24"]}],"Actions":[{"op":"fail","args":["x"]}]}`,
			`at condition 1 (in-net): "control-1" is no IP address`},
		{"ironic", `{"Actions":[{"op":"extend-attribute","args":["/properties/capabilities","x"]}]}`, "/properties/capabilities is a text, which cannot be extended like a list"},
		{"ironic", `{"Actions":[{"op":"set-attribute","args":["/properties/capabilities/x","y"]}]}`, "capabilities is a text, not an object"},
		{"ironic", `{"Actions":[{"op":"set-attribute","args":["/name","not a name"]}]}`, "is no name of a node"},
		{"ironic", `{"Actions":[{"op":"set-attribute","args":["/name","detail"]}]}`, "is no name of a node"},
		{"inspector", `{"Actions":[{"action":"set-attribute","path":"name","value":"182740b8-c4b2-4952-b3f0-c423af88a5bc"}]}`, "is no name of a node"},
		{"ironic", `{"Actions":[{"op":"set-port-attribute","args":["nobody","/name","y"]}]}`, "the node has no port nobody"},
		{"ironic", `{"Actions":[{"op":"set-attribute","args":{"path":"{item}","value":1},"loop":["/uuid"]}]}`, "/uuid is no attribute that rules set"},
		{"ironic", `{"Actions":[{"op":"set-capability","args":["x","a,b:c"]}]}`, "holds a comma"},
	} {
		_, err := try(t, machine(t), rule(t, c.dialect, c.rule))
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.rule, err)
		}
	}
}

func TestRulesThatCannotBeAreRefused(t *testing.T) {
	for _, c := range []struct{ dialect, rule, want string }{
		{"inspector", `{"Conditions":[{"op":"like","field":"a","value":1}],"Actions":[{"action":"fail","message":"x"}]}`, "op: 'like' is not one of ['contains', 'eq'"},
		{"inspector", `{"Conditions":[{"op":"eq","field":"a"}],"Actions":[{"action":"fail","message":"x"}]}`, "Invalid parameters for operator eq: missing required parameter(s): value"},
		{"inspector", `{"Conditions":[{"op":"is-empty","field":"a","value":1}],"Actions":[{"action":"fail","message":"x"}]}`, "unexpected parameter(s): value"},
		{"inspector", `{"Conditions":[{"op":"eq","field":"a","value":1,"multiple":"some"}],"Actions":[{"action":"fail","message":"x"}]}`, "multiple: 'some' is not one of"},
		{"inspector", `{"Conditions":[{"op":"eq","field":"a","value":1,"invert":"no"}],"Actions":[{"action":"fail","message":"x"}]}`, "invert is a text, not of type 'boolean'"},
		{"inspector", `{"Conditions":[{"op":"in-net","field":"a","value":"lan"}],"Actions":[{"action":"fail","message":"x"}]}`, `"lan" is no IP network`},
		{"inspector", `{"Conditions":[{"op":"matches","field":"a","value":"("}],"Actions":[{"action":"fail","message":"x"}]}`, "invalid regular expression"},
		{"inspector", `{"Conditions":[{"op":"eq","field":"a b","value":1}],"Actions":[{"action":"fail","message":"x"}]}`, "Unable to parse field JSON path a b"},
		{"inspector", `{"Actions":[]}`, "a rule needs at least one action"},
		{"inspector", `{"Actions":[{"action":"set-attribute","path":"/uuid","value":"x"}]}`, "Invalid parameters for action set-attribute: /uuid is no attribute that rules set"},
		{"inspector", `{"Actions":[{"action":"set-attribute","path":"/extra/a","value":"{data"}]}`, "a { without }"},
		{"inspector", `{"Actions":[{"action":"set-attribute","path":"/extra/a","value":"{data[x]:>10}"}]}`, "is no field"},
		{"inspector", `{"Actions":[{"action":"add-trait","name":"fast"}]}`, "is no trait"},
		{"ironic", `{"Phase":"early","Actions":[{"op":"fail","args":["x"]}]}`, "Invalid phase: early"},
		{"ironic", `{"Priority":-1,"Actions":[{"op":"fail","args":["x"]}]}`, "Priority cannot be negative"},
		{"ironic", `{"Actions":[{"op":"fail","args":["x","y"]}]}`, "too many arguments"},
		{"ironic", `{"Actions":[{"op":"fail","args":"x"}]}`, "args must be either a list or dictionary"},
		{"ironic", `{"Actions":[{"op":"fail","args":{"msg":"x","when":"now"}}]}`, "unexpected argument(s): when"},
		{"ironic", `{"Actions":[{"op":"fail","args":["x"],"when":"now"}]}`, "'when' was unexpected"},
		{"ironic", `{"Actions":[{"op":"fail","args":["x"],"loop":3}]}`, "loop is a number"},
		{"ironic", `{"Actions":[{"op":"log","args":["x","loud"]}]}`, "Invalid log level: loud"},
		{"ironic", `{"Actions":[{"op":"set-capability","args":["a:b","x"]}]}`, "without commas, colons and blanks"},
		{"ironic", `{"Conditions":[{"op":"eq","args":{"values":"x"}}],"Actions":[{"op":"fail","args":["x"]}]}`, "values is a text, not a list"},
		{"ironic", `{"Conditions":[{"op":"!!eq","args":[1,1]}],"Actions":[{"op":"fail","args":["x"]}]}`, "Unsupported condition operator: !!eq"},
		{"ironic", `{"Actions":[{"op":"set-port-attribute","args":["p","/address","x"]}]}`, "/address is no attribute that rules set"},
		{"lisp", `{"Actions":[{"op":"fail","args":["x"]}]}`, "dialect"},
	} {
		if _, err := Compile(rule(t, c.dialect, c.rule)); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.rule, err)
		}
	}
}

// Inspector's rules look at the machine before any of them changes it; Ironic's see
// what those of higher priority did.
func TestTheOrderOfRules(t *testing.T) {
	m := machine(t)
	_, err := try(t, m,
		rule(t, "ironic", `{"Priority":1,"Conditions":[{"op":"eq","args":["{node.extra[x]}","second"]}],"Actions":[{"op":"set-attribute","args":["/extra/x","third"]}]}`),
		rule(t, "ironic", `{"Priority":2,"Actions":[{"op":"set-attribute","args":["/extra/x","second"]}]}`),
		rule(t, "inspector", `{"Actions":[{"action":"set-attribute","path":"/extra/x","value":"first"}]}`),
		rule(t, "inspector", `{"Conditions":[{"op":"eq","field":"node://extra.x","value":"first"}],"Actions":[{"action":"fail","message":"saw it"}]}`))
	if err != nil || m.Node.Extra["x"] != "third" {
		t.Errorf("%v %v", m.Node.Extra, err)
	}
}

func TestScopeChoosesNodes(t *testing.T) {
	for scope, want := range map[string]bool{"": true, "edge": true, "core": false} {
		m := machine(t)
		r := rule(t, "inspector", `{"Actions":[{"action":"set-attribute","path":"/extra/x","value":1}]}`)
		r.Scope = scope
		if _, err := try(t, m, r); err != nil || (m.Node.Extra["x"] != nil) != want {
			t.Errorf("%q: %v %v", scope, m.Node.Extra, err)
		}
	}
}

func TestALongMessageIsCut(t *testing.T) {
	m := machine(t)
	m.Inventory["long"] = strings.Repeat("ü", 2000)
	_, err := try(t, m, rule(t, "ironic", `{"Actions":[{"op":"fail","args":["{inventory[long]}"]}]}`))
	if err == nil || len(err.Error()) > 1100 || !strings.Contains(err.Error(), "ü… (inspection rule rule-1") {
		t.Errorf("%v", err)
	}
}

func TestWhatRulesSay(t *testing.T) {
	notes, err := try(t, machine(t), rule(t, "ironic", `{"Description":"d","Actions":[{"op":"log","args":{"msg":"saw {node.name}","level":"Warning"}},
		{"op":"set-attribute","args":["/extra/x","{inventory[nowhere]}"]}]}`))
	want := `[{warning saw control-1} {warning inspection rule d: a text was left as it is: there is no inventory[nowhere]} {info inspection rule d was applied}]`
	if err != nil || fmt.Sprint(notes) != want {
		t.Errorf("%v %v", notes, err)
	}
}

// Values of a rule go into the machine as copies: a second run must not find them changed.
func TestARuleStaysWhatItIs(t *testing.T) {
	all, err := CompileAll([]*ironic.InspectionRule{
		rule(t, "inspector", `{"Actions":[{"action":"set-attribute","path":"/extra/o","value":{"list":["a"]}},{"action":"extend-attribute","path":"/extra/o/list","value":"b"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		m := machine(t)
		if _, err := Run(t.Context(), all, m); err != nil || fmt.Sprint(m.Node.Extra["o"]) != "map[list:[a b]]" {
			t.Errorf("%v %v", m.Node.Extra, err)
		}
	}
}

// Rules and inventories come from outside: whatever they are, nothing panics.
func FuzzRules(f *testing.F) {
	f.Add(`{"Conditions":[{"op":"eq","field":"inventory.disks[*].size","value":20}],"Actions":[{"action":"set-attribute","path":"/extra/a","value":"{data[memory_mb]}"}]}`, found)
	f.Add(`{"Conditions":[{"op":"eq","field":"$..['a.b']..*","value":20}],"Actions":[{"action":"fail","message":"x"}]}`, found)
	f.Add(`{"Conditions":[{"op":"!contains","args":["{inventory[cpu]}","x{2}"],"loop":[1,{"a":2}]}],"Actions":[{"op":"set-plugin-data","args":["a.b","{item!s}"],"loop":["{{"]}]}`, found)
	f.Fuzz(func(t *testing.T, text, data string) {
		var r ironic.InspectionRule
		m := machine(t)
		if json.Unmarshal([]byte(text), &r) != nil || json.Unmarshal([]byte(data), &m.Data) != nil {
			return
		}
		m.Inventory = m.Data
		for _, dialect := range []string{"inspector", "ironic"} {
			r.Dialect = dialect
			if c, err := Compile(&r); err == nil {
				_, _ = Run(t.Context(), []*Rule{c}, m) // an error is as good as none
			}
		}
	})
}

// Two ".." find each thing of a chain again and again; looking ends, not only finding.
func TestAPathLooksAtSoMuch(t *testing.T) {
	chain := any(map[string]any{})
	for range 3000 {
		chain = map[string]any{"a": chain}
	}
	p, err := parsePath("$..a..b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.find(chain); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "leads through more than") {
		t.Error(err)
	}
}

// Whoever sends an inventory must not write fields that a rule then fills in.
func TestWhatAFieldBroughtIsNotFilledInAgain(t *testing.T) {
	for actions, want := range map[string]string{
		`"args":["/extra/a","{inventory[hostname]} {item} {{}}"],"loop":["{inventory[cpu][count]}"]`: "{inventory[bmc_address]} 4 {}",
		`"args":["/extra/a","{item[v]}"],"loop":[{"v":"<{inventory[hostname]}>"}]`:                   "<{inventory[bmc_address]}>",
		`"args":["/extra/a","{item[v]}"],"loop":{"v":"{{inventory[hostname]}}"}`:                     "{inventory[hostname]}",
		`"args":["/extra/a","{inventory[hostname]}"]`:                                                "{inventory[bmc_address]}",
	} {
		m := machine(t)
		m.Inventory["hostname"] = "{inventory[bmc_address]}"
		if _, err := try(t, m, rule(t, ironic.RuleIronic, `{"Actions":[{"op":"set-attribute",`+actions+`}]}`)); err != nil || m.Node.Extra["a"] != want {
			t.Errorf("%s: %v (%v), want %s", actions, m.Node.Extra["a"], err, want)
		}
	}
}
