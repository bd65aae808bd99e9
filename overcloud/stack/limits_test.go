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
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "limit: n0, n1 would be left out, with steps yet to do") || errs.HintOf(err) == "" {
		t.Errorf("a first deployment: %v", err)
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
	if err := w.Update(t.Context(), "overcloud", 240, controllers); err == nil || !strings.Contains(err.Error(), "limit: n1 would be left out") {
		t.Errorf("one is in the middle of it: %v", err)
	}
	done("n1", map[int]string{4: "done"})
	if err := w.Update(t.Context(), "overcloud", 240, controllers); err != nil {
		t.Errorf("all were deployed once: %v", err)
	}
}
