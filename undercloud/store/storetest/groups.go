package storetest

import (
	"reflect"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"

	"github.com/google/uuid"
)

func portgroups(t *testing.T, s ironic.Store) {
	a, b := node("a"), node("b")
	must(t, s.CreateNode(t.Context(), a, port("52:54:00:aa:00:01")))
	must(t, s.CreateNode(t.Context(), b))
	g := &ironic.Portgroup{UUID: uuid.NewString(), Name: "bond0", NodeUUID: a.UUID, Address: "52:54:00:AA:00:10", Mode: "802.3ad",
		Properties: map[string]any{"miimon": "100"}, StandalonePortsSupported: true}
	must(t, s.CreatePortgroup(t.Context(), g))
	for _, ident := range []string{g.UUID, "bond0", "52:54:00:aa:00:10"} {
		got, err := s.Portgroup(t.Context(), ident)
		must(t, err)
		if !reflect.DeepEqual(got, g) || got.ID == 0 || got.Address != "52:54:00:aa:00:10" {
			t.Errorf("%s: %+v", ident, got)
		}
	}
	other := &ironic.Portgroup{UUID: uuid.NewString(), NodeUUID: b.UUID}
	must(t, s.CreatePortgroup(t.Context(), other))
	for word, change := range map[string]func(*ironic.Portgroup){
		"bond0":             func(p *ironic.Portgroup) { p.Name = "bond0" },
		"52:54:00:aa:00:10": func(p *ironic.Portgroup) { p.Address = "52:54:00:AA:00:10" },
	} {
		_, err := s.UpdatePortgroup(t.Context(), other.UUID, func(p *ironic.Portgroup) error { change(p); return nil })
		code(t, err, errs.Conflict, word)
		double := &ironic.Portgroup{UUID: uuid.NewString(), NodeUUID: b.UUID}
		change(double)
		code(t, s.CreatePortgroup(t.Context(), double), errs.Conflict, word)
	}
	code(t, s.CreatePortgroup(t.Context(), &ironic.Portgroup{UUID: g.UUID, NodeUUID: b.UUID}), errs.Conflict, g.UUID)
	code(t, s.CreatePortgroup(t.Context(), &ironic.Portgroup{UUID: uuid.NewString(), NodeUUID: uuid.NewString()}), errs.NotFound)
	_, err := s.Portgroup(t.Context(), "")
	code(t, err, errs.NotFound)
	_, err = s.UpdateNode(t.Context(), a.UUID, func(n *ironic.Node) error { n.Shard, n.ConductorGroup = "s1", "rack1"; return nil })
	must(t, err)
	of := func(f ironic.OfNodes) ironic.PortgroupFilter { return ironic.PortgroupFilter{OfNodes: f} }
	for _, tc := range []struct {
		f    ironic.PortgroupFilter
		want int
	}{{want: 2}, {ironic.PortgroupFilter{NodeUUID: a.UUID}, 1}, {ironic.PortgroupFilter{Address: "52:54:00:AA:00:10"}, 1},
		{ironic.PortgroupFilter{Address: "52:54:00:aa:00:11"}, 0}, {of(ironic.OfNodes{Shards: []string{"s1", ""}}), 1},
		{of(ironic.OfNodes{Groups: []string{""}}), 1}, {of(ironic.OfNodes{Groups: []string{"rack1", ""}}), 2},
		{of(ironic.OfNodes{Shards: []string{"s1"}, Groups: []string{""}}), 0}} {
		if list, err := s.Portgroups(t.Context(), tc.f); err != nil || len(list) != tc.want {
			t.Errorf("%+v: %v %v", tc.f, list, err)
		}
	}
	_, err = s.UpdatePort(t.Context(), "52:54:00:aa:00:01", func(p *ironic.Port) error { p.PortgroupUUID = g.UUID; return nil })
	must(t, err)
	yes := func(*ironic.Portgroup) error { return nil }
	code(t, s.DeletePortgroup(t.Context(), g.UUID, yes), errs.Invalid, "contains ports")
	_, err = s.UpdatePort(t.Context(), "52:54:00:aa:00:01", func(p *ironic.Port) error { p.PortgroupUUID = ""; return nil })
	must(t, err)
	code(t, s.DeletePortgroup(t.Context(), g.UUID, func(now *ironic.Portgroup) error {
		if _, err := s.Node(t.Context(), now.NodeUUID); err != nil {
			t.Errorf("the store can not be read meanwhile: %v", err)
		}
		return errs.New(errs.Forbidden, "not %s", now.UUID)
	}), errs.Forbidden, "not "+g.UUID)
	must(t, s.DeletePortgroup(t.Context(), g.UUID, yes))
	code(t, s.DeletePortgroup(t.Context(), g.UUID, yes), errs.NotFound)
	must(t, s.DeleteNode(t.Context(), b.UUID))
	if list, err := s.Portgroups(t.Context(), ironic.PortgroupFilter{}); err != nil || len(list) != 0 {
		t.Errorf("portgroups of a node that is gone: %v %v", list, err)
	}
}

func chassis(t *testing.T, s ironic.Store) {
	c := &ironic.Chassis{UUID: uuid.NewString(), Description: "rack 1", Extra: map[string]any{"row": "b"}}
	must(t, s.CreateChassis(t.Context(), c))
	must(t, s.CreateChassis(t.Context(), &ironic.Chassis{UUID: uuid.NewString()}))
	code(t, s.CreateChassis(t.Context(), &ironic.Chassis{UUID: c.UUID}), errs.Conflict, c.UUID)
	got, err := s.Chassis(t.Context(), c.UUID)
	must(t, err)
	if !reflect.DeepEqual(got, c) || got.ID == 0 {
		t.Errorf("%+v", got)
	}
	list, err := s.AllChassis(t.Context())
	must(t, err)
	if len(list) != 2 || list[0].UUID != c.UUID {
		t.Errorf("%+v", list)
	}
	up, err := s.UpdateChassis(t.Context(), c.UUID, func(c *ironic.Chassis) error { c.Description = "rack 2"; return nil })
	must(t, err)
	if up.Description != "rack 2" || up.UpdatedAt == nil || up.ID != c.ID {
		t.Errorf("%+v", up)
	}
	n := node("a")
	n.ChassisUUID = c.UUID
	must(t, s.CreateNode(t.Context(), n))
	code(t, s.DeleteChassis(t.Context(), c.UUID), errs.Invalid, "contains nodes")
	_, err = s.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error { n.ChassisUUID = ""; return nil })
	must(t, err)
	must(t, s.DeleteChassis(t.Context(), c.UUID))
	code(t, s.DeleteChassis(t.Context(), c.UUID), errs.NotFound)
	_, err = s.Chassis(t.Context(), c.UUID)
	code(t, err, errs.NotFound)
	_, err = s.UpdateChassis(t.Context(), c.UUID, func(*ironic.Chassis) error { return nil })
	code(t, err, errs.NotFound)
}

// RunReferences is the part of Run about what rows name.
func RunReferences(t *testing.T, open func(t *testing.T) ironic.Store) {
	references(t, open(t))
	newPorts(t, open(t))
	stays(t, open(t))
}

// newPorts: a port that comes with its node is held to what one that comes alone is.
func newPorts(t *testing.T, s ironic.Store) {
	a, first := node("a"), port("52:54:00:aa:00:01")
	first.Name = "eth0"
	must(t, s.CreateNode(t.Context(), a, first))
	g := &ironic.Portgroup{UUID: uuid.NewString(), NodeUUID: a.UUID}
	must(t, s.CreatePortgroup(t.Context(), g))
	for _, tc := range []struct {
		want errs.Code
		word string
		edit func(*ironic.Port)
	}{
		{errs.Conflict, "52:54:00:aa:00:01", func(p *ironic.Port) { p.Address = "52:54:00:AA:00:01" }},
		{errs.Conflict, "eth0", func(p *ironic.Port) { p.Name = "eth0" }},
		{errs.Conflict, first.UUID, func(p *ironic.Port) { p.UUID = first.UUID }},
		{errs.Conflict, "52:54:00:aa:00:02", func(p *ironic.Port) { p.Address = "52:54:00:aa:00:02" }}, // its sister's
		{errs.Invalid, "different node", func(p *ironic.Port) { p.PortgroupUUID = g.UUID }},
		{errs.Invalid, "could not be found", func(p *ironic.Port) { p.PortgroupUUID = uuid.NewString() }},
	} {
		p := port("52:54:00:aa:00:03")
		tc.edit(p)
		code(t, s.CreateNode(t.Context(), node("b"), port("52:54:00:aa:00:02"), p), tc.want, tc.word)
		_, err := s.Node(t.Context(), "b")
		code(t, err, errs.NotFound)
	}
	if list, err := s.Ports(t.Context(), ironic.PortFilter{}); err != nil || len(list) != 1 {
		t.Errorf("ports of nodes that were refused: %v %v", list, err)
	}
}

// stays: what a change of a node is not about stays as it was.
func stays(t *testing.T, s ironic.Store) {
	n := node("a")
	must(t, s.CreateNode(t.Context(), n))
	got, err := s.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error {
		n.ID, n.CreatedAt, n.Version = 77, n.CreatedAt.AddDate(1, 0, 0), 77
		return nil
	})
	must(t, err)
	if got.ID != n.ID || !got.CreatedAt.Equal(n.CreatedAt) || got.Version != n.Version+1 {
		t.Errorf("%+v\nwas %+v", got, n)
	}
}

// What a port or a node names is there, whatever went meanwhile: the caller's own
// look at it was before the transaction.
func references(t *testing.T, s ironic.Store) {
	a, b := node("a"), node("b")
	p := port("52:54:00:aa:00:01")
	must(t, s.CreateNode(t.Context(), a, p))
	must(t, s.CreateNode(t.Context(), b))
	group := func(n *ironic.Node) *ironic.Portgroup {
		g := &ironic.Portgroup{UUID: uuid.NewString(), NodeUUID: n.UUID}
		must(t, s.CreatePortgroup(t.Context(), g))
		return g
	}
	gone, foreign, own := group(a), group(b), group(a)
	must(t, s.DeletePortgroup(t.Context(), gone.UUID, func(*ironic.Portgroup) error { return nil }))
	join := func(g *ironic.Portgroup) error {
		_, err := s.UpdatePort(t.Context(), p.UUID, func(p *ironic.Port) error { p.PortgroupUUID = g.UUID; return nil })
		return err
	}
	code(t, join(gone), errs.Invalid, "Portgroup "+gone.UUID+" could not be found.")
	code(t, join(foreign), errs.Invalid, "different node")
	newPort := port("52:54:00:aa:00:02")
	newPort.NodeUUID, newPort.PortgroupUUID = a.UUID, gone.UUID
	code(t, s.CreatePort(t.Context(), newPort), errs.Invalid, gone.UUID)
	newPort.PortgroupUUID = foreign.UUID
	code(t, s.CreatePort(t.Context(), newPort), errs.Invalid, "different node")
	must(t, join(own))
	_, err := s.UpdatePort(t.Context(), p.UUID, func(p *ironic.Port) error { p.NodeUUID = b.UUID; return nil })
	code(t, err, errs.Invalid, "different node")
	_, err = s.UpdatePortgroup(t.Context(), own.UUID, func(g *ironic.Portgroup) error { g.NodeUUID = b.UUID; return nil })
	code(t, err, errs.Invalid, "there are ports associated")
	if p, err := s.Port(t.Context(), p.UUID); err != nil || p.PortgroupUUID != own.UUID || p.NodeUUID != a.UUID {
		t.Errorf("%+v %v", p, err)
	}
	if list, err := s.Ports(t.Context(), ironic.PortFilter{}); err != nil || len(list) != 1 {
		t.Errorf("a refused port was stored: %v %v", list, err)
	}

	rack := &ironic.Chassis{UUID: uuid.NewString()}
	must(t, s.CreateChassis(t.Context(), rack))
	must(t, s.DeleteChassis(t.Context(), rack.UUID))
	_, err = s.UpdateNode(t.Context(), a.UUID, func(n *ironic.Node) error { n.ChassisUUID = rack.UUID; return nil })
	code(t, err, errs.Invalid, "Chassis "+rack.UUID+" could not be found.")
	c := node("c")
	c.ChassisUUID = rack.UUID
	code(t, s.CreateNode(t.Context(), c), errs.Invalid, rack.UUID)
	if n, err := s.Node(t.Context(), a.UUID); err != nil || n.ChassisUUID != "" {
		t.Errorf("%+v %v", n, err)
	}
	_, err = s.Node(t.Context(), "c")
	code(t, err, errs.NotFound)
}
