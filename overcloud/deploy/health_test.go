package deploy_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// observer is machines of which one is away and one has an ill service.
type observer struct{ away, ill string }

func (o observer) Health(_ context.Context, n stack.Node, checks []resource.Check) ([]resource.Health, error) {
	if n.Name == o.away {
		return nil, errors.New("connect to it: no route to host")
	}
	var out []resource.Health
	for _, c := range checks {
		h := resource.Health{Service: c.Service, OK: n.Name != o.ill || c.Service != "ntp"}
		if !h.OK {
			h.Detail = "unit chrony is failed"
		}
		out = append(out, h)
	}
	return out, nil
}

func TestHealthOfEveryServiceOfEveryMachine(t *testing.T) {
	w := newWorld(t)
	w.engine.Observer = observer{away: "overcloud-cephstorage-0", ill: "overcloud-novacompute-0"}
	s := w.begin(stack.Create, 1)
	if rows, err := w.engine.Health(t.Context(), s); err != nil || len(rows) != 0 {
		t.Errorf("before there are machines: %v %v", rows, err)
	}
	s = w.run("CREATE_COMPLETE")
	rows, err := w.engine.Health(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var nodes []string
	services := map[string]string{} // node and service → state
	for _, r := range rows {
		nodes = append(nodes, r.Node)
		services[r.Node+" "+r.Service] = r.State + " " + r.Detail
	}
	if nodes = slices.Compact(nodes); !slices.Equal(nodes, []string{"overcloud-controller-0", "overcloud-novacompute-0", "overcloud-cephstorage-0"}) {
		t.Errorf("machines in this order: %v", nodes)
	}
	for at, want := range map[string]string{"overcloud-controller-0 keystone": "ok ", "overcloud-controller-0 mysql": "ok ",
		"overcloud-novacompute-0 ntp": "failed unit chrony is failed", "overcloud-cephstorage-0 ssh": "unreachable connect to it: no route to host"} {
		if services[at] != want {
			t.Errorf("%s is %q, want %q", at, services[at], want)
		}
	}
}
