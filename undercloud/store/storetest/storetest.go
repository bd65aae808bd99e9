// Package storetest is the conformance suites of the stores of nodes, allocations and plans. Each backend runs
// them in a test of ten lines.
package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"

	"github.com/google/uuid"
)

// Run runs the suite; open returns an empty store, closed by the test's clean-up.
func Run(t *testing.T, open func(t *testing.T) ironic.Store) {
	for name, f := range map[string]func(*testing.T, ironic.Store){
		"a node comes back as it was stored":        roundTrip,
		"names, uuids and MACs are unique":          unique,
		"lists are filtered and in order":           lists,
		"every filter narrows a list":               filters,
		"filters of ports narrow their list":        portFilters,
		"pages of nodes give every row once":        pagesOfNodes,
		"pages of ports give every row once":        pagesOfPorts,
		"introspections behind a place":             introspectionsBehind,
		"what a page cannot begin or go by":         wrongPages,
		"a walk visits every node":                  walk,
		"shards are counted":                        shards,
		"an update is all or nothing":               update,
		"a version of a node is one thing":          versions,
		"concurrent updates are not lost":           concurrent,
		"one holder at a time has a node":           reserve,
		"ports follow their node":                   ports,
		"portgroups follow their node":              portgroups,
		"a node's wiring is written as a whole":     wiring,
		"chassis hold nodes":                        chassis,
		"volume connectors follow their node":       volumeConnectors,
		"volume targets follow their node":          volumeTargets,
		"what a row names is there":                 references,
		"ports that come with a node are checked":   newPorts,
		"a node's number and birthday stay":         stays,
		"history and inventory hang on their node":  records,
		"a failed port takes the whole create back": atomicCreate,
		"inspection rules are kept by dialect":      inspectionRules,
		"what was inspected is written as a whole":  inspected,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

func node(name string) *ironic.Node {
	return &ironic.Node{UUID: uuid.NewString(), Name: name, Driver: "ipmi", ProvisionState: "enroll"}
}

func port(mac string) *ironic.Port { return &ironic.Port{UUID: uuid.NewString(), Address: mac} }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func code(t *testing.T, err error, want errs.Code, words ...string) {
	t.Helper()
	if !errs.Is(err, want) {
		t.Fatalf("got %v, want code %s", err, want)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func roundTrip(t *testing.T, s ironic.Store) {
	yes := true
	n := node("control-1")
	n.DriverInfo = map[string]any{"ipmi_port": "7001", "list": []any{"a", 1.0}}
	n.Properties = map[string]any{"capabilities": "profile:control"}
	n.Interfaces = map[string]string{"deploy": "direct"}
	n.Traits = []string{"CUSTOM_X"}
	n.AutomatedClean = &yes
	must(t, s.CreateNode(t.Context(), n))
	if n.ID == 0 || n.Version == 0 || n.CreatedAt.IsZero() {
		t.Errorf("not filled: %+v", n)
	}
	for _, ident := range []string{n.UUID, n.Name} {
		got, err := s.Node(t.Context(), ident)
		must(t, err)
		if !reflect.DeepEqual(got, n) {
			t.Errorf("by %s\n got %+v\nwant %+v", ident, got, n)
		}
	}
	_, err := s.Node(t.Context(), "nothing")
	code(t, err, errs.NotFound, "Node nothing could not be found.")
}

func unique(t *testing.T, s ironic.Store) {
	a, b := node("a"), node("b")
	must(t, s.CreateNode(t.Context(), a, port("52:54:00:00:00:01")))
	must(t, s.CreateNode(t.Context(), b))
	must(t, s.CreateNode(t.Context(), node("")))
	must(t, s.CreateNode(t.Context(), node("")))
	code(t, s.CreateNode(t.Context(), node("a")), errs.Conflict, "name a")
	code(t, s.CreateNode(t.Context(), &ironic.Node{UUID: a.UUID}), errs.Conflict, a.UUID)
	_, err := s.UpdateNode(t.Context(), b.UUID, func(n *ironic.Node) error { n.Name = "a"; return nil })
	code(t, err, errs.Conflict, "name a")
	p := port("52:54:00:00:00:01")
	p.NodeUUID = b.UUID
	code(t, s.CreatePort(t.Context(), p), errs.Conflict, "52:54:00:00:00:01")
	inst := uuid.NewString()
	_, err = s.UpdateNode(t.Context(), a.UUID, func(n *ironic.Node) error { n.InstanceUUID = inst; return nil })
	must(t, err)
	_, err = s.UpdateNode(t.Context(), b.UUID, func(n *ironic.Node) error { n.InstanceUUID = inst; return nil })
	code(t, err, errs.Conflict, inst)
}

func atomicCreate(t *testing.T, s ironic.Store) {
	must(t, s.CreateNode(t.Context(), node("a"), port("52:54:00:00:00:01")))
	err := s.CreateNode(t.Context(), node("b"), port("52:54:00:00:00:02"), port("52:54:00:00:00:01"))
	code(t, err, errs.Conflict)
	_, err = s.Node(t.Context(), "b")
	code(t, err, errs.NotFound)
}

func lists(t *testing.T, s ironic.Store) {
	for i := range 5 {
		n := node(fmt.Sprintf("n%d", i))
		n.Maintenance = i%2 == 0
		if i == 3 {
			n.ProvisionState, n.InstanceUUID, n.ResourceClass = "active", uuid.NewString(), "big"
		}
		must(t, s.CreateNode(t.Context(), n))
	}
	yes, no := true, false
	for _, c := range []struct {
		f    ironic.NodeFilter
		want string
	}{
		{ironic.NodeFilter{}, "n0 n1 n2 n3 n4"},
		{ironic.NodeFilter{Maintenance: &yes}, "n0 n2 n4"},
		{ironic.NodeFilter{Maintenance: &no}, "n1 n3"},
		{ironic.NodeFilter{Associated: &yes}, "n3"},
		{ironic.NodeFilter{Associated: &no, Maintenance: &no}, "n1"},
		{ironic.NodeFilter{ProvisionState: "active", ResourceClass: "big"}, "n3"},
		{ironic.NodeFilter{Driver: "redfish"}, ""},
	} {
		list, err := s.Nodes(t.Context(), c.f)
		must(t, err)
		var names []string
		for _, n := range list {
			names = append(names, n.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.f, got, c.want)
		}
	}
}

func update(t *testing.T, s ironic.Store) {
	n := node("a")
	must(t, s.CreateNode(t.Context(), n))
	got, err := s.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error { n.PowerState = ironic.PowerOn; return nil })
	must(t, err)
	if got.PowerState != ironic.PowerOn || got.Version != n.Version+1 || got.UpdatedAt == nil {
		t.Errorf("%+v", got)
	}
	refused := errors.New("no")
	if _, err := s.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error { n.PowerState = ""; return refused }); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	again, err := s.Node(t.Context(), n.UUID)
	must(t, err)
	if !reflect.DeepEqual(again, got) {
		t.Errorf("a refused change left traces: %+v", again)
	}
}

func concurrent(t *testing.T, s ironic.Store) {
	n := node("a")
	n.Extra = map[string]any{"count": 0.0}
	must(t, s.CreateNode(t.Context(), n))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				_, err := s.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error {
					n.Extra["count"] = n.Extra["count"].(float64) + 1
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := s.Node(t.Context(), n.UUID)
	must(t, err)
	if got.Extra["count"] != 80.0 {
		t.Errorf("count %v", got.Extra["count"])
	}
}

func reserve(t *testing.T, s ironic.Store) {
	n := node("a")
	must(t, s.CreateNode(t.Context(), n))
	got, err := s.Reserve(t.Context(), n.UUID, "host-1", "cleaning")
	must(t, err)
	if got.Reservation != "host-1" {
		t.Errorf("%+v", got)
	}
	_, err = s.Reserve(t.Context(), n.UUID, "host-1", "again")
	must(t, err)
	_, err = s.Reserve(t.Context(), n.UUID, "host-2", "power")
	code(t, err, errs.Locked, "host-1", "again", "held for")
	if h, err := s.Hold(t.Context(), n.UUID); err != nil || h.Host != "host-1" || h.Purpose != "again" || h.Since.IsZero() {
		t.Errorf("held by %+v, %v", h, err)
	}
	must(t, s.Release(t.Context(), n.UUID, "host-2"))
	_, err = s.Reserve(t.Context(), n.UUID, "host-2", "power")
	code(t, err, errs.Locked)
	must(t, s.Release(t.Context(), n.UUID, "host-1"))
	_, err = s.Reserve(t.Context(), n.UUID, "host-2", "power")
	must(t, err)
	_, err = s.Reserve(t.Context(), "nothing", "host-2", "power")
	code(t, err, errs.NotFound)
}

func ports(t *testing.T, s ironic.Store) {
	a := node("a")
	must(t, s.CreateNode(t.Context(), a, port("52:54:00:AA:00:01"), port("52:54:00:aa:00:02")))
	p, err := s.Port(t.Context(), "52:54:00:Aa:00:01")
	must(t, err)
	if p.Address != "52:54:00:aa:00:01" || p.NodeUUID != a.UUID || p.ID == 0 {
		t.Errorf("%+v", p)
	}
	up, err := s.UpdatePort(t.Context(), p.UUID, func(p *ironic.Port) error { p.PXEEnabled = true; return nil })
	must(t, err)
	byUUID, err := s.Port(t.Context(), p.UUID)
	must(t, err)
	if !reflect.DeepEqual(up, byUUID) || !up.PXEEnabled || up.UpdatedAt == nil {
		t.Errorf("%+v\n%+v", up, byUUID)
	}
	_, err = s.UpdatePort(t.Context(), p.UUID, func(p *ironic.Port) error { p.Address = "52:54:00:aa:00:02"; return nil })
	code(t, err, errs.Conflict)
	name := func(n string) func(*ironic.Port) error { return func(p *ironic.Port) error { p.Name = n; return nil } }
	_, err = s.UpdatePort(t.Context(), p.UUID, name("uplink"))
	must(t, err)
	if p, err := s.Port(t.Context(), "uplink"); err != nil || p.UUID != byUUID.UUID {
		t.Errorf("by its name: %+v %v", p, err)
	}
	_, err = s.UpdatePort(t.Context(), "52:54:00:aa:00:02", name("uplink"))
	code(t, err, errs.Conflict, "uplink")
	_, err = s.Port(t.Context(), "")
	code(t, err, errs.NotFound)
	if list, err := s.Ports(t.Context(), ironic.PortFilter{NodeUUID: a.UUID}); err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
	orphan := port("52:54:00:aa:00:03")
	orphan.NodeUUID = uuid.NewString()
	code(t, s.CreatePort(t.Context(), orphan), errs.NotFound)
	deletePort(t, s, p.UUID)
	must(t, s.DeleteNode(t.Context(), a.UUID))
	if list, err := s.Ports(t.Context(), ironic.PortFilter{}); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
}

// A port goes if the one who looks at it as it is now allows it, and nothing changes meanwhile.
func deletePort(t *testing.T, s ironic.Store, id string) {
	_, err := s.UpdatePort(t.Context(), id, func(p *ironic.Port) error { p.SetVIF("v1"); return nil })
	must(t, err)
	code(t, s.DeletePort(t.Context(), id, func(p *ironic.Port) error {
		if _, err := s.Node(t.Context(), p.NodeUUID); err != nil {
			t.Errorf("the store can not be read meanwhile: %v", err)
		}
		return errs.New(errs.Conflict, "%s is attached", p.VIF())
	}), errs.Conflict, "v1 is attached")
	if p, err := s.Port(t.Context(), id); err != nil || p.VIF() != "v1" {
		t.Errorf("a port that may not go: %+v %v", p, err)
	}
	yes := func(*ironic.Port) error { return nil }
	must(t, s.DeletePort(t.Context(), id, yes))
	code(t, s.DeletePort(t.Context(), id, yes), errs.NotFound)
}

func records(t *testing.T, s ironic.Store) {
	n := node("a")
	must(t, s.CreateNode(t.Context(), n))
	for _, e := range []string{"first", "second"} {
		must(t, s.AddHistory(t.Context(), ironic.HistoryEntry{NodeUUID: n.UUID, Event: e, Severity: "INFO", EventType: "transition"}))
	}
	h, err := s.History(t.Context(), n.UUID)
	must(t, err)
	if len(h) != 2 || h[0].Event != "first" || h[1].Event != "second" || h[0].UUID == "" || h[0].CreatedAt.IsZero() {
		t.Errorf("%+v", h)
	}
	_, err = s.Inventory(t.Context(), n.UUID)
	code(t, err, errs.NotFound)
	for _, cpu := range []float64{1, 2} {
		must(t, s.SaveInventory(t.Context(), ironic.Inventory{NodeUUID: n.UUID,
			Inventory: map[string]any{"cpu": cpu}, PluginData: map[string]any{"x": "y"}}))
	}
	inv, err := s.Inventory(t.Context(), n.UUID)
	must(t, err)
	if inv.Inventory["cpu"] != 2.0 || inv.PluginData["x"] != "y" || inv.CreatedAt.IsZero() {
		t.Errorf("%+v", inv)
	}
	must(t, s.DeleteNode(t.Context(), n.UUID))
	code(t, s.DeleteNode(t.Context(), n.UUID), errs.NotFound)
	_, err = s.Inventory(t.Context(), n.UUID)
	code(t, err, errs.NotFound)
}
