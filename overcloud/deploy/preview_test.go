package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/diff"
	"trefoil/overcloud/stack"
)

// preview compares the stack with one of as many computes that also has files.
func (w *world) preview(computes int, change func(*stack.Input)) (*diff.Diff, error) {
	w.t.Helper()
	before, err := w.db.Stack(w.t.Context(), "id")
	if err != nil {
		w.t.Fatal(err)
	}
	after := *before
	after.Input.Counts = map[string]int{"Controller": 1, "Compute": computes, "CephStorage": 1}
	if change != nil {
		change(&after.Input)
	}
	return w.engine.Preview(w.t.Context(), before, &after)
}

func TestPreviewAfterAFailure(t *testing.T) {
	w := newWorld(t)
	w.nodes.fail = "2 overcloud-controller-0"
	w.begin(stack.Create, 1)
	w.run("CREATE_FAILED")
	d, err := w.preview(1, nil)
	if err != nil || !d.Changes || len(d.Resources)+len(d.Nodes) != 0 || len(d.NotApplied) == 0 {
		t.Fatalf("%+v, %v", d, err)
	}
	for _, n := range d.NotApplied {
		if n.Step == 1 || n.Why != "never applied" || n.Step == 2 && !slices.Contains(n.Nodes, "overcloud-controller-0") {
			t.Errorf("%+v", n)
		}
		for _, node := range n.Nodes { // another machine's step may have been begun by then, or not
			if at := fmt.Sprintf("%d %s", n.Step, node); w.nodes.applied[at] != "" {
				t.Errorf("%s was applied: %+v", at, n)
			}
		}
	}
	w.nodes.fail = ""
	w.begin(stack.Update, 1)
	w.run("UPDATE_COMPLETE")
	if d, err = w.preview(1, nil); err != nil || d.Changes {
		var b bytes.Buffer
		_ = d.Text(&b)
		t.Errorf("%v: of what was deployed completely it says\n%s", err, b.String())
	}
}

func TestPreviewChoosesMachinesAsADeploymentDoes(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	d, err := w.preview(1, nil) // accepted, not begun
	if err != nil || d.Running != "CREATE_IN_PROGRESS" || len(d.Nodes) != 3 {
		t.Errorf("%+v, %v", d, err)
	}
	w.run("CREATE_COMPLETE")
	var there []int // machines that each plan is made for
	w.engine.Plan = func(ctx context.Context, s *stack.Stack, nodes ...plan.Node) (*plan.Plan, error) {
		there = append(there, len(nodes))
		return deploy.PlanOf(ctx, s, nodes...)
	}
	if d, err = w.preview(2, nil); err != nil || len(d.Nodes) != 1 || d.Nodes[0].Machine != "compute-2" || d.Nodes[0].Name != "overcloud-novacompute-1" || d.Running != "" {
		t.Errorf("one more: %+v, %v", d, err)
	}
	if !slices.Equal(there, []int{3, 4, 3}) {
		t.Errorf("plans are made for %v machines", there)
	}
	if d, err = w.preview(0, nil); err != nil || len(d.Nodes) != 1 || d.Nodes[0].Change != diff.Removed || d.Nodes[0].Address != "192.168.255.12" {
		t.Errorf("one less: %+v, %v", d, err)
	}
	if _, err = w.preview(3, nil); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "Compute") {
		t.Errorf("more than there are: %v", err)
	}
	if w.cloud.deploys != 3 {
		t.Errorf("%d machines deployed", w.cloud.deploys)
	}
}

// What a deployment refuses to leave out, a dry run must not call valid without a word.
func TestPreviewTellsWhatCannotBeLeftOut(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	w.run("CREATE_COMPLETE")
	from3 := func(in *stack.Input) { in.Limits.FromStep = 3 }
	if d, err := w.preview(1, from3); err != nil || len(d.Refused) > 0 {
		t.Errorf("all have done the steps before: %+v, %v", d, err)
	}
	d, err := w.preview(2, from3)
	if err != nil || len(d.Refused) != 1 || !strings.HasPrefix(d.Refused[0].Reason, "from step 3 on: overcloud-novacompute-1 is new") || d.Refused[0].Hint == "" {
		t.Errorf("a new machine: %+v, %v", d, err)
	}
}

func TestPreviewTellsWhatIsForgotten(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	w.run("CREATE_COMPLETE")
	_, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error {
		s.Input.Environments, s.Input.Files = []string{"/a.yaml"}, map[string]string{"/a.yaml": "parameter_defaults: {NtpServer: [ntp.example.org]}\n"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := w.preview(1, func(in *stack.Input) { in.Environments, in.Files = nil, nil })
	if err != nil || !slices.Equal(d.Notes, []string{"environment /a.yaml was given to the last deployment and is not given to this one"}) ||
		len(d.Parameters) != 1 || d.Parameters[0].Name != "NtpServer" || d.Parameters[0].Change != diff.Removed {
		t.Errorf("%+v, %v", d, err)
	}
	if len(d.NotApplied) == 0 {
		t.Error("the environment was never applied, and that is not told")
	}

	// A deployed plan that cannot be made again must not stop its own cure.
	if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error { s.Input.Files = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	d, err = w.preview(1, func(in *stack.Input) { in.Environments = nil })
	if err != nil || !d.Changes || !slices.ContainsFunc(d.Notes, func(n string) bool { return strings.HasPrefix(n, "the plan that is deployed cannot be made again") }) {
		t.Errorf("%+v, %v", d, errors.Unwrap(err))
	}
}

// TestPreviewTellsWhatTheCloudKeeps: a dry run says what the deployment would be refused for.
func TestPreviewTellsWhatTheCloudKeeps(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	rabbit := func(in *stack.Input) {
		in.Parameters = map[string]any{"RabbitPassword": "secret-of-rabbit"}
	}
	if d, err := w.preview(1, rabbit); err != nil || len(d.Refused) > 0 {
		t.Errorf("nothing is deployed yet: %+v, %v", d, err)
	}
	w.run("CREATE_COMPLETE")
	d, err := w.preview(1, rabbit)
	if err != nil || len(d.Refused) != 1 || !strings.HasPrefix(d.Refused[0].Reason, "RabbitPassword is another one than was deployed") || strings.Contains(d.Refused[0].Reason, "secret-of") {
		t.Errorf("%+v, %v", d, err)
	}
	d, err = w.preview(1, func(in *stack.Input) {
		in.Parameters, in.Limits = map[string]any{"NovaPassword": "secret-of-nova"}, stack.Limits{FromStep: 4}
	})
	if err != nil || len(d.Refused) != 1 || !strings.HasPrefix(d.Refused[0].Reason, "NovaPassword: new since the last deployment, and this one is limited (from step 4 on)") {
		t.Errorf("limited: %+v, %v", d, err)
	}
}

// TestNewPasswordsAreThereWhenAllEndedWell: until then a limited deployment is refused for them.
func TestNewPasswordsAreThereWhenAllEndedWell(t *testing.T) {
	w := newWorld(t)
	left := func(change func(*stack.Stack), status string) []string {
		w.begin(stack.Update, 1)
		if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error { change(s); return nil }); err != nil {
			t.Fatal(err)
		}
		w.run(status)
		s, err := w.db.Stack(t.Context(), "id")
		if err != nil {
			t.Fatal(err)
		}
		return s.NewPasswords
	}
	w.nodes.fail = "2 overcloud-controller-0"
	if got := left(func(s *stack.Stack) { s.NewPasswords = []string{"NovaPassword"} }, "UPDATE_FAILED"); len(got) != 1 {
		t.Errorf("failed: %q", got)
	}
	w.nodes.fail = ""
	if got := left(func(s *stack.Stack) { s.Input.Limits.Nodes = []string{"Controller"} }, "UPDATE_COMPLETE"); len(got) != 1 {
		t.Errorf("limited: %q", got)
	}
	if got := left(func(*stack.Stack) {}, "UPDATE_COMPLETE"); len(got) != 0 {
		t.Errorf("all of it: %q", got)
	}
}
