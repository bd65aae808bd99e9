package stack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/diff"
)

// Hidden is what Heat shows in the place of a hidden value.
const Hidden = "******"

// Description is what Heat's API shows of a stack beyond its row. No value in it
// is secret, save for Passwords.
type Description struct {
	Template    map[string]any    // the rendered root template
	Parameters  map[string]string // of the root template, as Heat prints them
	Environment map[string]any    // parameters, parameter_defaults, resource_registry
	Outputs     map[string]string // description by name
	Passwords   map[string]string // as they take effect; secret
}

// Describe makes the description of a plan. A plan of machines only has none.
func Describe(p *plan.Plan) (*Description, error) {
	const file = "overcloud.yaml"
	root := p.RootTemplate
	if len(root) == 0 {
		return nil, errs.New(errs.NotFound, "stack %s was not made from templates", p.Stack)
	}
	t, err := hot.ParseTemplate(file, root)
	if err != nil {
		return nil, err
	}
	whole, err := hot.ParseData(file, root)
	if err != nil {
		return nil, err
	}
	d := &Description{Parameters: map[string]string{}, Outputs: map[string]string{}, Passwords: p.Passwords}
	m := masker{hidden: p.Hidden, secrets: Secrets(p)}
	d.Template, _ = masker{secrets: m.secrets}.mask(whole).(map[string]any)
	hideDefaults(d.Template, t)
	defaults, _ := m.mask(p.Parameters).(map[string]any)
	d.Environment = map[string]any{"parameters": map[string]any{}, "parameter_defaults": defaults, "resource_registry": p.Registry,
		"encrypted_param_names": []any{}, "event_sinks": []any{}}
	for _, prm := range t.Parameters {
		v, given := defaults[prm.Name]
		switch {
		case prm.Hidden:
			v = Hidden
		case !given:
			v = m.mask(prm.Default)
		}
		d.Parameters[prm.Name] = parameterText(prm.Type, v)
	}
	for _, o := range t.Outputs {
		d.Outputs[o.Name] = o.Description
	}
	return d, nil
}

// hideDefaults masks the defaults of t's hidden parameters in its document, which
// it changes.
func hideDefaults(template map[string]any, t *hot.Template) {
	params, _ := template["parameters"].(map[string]any)
	for _, prm := range t.Parameters {
		if p, _ := params[prm.Name].(map[string]any); prm.Hidden && p["default"] != nil && p["default"] != "" {
			p["default"] = Hidden
		}
	}
}

// parameterText is a value as Heat's str() of a parameter of that type gives it.
func parameterText(typ string, v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case bool:
		return map[bool]string{true: "True", false: "False"}[x]
	case []any:
		if typ == "comma_delimited_list" {
			parts := make([]string, len(x))
			for i, e := range x {
				parts[i] = hot.String(e)
			}
			return strings.Join(parts, ",")
		}
	}
	if b, err := json.Marshal(v); err == nil {
		return string(b)
	}
	return fmt.Sprint(v)
}

// Secrets are the texts that must not be shown of a plan.
func Secrets(p *plan.Plan) []string { return diff.SecretTexts(p) }

// HoldsSecret tells whether one of the secrets stands anywhere in v.
func HoldsSecret(v any, secrets []string) bool {
	switch x := v.(type) {
	case string:
		return slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(x, s) })
	case []any:
		return slices.ContainsFunc(x, func(e any) bool { return HoldsSecret(e, secrets) })
	case map[string]any:
		for _, e := range x {
			if HoldsSecret(e, secrets) {
				return true
			}
		}
	}
	return false
}

// masker hides values: those of hidden names, at any depth, and text that holds a secret.
type masker struct {
	hidden  []string
	secrets []string
}

func (m masker) mask(v any) any {
	switch x := v.(type) {
	case string:
		if HoldsSecret(x, m.secrets) {
			return Hidden
		}
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = m.mask(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			if slices.Contains(m.hidden, k) {
				out[k] = Hidden
			} else {
				out[k] = m.mask(e)
			}
		}
		return out
	}
	return v
}
