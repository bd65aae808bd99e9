package api_test

import (
	"testing"

	"trefoil/ironic"
)

// An empty project is none, whatever a store would make of it.
func TestAnEmptyProjectDoesNotFilter(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "a", Owner: "me", Lessee: "you"})
	r.add(ironic.Node{Name: "b"})
	for query, want := range map[string]int{"?project=": 2, "?project=me": 1, "?project=you": 1, "?project=other": 0} {
		if list, _ := r.do("GET", "/v1/nodes"+query, "1.82", "").object(t)["nodes"].([]any); len(list) != want {
			t.Errorf("%s: %d nodes, not %d", query, len(list), want)
		}
	}
}

func TestAMarkerThatIsNotThere(t *testing.T) {
	r := newRig(t)
	r.add(ironic.Node{Name: "n"})
	for _, path := range []string{"nodes", "ports", "portgroups", "chassis", "allocations", "deploy_templates", "runbooks", "inspection_rules",
		"volume/connectors", "volume/targets", "nodes/n/history", "nodes/n/portgroups"} {
		r.do("GET", "/v1/"+path+"?marker=182740b8-c4b2-4952-b3f0-c423af88a5bc", "1.110", "").want(t, 404, "182740b8-c4b2-4952-b3f0-c423af88a5bc could not be found")
	}
}
