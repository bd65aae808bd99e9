package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/ironic"

	"github.com/google/uuid"
)

func filters(t *testing.T, s ironic.Store) {
	first := filtered(t, s)
	for _, tc := range nodeFilters(first) {
		list, err := s.Nodes(t.Context(), tc.f)
		must(t, err)
		var names []string
		for _, n := range list {
			names = append(names, n.Name)
		}
		if got := strings.Join(names, " "); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.what, got, tc.want)
		}
	}
	// A column follows what is changed.
	rack := first.ChassisUUID
	_, err := s.UpdateNode(t.Context(), first.UUID, func(n *ironic.Node) error {
		n.Owner, n.Shard, n.ConductorGroup, n.ChassisUUID, n.Fault, n.Lessee = "they", "", "", "", "", ""
		return nil
	})
	must(t, err)
	for _, f := range []ironic.NodeFilter{{Owner: "me"}, {Lessee: "you"}, {Shards: []string{"s1"}}, {Groups: []string{"rack1"}},
		{Chassis: rack}, {Fault: "power failure"}} {
		if list, err := s.Nodes(t.Context(), f); err != nil || len(list) != 0 {
			t.Errorf("%+v finds what a node was before: %v %v", f, list, err)
		}
	}
}

// filtered are nodes a, of which nearly everything is set, and b, a part of it; c is plain.
func filtered(t *testing.T, s ironic.Store) *ironic.Node {
	rack := &ironic.Chassis{UUID: uuid.NewString()}
	must(t, s.CreateChassis(t.Context(), rack))
	first := node("a")
	first.Maintenance = true
	first.Owner, first.Lessee, first.Fault, first.ChassisUUID = "me", "you", "power failure", rack.UUID
	first.Retired, first.Shard, first.ConductorGroup, first.Conductor = true, "s1", "rack1", "host"
	first.Description, first.InstanceName, first.Health, first.Reservation = "the 100% blue one", "vm-1", "Warning", "somebody"
	at := time.Now().UTC()
	first.InspectionStartedAt = &at
	must(t, s.CreateNode(t.Context(), first))
	second := node("b")
	second.Owner, second.Shard, second.ParentNode = "you", "s2", first.UUID
	must(t, s.CreateNode(t.Context(), second))
	must(t, s.CreateNode(t.Context(), node("c")))
	return first
}

type filterCase struct {
	what string
	f    ironic.NodeFilter
	want string
}

// nodeFilters finds among those that filtered makes.
func nodeFilters(first *ironic.Node) []filterCase {
	yes, no, none, host, health, name := true, false, "", "host", "WARNING", "vm-1"
	return []filterCase{
		{"owner", ironic.NodeFilter{Owner: "me"}, "a"}, {"lessee", ironic.NodeFilter{Lessee: "you"}, "a"},
		{"a project", ironic.NodeFilter{Projects: []string{"you"}}, "a b"},
		{"two projects", ironic.NodeFilter{Projects: []string{"you", "me"}}, "a"},
		{"fault", ironic.NodeFilter{Fault: "power failure"}, "a"}, {"chassis", ironic.NodeFilter{Chassis: first.ChassisUUID}, "a"},
		{"retired", ironic.NodeFilter{Retired: &yes}, "a"}, {"not retired", ironic.NodeFilter{Retired: &no}, "b c"},
		{"with a shard", ironic.NodeFilter{Sharded: &yes}, "a b"}, {"without", ironic.NodeFilter{Sharded: &no}, "c"},
		{"shards", ironic.NodeFilter{Shards: []string{"s2", "s9"}}, "b"}, {"a shard or none", ironic.NodeFilter{Shards: []string{"s1", ""}}, "a c"},
		{"group", ironic.NodeFilter{Groups: []string{"rack1"}}, "a"}, {"the group without name", ironic.NodeFilter{Groups: []string{""}}, "b c"},
		{"introspected", ironic.NodeFilter{Introspected: true}, "a"},
		{"parts of a", ironic.NodeFilter{Parent: &first.UUID}, "b"}, {"parts of none", ironic.NodeFilter{Parent: &none}, "a c"},
		{"description", ironic.NodeFilter{Description: "% bl"}, "a"}, {"description, other case", ironic.NodeFilter{Description: "BLUE"}, ""},
		{"conductor", ironic.NodeFilter{Conductor: &host}, "a"}, {"no conductor", ironic.NodeFilter{Conductor: &none}, "b c"},
		{"instance name", ironic.NodeFilter{InstanceName: &name}, "a"}, {"no instance name", ironic.NodeFilter{InstanceName: &none}, "b c"},
		{"health", ironic.NodeFilter{Health: &health}, "a"}, {"no health", ironic.NodeFilter{Health: &none}, "b c"},
		{"unreserved", ironic.NodeFilter{Unreserved: true}, "b c"}, {"behind an ID", ironic.NodeFilter{AfterID: first.ID}, "b c"},
		{"but for some states", ironic.NodeFilter{ExceptStates: []string{"active", "enroll"}}, ""},
		{"but for other states", ironic.NodeFilter{ExceptStates: []string{"active", "available"}}, "a b c"},
		{"upright, or of a fault", ironic.NodeFilter{UprightOr: "power failure"}, "a b c"},
		{"upright, or of another fault", ironic.NodeFilter{UprightOr: "clean failure"}, "b c"},
		{"two at once", ironic.NodeFilter{Sharded: &yes, Retired: &no}, "b"},
		{"the last of a filter", ironic.NodeFilter{Sharded: &yes, Page: ironic.Page{Desc: true, Limit: 1}}, "b"},
	}
}

func portFilters(t *testing.T, s ironic.Store) {
	a, b, c := node("a"), node("b"), node("c")
	a.Shard, a.ConductorGroup, b.Shard = "s1", "rack1", "s2"
	a.Owner, c.Owner, c.Lessee = "me", "you", "me"
	of := func(f ironic.OfNodes) ironic.PortFilter { return ironic.PortFilter{OfNodes: f} }
	for i, n := range []*ironic.Node{a, b, c} {
		p := port("52:54:00:00:00:0" + string(rune('1'+i)))
		p.Description = "port of " + n.Name
		must(t, s.CreateNode(t.Context(), n, p))
	}
	g := &ironic.Portgroup{UUID: uuid.NewString(), NodeUUID: a.UUID}
	must(t, s.CreatePortgroup(t.Context(), g))
	_, err := s.UpdatePort(t.Context(), "52:54:00:00:00:01", func(p *ironic.Port) error { p.PortgroupUUID = g.UUID; return nil })
	must(t, err)
	for _, tc := range []struct {
		f    ironic.PortFilter
		want string
	}{
		{ironic.PortFilter{NodeUUID: b.UUID}, "2"}, {ironic.PortFilter{Address: "52:54:00:00:00:03"}, "3"},
		{ironic.PortFilter{Portgroup: g.UUID}, "1"}, {ironic.PortFilter{Description: "of b"}, "2"},
		{of(ironic.OfNodes{Shards: []string{"s1", "s2"}}), "12"}, {of(ironic.OfNodes{Shards: []string{"", "s2"}}), "2"},
		{of(ironic.OfNodes{Shards: []string{""}}), ""},
		{of(ironic.OfNodes{Groups: []string{"rack1"}}), "1"}, {of(ironic.OfNodes{Groups: []string{"rack1", ""}}), "123"},
		{of(ironic.OfNodes{Shards: []string{"s1", "s2"}, Groups: []string{""}}), "2"},
		{of(ironic.OfNodes{Projects: []string{"me"}}), "13"}, {of(ironic.OfNodes{Projects: []string{"me", "you"}}), "3"},
	} {
		list, err := s.Ports(t.Context(), tc.f)
		must(t, err)
		var got []byte
		for _, p := range list {
			got = append(got, p.Address[len(p.Address)-1])
		}
		if slices.Sort(got); string(got) != tc.want {
			t.Errorf("%+v: %q, want %q", tc.f, got, tc.want)
		}
	}
}
