package rules

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// refused wants a run to end with an error that says part, and the machine no bigger than it may be.
func refused(t *testing.T, m *Machine, part, dialect, text string) {
	t.Helper()
	_, err := try(t, m, rule(t, dialect, text))
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), part) || len(err.Error()) > 2000 {
		t.Errorf("%.100s: %.300v; want %q", text, err, part)
	}
}

func TestARegularExpressionTakesSoLong(t *testing.T) {
	m := machine(t)
	m.Inventory["hostname"] = strings.Repeat("a", 300_000)
	m.Data["hostname"] = m.Inventory["hostname"]
	loop := strings.TrimSuffix(strings.Repeat(`1,`, 300), ",")
	refused(t, m, "take too long", ironic.RuleIronic, `{"Conditions":[{"op":"matches","args":["{inventory[hostname]}","(.?){1000}"],"loop":[`+loop+`],"multiple":"last"}],"Actions":[{"op":"log","args":["x"]}]}`)
	refused(t, m, "take too long", ironic.RuleInspector, `{"Conditions":[{"op":"contains","field":"hostname","value":"(.?){1000}b"}],"Actions":[{"action":"add-trait","name":"CUSTOM_A"}]}`)
	m.Data["hostname"] = strings.Repeat("a", maxText+1)
	refused(t, m, "a text of 1048577 bytes is looked through", ironic.RuleInspector, `{"Conditions":[{"op":"contains","field":"hostname","value":"b"}],"Actions":[{"action":"add-trait","name":"CUSTOM_A"}]}`)
	if _, err := CompileAll([]*ironic.InspectionRule{rule(t, ironic.RuleIronic, `{"Conditions":[{"op":"matches","args":["x","(abcdefghijkl){1000}"]}],"Actions":[{"op":"log","args":["x"]}]}`)}); err == nil ||
		!strings.Contains(err.Error(), "more than 10000 instructions") {
		t.Error(err)
	}
	m.Data["hostname"] = strings.Repeat("a", 300_000) // what anybody may write goes on
	if _, err := try(t, m, rule(t, ironic.RuleInspector, `{"Conditions":[{"op":"contains","field":"hostname","value":"(b|c)+[0-9]{1,8}$","invert":true}],"Actions":[{"action":"add-trait","name":"CUSTOM_A"}]}`)); err != nil {
		t.Error(err)
	}
}

func TestRulesMakeSoMuch(t *testing.T) {
	loop := strings.TrimSuffix(strings.Repeat(`1,`, 1000), ",")
	m := machine(t)
	m.PluginData["a"] = "0123456789"
	refused(t, m, "a text becomes longer than 1048576 bytes", ironic.RuleIronic,
		`{"Actions":[{"op":"set-plugin-data","args":["a","{plugin_data[a]}{plugin_data[a]}"],"loop":[`+loop+`]}]}`)
	if s, _ := m.PluginData["a"].(string); len(s) > maxText {
		t.Errorf("%d bytes", len(s))
	}
	m = machine(t)
	m.Inventory["hostname"] = strings.Repeat("a", 300_000)
	m.Data["hostname"] = m.Inventory["hostname"]
	refused(t, m, "rules fill in more than", ironic.RuleIronic, `{"Actions":[{"op":"extend-attribute","args":["/extra/a","{inventory[hostname]}"],"loop":[`+loop+`]}]}`)
	refused(t, m, "a text becomes longer", ironic.RuleInspector, `{"Actions":[{"action":"set-attribute","path":"/extra/a","value":"`+strings.Repeat("{data[hostname]}", 4)+`"}]}`)
	m = machine(t)
	refused(t, m, "inspection rules add", ironic.RuleIronic, `{"Actions":[{"op":"extend-attribute","args":["/extra/a","`+strings.Repeat("b", 100_000)+`"],"loop":[`+loop+`]}]}`)
}

// What rules write must be a row that the API can show and patch.
func TestRulesWriteSoDeep(t *testing.T) {
	m := machine(t)
	m.Data["long"] = strings.Repeat("/a", 11_000)
	refused(t, m, "longer than 1024 bytes", ironic.RuleIronic, `{"Actions":[{"op":"set-attribute","args":["/{item}","x"],"loop":["extra`+strings.Repeat("/a", 11_000)+`"]}]}`)
	refused(t, m, "more than 32 steps", ironic.RuleIronic, `{"Actions":[{"op":"set-plugin-data","args":["`+strings.Repeat("/a", 33)+`","x"]}]}`)
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for _, action := range []string{`"op":"set-attribute","args":["/extra%s",%s]`, `"op":"set-plugin-data","args":["%s",%s]`,
		`"op":"set-port-attribute","args":["p1","/extra%s",%s]`} {
		refused(t, machine(t), "deeper than 64 levels", ironic.RuleIronic, `{"Actions":[{`+fmt.Sprintf(action, strings.Repeat("/a", 30), deep)+`}]}`)
		if _, err := try(t, machine(t), rule(t, ironic.RuleIronic, `{"Actions":[{`+fmt.Sprintf(action, strings.Repeat("/a", 20), deep)+`}]}`)); err != nil {
			t.Error(err)
		}
	}
	if _, err := CompileAll([]*ironic.InspectionRule{rule(t, ironic.RuleInspector, `{"Actions":[{"action":"set-attribute","path":"/extra`+strings.Repeat("/a", 40)+`","value":1}]}`)}); err == nil {
		t.Error("a path of 41 steps was taken")
	}
}

func TestRulesEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the service ends"))
	for dialect, text := range map[string]string{
		ironic.RuleIronic:    `{"Actions":[{"op":"set-attribute","args":["/extra/a","b"]}]}`,
		ironic.RuleInspector: `{"Conditions":[{"op":"eq","field":"memory_mb","value":8192}],"Actions":[{"action":"add-trait","name":"CUSTOM_A"}]}`,
	} {
		m := machine(t)
		all, err := CompileAll([]*ironic.InspectionRule{rule(t, dialect, text)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Run(ctx, all, m); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "the service ends") || m.Node.Extra["a"] != nil {
			t.Errorf("%v %v", err, m.Node.Extra)
		}
	}
}
