package rules

import (
	"strings"
	"testing"
)

func TestBuiltInRules(t *testing.T) {
	all, err := BuiltIn("rules.yaml", []byte(`
- uuid: rule-size
  description: size
  priority: -5
  conditions:
  - {op: ge, args: {values: ["{inventory[cpu][count]}", 4]}}
  actions:
  - {op: set-attribute, args: {path: /extra/size, value: 7}}
- actions: [{op: add-trait, args: [CUSTOM_ALL]}]
`))
	if err != nil || len(all) != 2 || all[0].UUID != "rule-size" || all[1].UUID != "00000000-0000-0000-0000-000000000001" {
		t.Fatalf("%+v %v", all, err)
	}
	m := machine(t)
	if _, err := try(t, m, all...); err != nil || m.Node.Extra["size"] != 7.0 || len(m.Node.Traits) != 2 {
		t.Errorf("%+v %v", m.Node, err)
	}
	if all, err := BuiltIn("rules.yaml", nil); err != nil || len(all) != 0 {
		t.Errorf("an empty file: %v %v", all, err)
	}
	for text, words := range map[string]string{
		"a: b":                    "rules.yaml should contain a list of inspection rules",
		"- 7":                     "rules.yaml: inspection rule 1",
		"- {scope: x}":            `unknown field "scope"`,
		"- {actions: []}":         "rules.yaml: inspection rule 1: Validation failed",
		"- {actions: [{op: no}]}": "Unsupported action operator: no",
	} {
		if _, err := BuiltIn("rules.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
