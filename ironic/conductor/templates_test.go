package conductor_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
)

// template keeps a deploy template with steps like "raid.apply_configuration", each with its priority.
func (w *world) template(name string, steps ...any) {
	w.t.Helper()
	t := &ironic.DeployTemplate{UUID: uuid.NewString(), Name: name}
	for i := 0; i < len(steps); i += 2 {
		s := list(steps[i].(string))[0]
		t.Steps = append(t.Steps, ironic.TemplateStep{Interface: s["interface"].(string), Name: s["step"].(string), Args: map[string]any{}, Rank: steps[i+1].(int)})
	}
	if err := w.db.CreateDeployTemplate(w.t.Context(), t); err != nil {
		w.t.Fatal(err)
	}
}

// asking is a node that is to be deployed, whose instance asks for the traits.
func asking(t *testing.T, traits ...string) *world {
	w := newWorld(t, nil)
	w.node("available")
	w.set(func(n *ironic.Node) {
		n.Traits = []string{"CUSTOM_RAID", "CUSTOM_HOLD", "CUSTOM_BARE", "CUSTOM_ODD"}
		n.InstanceInfo["traits"] = traits
	})
	w.offers = map[string][]any{"deploy_steps": {
		map[string]any{"step": "write_image", "priority": 0, "interface": "deploy"},
		map[string]any{"step": "apply_configuration", "priority": 0, "interface": "raid"},
		map[string]any{"step": "inject_files", "priority": 50, "interface": "deploy"}}}
	return w
}

func TestTemplatesOfTheInstancesTraitsArePartOfItsDeployment(t *testing.T) {
	w := asking(t, "CUSTOM_RAID", "CUSTOM_HOLD")
	w.template("CUSTOM_RAID", "raid.apply_configuration", 90, "inject_files", 0)
	w.template("CUSTOM_HOLD", "hold", 70)
	w.template("CUSTOM_ODD", "bios.polish", 99) // the instance does not ask for it
	w.provision("active")
	n := w.await("deploy hold")
	if got := w.steps(); got != "apply_configuration write_image" || n.DeployStep["step"] != "hold" {
		t.Errorf("before the hold agents ran %s; step %v", got, n.DeployStep)
	}
	w.provision("unhold")
	n = w.await("active")
	if got := w.steps(); got != "apply_configuration write_image" || n.LastError != "" || w.boots != 1 {
		t.Errorf("agents ran %s, error %q, %d boots", got, n.LastError, w.boots)
	}
	for k := range n.DriverInternalInfo {
		t.Errorf("%s is left", k)
	}
	w.provision("rebuild")
	w.await("deploy hold")
	if got := w.steps(); got != "apply_configuration write_image apply_configuration write_image" {
		t.Errorf("with the rebuild agents ran %s", got)
	}
}

func TestStepsOfTheRequestComeInPlaceOfATemplates(t *testing.T) {
	w := asking(t, "CUSTOM_RAID")
	w.template("CUSTOM_RAID", "raid.apply_configuration", 90)
	w.provision("active", deploySteps("raid.apply_configuration", 70))
	w.await("active")
	if got := w.steps(); got != "write_image apply_configuration inject_files" {
		t.Errorf("agents ran %s", got)
	}
}

func TestAnInstanceWithoutTraitsTakesNoTemplate(t *testing.T) {
	w := asking(t)
	w.template("CUSTOM_RAID", "raid.apply_configuration", 90)
	w.provision("active")
	if w.await("active"); w.steps() != "write_image inject_files" {
		t.Errorf("agents ran %s", w.steps())
	}
}

// What is under way goes on with the templates as they were, also for the conductor after it.
func TestATemplateThatChangesDoesNotChangeWhatIsUnderWay(t *testing.T) {
	for _, step := range []string{"image", "plan", "steps", "deploy 1 write_image"} {
		t.Run(step, func(t *testing.T) {
			w := asking(t, "CUSTOM_RAID")
			w.template("CUSTOM_RAID", "raid.apply_configuration", 90)
			w.crashAt(step, false, func() {
				w.provision("active")
				row, err := w.db.DeployTemplate(t.Context(), "CUSTOM_RAID")
				if err == nil {
					err = w.db.DeleteDeployTemplate(t.Context(), row.UUID)
				}
				if err != nil {
					t.Error(err)
				}
			})
			n := w.await("active")
			if got := w.steps(); n.LastError != "" || got != "apply_configuration write_image inject_files" {
				t.Errorf("error %q, agents ran %s", n.LastError, got)
			}
		})
	}
}

func TestTemplatesThatDoNotFitAreRefusedBeforeAnythingIsDone(t *testing.T) {
	const failed = "Validation of deploy steps from deploy templates matching this node's instance traits failed. Matching deploy templates: "
	for _, c := range []struct {
		name  string
		words string
		set   func(*world)
	}{
		{"a core step moved", failed + "CUSTOM_RAID. Errors: deploy step write_image on interface deploy is a core step",
			func(w *world) { w.template("CUSTOM_RAID", "write_image", 75) }},
		{"arguments of the hardware type's step", "bios', 'step': 'apply_configuration'} is missing these required arguments: settings",
			func(w *world) { w.template("CUSTOM_RAID", "bios.apply_configuration", 75) }},
		{"one step in two templates", failed + "CUSTOM_RAID,CUSTOM_HOLD. Errors: deploy steps from all deploy templates matching this node's instance traits cannot have the same interface and step. Duplicate deploy steps for bios.factory_reset",
			func(w *world) {
				w.template("CUSTOM_RAID", "bios.factory_reset", 30)
				w.template("CUSTOM_HOLD", "bios.factory_reset", 31)
			}},
		{"no ramdisk for the image", "requires booting a ramdisk", func(w *world) { w.template("CUSTOM_RAID", "deploy", 0) }},
		{"a step that a node without agent lacks", failed + "CUSTOM_RAID. Errors: node does not support this deploy step: {'interface': 'raid', 'step': 'apply_configuration'}",
			func(w *world) { fakeDeploy(w); w.template("CUSTOM_RAID", "raid.apply_configuration", 75) }},
		{"traits that the node lacks", "Cannot specify instance traits that are not also set on the node. Node 00000000-0000-4000-8000-000000000001 is missing traits CUSTOM_HOLD",
			func(w *world) { w.set(func(n *ironic.Node) { n.Traits = []string{"CUSTOM_RAID"} }) }},
		{"traits that are none", "Error parsing traits from Node 00000000-0000-4000-8000-000000000001 instance_info field. A list of strings is expected.",
			func(w *world) { w.set(func(n *ironic.Node) { n.InstanceInfo["traits"] = "CUSTOM_RAID" }) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := asking(t, "CUSTOM_RAID", "CUSTOM_HOLD")
			c.set(w)
			err := w.c.Provision(t.Context(), "control-1", api.ProvisionRequest{Target: "active"})
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v\ndoes not say %s", err, c.words)
			}
			v, err := w.c.Validate(t.Context(), "control-1")
			if err != nil || v["deploy"].Result || !strings.Contains(v["deploy"].Reason, c.words) {
				t.Errorf("validation %+v %v", v["deploy"], err)
			}
			if n := w.await("available"); w.boots != 0 || len(n.DriverInternalInfo) > 0 {
				t.Errorf("%d boots, %v", w.boots, n.DriverInternalInfo)
			}
		})
	}
}

func TestDeployStepsThatDoNotFitAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	w.node("available")
	for words, steps := range map[string]func(*api.ProvisionRequest){
		"deploy step write_image on interface deploy is a core step": deploySteps("write_image", 75),
		"requires booting a ramdisk":                                 deploySteps("deploy", 0),
	} {
		req := api.ProvisionRequest{Target: "active"}
		steps(&req)
		if err := w.c.Provision(t.Context(), "control-1", req); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), words) {
			t.Errorf("%v does not say %q", err, words)
		}
	}
	w.provision("active", deploySteps("polish", 75)) // the agent may have it
	if n := w.await("deploy failed"); !strings.Contains(n.LastError, "node does not support this deploy step") || n.PowerState != ironic.PowerOff {
		t.Errorf("%q, power %q", n.LastError, n.PowerState)
	}
	if err := w.c.Provision(t.Context(), "control-1", api.ProvisionRequest{Target: "active", DeploySteps: list("x")}); !errs.Is(err, errs.Invalid) {
		t.Errorf("steps without a priority: %v", err)
	}
}

// The agent's steps are known once its ramdisk is up; then nothing was written yet.
func TestATemplateWithAStepThatTheAgentLacksFailsBeforeTheImageIsWritten(t *testing.T) {
	w := asking(t, "CUSTOM_ODD")
	w.template("CUSTOM_ODD", "raid.polish", 50, "raid.apply_configuration", 90)
	if v, err := w.c.Validate(t.Context(), "control-1"); err != nil || !v["deploy"].Result {
		t.Errorf("validation %+v %v", v["deploy"], err)
	}
	w.provision("active")
	n := w.await("deploy failed")
	if !strings.Contains(n.LastError, "Matching deploy templates: CUSTOM_ODD. Errors: node does not support this deploy step: {'interface': 'raid', 'step': 'polish'}") || w.steps() != "" {
		t.Errorf("%q, agents ran %s", n.LastError, w.steps())
	}
}

func TestATemplateCanSwitchTheRamdiskOff(t *testing.T) {
	w := asking(t, "CUSTOM_BARE")
	w.template("CUSTOM_BARE", "deploy", 0, "write_image", 0, "prepare_instance_boot", 0, "tear_down_agent", 0, "bios.factory_reset", 50)
	w.provision("active")
	if n := w.await("active"); w.boots != 0 || n.LastError != "" || n.PowerState != ironic.PowerOn {
		t.Errorf("%d boots, %q, power %q", w.boots, n.LastError, n.PowerState)
	}
}

// A wish that could not be stored leaves no template behind.
func TestTemplatesOfARequestThatFailedAreForgotten(t *testing.T) {
	w := asking(t, "CUSTOM_HOLD")
	w.template("CUSTOM_HOLD", "hold", 70)
	w.refuseJobs(true)
	if err := w.c.Provision(t.Context(), "control-1", api.ProvisionRequest{Target: "active"}); err == nil {
		t.Error("it was taken")
	}
	if n := w.await("available"); len(n.DriverInternalInfo) > 0 {
		t.Errorf("%v is left", n.DriverInternalInfo)
	}
}

func TestARunbookIsNamedInTheHistory(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	eraser(w, true)
	w.provision("clean", cleanSteps("erase_devices"), func(r *api.ProvisionRequest) { r.Runbook = "CUSTOM_WIPE" })
	w.await("manageable")
	if h := w.history(); !strings.Contains(h, "clean by runbook CUSTOM_WIPE was asked for: manageable → cleaning") || w.steps() != "erase_devices" {
		t.Errorf("%s\nagents ran %s", h, w.steps())
	}
}
