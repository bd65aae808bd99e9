package plan_test

import (
	"context"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack/eval"
)

// TestSharingChangesNothing: TripleO's Queens and the corpus with ten machines on
// isolated networks come out the same when every stack is evaluated for itself.
func TestSharingChangesNothing(t *testing.T) {
	for name, least := range map[string]int{"queens": 1000, "corpus": 100} {
		t.Run(name, func(t *testing.T) { sharingChangesNothing(t, name, least) })
	}
}

func sharingChangesNothing(t *testing.T, name string, least int) {
	tree, o := heatCase(t, name)
	o.Counts = map[string]int{"Controller": 3, "Compute": 5}
	if name == "queens" {
		o.Counts["CephStorage"] = 2
		o.Environments = []plan.File{{Name: "environments/network-isolation.yaml"}}
	}
	evaluate := func(ctx context.Context) map[string]string {
		ev, root, err := plan.Evaluate(ctx, tree, o)
		if err != nil {
			t.Fatal(err)
		}
		w := newWhole(ev)
		w.all(t, root)
		return w.items
	}
	shared, alone := evaluate(context.Background()), evaluate(eval.Alone(context.Background()))
	if len(shared) < least || len(shared) != len(alone) {
		t.Fatalf("%d items with sharing, %d without", len(shared), len(alone))
	}
	for name, v := range alone {
		if shared[name] != v {
			t.Errorf("%s differs", name)
		}
	}
}
