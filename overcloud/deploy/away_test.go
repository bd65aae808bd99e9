package deploy_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"trefoil/overcloud/deploy"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

const gone = "overcloud-novacompute-1"

// updated deploys two computes, switches one off and deploys again with these parameters.
func updated(t *testing.T, want string, parameters map[string]any, limits stack.Limits) (*world, *stack.Stack) {
	t.Helper()
	w := newWorld(t)
	w.begin(stack.Create, 2)
	w.run("CREATE_COMPLETE")
	w.nodes.off, w.nodes.forget, w.nodes.order, w.nodes.reached = map[string]bool{gone: true}, true, nil, nil
	w.begin(stack.Update, 2)
	if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error {
		s.Input.Parameters, s.Input.Limits = parameters, limits
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return w, w.run(want)
}

// A machine that was configured once and is off now keeps no others from their update where its role
// tolerates that: it is told at the end, as one that failed in a step is.
func TestAMachineThatIsOffIsGoneOnWithout(t *testing.T) {
	w, s := updated(t, "UPDATE_COMPLETE", map[string]any{"ComputeMaxFailPercentage": 50}, stack.Limits{})
	if !strings.HasSuffix(s.Reason, ", without "+gone) || !slices.Equal(s.Summary.LeftOut, []string{gone}) {
		t.Errorf("reason %q, left out %v", s.Reason, s.Summary.LeftOut)
	}
	if len(s.Failures) != 1 || s.Failures[0].Node != gone || s.Failures[0].Phase != "provisioning" || !strings.Contains(s.Failures[0].Error, "was configured before and does not let us in") {
		t.Errorf("%+v", s.Failures)
	}
	if slices.Contains(w.nodes.order, "1 "+gone) || !slices.Contains(w.nodes.order, "5 overcloud-novacompute-0") {
		t.Errorf("done: %v", w.nodes.order)
	}
	w.nodes.off = nil
	w.begin(stack.Update, 2)
	if s = w.run("UPDATE_COMPLETE"); len(s.Summary.LeftOut) > 0 || !slices.Contains(w.nodes.order, "1 "+gone) {
		t.Errorf("it is back, and was not taken along: %v %v", s.Summary.LeftOut, w.nodes.order)
	}
}

// Where that is not tolerated, nothing is begun anywhere, and the failure says what to do.
func TestAMachineThatIsOffFailsBeforeTheSteps(t *testing.T) {
	w, s := updated(t, "UPDATE_FAILED", map[string]any{"ComputeMaxFailPercentage": 49}, stack.Limits{})
	f := s.Failures[0]
	if len(s.Failures) != 1 || f.Node != gone || !strings.HasSuffix(f.Error, ": no route to host") {
		t.Errorf("%+v", s.Failures)
	}
	for _, want := range []string{"openstack baremetal node show uuid-compute-", "ComputeMaxFailPercentage", "DeploymentServerBlacklist", "overcloud node delete " + gone} {
		if !strings.Contains(f.Hint, want) {
			t.Errorf("the hint %q does not name %q", f.Hint, want)
		}
	}
	if len(w.nodes.order) > 0 {
		t.Errorf("done all the same: %v", w.nodes.order)
	}
}

// Who leaves a machine out, by name or by the names of others, does not wait for it.
func TestAMachineThatIsLeftOutIsNotReached(t *testing.T) {
	for name, c := range map[string]struct {
		parameters map[string]any
		limits     stack.Limits
		says       string
	}{
		"blacklist": {map[string]any{"DeploymentServerBlacklist": []any{gone}}, stack.Limits{}, "limited: not " + gone + " (DeploymentServerBlacklist)"},
		"limit":     {nil, stack.Limits{Nodes: []string{"Controller"}}, "limited: only Controller"},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := updated(t, "UPDATE_COMPLETE", c.parameters, c.limits)
			if !strings.HasSuffix(s.Reason, c.says) || len(s.Failures) > 0 {
				t.Errorf("reason %q, failures %+v", s.Reason, s.Failures)
			}
			if slices.ContainsFunc(w.nodes.order, func(at string) bool { return strings.HasSuffix(at, " "+gone) }) || slices.Contains(w.nodes.reached, gone) || !slices.Contains(w.nodes.order, "5 overcloud-controller-0") {
				t.Errorf("done: %v", w.nodes.order)
			}
		})
	}
}

// Nobody waits for what a listed machine has to tell, and nothing is done again for that at the next deployment.
func TestNobodyWaitsForAListedMachine(t *testing.T) {
	for _, list := range [][]any{{}, {gone}} {
		w := newWorld(t)
		named := false
		w.nodes.waits = func(_ context.Context, _ stack.Node, doc resource.Document, _ func(resource.Event)) error {
			for _, x := range doc.Resources {
				if x.Wait != nil && strings.Contains(x.Wait.SQL, gone) {
					named = true
				}
			}
			return nil
		}
		deploy := func(action string) *stack.Stack {
			w.begin(action, 2)
			if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error {
				s.Input.Parameters = map[string]any{"DeploymentServerBlacklist": list}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return w.run(action + "_COMPLETE")
		}
		deploy(stack.Create)
		if named == (len(list) > 0) || slices.Contains(w.nodes.order, "1 "+gone) == (len(list) > 0) {
			t.Errorf("listed %v: a query names it: %v; done: %v", list, named, w.nodes.order)
		}
		w.nodes.order = nil
		if s := deploy(stack.Update); s.Summary.Changed > 0 || len(w.nodes.order) > 0 {
			t.Errorf("listed %v, again: %d changed, done: %v", list, s.Summary.Changed, w.nodes.order)
		}
	}
}

// Who waits is told each minute of what, and for how long.
func TestAMachineThatIsOffIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.begin(stack.Create, 2)
		w.run("CREATE_COMPLETE")
		w.nodes.off, w.nodes.patient = map[string]bool{gone: true}, true
		w.begin(stack.Update, 2)
		if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error { s.TimeoutMins = 0; return nil }); err != nil {
			t.Fatal(err)
		}
		s := w.run("UPDATE_FAILED")
		if !strings.Contains(s.Failures[0].Error, "it was waited for 10m0s") {
			t.Errorf("%+v", s.Failures)
		}
		says := w.saysOf("Compute.1.NovaCompute")
		if n := strings.Count(says, "waits until it lets us in, "); n < 9 || !strings.Contains(says, "waits until it lets us in, 60 s so far, 10m0s at most: no route to host; is it on?") {
			t.Errorf("told %d times:\n%s", n, says)
		}
	})
}

// Controllers may be listed, too: what the others need to know of them stays.
func TestTheOnlyControllerIsListed(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 2)
	w.run("CREATE_COMPLETE")
	w.nodes.forget, w.nodes.order = true, nil
	s := w.begin(stack.Update, 2)
	if _, err := w.db.UpdateStack(t.Context(), "id", func(x *stack.Stack) error {
		x.Input.Parameters = map[string]any{"DeploymentServerBlacklist": []any{"overcloud-controller-0"}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if s = w.run("UPDATE_COMPLETE"); len(s.Failures) > 0 || slices.Contains(w.nodes.order, "1 overcloud-controller-0") || !slices.Contains(w.nodes.order, "5 overcloud-novacompute-0") {
		t.Errorf("failures %+v, done: %v", s.Failures, w.nodes.order)
	}
}

// A name that no machine has is refused where a deployment is asked for, and only there: the machine may
// have been given back since, and what is deployed must be looked at and given back all the same.
func TestAListedNameThatNoMachineHas(t *testing.T) {
	w := newWorld(t)
	s := w.begin(stack.Create, 2)
	s.Input.Parameters = map[string]any{"DeploymentServerBlacklist": []any{"overcloud-novacompute-7"}}
	p, err := deploy.PlanOf(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Listed()
	if err == nil || !strings.Contains(err.Error(), `DeploymentServerBlacklist: no machine of this deployment is called "overcloud-novacompute-7"`) ||
		!strings.Contains(err.Error(), "overcloud-novacompute-") {
		t.Errorf("%v", err)
	}
}
