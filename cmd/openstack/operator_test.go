package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/overcloud/stack"
	"trefoil/undercloud/compute"
	"trefoil/undercloud/store/sqlite"
	"trefoil/undercloud/undercloudtest"
)

// operator types commands at a running undercloud, whose rc file is sourced.
type operator struct {
	*undercloudtest.Cloud
	t *testing.T
}

func newOperator(t *testing.T) *operator {
	t.Helper()
	u := undercloudtest.New(t)
	t.Setenv("PATH", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	for k, v := range map[string]string{"OS_CLOUD": "", "OS_AUTH_URL": u.AuthURL + "/v3", "OS_USERNAME": "admin", "OS_PASSWORD": undercloudtest.Password,
		"OS_PROJECT_NAME": "admin", "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default", "OS_REGION_NAME": ""} {
		t.Setenv(k, v)
	}
	return &operator{u, t}
}

func (o *operator) types(ctx context.Context, line ...string) (code int, out, errw string) {
	o.t.Helper()
	if len(line) == 1 {
		line = strings.Fields(line[0])
	}
	var b, e bytes.Buffer
	code = run(ctx, append([]string{"openstack"}, line...), strings.NewReader(""), &b, &e)
	return code, b.String(), e.String()
}

// want types line and compares the exit code and a part of each stream.
func (o *operator) want(line string, code int, out, errw string) {
	o.t.Helper()
	c, got, gotErr := o.types(o.t.Context(), line)
	if c != code || !strings.Contains(got, out) || !strings.Contains(gotErr, errw) {
		o.t.Errorf("openstack %s\ncode %d, want %d\n--- output, want …%s…\n%s--- errors, want …%s…\n%s", line, c, code, out, got, errw, gotErr)
	}
}

func (o *operator) flavors() {
	o.t.Helper()
	for _, f := range compute.DefaultFlavors() {
		f.ID = uuid.NewString()
		if err := sqlite.NewCompute(o.DB).CreateFlavor(o.t.Context(), &f); err != nil {
			o.t.Fatal(err)
		}
	}
}

// file writes the article's inventory of n machines.
func (o *operator) file(n int) string {
	o.t.Helper()
	var nodes []map[string]any
	for i := range n {
		nodes = append(nodes, map[string]any{"name": fmt.Sprintf("node-%d", i), "pm_type": "pxe_ipmitool", "pm_addr": "192.168.255.1", "pm_port": fmt.Sprint(6230 + i),
			"pm_user": "admin", "pm_password": "hunter2", "mac": []string{fmt.Sprintf("52:54:00:aa:00:%02x", i)}, "cpu": "2", "memory": "4096", "disk": "40", "arch": "x86_64"})
	}
	data, err := json.Marshal(map[string]any{"nodes": nodes})
	if err != nil {
		o.t.Fatal(err)
	}
	path := filepath.Join(o.t.TempDir(), "inspection.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		o.t.Fatal(err)
	}
	return path
}

func TestImportIntrospectProvide(t *testing.T) {
	o := newOperator(t)
	file := o.file(2)
	o.want("overcloud node import --introspect --provide "+file, 1, "", "No image with the name 'bm-deploy-kernel' found")
	o.AddImage("bm-deploy-kernel", 0)
	o.AddImage("bm-deploy-ramdisk", 0)
	o.want("overcloud node import --introspect --provide "+file, 0, "2 node(s) successfully moved to the \"available\" state.\n", "")
	o.want("overcloud node import "+file, 0, "Successfully registered node UUID "+o.Node("node-1").UUID, "")
	o.want("overcloud node introspect --all-manageable", 1, "", "No manageable nodes to introspect. Check node states and maintenance.")
	o.want("overcloud node provide nope", 1, "", "Failed to set nodes to available state: Node nope could not be found.")
}

// A wrong IPMI password or a silent BMC: exit 1, a line for each node with the
// cause, no secret; the next import tries again.
func TestImportOfABMCThatRefuses(t *testing.T) {
	o := newOperator(t)
	why := map[string]string{"node-0": "IPMI authentication failed: wrong user or password", "node-1": "no answer from 192.168.255.1:6231"}
	o.Conductor.Do = func(ctx context.Context, ident string, req api.ProvisionRequest) error {
		n := o.Node(ident)
		if text := why[n.Name]; text != "" {
			o.SetNode(n.UUID, func(n *ironic.Node) { n.LastError = text })
			return nil
		}
		return o.Conductor.Conductor.Provision(ctx, ident, req)
	}
	file := o.file(3)
	code, out, errw := o.types(t.Context(), "overcloud node import --no-deploy-image --provide "+file)
	lines := strings.Split(errw, "\n")
	if code != 1 || !strings.HasSuffix(lines[0], why["node-0"]) || !strings.HasSuffix(lines[1], why["node-1"]) || strings.Contains(out+errw, "hunter2") {
		t.Errorf("code %d\n%s%s", code, out, errw)
	}
	if o.Node("node-2").ProvisionState != "manageable" {
		t.Errorf("node-2 is %s: a neighbour's failure is not its own", o.Node("node-2").ProvisionState)
	}
	why = nil
	o.want("overcloud node import --no-deploy-image --provide "+file, 0, "2 node(s) successfully moved to the \"manageable\" state.\n", "")
}

func TestCtrlCDuringImport(t *testing.T) {
	o := newOperator(t)
	ctx, cancel := context.WithCancel(t.Context())
	o.Conductor.Do = func(_ context.Context, ident string, _ api.ProvisionRequest) error {
		o.SetNode(ident, func(n *ironic.Node) { n.ProvisionState = "verifying" })
		cancel()
		return nil
	}
	code, _, errw := o.types(ctx, "overcloud node import --no-deploy-image "+o.file(1))
	if code != exitInterrupted || !strings.Contains(errw, "goes on in the undercloud") || !strings.Contains(errw, "openstack baremetal node abort") {
		t.Errorf("code %d\n%s", code, errw)
	}
}

func TestNodeCommands(t *testing.T) {
	o := newOperator(t)
	for i := range 1001 {
		o.AddNode(fmt.Sprintf("n%d", i), nil)
	}
	_, out, _ := o.types(t.Context(), "baremetal node list -f value -c Name")
	if n := strings.Count(out, "\n"); n != 1001 {
		t.Errorf("%d nodes are listed", n)
	}
	o.want("baremetal node list -f value -c Name --provision-state active", 0, "", "")
	if code, out, errw := o.types(t.Context(), "baremetal", "node", "set", "n1000", "--property", "capabilities=profile:control,boot_option:local"); code != 0 || out+errw != "" {
		t.Errorf("%d %s%s", code, out, errw)
	}
	if got := o.Node("n1000").Properties["capabilities"]; got != "profile:control,boot_option:local" {
		t.Errorf("capabilities %v", got)
	}
	o.want("baremetal node show n1000", 0, "profile:control,boot_option:local", "")
	o.want("baremetal node show nope", 1, "", "Node nope could not be found")
	o.want("baremetal node set nope --name x", 1, "", "Node nope could not be found")
	o.want("overcloud profiles list", 0, "control", "")
	o.want("baremetal node delete n1000", 0, "Deleted node n1000", "")
	o.want("baremetal node delete n1000 n999", 1, "Deleted node n999", "failed to delete node n1000")
}

func tagged(caps string) func(*ironic.Node) {
	return func(n *ironic.Node) {
		n.ResourceClass, n.Properties = "baremetal", map[string]any{"capabilities": caps}
	}
}

func TestProfilesMatch(t *testing.T) {
	o := newOperator(t)
	o.flavors()
	o.AddNode("a", tagged("boot_option:local,control_profile:1,compute_profile:1"))
	o.AddNode("b", tagged("boot_option:local,compute_profile:true"))
	o.AddNode("c", tagged("boot_option:local"))
	caps := func(name string) any { return o.Node(name).Properties["capabilities"] }
	match := "overcloud profiles match --control-scale 1 --control-flavor control --compute-scale %d --compute-flavor compute"

	// Too few: it says which and why, node by node, and writes nothing.
	o.want(fmt.Sprintf(match, 3), 1, "", "only 1 of 3 requested ironic nodes are tagged to profile compute (for flavor compute)\nRecommendation: tag more nodes using openstack baremetal node set --property capabilities='profile:compute,boot_option:local' <NODE ID>\n")
	o.want(fmt.Sprintf(match, 3), 1, "", "| has no profile, the flavor wants compute")
	o.want(fmt.Sprintf(match, 3), 1, "", "Failed to validate and assign profiles.\n")
	o.want(fmt.Sprintf(match, 1)+" --dry-run", 0, "Node a would be tagged to profile control\n", "There are 1 ironic nodes with no profile that will not be used: "+o.Node("c").UUID)
	if caps("a") != "boot_option:local,control_profile:1,compute_profile:1" {
		t.Errorf("changed by a refused match or a dry run: %v", caps("a"))
	}
	o.want(fmt.Sprintf(match, 1), 0, "Node a is tagged to profile control\nNode b is tagged to profile compute\nController: a\nCompute: b\n", "")
	if caps("a") != "boot_option:local,compute_profile:1,control_profile:1,profile:control" || caps("b") != "boot_option:local,compute_profile:true,profile:compute" || caps("c") != "boot_option:local" {
		t.Errorf("a %v, b %v, c %v", caps("a"), caps("b"), caps("c"))
	}
	versions := []int64{o.Node("a").Version, o.Node("b").Version}
	o.want(fmt.Sprintf(match, 1), 0, "Controller: a\n", "") // again: there is nothing left to write
	if !slices.Equal(versions, []int64{o.Node("a").Version, o.Node("b").Version}) {
		t.Error("a second match changes nodes")
	}
	o.want("overcloud profiles match --control-scale 1 --control-flavor contrl", 1, "", "Provided --control-flavor, 'contrl', does not exist")
	o.want("overcloud profiles match --control-scale 1", 2, "", "--control-scale needs --control-flavor")
	o.want("overcloud profiles match --control-scale -1 --control-flavor control", 2, "", "--control-scale -1: expected a number of machines")
}

func TestStackCommands(t *testing.T) {
	o := newOperator(t)
	for line, want := range map[string]string{"stack show nope": "the stack (nope) could not be found", "stack cancel nope": "the stack (nope) could not be found",
		"stack event list nope --follow": "the stack (nope) could not be found", "stack resource list nope": "the stack (nope) could not be found"} {
		o.want(line, 1, "", want)
		o.want(line, 1, "", "hint: openstack stack list shows which there are\n")
	}
	o.want("overcloud status", 0, "No deployment was found for overcloud", "")
	o.want("overcloud status --health -f json", 1, "", "could not be found")
	o.want("overcloud delete overcloud", 1, "", "No stack found ('overcloud'), and no plan of that name: nothing was deleted\nhint: openstack stack list")
	o.want("overcloud delete overcloud -y", 1, "", "nothing was deleted")
	s, err := o.Stacks.Create(t.Context(), "overcloud", 240, stack.Input{})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.DB.Record(t.Context(), &stack.Event{StackID: s.ID, Resource: "Controller", Status: "CREATE_FAILED", Reason: "no", Time: time.Unix(0, 0)}); err != nil {
		t.Fatal(err)
	}
	o.want("overcloud status", 0, "DEPLOYING", "")
	o.want("overcloud failures", 0, "No failures found for stack overcloud, which is CREATE_IN_PROGRESS\n", "")
	o.want("overcloud delete overcloud", 1, "", "Action not confirmed")
	o.want("overcloud delete overcloud -y", 1, "Deleting stack overcloud...", "Unable to deploy as the stack 'overcloud' status is 'CREATE_IN_PROGRESS'")
	if _, err := o.DB.UpdateStack(t.Context(), s.ID, func(s *stack.Stack) error {
		s.State = stack.Failed
		s.Failures = []stack.Failure{{Node: "overcloud-controller-0", Phase: "step 3", Service: "keystone", Key: "unit:apache2", Error: "exit status 1", Hint: "journalctl -u apache2", Tail: []string{"AH00526"}}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	o.want("overcloud status", 0, "DEPLOY_FAILED", "")
	o.want("overcloud status --health", 0, "", "")
	o.Health = []stack.ServiceHealth{{Node: "overcloud-controller-0", Role: "Controller", Service: "keystone", State: stack.Healthy}}
	o.want("overcloud status", 0, "| overcloud-controller-0 | Controller | keystone | ok    |", "")
	o.Health = append(o.Health, stack.ServiceHealth{Node: "overcloud-compute-0", Role: "Compute", Service: "ssh", State: stack.Unreachable, Detail: "no route to host"})
	o.want("overcloud status", 1, "DEPLOY_FAILED", "1 of 2 services are not well")
	o.want("overcloud status --health -f value", 1, "overcloud-controller-0 Controller keystone ok \novercloud-compute-0 Compute ssh unreachable no route to host\n", "1 of 2")
	o.reports(s.ID)
	o.want("overcloud failures", 0, "overcloud-controller-0: step 3: keystone: unit:apache2: exit status 1\n    AH00526\nto try: journalctl -u apache2\n\n|-> Failures for host: overcloud-controller-0\n|--> Task: step 3 keystone unit:apache2\n", "")
	o.want("stack event list overcloud --follow", 0, "1970-01-01 00:00:00Z [overcloud.Controller]: CREATE_FAILED  no\n", "")
	for _, flag := range []string{"filter x=y", "resource Controller", "limit 1"} {
		o.want("stack event list overcloud --follow --"+flag, 2, "", "cannot be specified with --follow")
	}
	o.want("stack list -f value", 0, " CREATE_FAILED ", "")
	o.want("stack resource list overcloud -f value", 0, "Controller", "")
}

// A restart of the undercloud, an expired login and a dead service each say what to do.
func TestUndercloudIsAway(t *testing.T) {
	o := newOperator(t)
	o.Stop()
	o.want("baremetal node list", 1, "", "hint: is the service running? undercloud status")
	o.Start()
	t.Setenv("OS_PASSWORD", "wrong")
	code, _, errw := o.types(t.Context(), "baremetal node list")
	if code != 1 || !strings.Contains(errw, "source the rc file again") || strings.Contains(errw, "wrong") && strings.Contains(errw, undercloudtest.Password) {
		t.Errorf("%d %s", code, errw)
	}
}
