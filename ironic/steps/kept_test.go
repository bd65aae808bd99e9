package steps

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
)

func TestKeptListsAreHeldAgainstIronicsSchema(t *testing.T) {
	for _, c := range []struct {
		kept Kept
		body string
		want string // IDs, or the error
	}{
		{InTemplate, `[{"interface":"raid","step":"apply_configuration","args":{"x":1},"priority":90},{"interface":"deploy","step":"hold","args":{},"priority":"0"}]`, "raid.apply_configuration deploy.hold"},
		{InTemplate, `{}`, "Schema error for template: steps is not of type 'array'"},
		{InTemplate, `null`, "Schema error for template: steps is not of type 'array'"},
		{InTemplate, `[]`, "Schema error for template: [] is too short"},
		{InTemplate, `["x"]`, "step 0 is not of type 'object'"},
		{InTemplate, `[{"step":"x","args":{},"priority":1}]`, "'interface' is a required property (step 0)"},
		{InTemplate, `[{"interface":"raid","args":{},"priority":1}]`, "'step' is a required property"},
		{InTemplate, `[{"interface":"raid","step":"x","priority":1}]`, "'args' is a required property"},
		{InTemplate, `[{"interface":"raid","step":"x","args":{}}]`, "'priority' is a required property"},
		{InTemplate, `[{"interface":"boot","step":"x","args":{},"priority":1}]`, "'boot' is not one of ['vendor', 'power', 'management', 'firmware', 'deploy', 'bios', 'raid']"},
		{InTemplate, `[{"interface":"raid","step":"","args":{},"priority":1}]`, "'' is too short"},
		{InTemplate, `[{"interface":"raid","step":"x","args":null,"priority":1}]`, "args is not of type 'object'"},
		{InTemplate, `[{"interface":"raid","step":"x","args":{},"priority":-1}]`, "-1 is not valid under any of the given schemas. Possible root cause: priority is no whole number with a minimum of 0"},
		{InTemplate, `[{"interface":"raid","step":"x","args":{},"priority":"1x"}]`, "'1x' is not valid"},
		{InTemplate, `[{"interface":"raid","step":"x","args":{},"priority":1,"order":1}]`, "('order' was unexpected)"},
		{InTemplate, `[{"interface":"raid","step":"x","args":{},"priority":1},{"interface":"raid","step":"x","args":{"a":1},"priority":0}]`,
			"Deploy template invalid: Duplicate deploy steps. A template cannot have multiple deploy steps with the same interface and step. Duplicates: interface: raid, step: x."},
		{InRunbook, `[{"interface":"raid","step":"x","order":1},{"interface":"bios","step":"y","args":{},"order":"0"}]`, "raid.x bios.y"},
		{InRunbook, `[{"interface":"raid","step":"x"}]`, "Schema error for runbook: 'order' is a required property"},
		{InRunbook, `[{"interface":"raid","step":"x","order":1,"priority":1}]`, "('priority' was unexpected)"},
		{InRunbook, `[{"interface":"raid","step":"x","order":-2}]`, "order is no whole number"},
		{InRunbook, `[{"interface":"raid","step":"x","order":1},{"interface":"raid","step":"x","order":2}]`, "Duplicates: interface: raid, step: x"},
	} {
		got, err := c.kept.Parse(decode(t, c.body))
		text := ids(got)
		if err != nil {
			if text = err.Error(); !errs.Is(err, errs.Invalid) {
				t.Errorf("%s: code %s", c.body, errs.CodeOf(err))
			}
		}
		if text != c.want && (err == nil || !strings.Contains(text, c.want)) {
			t.Errorf("%s %s: %q, want %q", c.kept, c.body, text, c.want)
		}
	}
	got, err := InRunbook.Parse(decode(t, `[{"interface":"raid","step":"x","order":"7"}]`))
	if err != nil || got[0].Priority != 7 {
		t.Errorf("%v %v", got, err)
	}
}

// template is a deploy template of words like "deploy.hold=30".
func template(name string, words ...string) Template {
	out := Template{Name: name}
	for _, w := range words {
		id, rank, _ := strings.Cut(w, "=")
		iface, step, _ := strings.Cut(id, ".")
		p, _ := priority(rank)
		out.Steps = append(out.Steps, Step{Interface: iface, Name: step, Priority: p})
	}
	return out
}

func TestTemplatesGiveTheirStepsToADeployment(t *testing.T) {
	core := []Step{{Interface: "deploy", Name: "write_image", Priority: 80}, {Interface: "deploy", Name: "boot_instance", Priority: 20}}
	offered := []Step{{Interface: "raid", Name: "apply_configuration", RequiresRamdisk: true}, {Interface: "bios", Name: "factory_reset"},
		{Interface: "deploy", Name: "inject_files", Priority: 50, RequiresRamdisk: true},
		{Interface: "bios", Name: "apply_configuration", ArgsInfo: map[string]Arg{"settings": {Required: true}}}}
	const failed = "Validation of deploy steps from deploy templates matching this node's instance traits failed. Matching deploy templates: "
	for _, c := range []struct {
		name      string
		asked     []Step
		templates []Template
		want      string
	}{
		{"one", nil, []Template{template("A", "raid.apply_configuration=90")}, "raid.apply_configuration deploy.write_image deploy.inject_files deploy.boot_instance"},
		{"two", nil, []Template{template("A", "raid.apply_configuration=90", "deploy.hold=85"), template("B", "bios.factory_reset=95", "deploy.hold=10")},
			"bios.factory_reset raid.apply_configuration deploy.hold deploy.write_image deploy.inject_files deploy.boot_instance deploy.hold"},
		{"a step of the request comes in place of a template's", template("", "raid.apply_configuration=70").Steps, []Template{template("A", "raid.apply_configuration=90")},
			"deploy.write_image raid.apply_configuration deploy.inject_files deploy.boot_instance"},
		{"the request switches a template's step off", template("", "raid.apply_configuration=0").Steps, []Template{template("A", "raid.apply_configuration=90")},
			"deploy.write_image deploy.inject_files deploy.boot_instance"},
		{"holds of both stay", template("", "deploy.hold=85").Steps, []Template{template("A", "deploy.hold=30")}, "deploy.hold deploy.write_image deploy.inject_files deploy.hold deploy.boot_instance"},
		{"priority 0 switches off", nil, []Template{template("A", "deploy.inject_files=0", "deploy.write_image=0")}, "deploy.boot_instance"},
		{"a core step moved", nil, []Template{template("A", "deploy.write_image=70")}, failed + "A. Errors: deploy step write_image on interface deploy is a core step"},
		{"unknown", nil, []Template{template("A", "bios.polish=70"), template("B")}, failed + "A,B. Errors: node does not support this deploy step: {'interface': 'bios', 'step': 'polish'}"},
		{"unknown though the request has it", template("", "raid.x=70").Steps, nil, "Validation of deploy steps from \"deploy steps\" argument failed. node does not support"},
		{"an argument is missing", nil, []Template{template("A", "bios.apply_configuration=70")}, "is missing these required arguments: settings"},
		{"in two templates", nil, []Template{template("A", "bios.factory_reset=70"), template("B", "bios.factory_reset=71")},
			failed + "A,B. Errors: deploy steps from all deploy templates matching this node's instance traits cannot have the same interface and step. Duplicate deploy steps for bios.factory_reset"},
		{"without a ramdisk", nil, []Template{template("A", "raid.apply_configuration=40")}, "only there between 100 and 40"},
	} {
		got, err := Deployment(core, offered, Asked{c.asked, c.templates}, 100, 40)
		text := ids(got)
		if err != nil {
			text = err.Error()
		}
		if text != c.want && (err == nil || !strings.Contains(text, c.want)) {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
}

func TestWhatIsOffIsAskedForWithPriorityZero(t *testing.T) {
	for _, c := range []struct {
		asked, template string
		want            bool
	}{{"", "", false}, {"", "deploy.deploy=0", true}, {"deploy.deploy=0", "", true}, {"deploy.deploy=5", "deploy.deploy=0", false}, {"", "deploy.deploy=9", false}, {"", "bios.deploy=0", false}} {
		var a Asked
		if c.asked != "" {
			a.Steps = template("", c.asked).Steps
		}
		if c.template != "" {
			a.Templates = []Template{template("A", c.template)}
		}
		if got := a.Off("deploy.deploy"); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestStepsThatNobodyKnowsYetAreLeftOut(t *testing.T) {
	a := Asked{template("", "raid.x=1", "deploy.hold=2").Steps, []Template{template("A", "raid.x=1", "bios.y=3")}}
	got := a.Among([]Step{{Interface: "bios", Name: "y"}})
	if ids(got.Steps) != "deploy.hold" || ids(got.Templates[0].Steps) != "bios.y" || got.Templates[0].Name != "A" || len(a.Steps) != 2 {
		t.Errorf("%+v of %+v", got, a)
	}
}
