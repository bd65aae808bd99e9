package deploy

import (
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// Monitors may be on machines of their own: with the last of them Ceph is lost, though the
// controllers stay. Where there is no Ceph nothing is.
func TestTheLastMonitorIsNotGivenAway(t *testing.T) {
	node := func(name, role string) stack.Node { return stack.Node{Node: plan.Node{Name: name, Role: role}} }
	stay := []stack.Node{node("c-0", "Controller")}
	for ceph, want := range map[bool]string{true: "with m-0 the cloud loses its last ceph_mon", false: ""} {
		p := &plan.Plan{Roles: []plan.Role{{Name: "Controller", Tags: []string{"controller"}},
			{Name: "CephMon", Data: []plan.ServiceData{{Name: "ceph_mon", Settings: map[string]any{"cluster": ceph}}}}}}
		var said []string
		for _, f := range loses(p, []stack.Node{node("m-0", "CephMon")}, stay) {
			said = append(said, f.Error)
		}
		if got := strings.Join(said, "; "); got != want {
			t.Errorf("Ceph: %v: %q, want %q", ceph, got, want)
		}
	}
}
