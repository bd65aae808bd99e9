package stack_test

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

func TestLimitsRefuseWhatNobodyHas(t *testing.T) {
	p := &plan.Plan{Roles: []plan.Role{{Name: "Compute", Data: []plan.ServiceData{{Name: "nova_compute"}}}},
		Servers: []plan.Server{{Name: "overcloud-novacompute-0"}}}
	there := []stack.Node{{Node: plan.Node{Name: "overcloud-novacompute-7", Role: "Compute"}}}
	for _, x := range []struct {
		l    stack.Limits
		want string // "" is no error
	}{
		{stack.Limits{}, ""},
		{stack.Limits{Nodes: []string{"Compute", "overcloud-novacompute-0", "overcloud-novacompute-7"}, FromStep: 5, Tags: []string{"nova_compute"}}, ""},
		{stack.Limits{Nodes: []string{"Compte"}}, `limit: "Compte" is neither a machine nor a role; did you mean "Compute"?`},
		{stack.Limits{Nodes: []string{"overcloud-novacompute-1"}}, `did you mean "overcloud-novacompute-0"?`},
		{stack.Limits{Tags: []string{"nova_compte"}}, `tags: no role has a service "nova_compte"; did you mean "nova_compute"?`},
		{stack.Limits{FromStep: 6}, "from-step 6: expected 1 to 5"},
	} {
		err := x.l.Check(p, there)
		if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("%+v: got %v, want %s", x.l, err, x.want)
		}
	}
}

func TestLimitsAllowMachinesAndRoles(t *testing.T) {
	n := plan.Node{Name: "overcloud-novacompute-0", Role: "Compute"}
	for limit, want := range map[string]bool{"Compute": true, "overcloud-novacompute-0": true, "Controller": false} {
		if got := (stack.Limits{Nodes: []string{limit}}).Allow(n); got != want {
			t.Errorf("%s: got %v", limit, got)
		}
	}
	if !(stack.Limits{FromStep: 3}).Allow(n) {
		t.Error("a limit of steps keeps machines out")
	}
	if got := (stack.Limits{Nodes: []string{"A", "b"}, FromStep: 3, Tags: []string{"x"}}).String(); got != "only A, b; from step 3 on; only services x" {
		t.Errorf("got %s", got)
	}
}

// A first deployment of controllers alone would wait for hypervisors until it fails.
func TestLimitsLeaveNobodyOutWhoIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	var steps [plan.Steps][]plan.Entry
	steps[3] = []plan.Entry{{Resource: map[string]any{"type": "unit"}}}
	bootstrap := steps
	bootstrap[4] = []plan.Entry{{Resource: map[string]any{"type": "exec"}, BootstrapOnly: true}}
	w.made = plan.Plan{Roles: []plan.Role{{Name: "Controller"}, {Name: "Compute", Data: []plan.ServiceData{{Name: "nova_compute", Steps: bootstrap}}}, {Name: "Idle"}},
		Servers: []plan.Server{{Name: "c0", Role: "Controller"}, {Name: "n0", Role: "Compute"}, {Name: "n1", Role: "Compute", Index: 1}, {Name: "i0", Role: "Idle"}}}
	controllers := stack.Input{Limits: stack.Limits{Nodes: []string{"Controller"}}}
	_, err := w.Create(t.Context(), "overcloud", 240, controllers)
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "limit: n0, n1 would be left out, with steps yet to do") || errs.HintOf(err) != "deploy without --limit first: steps that stand are not taken again" {
		t.Errorf("a first deployment: %v, hint %q", err, errs.HintOf(err)) // none of them can be given back
	}
	if _, err := w.Create(t.Context(), "overcloud", 240, stack.Input{}); err != nil {
		t.Fatal(err)
	}
	w.end(t, "id2")
	done := func(name string, hashes map[int]string) {
		if err := w.Store.PutStackNode(t.Context(), "id2", stack.Node{Node: plan.Node{Name: name, Role: "Compute", UUID: "uuid-" + name}, Hashes: hashes}); err != nil {
			t.Fatal(err)
		}
	}
	done("n0", map[int]string{4: "done"})
	done("n1", map[int]string{1: "done"})
	if err := w.Update(t.Context(), "overcloud", 240, controllers); err == nil || !strings.Contains(err.Error(), "limit: n1 would be left out") || !strings.HasSuffix(errs.HintOf(err), "given back first: openstack overcloud node delete n1") {
		t.Errorf("one is in the middle of it: %v, hint %q", err, errs.HintOf(err))
	}
	done("n1", map[int]string{4: "done"})
	if err := w.Update(t.Context(), "overcloud", 240, controllers); err != nil {
		t.Errorf("all were deployed once: %v", err)
	}
}

// stepsOfTwo is a plan of two machines with steps of their own; of step 3 not every hypervisor has anything.
func stepsOfTwo() plan.Plan {
	entry := func(n int) (out [plan.Steps][]plan.Entry) {
		out[n-1] = []plan.Entry{{Resource: map[string]any{"type": "unit"}}}
		return out
	}
	ovs := entry(2)
	ovs[2] = []plan.Entry{{Resource: map[string]any{"type": "exec"}, OnlyBeside: "mysql"}}
	return plan.Plan{Roles: []plan.Role{{Name: "Controller", Data: []plan.ServiceData{{Name: "hosts", Steps: entry(1)}, {Name: "keystone", Steps: entry(4)}}},
		{Name: "Compute", Data: []plan.ServiceData{{Name: "hosts", Steps: entry(1)}, {Name: "ovs", Steps: ovs}, {Name: "nova_compute", Steps: entry(5)}}}},
		Servers: []plan.Server{{Name: "c0", Role: "Controller"}, {Name: "n0", Role: "Compute"}}}
}

func limited(l stack.Limits) stack.Input { return stack.Input{Limits: l} }

// did writes down a machine with the steps that it has done.
func (w *world) did(t *testing.T, id, name, role string, steps ...int) {
	t.Helper()
	n := stack.Node{Node: plan.Node{Name: name, Role: role, UUID: "uuid-" + name}, Hashes: map[int]string{}}
	for _, s := range steps {
		n.Hashes[s] = "done"
	}
	if err := w.Store.PutStackNode(t.Context(), id, n); err != nil {
		t.Fatal(err)
	}
}

// A bare machine is not taken into the middle of its steps, and gets no single services.
func TestLimitsBeginWithNoBareMachine(t *testing.T) {
	w := newWorld(t)
	w.made = stepsOfTwo()
	if _, err := w.Create(t.Context(), "overcloud", 240, limited(stack.Limits{Tags: []string{"hosts"}})); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "only services hosts: c0 is new, n0 is new") {
		t.Errorf("a new stack: %v", err)
	}
	if _, err := w.Create(t.Context(), "overcloud", 240, stack.Input{}); err != nil {
		t.Fatal(err)
	}
	w.end(t, "id2")
	w.did(t, "id2", "c0", "Controller", 1, 4)
	w.did(t, "id2", "n0", "Compute", 1)
	for _, x := range []struct {
		l    stack.Limits
		want string // "" is no error
	}{
		{stack.Limits{FromStep: 4}, "from step 4 on: n0 has not done step 2, and what was asked for builds on the steps before"},
		{stack.Limits{FromStep: 2}, ""},
		{stack.Limits{Tags: []string{"nova_compute"}}, "only services nova_compute: n0 has not done step 2"},
		{stack.Limits{Tags: []string{"keystone"}}, ""}, // n0 has nothing of it
		{stack.Limits{Tags: []string{"nova_compute", "ovs"}}, ""},
		{stack.Limits{Tags: []string{"nova_compute", "ovs"}, FromStep: 3}, "from step 3 on; only services nova_compute, ovs: n0 has not done step 2"},
	} {
		err := w.Update(t.Context(), "overcloud", 240, limited(x.l))
		if x.want == "" && err != nil || x.want != "" && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), x.want) || errs.HintOf(err) == "") {
			t.Errorf("%+v: got %v, want %q", x.l, err, x.want)
		}
		if err == nil {
			w.end(t, "id2")
		}
	}
	w.did(t, "id2", "n0", "Compute", 1, 2)
	if err := w.Update(t.Context(), "overcloud", 240, limited(stack.Limits{FromStep: 4})); err != nil {
		t.Errorf("a step that some machines do nothing in: %v", err)
	}
}

// A new machine comes alone, and from its first step on.
func TestLimitsTakeANewMachineThroughAllSteps(t *testing.T) {
	w := newWorld(t)
	w.made = stepsOfTwo()
	if _, err := w.Create(t.Context(), "overcloud", 240, stack.Input{}); err != nil {
		t.Fatal(err)
	}
	w.end(t, "id1")
	w.did(t, "id1", "c0", "Controller", 1, 4)
	w.did(t, "id1", "n0", "Compute", 1, 2, 5)
	w.made.Servers = append(w.made.Servers, plan.Server{Name: "n1", Role: "Compute", Index: 1})
	if err := w.Update(t.Context(), "overcloud", 240, limited(stack.Limits{FromStep: 4})); err == nil || !strings.Contains(err.Error(), "from step 4 on: n1 is new") {
		t.Errorf("a machine that is not there: %v", err)
	}
	if err := w.Update(t.Context(), "overcloud", 240, limited(stack.Limits{Nodes: []string{"n1"}})); err != nil {
		t.Errorf("a new machine alone, from its first step on: %v", err)
	}
}
