package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/overcloud/catalog"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/deploy/cloud"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/session"
	"trefoil/overcloud/stack"
)

// reached is every machine, and the Keystone on it: it lets us in and does what it is told.
type reached struct{}

func (reached) Reach(context.Context, stack.Node, func(string)) error  { return nil }
func (reached) Ensure(context.Context, catalog.Want) ([]string, error) { return nil, nil }
func (reached) Leave(stack.Node)                                       {}
func (reached) Verify(context.Context, stack.Node, []resource.Document) (map[int]bool, error) {
	return nil, nil
}
func (reached) Apply(_ context.Context, _ stack.Node, _ resource.Document, tell func(resource.Event)) error {
	tell(resource.Event{Event: "done"})
	return nil
}

// engine has the real deploy engine carry out what the operator asks for, on
// machines that do at once what their conductor is told.
func (o *operator) engine() {
	o.t.Helper()
	o.engineOn(reached{})
}

// engineOn is engine with machines that answer as nodes does.
func (o *operator) engineOn(nodes deploy.Configurator) {
	o.t.Helper()
	o.ctlplane()
	o.AddImage("overcloud-full", 4)
	for i, n := range []struct{ name, profile string }{{"control-1", "control"}, {"compute-1", "compute"}, {"compute-2", "compute"}} {
		o.AddNode(n.name, func(x *ironic.Node) {
			x.ResourceClass, x.Properties = "baremetal", map[string]any{"capabilities": "profile:" + n.profile, "local_gb": 40}
		}, "52:54:00:aa:00:0"+string(rune('1'+i)))
	}
	o.Conductor.Do = func(ctx context.Context, ident string, req api.ProvisionRequest) error {
		if req.Target == "deleted" {
			o.SetNode(ident, func(n *ironic.Node) { n.InstanceUUID = "" })
		}
		return o.Conductor.Conductor.Provision(ctx, ident, req)
	}
	o.flavors()
	e := &deploy.Engine{Store: o.DB, Nodes: nodes, Catalog: reached{}, Plan: deploy.PlanOf, Rand: rand.Reader, Now: time.Now, Poll: time.Millisecond, Log: slog.New(slog.DiscardHandler),
		PublicKeys: []string{"ssh-ed25519 AAAA deployer"},
		Cloud: &cloud.Cloud{Poll: time.Millisecond, Open: func(ctx context.Context) (*session.Session, error) {
			return session.FromEnv(ctx, session.Options{})
		}}}
	var running sync.WaitGroup
	o.t.Cleanup(running.Wait)
	o.Stacks.Check = e.Check
	o.Stacks.Compare = e.Preview
	o.Stacks.Passwords = func(old map[string]string) (map[string]string, error) {
		return plan.GeneratePasswords(old, rand.Reader)
	}
	o.Stacks.Enqueue = func(_ context.Context, _, id string) error {
		running.Go(func() { _ = e.Run(context.Background(), id) }) // its outcome stands in the stack
		return nil
	}
}

const twoRoles = `- name: Controller
  instances: [{hostname: ctl, networks: [{network: ctlplane, fixed_ip: 192.168.24.40}]}]
  defaults: {profile: control, networks: [{network: internal_api}]}
- name: Compute
  count: 2
  instances: [{name: compute-2}]
  defaults: {profile: compute}
  ansible_playbooks: [{playbook: kernel.yaml}]
`

func TestNodeProvisionUnprovisionExtract(t *testing.T) {
	o := newOperator(t)
	o.engine()
	dir := t.TempDir()
	file, env := o.in(dir, "baremetal.yaml", twoRoles), filepath.Join(dir, "env.yaml")
	provision := "overcloud node provision " + file + " -o " + env

	o.want(provision, 1, "", "Network internal_api for instance ctl not found")
	nets := o.in(dir, "nets.yaml", "- name: InternalApi\n  name_lower: internal_api\n  subnets: {internal_api_subnet: {ip_subnet: 172.16.2.0/24}}\n")
	o.want("overcloud network provision "+nets+" -o "+filepath.Join(dir, "nets-env.yaml"), 0, "", "")
	o.want("overcloud node provision "+o.in(dir, "nine.yaml", "- {name: Compute, count: 9}\n")+" -o "+env, 1, "", "ERRORS")
	if o.Node("control-1").InstanceUUID != "" {
		t.Error("half done")
	}

	o.want(provision, 0, "Nodes deployed successfully, add "+env+" to your deployment environment\n", "WARNING: role Compute: the playbook kernel.yaml is not run")
	o.holds(env, "ComputeCount: 2", "overcloud-controller-0: ctl", "ctl-ctlplane:", "ip_address: 192.168.24.40", "ip_subnet: 172.16.2.1/24",
		"OS::TripleO::Controller::Ports::InternalApiPort: /usr/share/openstack-tripleo-heat-templates/network/ports/deployed_internal_api.yaml",
		"OS::TripleO::DeployedServer::ControlPlanePort: /usr/share/openstack-tripleo-heat-templates/deployed-server/deployed-neutron-port.yaml")
	if n := o.Node("compute-2"); n.ProvisionState != "active" || n.InstanceInfo["display_name"] != "compute-2" {
		t.Errorf("%s %v", n.ProvisionState, n.InstanceInfo)
	}
	o.holds(filepath.Join(os.Getenv("HOME"), ".ssh", "known_hosts"), "192.168.24.40,ctl ssh-ed25519 ")
	o.want(provision, 1, "", "Will not overwrite existing file: "+env)
	o.want(provision+" -y", 0, "Nodes deployed successfully", "")

	// The environment is what deploy goes on with: the same machines, configured.
	if _, out, errw := o.types(t.Context(), "overcloud deploy --templates -e "+env+" -e "+filepath.Join(dir, "nets-env.yaml")); strings.Count(errw, "WARNING") != 1 ||
		!strings.Contains(errw, "WARNING: role Compute is not on network internal_api, where services are that its own need (") ||
		!strings.Contains(out, "Overcloud Endpoint: http://192.168.24.40:5000/") || !strings.Contains(errw, "nothing had to be changed") {
		t.Errorf("deploy after provision:\n%s%s", out, errw)
	}

	extracted := filepath.Join(dir, "extracted.yaml")
	o.want("overcloud node extract provisioned --stack overcloud -o "+extracted, 0, "# WARNING: No network config found for role Compute.", "")
	o.holds(extracted, "hostname: compute-2", "count: 2", "network: internal_api", "subnet: internal_api_subnet", "resource_class: baremetal", o.Node("compute-2").UUID)
	o.Requests()
	o.want("overcloud node provision "+extracted+" -y -o "+env, 0, "Nodes deployed successfully", "")
	for _, r := range o.Requests() {
		if strings.Contains(r, "/states/provision") || strings.HasPrefix(r, "POST") && strings.Contains(r, "/ports") {
			t.Errorf("what was extracted asks for more: %s", r)
		}
	}

	less := o.in(dir, "less.yaml", strings.Replace(twoRoles, "count: 2\n  instances: [{name: compute-2}]", "count: 1\n  instances: [{name: compute-2, provisioned: false}]", 1))
	o.want("overcloud node unprovision "+file, 0, "Nothing to unprovision, exiting\n", "")
	o.want("overcloud node unprovision "+less, 1, "compute-2", "Action not confirmed, exiting.")
	o.want("overcloud node unprovision -y "+less, 0, "Unprovision complete\n", "")
	if n := o.Node("compute-2"); n.ProvisionState != "available" || o.Node("control-1").ProvisionState != "active" {
		t.Errorf("compute-2 is %s", n.ProvisionState)
	}
	o.want("overcloud node unprovision -y --all "+file, 0, "Unprovision complete\n", "")
	o.want("overcloud network unprovision -y "+nets, 0, "", "") // the ports went with their machines
	o.want("overcloud node unprovision -y --all "+file, 0, "Nothing to unprovision, exiting\n", "")
	o.want("overcloud node unprovision -y --all --stack other "+file, 0, "Nothing to unprovision, exiting\n", "")
	o.want("overcloud node extract provisioned", 1, "", "stack overcloud has no machines")
}

func TestNodeDelete(t *testing.T) {
	o := newOperator(t)
	o.engine()
	dir := t.TempDir()
	deploy := "overcloud deploy --templates --control-scale 1 --compute-scale 2 --ceph-storage-scale 0 --control-flavor control --compute-flavor compute"
	o.want(deploy, 0, "Overcloud Deployed", "")
	o.want("overcloud node delete", 2, "", "give either nodes or a file")
	o.want("overcloud node delete -y nobody overcloud-novacompute-0 x", 1, "", "Couldn't find following instances in stack overcloud: nobody,x")
	o.want("overcloud node delete overcloud-novacompute-0", 1, "- overcloud-novacompute-0\n", "Action not confirmed, exiting.")
	if o.Node("compute-1").InstanceUUID == "" {
		t.Fatal("gone without a yes")
	}
	o.want("overcloud node delete -y "+o.Node("compute-1").InstanceUUID, 0, "Deleting the following nodes from stack overcloud:\n- ", "give the new counts")
	if a, b := o.Node("compute-1"), o.Node("compute-2"); a.ProvisionState != "available" || b.ProvisionState != "active" {
		t.Errorf("compute-1 is %s, compute-2 %s", a.ProvisionState, b.ProvisionState)
	}
	// As many as before, under a name that was never used.
	o.want(deploy, 0, "Overcloud Deployed", "1 node(s) added")
	if n := o.Node("compute-1"); n.InstanceInfo["display_name"] != "overcloud-novacompute-2" {
		t.Errorf("made again as %v", n.InstanceInfo["display_name"])
	}
	file := o.in(dir, "less.yaml", "- name: Compute\n  count: 1\n  defaults: {profile: compute}\n  instances: [{hostname: overcloud-novacompute-2, provisioned: false}]\n")
	o.want("overcloud node delete -y -b "+file, 0, "overcloud-novacompute-2", "")
	if n := o.Node("compute-1"); n.ProvisionState != "available" {
		t.Errorf("compute-1 is %s", n.ProvisionState)
	}
	o.want("overcloud node delete -y -b "+file, 0, "No nodes to unprovision\n", "")
}

func TestNodeProvisionTellsAllThatIsWrong(t *testing.T) {
	o := newOperator(t)
	dir := t.TempDir()
	file := o.in(dir, "b.yaml", "- {name: Compute, conut: 2}\n- {count: x}\n")
	for _, cmd := range []string{"overcloud node provision ", "overcloud node unprovision ", "overcloud deploy --templates -b "} {
		code, _, errw := o.types(t.Context(), cmd+file)
		if code != 1 || !strings.Contains(errw, `:1: unknown key "conut" in a role; did you mean "count"?`) || !strings.Contains(errw, ":2: a role has no name") {
			t.Errorf("%s: code %d\n%s", cmd, code, errw)
		}
	}
	good := o.in(dir, "g.yaml", "- {name: Compute}\n")
	o.want("overcloud node provision", 2, "", "the following arguments are required: BAREMETAL_DEPLOYMENT")
	o.want("overcloud node provision --timeout 0 "+good+" -o "+dir+"/e", 2, "", "--timeout 0")
	o.want("overcloud node provision --overcloud-ssh-key "+dir+"/id "+good+" -o "+dir+"/e", 1, "", "--overcloud-ssh-key "+dir+"/id")
	o.want("overcloud node provision "+dir+"/none", 1, "", "Bare-metal deployment file does not exist: ")
	o.want("overcloud deploy --templates --compute-scale 2 -b "+good, 2, "", "says how many machines Compute has")
	o.want("overcloud deploy --templates -b "+o.in(dir, "r.yaml", "- {name: Compte}\n"), 1, "", "role Compte is not in the roles file; did you mean \"Compute\"?\nhint: correct the name, or give a roles file that has such a role (-r)")
	o.want("overcloud deploy --templates -b "+o.in(dir, "r.yaml", "- {name: Own}\n"), 1, "", "hint: give a roles file that has it (-r): openstack overcloud roles generate -o FILE Own")
	for name, warned := range map[string]bool{"Compte": true, "Compute2": false, "Own": false} {
		_, _, errw := o.types(t.Context(), "overcloud node provision "+o.in(dir, "p.yaml", "- {name: "+name+", count: 9}\n")+" -y -o "+dir+"/e")
		if strings.Contains(errw, "did you mean \"Compute\"? overcloud deploy will want a roles file (-r) that has it") != warned {
			t.Errorf("%s: %s", name, errw)
		}
	}
}

// deploy -b sends the file with the rest; the plan's counts and names are the file's.
func TestDeployWithAFileOfInstances(t *testing.T) {
	o := newOperator(t)
	o.engine()
	dir := t.TempDir()
	file := o.in(dir, "b.yaml", "- {name: Controller, instances: [{hostname: ctl, name: control-1}]}\n- {name: Compute, count: 0}\n")
	code, out, errw := o.types(t.Context(), "overcloud deploy --templates --dry-run -b "+file)
	if code != 3 || !strings.Contains(out, "ctl") || !strings.Contains(out, "control-1") || strings.Contains(errw, "HostnameMap") {
		t.Errorf("code %d\n%s%s", code, out, errw)
	}
	var in stack.Input
	o.Stacks.Enqueue = func(ctx context.Context, _, id string) error {
		s, err := o.DB.UpdateStack(ctx, id, func(s *stack.Stack) error { s.State = stack.Failed; return nil })
		if err == nil {
			in = s.Input
		}
		return err
	}
	code, out, errw = o.types(t.Context(), "overcloud deploy --templates -b "+file)
	if in.BaremetalFile == "" || in.Files[in.BaremetalFile] == "" {
		t.Errorf("sent %q; code %d\n%s%s", in.BaremetalFile, code, out, errw)
	}
}
