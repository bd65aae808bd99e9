package deploy_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// TestWhatStepsCostOutlivesTheUndercloud: it is stopped as the controller is at step 4. The
// controller has spent 57 s by the time it is asked again, and spends 10 s more; each other
// step of a machine takes 10 s. A deployment that finds all as it is costs nothing.
func TestWhatStepsCostOutlivesTheUndercloud(t *testing.T) {
	w := newWorld(t)
	counter := map[string]int64{}
	w.nodes.usage = func(node, event string) *resource.Usage {
		if event == "done" {
			counter[node] += 10_000
		}
		return &resource.Usage{Boot: "boot of " + node, CPUMS: counter[node]}
	}
	w.begin(stack.Create, 1)
	ctx, cancel := context.WithCancel(context.Background())
	w.nodes.stop, w.nodes.stopAt = cancel, "4 overcloud-controller-0"
	if err := w.engine.Run(ctx, "id"); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	w.nodes.stopAt = ""
	counter["overcloud-controller-0"] += 57_000
	s := w.run("CREATE_COMPLETE")
	got := map[int]float64{}
	for _, x := range s.Summary.Spent {
		if got[x.Step] += x.Seconds(); x.Open {
			t.Errorf("the end is not known: %+v", x)
		}
	}
	machines := map[int]float64{} // that do a step
	for at := range w.nodes.applied {
		machines[int(at[0]-'0')]++
	}
	for step, n := range machines {
		want := 10 * n
		if step == 4 {
			want += 57
		}
		if got[step] != want {
			t.Errorf("step %d cost %v s, want %v", step, got[step], want)
		}
	}
	if text := strings.Join(s.Summary.Timing(), "\n"); !strings.Contains(text, "of it 67.0 s on overcloud-controller-0") {
		t.Error(text)
	}
	w.begin(stack.Update, 1)
	for _, forget := range []bool{false, true} { // the steps stand, and are looked at one by one
		w.nodes.forget = forget
		if s := w.run("UPDATE_COMPLETE"); len(s.Summary.Spent) > 0 || strings.Contains(strings.Join(s.Summary.Timing(), "\n"), "Processor") {
			t.Errorf("steps that changed nothing cost %+v", s.Summary.Spent)
		}
		w.begin(stack.Update, 1)
	}
}

// TestTimeOfAStepOutlivesTheUndercloud: it is killed as the controller is at step 4 and comes
// back a minute later. Steps that stood keep their time, in which step 3 took 20 s.
func TestTimeOfAStepOutlivesTheUndercloud(t *testing.T) {
	w := newWorld(t)
	var late atomic.Int64
	w.engine.Now = func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	w.nodes.waits = func(_ context.Context, n stack.Node, doc resource.Document, _ func(resource.Event)) error {
		if n.Role == "Controller" && doc.Step == 3 {
			late.Add(int64(20 * time.Second))
		}
		return nil
	}
	w.begin(stack.Create, 1)
	ctx, cancel := context.WithCancel(context.Background())
	w.catalog.waits = func() { // the others have ended step 4 before the controller begins it
		for _, role := range []string{"Compute", "CephStorage"} {
			for ctx.Err() == nil && !slices.Contains(w.lines(), "AllNodesDeploySteps."+role+"Deployment_Step4 CREATE_COMPLETE") {
				time.Sleep(time.Millisecond)
			}
		}
	}
	w.nodes.stop, w.nodes.stopAt = cancel, "4 overcloud-controller-0"
	if err := w.engine.Run(ctx, "id"); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	w.nodes.stopAt, w.catalog.waits = "", nil
	late.Add(int64(60 * time.Second))
	s := w.run("CREATE_COMPLETE")
	took := s.Summary.Seconds
	if took["step 3"] < 20 || took["step 4"] < 60 || took["provisioning"] >= 60 {
		t.Errorf("got %v", took)
	}
	if len(s.Summary.Begun) > 0 {
		t.Errorf("it has ended, and these are under way: %v", s.Summary.Begun)
	}
}

// TestARoleThatNeverComesToAStepDoesNotLengthenIt: the storage fails at step 2 and is gone on
// without. Step 3 ends with the controller, which then takes half a minute for step 4.
func TestARoleThatNeverComesToAStepDoesNotLengthenIt(t *testing.T) {
	w := newWorld(t)
	var late atomic.Int64
	w.engine.Now = func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	w.nodes.waits = func(_ context.Context, n stack.Node, doc resource.Document, _ func(resource.Event)) error {
		if n.Role == "Controller" && doc.Step == 4 {
			late.Add(int64(30 * time.Second))
		}
		return nil
	}
	w.begin(stack.Create, 0)
	if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error {
		s.Input.Parameters = map[string]any{"CephStorageMaxFailPercentage": 100}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.nodes.fail = "2 overcloud-cephstorage-0"
	s := w.run("CREATE_COMPLETE")
	if took := s.Summary.Seconds; took["step 3"] >= 30 || took["step 4"] < 30 || len(s.Summary.Begun) > 0 {
		t.Errorf("got %v, under way %v", took, s.Summary.Begun)
	}
}
