package main

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trefoil/internal/yaml"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// planner is an operator whose undercloud makes real plans of the tree in this
// program. A deployment ends well at once and runs on one imagined controller.
func planner(t *testing.T) (*operator, string) {
	t.Helper()
	o := newOperator(t)
	o.ServeDocuments(deploy.Documents{})
	o.Stacks.Check = func(ctx context.Context, s *stack.Stack) (*stack.Made, error) { return deploy.PlanOf(ctx, s) }
	o.Stacks.Passwords = func(old map[string]string) (map[string]string, error) {
		return plan.GeneratePasswords(old, rand.Reader)
	}
	o.Stacks.Enqueue = func(ctx context.Context, _, id string) error {
		_, err := o.DB.UpdateStack(ctx, id, func(s *stack.Stack) error {
			now := time.Now()
			s.State, s.UpdatedAt = stack.Complete, &now
			s.Outputs = map[string]any{"KeystoneURL": "http://192.0.2.1:5000/", "AdminPassword": s.Passwords["AdminPassword"],
				"EndpointMap": map[string]any{"KeystonePublic": map[string]any{"port": 5000}}, "HostsEntry": []any{"192.0.2.1 overcloud-controller-0"}}
			return nil
		})
		return err
	}
	dir := t.TempDir()
	t.Chdir(dir)
	return o, dir
}

func TestPlanFromCreateToDelete(t *testing.T) {
	o, dir := planner(t)
	o.want("overcloud plan list", 0, "\n", "")
	o.want("overcloud plan create mine", 0, "Started Mistral Workflow tripleo.plan_management.v1.create_deployment_plan. Execution ID: ", "")
	o.want("overcloud plan create mine", 1, "", "A container with the name mine already exists.")
	o.want("overcloud plan create a_b", 1, "", "only contain letters, numbers or dashes")
	o.want("overcloud plan create git --source-url https://example.org/tht", 2, "", "nothing is fetched from the network")
	o.want("overcloud plan list", 0, "+-----------+\n| Plan Name |\n+-----------+\n| mine      |\n+-----------+\n", "")
	before := passwordsOf(o, "mine")

	o.want("overcloud plan export mine", 0, "Exporting plan mine...\n", "")
	st, err := os.Stat(filepath.Join(dir, "mine.tar.gz"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the archive: %v %v", st, err)
	}
	o.want("overcloud plan export mine", 1, "", "File 'mine.tar.gz' already exists, not exporting.")
	o.want("overcloud plan export mine -f", 0, "", "")
	o.want("overcloud plan export mine -o no/such/x", 1, "", "write no/such/x: stat no/such: no such file or directory\nhint: make the directory first: mkdir -p 'no/such'")
	o.want("overcloud credentials mine --directory no", 1, "", "write no/minerc: stat no: no such file or directory")
	o.want("overcloud export -o no/x.yaml", 1, "", "make the directory first")
	o.want("baremetal introspection data save x --file no/x.json", 1, "", "write no/x.json: stat no: no such file or directory")
	if _, err := os.Stat("no"); err == nil {
		t.Error("a slip in a name makes a directory")
	}
	o.want("overcloud plan export mne -o x", 1, "", `the plan mne could not be found; did you mean "mine"?`)
	if _, err := os.Stat("x"); err == nil {
		t.Error("an export that failed leaves a file")
	}

	o.want("overcloud credentials mine", 1, "", "the stack (mine) could not be found")
	o.want("overcloud plan deploy mine", 0, "Starting to deploy plan: mine\n\n Stack mine CREATE_COMPLETE \n\nOvercloud Endpoint: http://192.0.2.1:5000/\n", "")
	o.want("overcloud plan deploy mine -t 0", 2, "", "expected minutes")
	o.want("overcloud credentials mine --directory .", 0, "", "")
	if rc, err := os.ReadFile("minerc"); err != nil || !strings.Contains(string(rc), before["AdminPassword"]) {
		t.Errorf("minerc: %v", err)
	}
	o.want("overcloud plan delete mine nope", 1, "Deleting plan mine...\nDeleting plan nope...\n", "Exception deleting plan: Cannot delete a plan that has an associated stack.")
	s, err := o.DB.Stack(t.Context(), "mine")
	if err != nil {
		t.Fatal(err)
	}
	if err := o.DB.DeleteStack(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if got := passwordsOf(o, "mine"); got["AdminPassword"] != before["AdminPassword"] {
		t.Error("the passwords did not outlive the stack")
	}
	o.want("overcloud passwords rotate --stack mne", 1, "", `the plan mne could not be found; did you mean "mine"?`)
	o.want("overcloud passwords rotate --stack mine", 1, "", "Action not confirmed")
	o.want("overcloud delete mne -y", 1, "", `No stack found ('mne'), and no plan of that name; did you mean "mine"?`)
	o.want("overcloud delete mine -y", 0, "Deleting plan mine...\nSuccess.\n", "No stack found")
	o.want("overcloud plan list -f value", 0, "", "")
}

func passwordsOf(o *operator, name string) map[string]string {
	o.t.Helper()
	p, err := o.DB.Plan(o.t.Context(), name)
	if err != nil {
		o.t.Fatal(err)
	}
	return p.Passwords
}

func TestParametersSet(t *testing.T) {
	o, dir := planner(t)
	o.want("overcloud plan create mine", 0, "Plan created.\n", "")
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := write("p.yaml", "parameter_defaults:\n  ComputeCount: 3\n  ComptueCount: 4\n")
	o.want("overcloud parameters set mine "+good, 0, "", "WARNING: "+good+":3: parameter ComptueCount is not used by any template; did you mean \"ComputeCount\"?\n")
	wrong := write("q.json", "{\n \"ComputeCount\": \"many\"}\n")
	o.want("overcloud parameters set mine "+wrong, 1, "", wrong+":2: ")
	o.want("overcloud parameters set mine "+write("r.txt", "A: 1"), 1, "", "must be json or yaml")
	o.want("overcloud parameters set mnie "+good, 1, "", `did you mean "mine"?`)
	o.want("overcloud parameters set mine nope.yaml", 1, "", "no such file")
	p, err := o.DB.Plan(t.Context(), "mine")
	if err != nil || p.Input.Parameters["ComputeCount"] != 3 || p.Version != 2 {
		t.Errorf("%v version %d, %v", p.Input.Parameters, p.Version, err)
	}
}

func TestExportAndUpdatePlanOnly(t *testing.T) {
	o, dir := planner(t)
	o.want("overcloud deploy --templates --update-plan-only --compute-scale 2", 0, "Plan updated.\n", "")
	if p, err := o.DB.Plan(t.Context(), "overcloud"); err != nil || p.Input.Counts["Compute"] != 2 {
		t.Errorf("%+v %v", p, err)
	}
	if all, err := o.DB.Stacks(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%d stacks, %v", len(all), err)
	}
	o.want("overcloud export", 1, "", "the stack (overcloud) could not be found")
	o.want("overcloud plan deploy overcloud", 0, "CREATE_COMPLETE", "")
	file := filepath.Join(dir, "export.yaml")
	o.want("overcloud export -o export.yaml", 0, "Stack information exported to "+file+".\n", "WARNING: No data returned to export GlobalConfigExtraMapData from.\n")
	o.want("overcloud export -o export.yaml", 1, "", "File '"+file+"' already exists, not exporting.")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Defaults map[string]any `yaml:"parameter_defaults"`
	}
	if err := yaml.Unmarshal(file, data, &got); err != nil {
		t.Fatal(err)
	}
	if d := got.Defaults; d["AdminPassword"] != passwordsOf(o, "overcloud")["AdminPassword"] || d["CephClientKey"] != nil || d["AddVipsToEtcHosts"] != false ||
		d["EndpointMapOverride"] == nil || d["ExtraHostFileEntries"] == nil {
		t.Errorf("%s", data)
	}
	o.want("overcloud export -f -o export.yaml --no-password-excludes", 0, "", "")
	if data, _ = os.ReadFile(file); !strings.Contains(string(data), "CephClientKey") {
		t.Errorf("%s", data)
	}
}

// The commands of `openstack stack` print what heatclient prints, and no secret.
func TestStackReads(t *testing.T) {
	o, _ := planner(t)
	o.want("overcloud plan create cloud", 0, "", "")
	o.want("overcloud plan deploy cloud", 0, "CREATE_COMPLETE", "")
	s, err := o.DB.Stack(t.Context(), "cloud")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "Controller", "Controller.0", "Controller.0.Controller"} {
		if err := o.DB.Record(t.Context(), &stack.Event{StackID: s.ID, Resource: path, Type: stack.ResourceType(path), Status: "CREATE_FAILED", Reason: "deploy failed", Time: time.Unix(0, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	nested := stack.NestedName(s, "Controller")
	for line, want := range map[string]string{
		"stack list -f csv":                                      `"ID","Stack Name","Project","Stack Status","Creation Time","Updated Time"`,
		"stack list --nested -f value -c Parent":                 s.ID,
		"stack list --long --short -f value":                     s.ID + ` cloud \w+ admin CREATE_COMPLETE`,
		"stack list --property stack_status=CREATE_FAILED":       `^\n$`,
		"stack show cloud -f json":                               `(?s)^\{\n  "id": .*"stack_status": "CREATE_COMPLETE".*"parameters": \{.*"ComputeCount": "1"`,
		"stack show cloud":                                       `parameters +\|.*(?s).*AdminPassword: '\*{6}'`,
		"stack event list cloud":                                 `1970-01-01 00:00:00Z \[cloud.Controller.0.Controller\]: CREATE_FAILED  deploy failed`,
		"stack event list cloud --nested-depth 0 -f value -c id": `^1\n2\n$`,
		"stack event list cloud --resource Controller.0.Controller -f value -c resource_name": `^Controller\n$`,
		"stack event show cloud Controller 2":                                                 `resource_status_reason +\| deploy failed`,
		"stack resource list cloud":                                                           `\| resource_name \| physical_resource_id +\| resource_type +\| resource_status \| updated_time`,
		"stack resource list cloud -n 2 -f value -c stack_name":                               `^cloud\n` + nested + `\n` + nested + `-0-\w+\n$`,
		"stack resource show cloud Controller.0.Controller":                                   `parent_resource +\| 0`,
		"stack resource metadata cloud Controller":                                            `^\{\}\n$`,
		"stack output list cloud":                                                             `KeystoneURL +\| URL for the overcloud's identity service.`,
		"stack output show cloud KeystoneURL -f value -c output_value":                        `^http://192.0.2.1:5000/\n$`,
		"stack output show cloud --all":                                                       `(?s)EndpointMap.*KeystoneURL`,
		"stack environment show cloud":                                                        `(?s)^parameters: .*resource_registry:.*OS::TripleO::.*parameter_defaults:.*AdminPassword: '?\*{6}`,
		"stack template show cloud":                                                           `heat_template_version: `,
	} {
		code, out, errw := o.types(t.Context(), line)
		if code != 0 || !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("openstack %s: code %d, want %s\n%s%s", line, code, want, out, errw)
		}
		for name, secret := range s.Passwords {
			if strings.Contains(out, secret) {
				t.Errorf("openstack %s shows %s", line, name)
			}
		}
	}
	o.want("stack output show cloud", 2, "", "Either <OUTPUT NAME> or --all must be specified.")
	o.want("stack output show cloud nope", 1, "", "Specified output key nope not found.")
	o.want("stack list --property x", 2, "", "Malformed parameter(x). Use the key=value format.")
	if _, err := o.DB.UpdateStack(t.Context(), s.ID, func(s *stack.Stack) error { s.State = stack.Failed; return nil }); err != nil {
		t.Fatal(err)
	}
	o.want("stack failures list cloud", 0, "cloud.Controller.0.Controller:\n  resource_type: OS::TripleO::ControllerServer\n  physical_resource_id: \n  status: CREATE_FAILED\n  status_reason: |\n    deploy failed\n", "")
}
