package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

func TestCreateThenNothingThenScaleThenDelete(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	s := w.run("CREATE_COMPLETE")
	if s.Outputs["KeystoneURL"] != "http://192.168.255.11:5000/" || s.Summary.NodesAdded != 3 || s.Summary.Changed == 0 {
		t.Errorf("outputs %v, summary %+v", s.Outputs["KeystoneURL"], s.Summary)
	}
	lines := w.lines()
	for _, want := range []string{" CREATE_IN_PROGRESS", "Controller.0.Controller CREATE_COMPLETE", "Compute.0.NovaCompute CREATE_COMPLETE",
		"AllNodesDeploySteps.ControllerDeployment_Step5 CREATE_COMPLETE", " CREATE_COMPLETE"} {
		if !slices.Contains(lines, want) {
			t.Errorf("no event %q in\n%s", want, strings.Join(lines, "\n"))
		}
	}
	w.barriers()
	if c := w.catalog.wanted; c.Stack != "overcloud" || c.URL != s.Outputs["KeystoneURL"] || c.AdminPassword != s.Outputs["AdminPassword"] {
		t.Errorf("the catalog was asked of %q at %q", c.Stack, c.URL)
	}

	w.begin(stack.Update, 1)
	w.nodes.order = nil
	if s = w.run("UPDATE_COMPLETE"); len(w.nodes.order) > 0 || w.nodes.looks != 3 {
		t.Errorf("a second deploy looked at each of 3 machines %d times in all, and applied %v", w.nodes.looks, w.nodes.order)
	}
	if s.Summary.Changed+s.Summary.NodesAdded+s.Summary.NodesRemoved != 0 || w.cloud.deploys != 3 {
		t.Errorf("a second deploy changed something: %+v, %d deploys", s.Summary, w.cloud.deploys)
	}

	w.begin(stack.Update, 2)
	if s = w.run("UPDATE_COMPLETE"); s.Summary.NodesAdded != 1 || w.cloud.deploys != 4 {
		t.Errorf("scaling up: %+v, %d deploys", s.Summary, w.cloud.deploys)
	}
	w.begin(stack.Update, 1)
	if s = w.run("UPDATE_COMPLETE"); s.Summary.NodesRemoved != 1 || w.cloud.deployed["uuid-compute-2"] != "" {
		t.Errorf("scaling down: %+v %v", s.Summary, w.cloud.deployed)
	}

	w.begin(stack.Update, 0) // a role that is scaled to nothing is an empty group, and complete
	if s = w.run("UPDATE_COMPLETE"); s.Summary.NodesRemoved != 1 {
		t.Errorf("scaling to nothing: %+v", s.Summary)
	}
	rows, err := w.db.Resources(context.Background(), "id")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if strings.HasSuffix(r.Status, stack.InProgress) || r.Name == "Compute" && r.Status != "UPDATE_COMPLETE" {
			t.Errorf("%s is %s in a stack that is complete", r.Name, r.Status)
		}
	}

	w.begin(stack.Delete, 1)
	if err := w.engine.Run(context.Background(), "id"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.db.Stack(context.Background(), "id"); !errs.Is(err, errs.NotFound) || len(w.cloud.deployed) != 0 {
		t.Errorf("after delete: %v, machines %v", err, w.cloud.deployed)
	}
}

// barriers: each machine's steps are in order, and what runs servers begins its
// fourth step only when Keystone's machine has ended its third.
func (w *world) barriers() {
	w.t.Helper()
	last := map[string]byte{}
	for _, at := range w.nodes.order {
		step, node := at[0], at[2:]
		if step < last[node] {
			w.t.Fatalf("step %c after step %c: %v", step, last[node], w.nodes.order)
		}
		if last[node] = step; step == '4' && last["overcloud-controller-0"] < '3' {
			w.t.Fatalf("%s went ahead of Keystone: %v", node, w.nodes.order)
		}
	}
}

func TestFailureNamesNodeStepServiceAndResourceThenTheNextRunGoesOn(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	w.nodes.fail = "3 overcloud-controller-0"
	s := w.run("CREATE_FAILED")
	f := s.Failures[0]
	if f.Node != "overcloud-controller-0" || f.Phase != "step 3" || f.Error != "it would not start" || f.Service == "" || f.Key == "" || f.Tail[0] != "last line" {
		t.Errorf("%+v", f)
	}
	if slices.ContainsFunc(w.nodes.order, func(at string) bool { return at[0] > '3' }) {
		t.Errorf("went on behind a failed step: %v", w.nodes.order)
	}
	w.nodes.fail = ""
	w.begin(stack.Update, 1)
	w.run("UPDATE_COMPLETE")
	if w.cloud.deploys != 3 {
		t.Errorf("machines were deployed again: %d", w.cloud.deploys)
	}
}

func TestCatalogThatFailsIsNamed(t *testing.T) {
	w := newWorld(t)
	w.catalog.fail = errs.New(errs.Forbidden, "create service nova: not for you").WithHint("ask mary")
	w.begin(stack.Create, 1)
	f := w.run("CREATE_FAILED").Failures[0]
	if f.Phase != "keystone resources" || f.Service != "keystone" || f.Error != "create service nova: not for you" || f.Hint != "ask mary" {
		t.Errorf("%+v", f)
	}
	// A compute's step 4 has only Open vSwitch, which asks Keystone for nothing.
	if slices.ContainsFunc(w.nodes.order, func(at string) bool { return at == "4 overcloud-controller-0" || at[0] > '4' }) {
		t.Errorf("what needs the catalog was begun: %v", w.nodes.order)
	}
}

func TestMachineThatFailsIsNamedWithItsError(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	w.cloud.failNode = "uuid-compute-1"
	s := w.run("CREATE_FAILED")
	if f := s.Failures[0]; f.Node != "overcloud-novacompute-0" || !strings.Contains(f.Error, "the disk is on fire") || !strings.Contains(f.Hint, "history") {
		t.Errorf("%+v", f)
	}
}

// What somebody takes back while it is deployed is not waited for until the time is over.
func TestMachineThatIsTakenBackIsNotWaitedFor(t *testing.T) {
	for _, back := range []string{"available", "deleting", "cleaning", "clean wait", "clean failed", "manageable"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.engine.Poll = time.Second
			w.begin(stack.Create, 1)
			w.cloud.through = map[string][]string{"uuid-compute-1": {"available", "deploying", back}} // available: not yet begun
			began := time.Now()
			f := w.run("CREATE_FAILED").Failures[0]
			if took := time.Since(began); took > time.Minute || f.Node != "overcloud-novacompute-0" || !strings.Contains(f.Error, `in state "`+back+`": was it aborted or undeployed`) || !strings.Contains(f.Hint, "history") {
				t.Errorf("%s: after %s %+v", back, took, f)
			}
		})
	}
}

func TestTooFewNodesChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 3)
	s := w.run("CREATE_FAILED")
	if f := s.Failures[0]; f.Phase != "placement" || !strings.Contains(f.Error, "Compute: 3 wanted, 1 missing") || len(f.Tail) == 0 {
		t.Errorf("%+v", f)
	}
	if ns, _ := w.db.StackNodes(context.Background(), "id"); len(ns) != 0 || w.cloud.deploys != 0 {
		t.Errorf("half done: %v, %d deploys", ns, w.cloud.deploys)
	}
}

// The service may be stopped anywhere: nothing is marked failed, and the next
// Run goes on to the end without doing a machine twice.
func TestStoppedAnywhereGoesOn(t *testing.T) {
	for step := 1; step <= plan.Steps; step++ {
		t.Run(fmt.Sprint("step ", step), func(t *testing.T) {
			w := newWorld(t)
			w.begin(stack.Create, 1)
			ctx, cancel := context.WithCancel(context.Background())
			w.nodes.stop, w.nodes.stopAt = cancel, fmt.Sprintf("%d overcloud-controller-0", step)
			if err := w.engine.Run(ctx, "id"); !errors.Is(err, context.Canceled) {
				t.Fatalf("stopped run: %v (order %v)", err, w.nodes.order)
			}
			if s, _ := w.db.Stack(context.Background(), "id"); s.Status() != "CREATE_IN_PROGRESS" {
				t.Fatalf("a stop was recorded as %s", s.Status())
			}
			w.nodes.stopAt = ""
			done := slices.Collect(maps.Keys(w.nodes.applied))
			w.nodes.order = nil
			defer func() {
				for _, at := range w.nodes.order {
					if slices.Contains(done, at) && int(at[0]-'0') < step {
						t.Errorf("%q was done before and done again: %v", at, w.nodes.order)
					}
				}
			}()
			if s := w.run("CREATE_COMPLETE"); s.Summary.NodesAdded != 3 {
				t.Errorf("the restart forgot what was done: %+v", s.Summary)
			}
			if w.cloud.deploys != 3 {
				t.Errorf("%d deploys of 3 machines", w.cloud.deploys)
			}
		})
	}
}

// A Keystone that is away is the deployed cloud's: that of the undercloud is not to be looked at.
func TestKeystoneThatIsAwayIsThatOfTheController(t *testing.T) {
	w := newWorld(t)
	w.catalog.fail = fmt.Errorf("list roles: %w", errs.New(errs.Unavailable, "no answer from http://192.168.255.11:5000"))
	w.begin(stack.Create, 1)
	f := w.run("CREATE_FAILED").Failures[0]
	if f.Phase != "keystone resources" || !strings.Contains(f.Error, "no answer from") || f.Hint != "systemctl status keystone on the controller; openstack overcloud status" {
		t.Errorf("%+v", f)
	}
}

// A deployment that runs out of time says so, and then what it was at.
func TestDeploymentThatRunsOutOfTimeSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		stop func(*world)
		at   string // what it was at
	}{
		"in a step": {func(w *world) {
			w.nodes.waits = func(ctx context.Context, n stack.Node, doc resource.Document, _ func(resource.Event)) error {
				if n.Name != "overcloud-controller-0" || doc.Step != 3 {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			}
		}, "overcloud-controller-0: step 3: context deadline exceeded"},
		"at a machine": {func(w *world) { w.cloud.through = map[string][]string{"uuid-compute-1": {"deploying"}} },
			"overcloud-novacompute-0: provisioning: node overcloud-novacompute-0 did not reach state \"active\""},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.engine.Poll = time.Second
			w.begin(stack.Create, 1)
			c.stop(w)
			s := w.run("CREATE_FAILED")
			f := s.Failures[0]
			if f.Phase != "deployment" || f.Error != "the deployment did not end within 10 minutes" || !strings.Contains(f.Hint, "--timeout") ||
				s.Reason != "Resource CREATE failed: "+f.Line() {
				t.Errorf("%s: reason %q, %+v", name, s.Reason, f)
			}
			if len(s.Failures) != 2 || !strings.HasPrefix(s.Failures[1].Line(), c.at) {
				t.Errorf("%s: %+v", name, s.Failures)
			}
		})
	}
}

func TestCancelIsRecorded(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	ctx, cancel := context.WithCancel(context.Background())
	w.nodes.stopAt = "2 overcloud-controller-0"
	w.nodes.stop = func() {
		_, _ = w.db.UpdateStack(context.Background(), "id", func(s *stack.Stack) error { s.CancelRequested = true; return nil })
		cancel()
	}
	_ = w.engine.Run(ctx, "id")
	s, err := w.db.Stack(context.Background(), "id")
	if err != nil || s.Status() != "CREATE_FAILED" || !strings.Contains(s.Failures[0].Error, "cancelled by the user") {
		t.Errorf("%v %+v", err, s)
	}
}

func TestRelayTellsOnlyOfMachinesUnderWay(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	w.run("CREATE_COMPLETE")
	say := func(node, sentence string) {
		if err := deploy.Relay(context.Background(), w.db, node, sentence, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	before := len(w.lines())
	say("uuid-control-1", "the stack rests")
	say("uuid-nobody", "no stack has it")
	if len(w.lines()) != before {
		t.Error("told of a machine that is not under way")
	}
	w.begin(stack.Update, 1)
	if err := w.db.Record(context.Background(), &stack.Event{StackID: "id", Resource: "Controller.0.Controller", Status: "UPDATE_IN_PROGRESS", Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	say("uuid-control-1", "the agent writes the image")
	evs, err := w.db.Events(context.Background(), "id", 0, 0)
	if last := evs[len(evs)-1]; err != nil || last.Reason != "the agent writes the image" || last.Status != "UPDATE_IN_PROGRESS" {
		t.Errorf("%v %+v", err, last)
	}
}

// A limited deployment does what it was asked for, says so, and leaves the rest to the next.
func TestLimitedDeployment(t *testing.T) {
	for _, x := range []struct {
		name   string
		limits stack.Limits
		want   func(at string) bool // "step node" that may be done
	}{
		{"a role", stack.Limits{Nodes: []string{"Compute"}}, func(at string) bool { return strings.Contains(at, "novacompute") }},
		{"a machine, from a step on", stack.Limits{Nodes: []string{"overcloud-controller-0"}, FromStep: 3},
			func(at string) bool { return strings.Contains(at, "controller") && at[0] >= '3' }},
		{"a service", stack.Limits{Tags: []string{"keystone"}}, func(at string) bool { return strings.Contains(at, "controller") }},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := newWorld(t)
			w.begin(stack.Create, 1)
			w.run("CREATE_COMPLETE")
			w.nodes.applied, w.nodes.order = map[string]string{}, nil // the machines know nothing of it any more
			w.begin(stack.Update, 1)
			if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error { s.Input.Limits = x.limits; return nil }); err != nil {
				t.Fatal(err)
			}
			s := w.run("UPDATE_COMPLETE")
			if !strings.Contains(s.Reason, "limited: "+x.limits.String()) || s.Summary.Limited == "" || !s.Input.Limits.None() {
				t.Errorf("reason %q, summary %+v, kept %+v", s.Reason, s.Summary, s.Input.Limits)
			}
			if len(w.nodes.order) == 0 || slices.ContainsFunc(w.nodes.order, func(at string) bool { return !x.want(at) }) {
				t.Errorf("done: %v", w.nodes.order)
			}
			w.begin(stack.Update, 1)
			w.run("UPDATE_COMPLETE")
			whole := newWorld(t)
			whole.begin(stack.Create, 1)
			whole.run("CREATE_COMPLETE")
			if got, want := slices.Sorted(maps.Keys(w.nodes.applied)), slices.Sorted(maps.Keys(whole.nodes.applied)); !slices.Equal(got, want) {
				t.Errorf("the next deployment left undone: done %v of %v", got, want)
			}
		})
	}
}

// What a limited deployment did of some services is not taken for the whole step.
func TestServicesAloneAreNotTheWholeStep(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	w.run("CREATE_COMPLETE")
	w.begin(stack.Update, 1)
	if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error { s.Input.Limits.Tags = []string{"keystone"}; return nil }); err != nil {
		t.Fatal(err)
	}
	w.nodes.forget = true // a step that stands is left alone in any case
	w.run("UPDATE_COMPLETE")
	nodes, err := w.db.StackNodes(t.Context(), "id")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes { // or it would count as one that serves nobody, and restart beside others of its kind
		if n.Name == "overcloud-controller-0" && n.Hashes[3] == "" {
			t.Error("that the machine had been brought to its end is forgotten")
		}
	}
	w.nodes.forget, w.nodes.order = false, nil
	w.begin(stack.Update, 1)
	if w.run("UPDATE_COMPLETE"); !slices.Contains(w.nodes.order, "3 overcloud-controller-0") {
		t.Errorf("step 3 was done of keystone alone and then not as a whole: %v", w.nodes.order)
	}
}

// As many machines as a role's MaxFailPercentage allows may fail: the others go on, and the end names them.
func TestTolerableFailure(t *testing.T) {
	for percentage, want := range map[int]string{50: "CREATE_COMPLETE", 49: "CREATE_FAILED"} {
		w := newWorld(t)
		w.begin(stack.Create, 2)
		if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error {
			s.Input.Parameters = map[string]any{"ComputeMaxFailPercentage": percentage}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		w.nodes.fail = "1 overcloud-novacompute-1"
		s := w.run(want)
		if len(s.Failures) != 1 || s.Failures[0].Node != "overcloud-novacompute-1" {
			t.Errorf("%d %%: failures %+v", percentage, s.Failures)
		}
		if want == "CREATE_FAILED" {
			continue
		}
		if !strings.HasSuffix(s.Reason, "completed successfully, without overcloud-novacompute-1") || !slices.Equal(s.Summary.LeftOut, []string{"overcloud-novacompute-1"}) {
			t.Errorf("reason %q, left out %v", s.Reason, s.Summary.LeftOut)
		}
		rows, err := w.db.Resources(t.Context(), "id")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if failed := r.Status == "CREATE_FAILED"; failed != (r.Name == "AllNodesDeploySteps.ComputeDeployment_Step1.1") {
				t.Errorf("%s is %s", r.Name, r.Status)
			}
		}
		if slices.Contains(w.nodes.order, "2 overcloud-novacompute-1") || !slices.Contains(w.nodes.order, "4 overcloud-controller-0") {
			t.Errorf("done: %v", w.nodes.order)
		}
	}
}
