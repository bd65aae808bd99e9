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
