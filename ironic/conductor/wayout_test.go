package conductor

import (
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

// Whoever is told to wait is told of the command that his client has, and of none where there is none.
func TestWhatEndsAWaitIsNamedByState(t *testing.T) {
	for state, want := range map[fsm.State]string{
		fsm.DeployWait:  ", or openstack baremetal node undeploy n", // abort needs 1.110
		fsm.CleanWait:   ", or openstack baremetal node abort n",
		fsm.InspectWait: ", or openstack baremetal node abort n",
		fsm.RescueWait:  ", or openstack baremetal node abort n", // not what takes the instance
		fsm.Deploying:   "",
		fsm.Verifying:   "",
	} {
		if got := wayOut(&ironic.Node{UUID: "n", ProvisionState: string(state)}); got != want {
			t.Errorf("%s: %q, want %q", state, got, want)
		}
	}
}

// A step that should not be broken off is broken off by the second abort: it might never end.
func TestAStepThatAnAbortWaitsForIsNamed(t *testing.T) {
	n := &ironic.Node{UUID: "n", ProvisionState: "clean wait", CleanStep: map[string]any{"step": "flash", "abortable": false}}
	if got, want := wayOut(n), ", or openstack baremetal node abort n (which ends it after step flash; asked for twice it breaks the step off)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	n.CleanStep[keyAbortAfter] = true
	if got, want := wayOut(n), ", or openstack baremetal node abort n"; got != want {
		t.Errorf("asked for already: %q, want %q", got, want)
	}
}
