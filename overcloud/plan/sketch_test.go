package plan_test

import (
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/templates"
)

// thousands are options that ask for many machines, with an environment of one's own.
func thousands(t *testing.T, computes, sketch int, more string) plan.Options {
	t.Helper()
	o := article(t)
	o.Counts["Compute"], o.Sketch = computes, sketch
	o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  NtpServer: [a]\n" + more)}}
	return o
}

// A sketch has the counts that are asked for, and is refused for them where the template is.
func TestASketchHasItsCounts(t *testing.T) {
	p, err := plan.Build(t.Context(), templates.FS, thousands(t, 900, 100, ""))
	if err != nil || !p.Sketched || len(p.Servers) != 3 || p.Roles[1].Count != 900 {
		t.Errorf("%+v %v", p, err)
	}
	for _, sketch := range []int{0, 100} {
		_, err := plan.Build(t.Context(), templates.FS, thousands(t, 2000, sketch, ""))
		if err == nil || !strings.HasPrefix(err.Error(), "command line: parameter ComputeCount is 2000, which is above 1000") || strings.Contains(err.Error(), "\n") {
			t.Errorf("sketch %d: %v", sketch, err)
		}
	}
}

// Machines beyond the addresses of the provisioning network are told once, so that what else is
// wrong is seen; where that network is not known they are no mistake.
func TestMoreMachinesThanAddresses(t *testing.T) {
	build(t, thousands(t, 300, 0, ""))
	o := thousands(t, 300, 0, "  KeystonePort: 70000\n")
	_, err := plan.Build(t.Context(), templates.FS, o)
	if err == nil || !strings.Contains(err.Error(), "my.yaml:3: parameter KeystonePort is 70000") || strings.Contains(err.Error(), "no free address") {
		t.Errorf("%v", err)
	}
	o.Ctlplane = provisioning()
	_, err = plan.Build(t.Context(), templates.FS, o)
	if err == nil || !strings.Contains(err.Error(), "my.yaml:3: parameter KeystonePort is 70000") || strings.Count(err.Error(), "\n") > 1 {
		t.Errorf("%v", err)
	}
	o = thousands(t, 300, 0, "")
	o.Ctlplane = provisioning()
	_, err = plan.Build(t.Context(), templates.FS, o)
	const want = "server overcloud-novacompute-249: subnet ctlplane-subnet (192.168.24.0/24) has no free address left, nor for those behind it"
	if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "no free address") != 1 {
		t.Errorf("%v", err)
	}
}
