//go:build e2e

package api_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"trefoil/internal/openstackclient"
	"trefoil/overcloud/stack"
	"trefoil/undercloud/undercloudtest"
)

// heatclient is Debian's python-heatclient against this API.
type heatclient struct {
	t    *testing.T
	real *openstackclient.Client
	env  []string
}

func newHeatclient(t *testing.T) (*heatclient, *stack.Stack) {
	t.Helper()
	u := undercloudtest.New(t)
	u.ServeDocuments(&documents{})
	s, err := u.Stacks.Create(t.Context(), "overcloud", 240, stack.Input{})
	if err != nil {
		t.Fatal(err)
	}
	s = failedInStep3(t, u.DB, s)
	return &heatclient{t, openstackclient.Start(t), []string{"OS_AUTH_URL=" + u.AuthURL + "/v3", "OS_USERNAME=admin",
		"OS_PASSWORD=" + undercloudtest.Password, "OS_PROJECT_NAME=admin", "OS_USER_DOMAIN_NAME=Default", "OS_PROJECT_DOMAIN_NAME=Default", "OS_IDENTITY_API_VERSION=3"}}, s
}

func (h *heatclient) run(line string) (string, int) {
	h.t.Helper()
	return h.real.Combined(h.t, h.env, strings.Fields(line)...)
}

// TestHeatclientReadsADeployment types what an operator types at Heat. Each row
// has the exit code and, in order, patterns that the output must have; one that
// begins with ! it must not have.
func TestHeatclientReadsADeployment(t *testing.T) {
	h, s := newHeatclient(t)
	member := stack.NestedName(s, "Controller")
	rows := []struct {
		line string
		code int
		want []string
	}{
		{"stack list", 0, []string{`\| ID +\| Stack Name \| Project +\| Stack Status +\| Creation Time +\| Updated Time`, `\| overcloud +\| [0-9a-f]{32} +\| CREATE_FAILED`, `!ControllerDeployment`}},
		{"stack list --nested --property stack_status=CREATE_COMPLETE -f value -c Parent", 0, []string{s.ID, "!None"}},
		{"stack list --long --limit 1 --sort stack_name:desc", 0, []string{`Stack Owner`, `admin`}},
		{"stack list --tags x", 0, []string{`!overcloud`}},
		{"stack show overcloud", 0, []string{`(?s)stack_name +\| overcloud.*parameters .*AdminPassword: '\*{6}'.*outputs .*KeystoneURL`, "!s3cret", "!trefoil"}},
		{"stack show overcloud --no-resolve-outputs -f json", 0, []string{`"stack_status": "CREATE_FAILED"`, `!"outputs"`}},
		{"stack show nope", 1, []string{`Stack not found: nope`}},
		{"stack event list overcloud --nested-depth 4", 0, []string{`(?s)08:39:22Z \[overcloud\]: CREATE_IN_PROGRESS  Stack CREATE started\n`,
			`\[overcloud.Controller.1.Controller\]: CREATE_COMPLETE  state changed`, `\[overcloud.AllNodesDeploySteps.ControllerDeployment_Step3.1\]: CREATE_FAILED  overcloud-controller-1: step 3`}},
		{"stack event list overcloud -f value -c resource_name", 0, []string{`overcloud\nController\nController\nAllNodesDeploySteps`, `!\n0\n`}},
		{"stack event list overcloud --nested-depth 1 --marker 7 --limit 2 -f value -c id -c stack_name", 0, []string{`^8 overcloud-Controller-\w{12}\n10 overcloud-Controller-\w{12}\n$`}},
		{"stack event list overcloud --resource Controller --limit 1 -f value -c id -c resource_status", 0, []string{`^2 CREATE_IN_PROGRESS\n$`}},
		{"stack event list overcloud --marker 13 -f value -c id", 0, []string{`^17\n18\n$`}},
		{"stack event list overcloud --filter resource_status=FAILED --sort :desc -f value -c id", 0, []string{`^18\n17\n$`}},
		{"stack event show overcloud Controller 2", 0, []string{`resource_type +\| OS::Heat::ResourceGroup`}},
		{"stack event show overcloud Controller 999", 1, []string{`No event 999 found`}},
		{"stack resource list overcloud", 0, []string{`resource_name +\| physical_resource_id +\| resource_type`, `Controller +\| [0-9a-f-]{36} \| OS::Heat::ResourceGroup`}},
		{"stack resource list -n 5 overcloud --filter status=FAILED -f value -c resource_name -c stack_name", 0, []string{`^AllNodesDeploySteps overcloud\nControllerDeployment_Step3 overcloud-AllNodesDeploySteps-\w{12}\n1 \S+\n$`}},
		{"stack resource list -n 9 overcloud -f dot", 0, []string{`digraph G`, `label="ControllerDeployment_Step3`}},
		{"stack resource list " + member, 0, []string{`\| 0 +\|`, `\| 1 +\|`}},
		{"stack resource show overcloud Controller", 0, []string{`resource_status +\| CREATE_COMPLETE`}},
		{"stack resource show overcloud nope", 1, []string{`Stack or resource not found: overcloud nope`}},
		{"stack resource metadata overcloud Controller", 0, []string{`^\{\}`}},
		{"stack failures list overcloud", 0, []string{`^overcloud.AllNodesDeploySteps.ControllerDeployment_Step3.1:\n  resource_type: OS::Heat::StructuredDeployment\n`,
			`status: CREATE_FAILED\n  status_reason: \|\n    overcloud-controller-1: step 3: keystone: unit:apache2: exit status 1\n`,
			`deploy_stdout: \|\n    AH00526: Syntax error\n    Action start failed.\n`, `to try: journalctl -u apache2`}},
		{"stack failures list --long overcloud", 0, []string{`AH00526`}},
		{"stack output list overcloud", 0, []string{`output_key +\| description`, `KeystoneURL +\| Where to log in.`}},
		{"stack output show overcloud KeystoneURL -f value -c output_value", 0, []string{`^http://1.2.3.4:5000/\n$`}},
		{"stack output show overcloud --all", 0, []string{`KeystoneURL`, `!AdminPassword`, `!s3cret`}},
		{"stack output show overcloud nope", 1, []string{`output nope not found`}},
		{"stack environment show overcloud", 0, []string{`(?s)parameters:.*resource_registry:.*parameter_defaults:.*AdminPassword: '\*{6}'`, `!s3cret`}},
		{"stack template show overcloud", 0, []string{`heat_template_version: ['"]?2018-08-31`}},
		{"stack file list overcloud", 0, []string{`overcloud.yaml`}},
		{"stack hook poll overcloud", 1, []string{`Stack status CREATE_FAILED not IN_PROGRESS`}},
		{"stack snapshot list overcloud", 0, nil},
		{"stack check overcloud", 1, []string{`stack check is not supported`}},
		{"stack suspend overcloud", 1, []string{`baremetal node power off`}},
		{"stack abandon overcloud", 1, []string{`plan export`}},
		{"stack export overcloud", 1, []string{`plan export`}},
		{"software deployment list", 0, []string{`instance-1 +\| CREATE +\| FAILED`}},
		{"orchestration build info", 0, []string{`revision`, `devel`}},
		{"orchestration service list", 0, []string{`undercloud`, `up`}},
		{"orchestration resource type list --filter name=OS::Neutron", 0, []string{`OS::Neutron::Port`, `!Heat`}},
		{"orchestration resource type show OS::Heat::Value", 0, []string{`resource_type: OS::Heat::Value`}},
		{"orchestration resource type show OS::Heat::Vale", 1, []string{`Resource type not found`}},
		{"orchestration template version list", 0, []string{`heat_template_version.queens`}},
		{"orchestration template function list heat_template_version.queens", 0, []string{`make_url`, `!equals`}},
		{"orchestration template function list --with_conditions heat_template_version.queens", 0, []string{`equals`}},
	}
	for _, r := range rows {
		out, code := h.run(r.line)
		if code != r.code {
			t.Errorf("openstack %s: exit code %d, want %d\n%s", r.line, code, r.code, out)
		}
		for _, want := range r.want {
			pattern, absent := strings.CutPrefix(want, "!")
			if regexp.MustCompile(pattern).MatchString(out) == absent {
				t.Errorf("openstack %s: want %s in\n%s", r.line, want, out)
			}
		}
	}
}

// TestHeatclientActs types what changes something, or would.
func TestHeatclientActs(t *testing.T) {
	h, s := newHeatclient(t)
	file := fmt.Sprintf("%s/t.yaml", t.TempDir())
	if err := os.WriteFile(file, []byte("heat_template_version: 2018-08-31\nparameters:\n  p: {type: string, default: x}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := h.run("orchestration template validate -t " + file); code != 0 || !strings.Contains(out, "CommaDelimitedList") && !strings.Contains(out, "Type: String") {
		t.Errorf("validate: %d %s", code, out)
	}
	if out, code := h.run("stack create -t " + file + " mine"); code == 0 || !strings.Contains(out, "openstack overcloud deploy") {
		t.Errorf("a stack of one's own: %d %s", code, out)
	}
	if out, code := h.run("stack cancel --no-rollback overcloud"); code == 0 || !strings.Contains(out, "not in cancelable state") {
		t.Errorf("cancel of what has ended: %d %s", code, out)
	}
	if out, code := h.run("stack delete -y overcloud"); code != 0 {
		t.Errorf("delete: %d %s", code, out)
	}
	// The client prints the message alone, so that what to do stands in it.
	if out, code := h.run("stack delete -y overcloud"); code == 0 || !strings.Contains(out, "status is 'DELETE_IN_PROGRESS'") || !strings.Contains(out, "hint: follow it with: openstack stack event list overcloud --follow") {
		t.Errorf("delete while it is under way: %d %s", code, out)
	}
	if out, code := h.run("stack hook poll " + s.Name); code != 1 && code != 0 {
		t.Errorf("hooks: %d %s", code, out)
	}
	if out, code := h.run("stack show -f value -c stack_status overcloud"); code != 0 || out != "DELETE_IN_PROGRESS\n" {
		t.Errorf("after delete: %d %s", code, out)
	}
}
