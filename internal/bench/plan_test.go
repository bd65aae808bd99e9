//go:build bench

package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/templates"
)

// benchPlan is what `overcloud deploy` computes before it touches a machine: the
// templates rendered, every role's data, every machine's configuration.
func benchPlan(t *testing.T) []Row {
	say("plan: 5, 63 and 500 machines")
	passwords, err := plan.GeneratePasswords(nil, rand.Reader)
	must(t, err)
	var total, each []float64
	for _, size := range []int{5, 63, 500} {
		o := plan.Options{Stack: "overcloud", Passwords: passwords, Parameters: map[string]any{"NovaComputeLibvirtType": "qemu"},
			Counts:  map[string]int{"Controller": 1, "Compute": size - 3, "CephStorage": 2},
			Flavors: map[string]string{"Controller": "control", "Compute": "compute", "CephStorage": "ceph-storage"}}
		nodes := machines(o.Counts)
		s := rounds(3, func() float64 {
			return took(func() {
				p, err := plan.Build(context.Background(), templates.FS, o)
				must(t, err)
				if _, err := p.Configure(nodes); err != nil {
					t.Fatal(err)
				}
			})
		})
		total, each = append(total, s[0]*1000), append(each, s[0]*1000/float64(size))
	}
	return []Row{
		{What: "plan and all configurations, 5 / 63 / 500 machines", Series: series(total, "ms"), Note: "templates, roles, one configuration a machine"},
		{What: "cost of a machine: the same", Series: series(each, "ms"), Note: flat(each)},
	}
}

func machines(counts map[string]int) []plan.Node {
	var out []plan.Node
	for _, role := range []string{"Controller", "Compute", "CephStorage"} {
		for i := range counts[role] {
			n := len(out) + 10
			out = append(out, plan.Node{Name: fmt.Sprintf("overcloud-%s-%d", role, i), Role: role, Index: i, Address: fmt.Sprintf("10.20.%d.%d", n/250, n%250)})
		}
	}
	return out
}
