package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// documents describes a small plan with secrets in it.
type documents struct{ made int }

func (d *documents) Describe(context.Context, *stack.Stack) (*stack.Description, error) {
	d.made++
	p := &plan.Plan{Hidden: []string{"AdminPassword", "SnmpPassword"}, Passwords: map[string]string{"AdminPassword": "s3cret-one"},
		Parameters: map[string]any{"AdminPassword": "s3cret-one", "CloudName": "overcloud.localdomain", "ControllerCount": 1,
			"ExtraConfig": map[string]any{"mine": "pw=s3cret-one", "SnmpPassword": "s3cret-two"}, "DnsServers": []any{"10.0.0.1", "10.0.0.2"}},
		Registry: map[string]string{"OS::TripleO::Controller": "puppet/controller.yaml"}, RootTemplate: []byte(`heat_template_version: 2018-08-31
description: The whole cloud.
parameters:
  AdminPassword: {type: string, hidden: true, default: 'unmasked'}
  CloudName: {type: string}
  ControllerCount: {type: number, default: 1}
  DnsServers: {type: comma_delimited_list, default: []}
  Debug: {type: boolean, default: true}
resources:
  None: {type: OS::Heat::None}
outputs:
  KeystoneURL: {description: Where to log in., value: x}
`)}
	return stack.Describe(p)
}

func (*documents) Files(context.Context, *stack.Stack) (map[string]string, error) {
	return map[string]string{"overcloud.yaml": "heat_template_version: 2018-08-31\n"}, nil
}

func (*documents) Export(_ context.Context, p *stack.Plan) ([]byte, error) {
	return []byte("packed " + p.Name), nil
}

// deployed stores a stack of two controllers whose second failed in step 3.
func deployed(t *testing.T, w *world) *stack.Stack {
	t.Helper()
	w.do("POST", "", create)
	s, err := w.db.Stack(t.Context(), "overcloud")
	if err != nil {
		t.Fatal(err)
	}
	return failedInStep3(t, w.db, s)
}

func failedInStep3(t *testing.T, db stack.Store, s *stack.Stack) *stack.Stack {
	t.Helper()
	const why = "overcloud-controller-1: step 3: keystone: unit:apache2: exit status 1"
	at := time.Date(2020, 8, 14, 8, 39, 21, 0, time.UTC)
	record := func(path, status, reason, physical string) {
		t.Helper()
		at = at.Add(time.Second)
		if physical == "" {
			physical = stack.PhysicalID(s.ID, path)
		}
		if err := db.Record(t.Context(), &stack.Event{StackID: s.ID, StackName: s.Name, Resource: path, Type: stack.ResourceType(path), PhysicalID: physical,
			Status: status, Reason: reason, Time: at}); err != nil {
			t.Fatal(err)
		}
	}
	record("", "CREATE_IN_PROGRESS", "Stack CREATE started", "")
	for _, state := range []string{"CREATE_IN_PROGRESS", "CREATE_COMPLETE"} {
		record("Controller", state, "state changed", "")
		for i := range 2 {
			record(fmt.Sprintf("Controller.%d", i), state, "state changed", "")
			record(fmt.Sprintf("Controller.%d.Controller", i), state, "state changed", fmt.Sprintf("instance-%d", i))
		}
	}
	record(stack.DeploySteps, "CREATE_IN_PROGRESS", "state changed", "")
	record(stack.StepGroup("Controller", "3"), "CREATE_IN_PROGRESS", "state changed", "")
	record(stack.StepPath("Controller", "3", 0), "CREATE_COMPLETE", "state changed", "")
	record(stack.StepPath("Controller", "3", 1), "CREATE_FAILED", why, "")
	record(stack.StepGroup("Controller", "3"), "CREATE_FAILED", why, "")
	record(stack.DeploySteps, "CREATE_FAILED", why, "")
	record("", "CREATE_FAILED", "Resource CREATE failed: "+why, "")
	for i := range 2 {
		n := stack.Node{Node: plan.Node{Name: fmt.Sprintf("overcloud-controller-%d", i), Role: "Controller", Index: i, Address: fmt.Sprintf("192.168.255.1%d", i)},
			InstanceUUID: fmt.Sprintf("instance-%d", i), HostKeyPEM: "PRIVATE KEY"}
		if err := db.PutStackNode(t.Context(), s.ID, n); err != nil {
			t.Fatal(err)
		}
	}
	s, err := db.UpdateStack(t.Context(), s.ID, func(s *stack.Stack) error {
		s.State = stack.Failed
		s.Outputs = map[string]any{"KeystoneURL": "http://1.2.3.4:5000/", "AdminPassword": "s3cret", "GlobalConfig": map[string]any{"rabbit": "amqp://guest:s3cret@1.2.3.4"}}
		s.Secret = []string{"AdminPassword", "GlobalConfig"}
		s.Failures = []stack.Failure{{Node: "overcloud-controller-1", Phase: "step 3", Service: "keystone", Key: "unit:apache2", Error: "exit status 1",
			Hint: "journalctl -u apache2", Tail: []string{"AH00526: Syntax error", "Action start failed."}}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// follow goes down the nested links as heatclient does.
func (w *world) follow(ident string, names ...string) map[string]any {
	w.t.Helper()
	for i, name := range names {
		_, body := w.do("GET", "/"+ident+"/resources", "")
		var got struct{ Resources []map[string]any }
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			w.t.Fatalf("%v in %s", err, body)
		}
		for _, r := range got.Resources {
			if r["resource_name"] != name {
				continue
			}
			if i == len(names)-1 {
				return r
			}
			ident = r["physical_resource_id"].(string)
		}
	}
	w.t.Fatalf("no %v below %s", names, ident)
	return nil
}

func TestNestedStacks(t *testing.T) {
	w := newWorld(t)
	s := deployed(t, w)
	server := w.follow("overcloud", "Controller", "1", "Controller")
	if server["physical_resource_id"] != "instance-1" || server["resource_type"] != "OS::TripleO::ControllerServer" || server["parent_resource"] != "1" {
		t.Errorf("%v", server)
	}
	if got := w.ids("/overcloud/resources", "resources", "resource_name"); got != "AllNodesDeploySteps Controller" {
		t.Errorf("resources %s", got)
	}
	if got := w.ids("/overcloud/resources?nested_depth=1&type=OS::TripleO::Controller", "resources", "resource_name"); got != "0 1" {
		t.Errorf("members %s", got)
	}
	if got := w.ids("/overcloud/resources?nested_depth=5&status=FAILED", "resources", "resource_name"); got != "AllNodesDeploySteps ControllerDeployment_Step3 1" {
		t.Errorf("failed %s", got)
	}
	if code, body := w.do("GET", "/overcloud/resources?colour=red", ""); code != 400 || !strings.Contains(body, "colour") {
		t.Errorf("an unknown filter: %d %s", code, body)
	}
	nested := stack.NestedName(s, "Controller")
	if _, body := w.do("GET", "/"+nested, ""); !strings.Contains(body, `"stack_status":"CREATE_COMPLETE"`) || !strings.Contains(body, `"parent":"`+s.ID) {
		t.Errorf("a nested stack: %s", body)
	}
	if got := w.ids("?show_nested=true", "stacks", "stack_name"); len(strings.Fields(got)) != 6 || !strings.HasPrefix(got, "overcloud ") {
		t.Errorf("stacks %s", got)
	}
	if got := w.ids("?show_nested=true&stack_status=CREATE_FAILED", "stacks", "stack_name"); len(strings.Fields(got)) != 3 {
		t.Errorf("failed stacks %s", got)
	}
	if got := w.ids("/"+nested+"/events", "events", "trefoil_path"); got != "Controller Controller.0 Controller.1 Controller Controller.0 Controller.1" {
		t.Errorf("events of the nested stack: %s", got)
	}
	if got := w.ids("/"+nested+"/events?nested_depth=1&resource_name=Controller", "events", "id"); got != "4 6 9 11" {
		t.Errorf("events of the servers: %s", got)
	}
	_, body := w.do("GET", "/overcloud/resources/Controller.1.Controller", "")
	if !strings.Contains(body, "192.168.255.11") || strings.Contains(body, "PRIVATE") {
		t.Errorf("a server: %s", body)
	}
	for _, c := range [][3]string{{"DELETE", "/" + nested, "deleted"}, {"PUT", "/" + nested, "updated"}} {
		if code, body := w.do(c[0], c[1], create); code != 400 || !strings.Contains(body, c[2]) {
			t.Errorf("%s: %d %s", c[0], code, body)
		}
	}
}

func TestFailedDeployment(t *testing.T) {
	w := newWorld(t)
	deployed(t, w)
	r := w.follow("overcloud", "AllNodesDeploySteps", "ControllerDeployment_Step3", "1")
	if r["resource_type"] != "OS::Heat::StructuredDeployment" || r["resource_status"] != "CREATE_FAILED" {
		t.Fatalf("%v", r)
	}
	w.url = strings.TrimSuffix(w.url, "/stacks")
	_, body := w.do("GET", "/software_deployments/"+r["physical_resource_id"].(string), "")
	for _, want := range []string{`"deploy_stdout":"AH00526: Syntax error\nAction start failed."`, "exit status 1", "to try: journalctl -u apache2", `"deploy_status_code":1`, `"server_id":"instance-1"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if got := w.ids("/software_deployments?server_id=instance-0", "software_deployments", "status"); got != "COMPLETE" {
		t.Errorf("the other machine's: %s", got)
	}
	if code, _ := w.do("GET", "/software_deployments/nope", ""); code != 404 {
		t.Errorf("an unknown deployment: %d", code)
	}
}

// What failed before any resource did is a resource all the same: `stack failures
// list` prints nothing else.
func TestFailedPhase(t *testing.T) {
	w := newWorld(t)
	w.do("POST", "", create)
	w.finish(stack.Failed)
	s, err := w.db.Stack(t.Context(), "overcloud")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.db.UpdateStack(t.Context(), s.ID, func(s *stack.Stack) error {
		s.Failures = []stack.Failure{{Phase: "placement", Error: "too few machines", Hint: "openstack overcloud profiles list", Tail: []string{"Compute: node-3: has no profile"}}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r := w.follow("overcloud", "Placement")
	if r["resource_status"] != "CREATE_FAILED" || !strings.Contains(r["resource_status_reason"].(string), "node-3: has no profile") {
		t.Errorf("%v", r)
	}
}

func TestNoSecrets(t *testing.T) {
	w := newWorld(t)
	deployed(t, w)
	for _, path := range []string{"", "/overcloud", "/overcloud/outputs", "/overcloud/environment", "/overcloud/template", "/overcloud/files", "/overcloud/events?nested_depth=9",
		"/overcloud/resources?nested_depth=9&with_detail=true", "/overcloud/nodes", "/overcloud/outcome"} {
		if code, body := w.do("GET", path, ""); code != 200 || strings.Contains(body, "s3cret") || strings.Contains(body, "PRIVATE") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	_, body := w.do("GET", "/overcloud/environment", "")
	for _, want := range []string{`"AdminPassword":"******"`, `"mine":"******"`, `"SnmpPassword":"******"`, `"CloudName":"overcloud.localdomain"`,
		`"OS::TripleO::Controller":"puppet/controller.yaml"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	_, body = w.do("GET", "/overcloud", "")
	for _, want := range []string{`"AdminPassword":"******"`, `"ControllerCount":"1"`, `"Debug":"True"`, `"DnsServers":"10.0.0.1,10.0.0.2"`, `"description":"The whole cloud."`, `"OS::stack_name":"overcloud"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if _, body := w.do("GET", "/overcloud/template", ""); !strings.Contains(body, `"heat_template_version":"2018-08-31"`) || strings.Contains(body, "unmasked") {
		t.Errorf("template: %s", body)
	}
}

// What Heat can and a deployment cannot is refused with the reason and the way to go.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	deployed(t, w)
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/overcloud/actions", `{"suspend":null}`, "baremetal node power off"},
		{"POST", "/overcloud/actions", `{"resume":null}`, "baremetal node power on"},
		{"POST", "/overcloud/actions", `{"check":null}`, "overcloud deploy"},
		{"POST", "/overcloud/actions", `{"dance":null}`, "expected cancel_update"},
		{"DELETE", "/overcloud/id/abandon", "", "plan export"},
		{"POST", "/overcloud/snapshots", "{}", "plan export"},
		{"POST", "/preview", "{}", "overcloud deploy"},
		{"POST", "", `{"stack_name":"x","adopt_stack_data":"{}"}`, "overcloud deploy"},
		{"PATCH", "/overcloud", `{"template":{}}`, "overcloud deploy"},
		{"POST", "/overcloud/resources/Controller/signal", "{}", "nothing here waits"},
	} {
		path := strings.Replace(c.path, "/id", "/"+strings.Repeat("a", 35)+"1", 1)
		if code, body := w.do(c.method, path, c.body); code != 400 || !strings.Contains(body, c.want) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, code, body)
		}
	}
}

func TestCatalog(t *testing.T) {
	w := newWorld(t)
	w.url = strings.TrimSuffix(w.url, "/stacks")
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/build_info", "", 200, `{"revision":"1.0"}`},
		{"GET", "/services", "", 200, `"hostname":"undercloud"`},
		{"GET", "/resource_types?name=Neutron::(Net|Port|Subnet)", "", 200, `{"resource_types":["OS::Neutron::Net","OS::Neutron::Port","OS::Neutron::Subnet"]}`},
		{"GET", "/resource_types?support_status=DEPRECATED", "", 200, `{"resource_types":[]}`},
		{"GET", "/resource_types?with_description=true", "", 200, `{"description":"Stands for what is left out.","resource_type":"OS::Heat::None"}`},
		{"GET", "/resource_types/OS::Heat::Value", "", 200, `"properties":{"type":{},"value":{}}`},
		{"GET", "/resource_types?name=(", "", 400, "not a regular expression"},
		{"GET", "/resource_types/OS::Heat::Vale", "", 404, `did you mean \"OS::Heat::Value\"`},
		{"GET", "/template_versions", "", 200, "heat_template_version.queens"},
		{"GET", "/template_versions/heat_template_version.2015-04-30/functions", "", 200, `"functions":"repeat"`},
		{"GET", "/template_versions/heat_template_version.quens/functions", "", 404, `did you mean \"heat_template_version.queens\"`},
		{"POST", "/validate", `{"template":{"heat_template_version":"2018-08-31","parameters":{"p":{"type":"string","hidden":true,"default":"x"}}}}`, 200, `"NoEcho":"true"`},
		{"POST", "/validate", `{"template":{"heat_template_version":"2018-08-31","resources":{"r":{"type":"OS::Heat::Value","properties":{"value":{"get_parm":"x"}}}}}}`, 400, "get_param"},
		{"POST", "/validate", `{"template":{"heat_template_version":"2018-08-31","parameters":{"n":{"type":"number"}}},"environment":{"parameters":{"n":"many"}}}`, 400, "parameter n: "},
		{"POST", "/validate", `{}`, 400, "No Template provided"},
	} {
		if code, body := w.do(c.method, c.path, c.body); code != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want %d …%s…", c.method, c.path, code, body, c.code, c.want)
		}
	}
	if _, body := w.do("GET", "/template_versions/heat_template_version.2015-04-30/functions", ""); strings.Contains(body, "yaql") {
		t.Errorf("a function of a later version: %s", body)
	}
}
