package deploy_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// asks has the next action be in, as stack.Service takes it.
func (w *world) asks(action string, in stack.Input) {
	w.t.Helper()
	ctx := context.Background()
	if action == stack.Create {
		s := &stack.Stack{ID: "id", Name: "overcloud", Action: action, State: stack.InProgress, Input: in, Passwords: map[string]string{}, TimeoutMins: 10, CreatedAt: time.Now(), StartedAt: time.Now()}
		if err := w.db.CreateStack(ctx, s); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	_, err := w.db.UpdateStack(ctx, "id", func(x *stack.Stack) error {
		x.Action, x.State, x.Input, x.StartedAt, x.Summary = action, stack.InProgress, in, time.Now(), stack.Summary{}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func provisionOf(text string) stack.Input {
	return stack.Input{Only: stack.OnlyProvision, BaremetalFile: "/b.yaml", Files: map[string]string{"/b.yaml": text}, SSHKeys: "ssh-ed25519 BBBB me"}
}

// names are those of the stack's nodes with their machines, sorted.
func (w *world) names() string {
	w.t.Helper()
	nodes, err := w.db.StackNodes(context.Background(), "id")
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, n := range nodes {
		out = append(out, fmt.Sprintf("%s=%s/%d", n.Name, strings.TrimPrefix(n.UUID, "uuid-"), n.Index))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

const twoRoles = `
- name: Controller
  instances: [{hostname: ctl, networks: [{network: ctlplane, fixed_ip: 192.168.255.77}]}]
  defaults: {profile: control, root_size_gb: 30}
- name: Compute
  count: 2
  instances: [{name: compute-2}]
  defaults: {profile: compute}
`

func TestProvisionOnlyThenDeployThenUnprovision(t *testing.T) {
	w := newWorld(t)
	w.asks(stack.Create, provisionOf(twoRoles))
	s := w.run("CREATE_COMPLETE")
	if got := w.names(); got != "compute-2=compute-2/0 ctl=control-1/0 overcloud-novacompute-1=compute-1/1" {
		t.Errorf("nodes: %s", got)
	}
	if s.Summary.NodesAdded != 3 || len(w.nodes.order) != 0 {
		t.Errorf("only provisioning was asked for: %+v %v", s.Summary, w.nodes.order)
	}
	if _, err := (deploy.Documents{}).Describe(t.Context(), s); err != nil || s.Input.Only != "" {
		t.Errorf("described: %v, only %q", err, s.Input.Only)
	}
	in := w.cloud.asked["uuid-control-1"]
	if in.Address.IP != "192.168.255.77" || in.RootGB != 30 || !slices.Contains(in.PublicKeys, "ssh-ed25519 BBBB me") || in.MetaData["instance-type"] != "Controller" {
		t.Errorf("instance: %+v", in)
	}
	w.asks(stack.Update, provisionOf(twoRoles))
	if s = w.run("UPDATE_COMPLETE"); s.Summary.NodesAdded != 0 || w.cloud.deploys != 3 {
		t.Errorf("a second time: %+v, %d deploys", s.Summary, w.cloud.deploys)
	}

	// The deployment finds the machines and configures them under their names.
	w.begin(stack.Update, 2)
	_, err := w.db.UpdateStack(t.Context(), "id", func(x *stack.Stack) (err error) {
		x.Input.Counts["CephStorage"] = 0
		x.Passwords, err = plan.GeneratePasswords(nil, rand.Reader)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if s = w.run("UPDATE_COMPLETE"); s.Summary.NodesAdded+s.Summary.NodesRemoved != 0 || w.cloud.deploys != 3 || !slices.Contains(w.nodes.order, "1 ctl") {
		t.Errorf("deploy: %+v, %d deploys, %v", s.Summary, w.cloud.deploys, w.nodes.order)
	}

	w.asks(stack.Update, stack.Input{Only: stack.OnlyUnprovision, Unprovision: []string{"compute-2", "nobody"}})
	if s = w.run("UPDATE_COMPLETE"); s.Summary.NodesRemoved != 1 || w.cloud.deployed["uuid-compute-2"] != "" {
		t.Errorf("unprovision: %+v %v", s.Summary, w.cloud.deployed)
	}
	if got := w.names(); got != "ctl=control-1/0 overcloud-novacompute-1=compute-1/1" {
		t.Errorf("left: %s", got)
	}
}

// A lower count in the file gives nothing back by itself: that is for node unprovision.
func TestProvisionOnlyNeverGivesBack(t *testing.T) {
	w := newWorld(t)
	w.asks(stack.Create, provisionOf("- {name: Compute, count: 2, defaults: {profile: compute}}\n"))
	w.run("CREATE_COMPLETE")
	w.asks(stack.Update, provisionOf("- {name: Compute, count: 1, defaults: {profile: compute}}\n"))
	if s := w.run("UPDATE_COMPLETE"); s.Summary.NodesRemoved != 0 || len(w.cloud.deployed) != 2 {
		t.Errorf("%+v %v", s.Summary, w.cloud.deployed)
	}
}

// With a file, deploy takes counts, names and machines from it, and gives back what it does not list.
func TestDeployWithAFileOfInstances(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	with := func(text string) {
		_, err := w.db.UpdateStack(t.Context(), "id", func(x *stack.Stack) error {
			x.State, x.Input.Files, x.Input.BaremetalFile = stack.InProgress, map[string]string{"/b.yaml": text}, "/b.yaml"
			x.Summary = stack.Summary{}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	with(twoRoles + "- {name: CephStorage, count: 0}\n")
	w.run("CREATE_COMPLETE")
	if got := w.names(); got != "compute-2=compute-2/0 ctl=control-1/0 overcloud-novacompute-1=compute-1/1" {
		t.Errorf("nodes: %s", got)
	}
	with(strings.Replace(twoRoles, "count: 2", "count: 1", 1) + "- {name: CephStorage, count: 0}\n")
	if s := w.run("CREATE_COMPLETE"); s.Summary.NodesRemoved != 1 {
		t.Errorf("%+v", s.Summary)
	}
	if got := w.names(); got != "compute-2=compute-2/0 ctl=control-1/0" {
		t.Errorf("nodes: %s", got)
	}
	with(strings.Replace(twoRoles, "name: Compute", "name: Compte", 1))
	s := w.run("CREATE_FAILED")
	if f := s.Failures[0]; f.Phase != "plan" || !strings.Contains(f.Error, `/b.yaml: role Compte is not in the roles file; did you mean "Compute"?`) {
		t.Errorf("%+v", f)
	}
}

func TestWrongFilesOfInstancesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"- {name: Compute, conut: 2}\n": `/b.yaml:1: unknown key "conut" in a role; did you mean "count"?`,
		"- {name: Compute, instances: [{hostname: aa, managed: false, management_ip: 10.0.0.1}]}\n": "(managed: false) cannot be taken over yet: aa",
	} {
		_, err := deploy.PlanOf(t.Context(), &stack.Stack{Name: "overcloud", Input: provisionOf(text)})
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
	w := newWorld(t)
	w.asks(stack.Create, provisionOf("- {name: Compute, instances: [{name: compute-9}]}\n"))
	s := w.run("CREATE_FAILED")
	if f := s.Failures[0]; f.Phase != "placement" || !strings.Contains(f.Error, "Compute: no machine for compute-9") || !strings.Contains(f.Tail[0], "no node has that name or UUID") {
		t.Errorf("%+v", f)
	}
}

// Killed as it gives machines back, unprovision goes on and says nothing twice.
func TestUnprovisionGoesOn(t *testing.T) {
	w := newWorld(t)
	w.asks(stack.Create, provisionOf("- {name: Compute, count: 2, defaults: {profile: compute}}\n"))
	w.run("CREATE_COMPLETE")
	w.asks(stack.Update, stack.Input{Only: stack.OnlyUnprovision, Unprovision: []string{"overcloud-novacompute-0", "overcloud-novacompute-1"}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.engine.Run(ctx, "id"); err == nil {
		t.Fatal("a stopped service ended the action")
	}
	w.run("UPDATE_COMPLETE")
	if got := w.names(); got != "" || len(w.cloud.deployed) != 0 {
		t.Errorf("left: %s %v", got, w.cloud.deployed)
	}
}
