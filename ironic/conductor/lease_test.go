package conductor_test

import (
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
)

// The project of an instance leases the machine for as long as the instance lives; a lessee that somebody chose stays.
func TestTheProjectOfAnInstanceLeasesItsMachine(t *testing.T) {
	for before, during := range map[string]string{"": "alpha", "beta": "beta"} {
		w := newWorld(t, nil)
		n := w.node("available")
		w.set(func(n *ironic.Node) { n.Lessee, n.InstanceInfo["project_id"] = before, "alpha" })
		w.refuseJobs(true)
		if err := w.c.Provision(t.Context(), n.UUID, api.ProvisionRequest{Target: "active"}); err == nil {
			t.Fatal("a deployment began without a job")
		}
		if got := w.await("available"); got.Lessee != before || got.DriverInternalInfo["automatic_lessee"] != nil {
			t.Errorf("behind a deployment that did not begin: %q %v", got.Lessee, got.DriverInternalInfo)
		}
		w.refuseJobs(false)
		w.provision("active")
		if got := w.await("active"); got.Lessee != during {
			t.Errorf("lessee %q, want %q", got.Lessee, during)
		}
		w.provision("deleted")
		if got := w.await("available"); got.Lessee != before || got.DriverInternalInfo["automatic_lessee"] != nil {
			t.Errorf("behind the instance: %q %v", got.Lessee, got.DriverInternalInfo)
		}
	}
}

func TestARebuildLeasesNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.node("active")
	w.set(func(n *ironic.Node) { n.InstanceInfo["project_id"] = "alpha" })
	w.provision("rebuild")
	if got := w.await("active"); got.Lessee != "" {
		t.Errorf("lessee %q", got.Lessee)
	}
}
