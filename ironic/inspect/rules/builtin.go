package rules

import (
	"bytes"
	"encoding/json"
	"fmt"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
	"trefoil/ironic"
)

// BuiltIn reads rules of the service itself out of a YAML file: a list of rules in
// Ironic's dialect, with uuids of any form or none, and priorities below 0 too. They
// run beside the others, and no API shows or deletes them. name is the file's, for errors.
func BuiltIn(name string, data []byte) ([]*ironic.InspectionRule, error) {
	var content []any
	if err := yaml.Unmarshal(name, data, &content); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "%s should contain a list of inspection rules", name)
	}
	var out []*ironic.InspectionRule
	for i, item := range content {
		r, err := builtIn(item, i)
		if err == nil {
			_, err = Compile(r)
		}
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "%s: inspection rule %d", name, i+1)
		}
		out = append(out, r)
	}
	return out, nil
}

func builtIn(item any, i int) (*ironic.InspectionRule, error) {
	text, err := json.Marshal(item) // numbers become JSON's, as in rules of the API
	if err != nil {
		return nil, err
	}
	var r struct {
		UUID, Description, Phase string
		Priority                 int
		Sensitive                bool
		Conditions, Actions      []map[string]any
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return nil, err
	}
	if r.UUID == "" {
		r.UUID = fmt.Sprintf("00000000-0000-0000-0000-%012x", i)
	}
	return &ironic.InspectionRule{UUID: r.UUID, Dialect: ironic.RuleIronic, BuiltIn: true, Description: r.Description, Phase: r.Phase,
		Priority: r.Priority, Sensitive: r.Sensitive, Conditions: r.Conditions, Actions: r.Actions}, nil
}
