package deploy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// saysOf are the reasons of a step's events, in order.
func (w *world) saysOf(path string) string {
	w.t.Helper()
	events, err := w.db.Events(w.t.Context(), "id", 0, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, ev := range events {
		if ev.Resource == path {
			out = append(out, ev.Reason)
		}
	}
	return strings.Join(out, "\n")
}

// A machine that starts anew in the middle of a step is waited for, and the deployment goes on.
func TestAMachineThatComesBackIsGoneOnWith(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	w.nodes.lose, w.nodes.lost = "3 overcloud-controller-0", outOfOrder("unit:keystone")
	w.nodes.back = func() error { w.nodes.lose = ""; return nil }
	w.run("CREATE_COMPLETE")
	says := w.saysOf(stack.StepPath("Controller", "3", 0))
	for _, want := range []string{"cannot be reached any more", "unit:keystone was under way", "waits until it lets us in again, 10m0s at most", "answers again after ", "step 3 goes on, and repeats nothing that is done"} {
		if !strings.Contains(says, want) {
			t.Errorf("%q is not in\n%s", want, says)
		}
	}
}

// One that stays away fails the deployment, with how long it was waited for and why in vain.
func TestAMachineThatStaysAwayIsTold(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	w.nodes.lose, w.nodes.lost = "3 overcloud-controller-0", outOfOrder("unit:keystone")
	w.nodes.back = func() error { return errs.New(errs.Unavailable, "no route to host") }
	f := w.run("CREATE_FAILED").Failures[0]
	if !strings.Contains(f.Error, "cannot be reached any more") || !strings.Contains(f.Error, "; it was waited for ") || !strings.HasSuffix(f.Error, ": no route to host") || !strings.Contains(f.Hint, "goes on with step 3") {
		t.Errorf("%+v", f)
	}
}

// One that goes away again and again is not tried for ever.
func TestAMachineThatIsLostEachTimeFails(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	w.nodes.lose, w.nodes.lost = "3 overcloud-controller-0", outOfOrder("unit:keystone")
	f := w.run("CREATE_FAILED").Failures[0]
	tries := 0
	for _, at := range w.nodes.order {
		if at == w.nodes.lose {
			tries++
		}
	}
	if tries != 4 || !strings.Contains(f.Error, "cannot be reached any more") {
		t.Errorf("%d tries; %+v", tries, f)
	}
}

// Who stops a deployment does not wait for a machine that is away.
func TestAStoppedDeploymentWaitsForNoMachine(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	w.nodes.lose, w.nodes.lost = "3 overcloud-controller-0", outOfOrder("unit:keystone")
	ctx, cancel := context.WithCancel(t.Context())
	w.nodes.back = func() error { cancel(); return context.Canceled }
	if err := w.engine.Run(ctx, "id"); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped run: %v", err)
	}
	if s, _ := w.db.Stack(t.Context(), "id"); s.Status() != "CREATE_IN_PROGRESS" {
		t.Errorf("a stop was recorded as %s", s.Status())
	}
	w.nodes.lose = ""
	w.run("CREATE_COMPLETE")
}
