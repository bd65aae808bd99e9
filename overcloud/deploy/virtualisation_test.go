package deploy_test

import (
	"strings"
	"testing"

	"trefoil/overcloud/deploy"
	"trefoil/overcloud/stack"
)

// The roles' own settings say which machines must run kvm.
func TestHypervisorsAreHeldAgainstTheirType(t *testing.T) {
	for _, x := range []struct {
		kind, vt string
		fits     bool
		warned   bool
	}{
		{"kvm", "", false, false},
		{"kvm", "true", true, false},
		{"qemu", "", true, false},
		{"qemu", "true", true, true},
	} {
		w := newWorld(t)
		for _, n := range w.cloud.nodes {
			if n.Capabilities["cpu_aes"] = "true"; x.vt != "" {
				n.Capabilities["cpu_vt"] = x.vt
			}
		}
		s := w.begin(stack.Create, 2)
		s.Input.Parameters = map[string]any{"NovaComputeLibvirtType": x.kind}
		p, err := deploy.PlanOf(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		wants, _, err := deploy.Wants(t.Context(), w.cloud, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		choices, err := deploy.Choose(w.cloud.nodes, wants, nil, nil)
		if fits := err == nil; fits != x.fits || !fits && !strings.Contains(err.Error(), "Compute: 2 wanted, 2 missing") {
			t.Errorf("%s, cpu_vt %q: %v", x.kind, x.vt, err)
		}
		told := strings.Join(deploy.Slower(p, choices), "\n")
		if warned := strings.Contains(told, "the machines chosen for role Compute (2) can run kvm"); warned != x.warned || !warned && told != "" {
			t.Errorf("%s, cpu_vt %q: %q", x.kind, x.vt, told)
		}
	}
}
