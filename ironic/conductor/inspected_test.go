package conductor_test

import (
	"fmt"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
	"trefoil/ironic/driver/fake"

	"github.com/google/uuid"
)

// rule stores an inspection rule.
func (w *world) rule(dialect, description string, priority int, conditions, actions []map[string]any) {
	w.t.Helper()
	if err := w.db.CreateInspectionRule(w.t.Context(), &ironic.InspectionRule{UUID: uuid.NewString(), Dialect: dialect,
		Description: description, Priority: priority, Conditions: conditions, Actions: actions}); err != nil {
		w.t.Fatal(err)
	}
}

type ops = []map[string]any

func set(path string, value any) map[string]any {
	return map[string]any{"action": "set-attribute", "path": path, "value": value}
}

func nativeOp(op string, args ...any) map[string]any {
	return map[string]any{"op": op, "args": args}
}

func TestRulesChangeANodeAfterTheHooks(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	w.rule(ironic.RuleInspector, "big", 0, ops{{"op": "ge", "field": "memory_mb", "value": 8192.0}, {"op": "eq", "field": "node://properties.cpus", "value": "4"}},
		ops{set("/extra/size", "{data[memory_mb]} MiB"), {"action": "set-capability", "name": "profile", "value": "compute"}})
	w.rule(ironic.RuleInspector, "small", 0, ops{{"op": "lt", "field": "memory_mb", "value": 8192.0}}, ops{{"action": "fail", "message": "too small"}})
	w.rule(ironic.RuleIronic, "ports", 1, nil, ops{nativeOp("set-port-attribute", mac, "/physical_network", "ctlplane"),
		nativeOp("set-plugin-data", "seen", "{node.extra[size]}"), nativeOp("log", "hello from {node.name}", "warning")})
	w.provision("inspect")
	n := w.await("manageable")
	if n.Extra["size"] != "8192 MiB" || !strings.HasPrefix(fmt.Sprint(n.Properties["capabilities"]), "profile:compute,") || n.Properties["cpus"] != "4" {
		t.Errorf("%v %v", n.Extra, n.Properties)
	}
	p, err := w.db.Port(t.Context(), mac)
	if err != nil || p.PhysicalNetwork != "ctlplane" {
		t.Errorf("%+v %v", p, err)
	}
	if inv, err := w.db.Inventory(t.Context(), n.UUID); err != nil || inv.PluginData["seen"] != "8192 MiB" {
		t.Errorf("%+v %v", inv, err)
	}
	if h := w.history(); !strings.Contains(h, "hello from control-1") || !strings.Contains(h, "inspection rule big was applied") || strings.Contains(h, "small") {
		t.Errorf("history:\n%s", h)
	}
}

// A rule that fails leaves nothing of what the hooks and the rules before it did.
func TestAFailedRuleFailsTheInspectionAsAWhole(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	w.rule(ironic.RuleIronic, "first", 9, nil, ops{nativeOp("set-attribute", "/extra/x", "y"), nativeOp("set-plugin-data", "seen", 1.0),
		nativeOp("set-port-attribute", mac, "/physical_network", "ctlplane")})
	w.rule(ironic.RuleIronic, "no such hardware", 1, nil, ops{nativeOp("fail", "{inventory[cpu][count]} CPUs are too few")})
	w.provision("inspect")
	n := w.await("inspect failed")
	if want := "Failed to inspect hardware. Reason: 4 CPUs are too few (inspection rule no such hardware, phase main)"; !strings.Contains(n.LastError, want) {
		t.Errorf("%q", n.LastError)
	}
	p, err := w.db.Port(t.Context(), mac)
	if n.Extra["x"] != nil || n.Properties["cpus"] != nil || err != nil || p.PhysicalNetwork != "" {
		t.Errorf("half of it was kept: %v %v %+v %v", n.Extra, n.Properties, p, err)
	}
	if inv, err := w.db.Inventory(t.Context(), n.UUID); err != nil || inv.PluginData["seen"] != nil {
		t.Errorf("%+v %v", inv, err)
	}
	if err := w.db.DeleteInspectionRules(t.Context(), ironic.RuleIronic); err != nil {
		t.Fatal(err)
	}
	w.provision("inspect")
	if n := w.await("manageable"); n.Properties["cpus"] != "4" || n.LastError != "" {
		t.Errorf("once the rules are gone: %v %q", n.Properties, n.LastError)
	}
}

// A rule that adds something adds it once, whenever the conductor dies.
func TestRulesRunOnceThoughTheConductorDies(t *testing.T) {
	for _, after := range []bool{false, true} {
		w := newWorld(t, nil)
		w.node("manageable")
		w.rule(ironic.RuleInspector, "count", 0, nil, ops{{"action": "extend-attribute", "path": "/extra/seen", "value": "once"}})
		w.crashAt("process", after, func() { w.provision("inspect") })
		if n := w.await("manageable"); fmt.Sprint(n.Extra["seen"]) != "[once]" {
			t.Errorf("after=%v: %v", after, n.Extra)
		}
		w.provision("inspect")
		if n := w.await("manageable"); fmt.Sprint(n.Extra["seen"]) != "[once once]" {
			t.Errorf("after=%v: the next inspection: %v", after, n.Extra)
		}
	}
}

func TestARuleChoosesTheDriver(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) {
		c.Drivers = map[string]driver.Driver{fake.Name: c.Drivers[fake.Name], "ipmi": c.Drivers[fake.Name]}
	})
	w.node("manageable")
	w.rule(ironic.RuleInspector, "ipmi", 0, nil, ops{set("/driver", "ipmi"), set("/deploy_interface", "custom-agent")})
	w.provision("inspect")
	if n := w.await("manageable"); n.Driver != "ipmi" || n.Interfaces["power"] != "ipmitool" || n.Interfaces["deploy"] != "custom-agent" {
		t.Errorf("%s %v", n.Driver, n.Interfaces)
	}
	w.rule(ironic.RuleInspector, "nonsense", 0, nil, ops{set("/power_interface", "steam")})
	w.provision("inspect")
	if n := w.await("inspect failed"); !strings.Contains(n.LastError, "steam") || n.Interfaces["power"] != "ipmitool" {
		t.Errorf("%q %v", n.LastError, n.Interfaces)
	}
}

// Only the service itself says that it discovered a machine.
func TestARamdiskCannotSayThatItWasDiscovered(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	w.script[n.UUID] = "dead"
	w.provision("inspect")
	w.await("inspect wait")
	lie := strings.Replace(inventory, `"error": null`, `"error": null, "auto_discovered": true, "parsed_lldp": {"eth0": {}}, "other": 1`, 1)
	if _, err := w.c.ContinueInspection(t.Context(), []byte(lie)); err != nil {
		t.Fatal(err)
	}
	w.await("manageable")
	inv, err := w.db.Inventory(t.Context(), n.UUID)
	if err != nil || inv.PluginData["auto_discovered"] != nil || inv.PluginData["parsed_lldp"] != nil || inv.PluginData["other"] == nil {
		t.Errorf("%+v %v", inv, err)
	}
}

func TestRulesAreAppliedToStoredData(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("manageable")
	if err := w.c.Reprocess(t.Context(), n.UUID); !errs.Is(err, errs.NotFound) {
		t.Errorf("without an inventory: %v", err)
	}
	w.provision("inspect")
	w.await("manageable")
	w.rule(ironic.RuleInspector, "later", 0, nil, ops{set("/extra/cpus", "{data[cpus]}")})
	if err := w.c.Reprocess(t.Context(), "control-1"); err != nil {
		t.Fatal(err)
	}
	if n := w.await("manageable"); n.Extra["cpus"] != "4" {
		t.Errorf("%v", n.Extra)
	}
	w.rule(ironic.RuleInspector, "never", 0, nil, ops{set("/extra/cpus", "5"), {"action": "fail", "message": "no"}})
	if err := w.c.Reprocess(t.Context(), "control-1"); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "no (inspection rule never") {
		t.Errorf("%v", err)
	}
	if n := w.await("manageable"); n.Extra["cpus"] != "4" || n.LastError != "" {
		t.Errorf("%v %q", n.Extra, n.LastError)
	}
	w.set(func(n *ironic.Node) { n.ProvisionState = "active" })
	if err := w.c.Reprocess(t.Context(), "control-1"); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "Invalid provision state") {
		t.Errorf("of a node in use: %v", err)
	}
}

func TestRulesKeepToTheRulesOfFlags(t *testing.T) {
	for words, actions := range map[string]ops{
		"protected_reason field can only be set": {nativeOp("set-attribute", "/protected_reason", "mine")},
		"retired_reason field can only be set":   {nativeOp("set-attribute", "/retired_reason", "old")},
		"cannot protect a node":                  {nativeOp("set-attribute", "/protected", true)},
	} {
		w := newWorld(t, nil)
		w.node("manageable")
		w.rule(ironic.RuleIronic, "flags", 0, nil, actions)
		w.provision("inspect")
		if n := w.await("inspect failed"); !strings.Contains(n.LastError, words) || n.Protected || n.ProtectedReason != "" {
			t.Errorf("%v: %q", actions, n.LastError)
		}
	}
}

// Debug lines are for the log, and no line of the history says that there were many.
func TestDebugLinesDoNotCountAsTold(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	loud := nativeOp("log", "quiet", "debug")
	loud["loop"] = make([]any, 60)
	w.rule(ironic.RuleIronic, "loud", 0, nil, ops{loud, nativeOp("log", "heard")})
	w.provision("inspect")
	w.await("manageable")
	if h := w.history(); !strings.Contains(h, "heard") || strings.Contains(h, "quiet") || strings.Contains(h, "more lines") {
		t.Errorf("history:\n%s", h)
	}
}
