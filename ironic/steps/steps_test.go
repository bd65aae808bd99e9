package steps

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"

	"pgregory.net/rapid"
)

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func ids(list []Step) string {
	var out []string
	for _, s := range list {
		out = append(out, s.ID())
	}
	return strings.Join(out, " ")
}

func TestStepsOfARequestAreHeldAgainstIronicsSchema(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		body string
		want string // IDs, or the error
	}{
		{Clean, `[{"interface":"deploy","step":"erase_devices"},{"interface":"raid","step":"create_configuration","args":{"x":1}}]`, "deploy.erase_devices raid.create_configuration"},
		{Clean, `[]`, ""},
		{Clean, `{}`, "Invalid clean_steps: it is not of type 'array'"},
		{Clean, `[1]`, "Invalid clean_steps: step 0 is not of type 'object'"},
		{Clean, `[{"interface":"deploy"}]`, "'step' is a required property (step 0)"},
		{Clean, `[{"step":"x"}]`, "'interface' is a required property"},
		{Clean, `[{"interface":"boot","step":"x"}]`, "'boot' is not one of ['vendor', 'power', 'management', 'firmware', 'deploy', 'bios', 'raid']"},
		{Clean, `[{"interface":"deploy","step":7}]`, "7 is not of type 'string'"},
		{Clean, `[{"interface":{"password":"geheim"},"step":"x"}]`, "{…} is not one of"},
		{Clean, `[{"interface":"deploy","step":""}]`, "'' is too short"},
		{Clean, `[{"interface":"deploy","step":"x","args":[]}]`, "args is not of type 'object'"},
		{Clean, `[{"interface":"deploy","step":"x","priority":9}]`, "('priority' was unexpected)"},
		{Service, `[{"interface":"deploy","step":"hold"},{"interface":"deploy","step":"hold"}]`, "deploy.hold deploy.hold"},
		{Service, `[{"interface":"deploy","step":"wait","args":{"seconds":-1}}]`, "Invalid service_steps: the argument seconds of step wait is -1"},
		{Service, `[{"interface":"deploy","step":"wait","args":{"minutes":1}}]`, "unexpected arguments: minutes"},
		{Clean, `[{"interface":"power","step":"reboot","execute_on_child_nodes":true,"limit_child_node_execution":["F96C8601-0a62-4e99-97d6-1e0d8daf6dce"]}]`, "power.reboot"},
		{Clean, `[{"interface":"power","step":"hold","execute_on_child_nodes":false,"limit_child_node_execution":[]}]`, "power.hold"},
		{Service, `[{"interface":"power","step":"reboot","execute_on_child_nodes":1}]`, "1 is not of type 'boolean' (field execute_on_child_nodes) (step 0)"},
		{Service, `[{"interface":"power","step":"reboot","limit_child_node_execution":{}}]`, "{…} is not of type 'array' (field limit_child_node_execution)"},
		{Clean, `[{"interface":"power","step":"reboot","execute_on_child_nodes":true,"limit_child_node_execution":["x"]}]`, "'x' is no UUID of a child node"},
		{Clean, `[{"interface":"power","step":"power_off","limit_child_node_execution":["f96c8601-0a62-4e99-97d6-1e0d8daf6dce"]}]`, "limit_child_node_execution lists child nodes, but execute_on_child_nodes is not true"},
		{Service, `[{"interface":"power","step":"power_off","execute_on_child_nodes":false,"limit_child_node_execution":["f96c8601-0a62-4e99-97d6-1e0d8daf6dce"]}]`, "but execute_on_child_nodes is not true"},
		{Clean, `[{"interface":"power","step":"wait","execute_on_child_nodes":true}]`, "step wait cannot run on child nodes (field execute_on_child_nodes)"},
		{Deploy, `[{"interface":"power","step":"reboot","args":{},"priority":1,"execute_on_child_nodes":true}]`, "('execute_on_child_nodes' was unexpected)"},
		{Deploy, `[{"interface":"bios","step":"apply_configuration","args":{},"priority":"150"}]`, "bios.apply_configuration"},
		{Deploy, `[{"interface":"bios","step":"x","args":{}}]`, "'priority' is a required property"},
		{Deploy, `[{"interface":"bios","step":"x","priority":1}]`, "'args' is a required property"},
		{Deploy, `[{"interface":"bios","step":"x","args":{},"priority":-1}]`, "-1 is not valid under any of the given schemas"},
		{Deploy, `[{"interface":"bios","step":"x","args":{},"priority":1.5}]`, "1.5 is not valid under any"},
		{Deploy, `[{"interface":"bios","step":"x","args":{},"priority":1},{"interface":"bios","step":"x","args":{},"priority":2}]`, "Duplicate deploy steps for bios.x"},
	} {
		got, err := Parse(c.kind, decode(t, c.body))
		text := ids(got)
		if err != nil {
			if text = err.Error(); !errs.Is(err, errs.Invalid) {
				t.Errorf("%s: code %s", c.body, errs.CodeOf(err))
			}
		}
		if text != c.want && (err == nil || !strings.Contains(text, c.want)) {
			t.Errorf("%s %s: %q, want %q", c.kind, c.body, text, c.want)
		}
	}
	if got, err := Parse(Deploy, decode(t, `[{"interface":"bios","step":"x","args":{},"priority":"150"}]`)); err != nil || got[0].Priority != 150 {
		t.Errorf("%v %v", got, err)
	}
}

// The tie-break of openstack/ironic: vendor, power, management, firmware, deploy, bios, raid.
func TestStepsRunByPriorityAndThenByInterface(t *testing.T) {
	var list []Step
	for _, i := range []string{"raid", "deploy", "vendor", "bios", "power", "firmware", "management"} {
		list = append(list, Step{Interface: i, Name: "x", Priority: 5})
	}
	list = append(list, Step{Interface: "raid", Name: "first", Priority: 6}, Step{Interface: "deploy", Name: "y", Priority: 5})
	want := "raid.first vendor.x power.x management.x firmware.x deploy.x deploy.y bios.x raid.x"
	if got := ids(Sort(list)); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestSortingIsStableAndLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Step {
			return Step{Interface: rapid.SampledFrom(Interfaces()).Draw(t, "interface"), Name: rapid.StringMatching(`[a-z]{1,3}`).Draw(t, "name"), Priority: rapid.IntRange(0, 3).Draw(t, "priority")}
		})).Draw(t, "steps")
		got := Sort(list)
		if len(got) != len(list) || ids(Sort(got)) != ids(got) {
			t.Fatalf("%v became %v", list, got)
		}
		for i := 1; i < len(got); i++ {
			a, b := got[i-1], got[i]
			if a.Priority < b.Priority || a.Priority == b.Priority && slices.Index(Interfaces(), a.Interface) > slices.Index(Interfaces(), b.Interface) {
				t.Fatalf("%v before %v", a, b)
			}
		}
	})
}

// The lists are those of the recorded trace.
func agentAnswer() map[string]any {
	return map[string]any{"hardware_manager_version": map[string]any{"generic_hardware_manager": "1.2"},
		"clean_steps": map[string]any{
			"GenericHardwareManager": []any{
				map[string]any{"step": "erase_devices", "priority": 10.0, "interface": "deploy", "reboot_requested": false, "abortable": true},
				map[string]any{"step": "erase_devices_metadata", "priority": 99.0, "interface": "deploy", "reboot_requested": false, "abortable": true},
				map[string]any{"step": "create_configuration", "priority": 0.0, "interface": "raid", "reboot_requested": true,
					"argsinfo": map[string]any{"level": map[string]any{"description": "RAID level", "required": true}}}},
			"VendorManager": []any{map[string]any{"step": "erase_devices", "priority": 11.0, "interface": "deploy"}}}}
}

func TestAutomatedCleaningTakesWhatHasAPriority(t *testing.T) {
	list, versions, err := Offered(Clean, agentAnswer())
	if err != nil || versions["generic_hardware_manager"] != "1.2" || len(list) != 3 {
		t.Fatalf("%v %v %v", list, versions, err)
	}
	got := Automated(list, nil)
	if ids(got) != "deploy.erase_devices_metadata deploy.erase_devices" || !got[0].RequiresRamdisk || !got[0].Abortable || got[1].Priority != 11 {
		t.Errorf("%+v", got)
	}
	got = Automated(list, map[string]int{"deploy.erase_devices_metadata": 0, "raid.create_configuration": 50})
	if ids(got) != "raid.create_configuration deploy.erase_devices" {
		t.Errorf("overridden: %+v", got)
	}
}

// An agent speaks for its own machine: its steps run on no other, whatever it announces.
func TestAnAgentsStepRunsOnItsOwnMachine(t *testing.T) {
	list, _, err := Offered(Clean, map[string]any{"clean_steps": map[string]any{"M": []any{map[string]any{"step": "power_off", "interface": "power", "priority": 9.0,
		"execute_on_child_nodes": true, "limit_child_node_execution": []any{"x"}}}}})
	if err != nil || len(list) != 1 || list[0].OnChildren || list[0].Children != nil {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestAnAnswerThatIsNoListIsTold(t *testing.T) {
	_, _, err := Offered(Clean, map[string]any{"clean_steps": map[string]any{"M": "none"}})
	if err == nil || !strings.Contains(err.Error(), "clean_steps of manager M") {
		t.Error(err)
	}
}

func TestAskedStepsAreHeldAgainstTheOfferedOnes(t *testing.T) {
	offered, _, _ := Offered(Clean, agentAnswer())
	ask := func(text string) []Step {
		list, err := Parse(Clean, decode(t, text))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	got, err := Resolve(Clean, ask(`[{"interface":"deploy","step":"erase_devices"},{"interface":"power","step":"reboot"},
		{"interface":"raid","step":"create_configuration","args":{"level":"1"}}]`), offered, false)
	if err != nil || ids(got) != "deploy.erase_devices power.reboot raid.create_configuration" || got[2].Args["level"] != "1" || !got[2].RebootRequested {
		t.Errorf("%+v %v", got, err)
	}
	_, err = Resolve(Clean, ask(`[{"interface":"deploy","step":"polish","args":{"password":"geheim"}},{"interface":"raid","step":"create_configuration"},
		{"interface":"deploy","step":"erase_devices","args":{"fast":true}}]`), offered, true)
	want := "node does not support this clean step: {'interface': 'deploy', 'step': 'polish'}; " +
		"clean step {'interface': 'raid', 'step': 'create_configuration'} is missing these required arguments: level (RAID level); " +
		"clean step {'interface': 'raid', 'step': 'create_configuration'} requires booting a ramdisk; " +
		"clean step {'interface': 'deploy', 'step': 'erase_devices'} has these unexpected arguments: fast; " +
		"clean step {'interface': 'deploy', 'step': 'erase_devices'} requires booting a ramdisk"
	if err == nil || err.Error() != want || !errs.Is(err, errs.Invalid) {
		t.Errorf("%v\nwant %s", err, want)
	}
	if hint := errs.HintOf(err); !strings.Contains(hint, "deploy.erase_devices, deploy.erase_devices_metadata") {
		t.Errorf("hint %q", hint)
	}
	for body, want := range map[string]string{
		`[{"interface":"raid","step":"create_configuration"}]`:                         `the step raid.create_configuration has "args": {"level": …}`,
		`[{"interface":"deploy","step":"erase_devices","args":{"password":"geheim"}}]`: "the step deploy.erase_devices takes no arguments",
	} {
		_, err := Resolve(Clean, ask(body), offered, false)
		if hint := errs.HintOf(err); err == nil || hint != want {
			t.Errorf("%s: %v, hint %q", body, err, hint)
		}
	}
}

func TestADeploymentIsMadeOfCoreOfferedAndAskedSteps(t *testing.T) {
	core := []Step{{Interface: "deploy", Name: "write_image", Priority: 80}, {Interface: "deploy", Name: "boot_instance", Priority: 20}}
	offered := []Step{{Interface: "raid", Name: "apply_configuration", RequiresRamdisk: true},
		{Interface: "deploy", Name: "inject_files", Priority: 50, RequiresRamdisk: true}}
	for _, c := range []struct {
		name, body, want string
	}{
		{"nothing asked", `[]`, "deploy.write_image deploy.inject_files deploy.boot_instance"},
		{"in between", `[{"interface":"raid","step":"apply_configuration","args":{},"priority":90},{"interface":"deploy","step":"hold","args":{},"priority":30}]`,
			"raid.apply_configuration deploy.write_image deploy.inject_files deploy.hold deploy.boot_instance"},
		{"moved", `[{"interface":"deploy","step":"inject_files","args":{},"priority":95}]`, "deploy.inject_files deploy.write_image deploy.boot_instance"},
		{"switched off", `[{"interface":"deploy","step":"inject_files","args":{},"priority":0},{"interface":"deploy","step":"write_image","args":{},"priority":0}]`, "deploy.boot_instance"},
		{"core step moved", `[{"interface":"deploy","step":"write_image","args":{},"priority":70}]`, "deploy step write_image on interface deploy is a core step"},
		{"unknown", `[{"interface":"bios","step":"x","args":{},"priority":70}]`, "node does not support this deploy step: {'interface': 'bios', 'step': 'x'}"},
		{"without a ramdisk", `[{"interface":"raid","step":"apply_configuration","args":{},"priority":40}]`, "only there between 100 and 40"},
	} {
		asked, err := Parse(Deploy, decode(t, c.body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Deployment(core, offered, Asked{Steps: asked}, 100, 40)
		text := ids(got)
		if err != nil {
			text = err.Error()
		}
		if text != c.want && (err == nil || !strings.Contains(text, c.want)) {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
}

func TestAStepGoesOverTheWireAsInTheTrace(t *testing.T) {
	s := Step{Interface: "deploy", Name: "erase_devices", Priority: 10, Abortable: true, RequiresRamdisk: true}
	want := `{"abortable":true,"interface":"deploy","priority":10,"reboot_requested":false,"requires_ramdisk":true,"step":"erase_devices"}`
	if b, _ := json.Marshal(s.Map()); string(b) != want {
		t.Errorf("%s", b)
	}
}
