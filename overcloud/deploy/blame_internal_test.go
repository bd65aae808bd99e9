package deploy

import (
	"context"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// ended is machines on which all that is asked for has ended.
type ended struct{}

func (ended) Health(_ context.Context, _ stack.Node, checks []resource.Check) ([]resource.Health, error) {
	return []resource.Health{{Service: checks[0].Service, Detail: "unit " + checks[0].Units[0] + " is failed", Ended: true}}, nil
}

// Who is named is asked, once; what ended before this deployment has begun it is no reason to give up.
func TestWhatEndedBeforeItsTurnIsNotDead(t *testing.T) {
	unit := func(name, state string) resource.Resource {
		return resource.Resource{Type: "unit", Service: "of_" + name, Unit: &resource.Unit{Name: name, State: state}}
	}
	b := &blame{observer: ended{}, hide: strings.NewReplacer(), nodes: []stack.Node{{Node: plan.Node{Name: "controller-0"}}, {Node: plan.Node{Name: "compute-1"}}}, cfg: plan.Config{
		"controller-0": {{Step: 5, Resources: []resource.Resource{unit("neutron-l3-agent", "")}}},
		"compute-1":    {{Step: 5, Resources: []resource.Resource{unit("nova-compute", ""), unit("old", "stopped")}}},
	}}
	const missing = "wait for x: no answer after 30m0s: missing: neutron-l3-agent on controller-0.localdomain, nova-compute on compute-1.localdomain, " +
		"nova-compute on compute-1.localdomain, old on compute-1.localdomain, nova-compute on compute-9.localdomain"
	list := b.ask(t.Context(), missing)
	if len(list) != 2 || list[0].unit != "neutron-l3-agent" || list[1].node.Name != "compute-1" || list[1].service != "of_nova-compute" || list[1].step != 5 {
		t.Fatalf("asked: %+v", list)
	}
	for _, a := range list {
		if a.dead() || !strings.HasSuffix(a.what(), "is failed (its turn has not come yet)") {
			t.Errorf("%s of %s: dead %t: %s", a.unit, a.node.Name, a.dead(), a.what())
		}
	}
	b.begun("compute-1", "unit:nova-compute")
	if list = b.ask(t.Context(), missing); list[0].node.Name != "compute-1" || !list[0].dead() || list[1].dead() {
		t.Errorf("what has ended is not first: %+v", list)
	}
}
