package storetest

import (
	"errors"
	"reflect"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"

	"github.com/google/uuid"
)

func inspectionRules(t *testing.T, s ironic.Store) {
	a := &ironic.InspectionRule{UUID: uuid.NewString(), Dialect: ironic.RuleIronic, Description: "a", Priority: 7, Phase: "main", Sensitive: true,
		Conditions: []map[string]any{{"op": "is-true", "args": map[string]any{"value": "{node.name}"}}},
		Actions:    []map[string]any{{"op": "fail", "args": map[string]any{"msg": "no"}}}}
	b := &ironic.InspectionRule{UUID: uuid.NewString(), Dialect: ironic.RuleInspector, Scope: "edge"}
	c := &ironic.InspectionRule{UUID: uuid.NewString(), Dialect: ironic.RuleInspector}
	for _, r := range []*ironic.InspectionRule{a, b, c} {
		must(t, s.CreateInspectionRule(t.Context(), r))
	}
	code(t, s.CreateInspectionRule(t.Context(), &ironic.InspectionRule{UUID: a.UUID, Dialect: ironic.RuleInspector}), errs.Conflict, a.UUID)
	got, err := s.InspectionRule(t.Context(), a.UUID)
	must(t, err)
	if !reflect.DeepEqual(got, a) || got.ID == 0 || got.CreatedAt.IsZero() {
		t.Errorf("%+v", got)
	}
	for dialect, want := range map[string][]string{"": {a.UUID, b.UUID, c.UUID}, ironic.RuleIronic: {a.UUID}, ironic.RuleInspector: {b.UUID, c.UUID}} {
		list, err := s.InspectionRules(t.Context(), dialect)
		must(t, err)
		var have []string
		for _, r := range list {
			have = append(have, r.UUID)
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("%q: %v", dialect, have)
		}
	}
	up, err := s.UpdateInspectionRule(t.Context(), a.UUID, func(r *ironic.InspectionRule) error { r.Priority = 8; return nil })
	must(t, err)
	if up.Priority != 8 || up.UpdatedAt == nil || up.ID != a.ID {
		t.Errorf("%+v", up)
	}
	no := errors.New("no")
	if _, err := s.UpdateInspectionRule(t.Context(), a.UUID, func(r *ironic.InspectionRule) error { r.Priority = 9; return no }); !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	if got, err := s.InspectionRule(t.Context(), a.UUID); err != nil || got.Priority != 8 {
		t.Errorf("after a change that failed: %+v %v", got, err)
	}
	must(t, s.DeleteInspectionRules(t.Context(), ironic.RuleInspector))
	must(t, s.DeleteInspectionRules(t.Context(), ironic.RuleInspector))
	if list, err := s.InspectionRules(t.Context(), ""); err != nil || len(list) != 1 {
		t.Errorf("%v %v", list, err)
	}
	must(t, s.DeleteInspectionRule(t.Context(), a.UUID))
	code(t, s.DeleteInspectionRule(t.Context(), a.UUID), errs.NotFound)
	_, err = s.InspectionRule(t.Context(), a.UUID)
	code(t, err, errs.NotFound, a.UUID)
	_, err = s.UpdateInspectionRule(t.Context(), a.UUID, func(*ironic.InspectionRule) error { return nil })
	code(t, err, errs.NotFound)
}

func inspected(t *testing.T, s ironic.Store) {
	n, other := node("a"), node("b")
	p1, p2, p3 := port("52:54:00:aa:00:01"), port("52:54:00:aa:00:02"), port("52:54:00:aa:00:03")
	p3.Name = "taken"
	must(t, s.CreateNode(t.Context(), n, p1, p2))
	must(t, s.CreateNode(t.Context(), other, p3))
	all := func(n *ironic.Node, ports []*ironic.Port, inv *ironic.Inventory) {
		n.Properties = map[string]any{"cpus": "4"}
		ports[0].PhysicalNetwork = "ctlplane"
		inv.PluginData["seen"] = true
	}
	_, err := s.UpdateInspected(t.Context(), n.UUID, func(*ironic.Node, []*ironic.Port, *ironic.Inventory) error { return nil })
	code(t, err, errs.NotFound)
	must(t, s.SaveInventory(t.Context(), ironic.Inventory{NodeUUID: n.UUID, Inventory: map[string]any{"cpu": "x"}, PluginData: map[string]any{"a": "b"}}))
	no := errors.New("no")
	for word, change := range map[string]func([]*ironic.Port) error{
		"no":    func([]*ironic.Port) error { return no },
		"taken": func(ports []*ironic.Port) error { ports[1].Name = "taken"; return nil },
	} {
		_, err := s.UpdateInspected(t.Context(), n.UUID, func(n *ironic.Node, ports []*ironic.Port, inv *ironic.Inventory) error {
			all(n, ports, inv)
			return change(ports)
		})
		if err == nil || word == "no" && !errors.Is(err, no) || word == "taken" && !errs.Is(err, errs.Conflict) {
			t.Errorf("%s: %v", word, err)
		}
		if row, port, inv := whole(t, s, n.UUID, p1.UUID); row.Properties["cpus"] != nil || port.PhysicalNetwork != "" || inv.PluginData["seen"] != nil {
			t.Errorf("%s: half of it was kept: %v %q %v", word, row.Properties, port.PhysicalNetwork, inv.PluginData)
		}
	}
	up, err := s.UpdateInspected(t.Context(), n.UUID, func(n *ironic.Node, ports []*ironic.Port, inv *ironic.Inventory) error {
		if len(ports) != 2 {
			t.Errorf("ports %v", ports)
		}
		all(n, ports, inv)
		return nil
	})
	must(t, err)
	row, port, inv := whole(t, s, n.UUID, p1.UUID)
	if row.Properties["cpus"] != "4" || up.Properties["cpus"] != "4" || port.PhysicalNetwork != "ctlplane" || inv.PluginData["seen"] != true ||
		inv.PluginData["a"] != "b" || inv.Inventory["cpu"] != "x" {
		t.Errorf("%v %v %q %+v", row.Properties, up.Properties, port.PhysicalNetwork, inv)
	}
}

func whole(t *testing.T, s ironic.Store, nodeUUID, portUUID string) (*ironic.Node, *ironic.Port, *ironic.Inventory) {
	t.Helper()
	n, err := s.Node(t.Context(), nodeUUID)
	must(t, err)
	p, err := s.Port(t.Context(), portUUID)
	must(t, err)
	inv, err := s.Inventory(t.Context(), nodeUUID)
	must(t, err)
	return n, p, inv
}
