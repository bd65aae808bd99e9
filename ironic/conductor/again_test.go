package conductor_test

import (
	"testing"

	"trefoil/ironic"
)

// Jobs are remembered longer than nodes: a node that is deleted and created again
// with the same UUID gets jobs of its own.
func TestANodeThatIsCreatedAgainIsNotTakenForItsPredecessor(t *testing.T) {
	w := newWorld(t, nil)
	for range 2 {
		n := w.node("enroll")
		w.provision("manage")
		if n := w.await("manageable"); n.PowerState != ironic.PowerOff || n.LastError != "" {
			t.Errorf("after manage: power %q, error %q", n.PowerState, n.LastError)
		}
		if err := w.c.DeleteNode(t.Context(), n.UUID); err != nil {
			t.Fatal(err)
		}
	}
}
