package hot

import (
	"errors"
	"testing"
)

// TestParametersAsHeat holds types, constraints and defaults to the real Heat.
func TestParametersAsHeat(t *testing.T) {
	heatCases(t, "parameters.txt", func(c heatCase) (any, error) {
		in := yamlCase(t, c)
		p := &problems{file: "root.yaml"}
		key := *in["parameter"]
		key.Value, key.Line = "P", 1
		d := parseParameter(p, pair{&key, in["parameter"]})
		for _, u := range d.uses {
			if problem := needs(u.kind, u.name, c.version); problem != "" {
				p.add(u.line, "%s", problem)
			}
		}
		if err := p.err(); err != nil {
			return nil, err
		}
		for _, from := range []string{"value", "default"} {
			n, ok := in[from]
			if !ok || isNull(n) {
				continue
			}
			v, problem := d.Check(plain(n))
			if problem != "" {
				return nil, errors.New("P " + problem)
			}
			return v, nil
		}
		if !d.HasDefault {
			return nil, errors.New("P has no value and no default")
		}
		v, problem := d.Check(d.Default)
		if problem != "" {
			return nil, errors.New("P: the default " + problem)
		}
		return v, nil
	})
}

// TestPropertiesAsHeat holds what properties give to nested templates and values
// to the real Heat.
func TestPropertiesAsHeat(t *testing.T) {
	heatCases(t, "properties.txt", func(c heatCase) (any, error) {
		in := yamlCase(t, c)
		given := plain(in["value"])
		if typ, ok := in["resource"]; ok {
			if problem := CheckValue(typ.Value, given); problem != "" {
				return nil, errors.New("value " + problem)
			}
			return given, nil
		}
		p := &problems{file: "root.yaml"}
		key := *in["property"]
		key.Value = "P"
		d := parseParameter(p, pair{&key, in["property"]})
		v, problem := d.Property(given)
		if problem != "" {
			return nil, errors.New("P " + problem)
		}
		return v, p.err()
	})
}
