package rules

import (
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// ClassicOps are the operators of ironic-inspector's conditions.
func ClassicOps() []string {
	return []string{"contains", "eq", "ge", "gt", "in-net", "is-empty", "le", "lt", "matches", "ne"}
}

// ClassicActions are the actions of ironic-inspector's rules.
func ClassicActions() []string {
	return []string{"add-trait", "extend-attribute", "fail", "remove-trait", "set-attribute", "set-capability"}
}

func (rule *Rule) compileClassic(r *ironic.InspectionRule) error {
	for i, given := range r.Conditions {
		c, err := classicCondition(given)
		if err != nil {
			return errs.New(errs.Invalid, "Validation failed for conditions: %s (condition %d)", err.Error(), i+1)
		}
		rule.conditions = append(rule.conditions, c)
	}
	if len(r.Actions) == 0 {
		return errs.New(errs.Invalid, "Validation failed for actions: [] is too short; a rule needs at least one action")
	}
	for i, given := range r.Actions {
		a, err := classicAction(given)
		if err != nil {
			return errs.New(errs.Invalid, "Validation failed for actions: %s (action %d)", err.Error(), i+1)
		}
		rule.actions = append(rule.actions, a)
	}
	return nil
}

func required(given map[string]any, names ...string) error {
	for _, name := range names {
		if _, ok := given[name]; !ok {
			return errs.New(errs.Invalid, "'%s' is a required property", name)
		}
		if _, ok := given[name].(string); !ok {
			return errs.New(errs.Invalid, "%s is %s, not of type 'string'", name, kindName(given[name]))
		}
	}
	return nil
}

func oneOfTexts(name string, v any, known []string) error {
	if s, ok := v.(string); !ok || !slices.Contains(known, s) {
		return errs.New(errs.Invalid, "%s: '%s' is not one of ['%s']", name, short(text(v)), strings.Join(known, "', '"))
	}
	return nil
}

// others are the parameters beside the named ones; null counts as not given.
func others(given map[string]any, names ...string) map[string]any {
	out := map[string]any{}
	for k, v := range given {
		if v != nil && !slices.Contains(names, k) {
			out[k] = v
		}
	}
	return out
}

// classicCondition compiles {field, op, value, multiple, invert}.
func classicCondition(given map[string]any) (condition, error) {
	if err := required(given, "op", "field"); err != nil {
		return condition{}, err
	}
	op := given["op"].(string)
	if err := oneOfTexts("op", op, ClassicOps()); err != nil {
		return condition{}, err
	}
	multiple, invert := "any", false
	if v, ok := given["multiple"]; ok {
		if err := oneOfTexts("multiple", v, []string{"all", "any", "first"}); err != nil {
			return condition{}, err
		}
		multiple = v.(string)
	}
	if v, ok := given["invert"]; ok {
		if invert, ok = v.(bool); !ok {
			return condition{}, errs.New(errs.Invalid, "invert is %s, not of type 'boolean'", kindName(v))
		}
	}
	source, p, err := classicField(given["field"].(string))
	if err != nil {
		return condition{}, err
	}
	params := others(given, "op", "field", "multiple", "invert")
	test, err := classicTest(op, params)
	if err != nil {
		return condition{}, errs.New(errs.Invalid, "Invalid parameters for operator %s: %s", op, err.Error())
	}
	return condition{name: op + " " + given["field"].(string), check: func(r *run) (bool, error) {
		values, err := p.find(source(r))
		if err != nil {
			return false, err
		}
		if len(values) == 0 {
			if op != "is-empty" {
				return false, nil
			}
			values = []any{nil}
		}
		return overAll(values, multiple, func(v any) (bool, error) {
			ok, err := test(r, v)
			if err == nil {
				err = r.going()
			}
			return ok != invert, err
		})
	}}, nil
}

// overAll asks about each value until the answer is known.
func overAll(values []any, multiple string, test func(any) (bool, error)) (result bool, err error) {
	for _, v := range values {
		result, err = test(v)
		if err != nil || multiple == "first" || result == (multiple == "any") {
			return result, err
		}
	}
	return result, nil
}

// classicField reads data://path, node://path, or a path of the data.
func classicField(s string) (func(*run) any, path, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "data", s
	}
	p, err := parsePath(rest)
	if err != nil {
		return nil, nil, errs.New(errs.Invalid, "Unable to parse field JSON path %s: %s", short(rest), err.Error())
	}
	switch scheme {
	case "data":
		return func(r *run) any { return r.Data }, p, nil
	case "node":
		return func(r *run) any { return view(r.Node, nodeAttributes()) }, p, nil
	}
	return nil, nil, errs.New(errs.Invalid, "Unsupported scheme for field: %s, valid values are node:// or data://", short(scheme))
}

// classicTest brings inspector's operator with its one parameter to ours.
func classicTest(op string, params map[string]any) (func(*run, any) (bool, error), error) {
	sig := signature{required: []string{"value"}}
	if op == "is-empty" {
		sig = signature{}
	}
	if err := sig.check(params, "parameter"); err != nil {
		return nil, err
	}
	want := params["value"]
	ours := operators()[op]
	ask := func(bring func(field any) args) func(*run, any) (bool, error) {
		return func(r *run, field any) (bool, error) { return ours.holds(r, bring(field)) }
	}
	switch op {
	case "is-empty":
		return ask(func(field any) args { return args{"value": field} }), nil
	case "in-net":
		if _, err := subnet(text(want)); err != nil {
			return nil, err
		}
		return ask(func(field any) args { return args{"address": field, "subnet": want} }), nil
	case "matches", "contains":
		if _, _, err := compileRegex(text(want), "", ""); err != nil {
			return nil, err
		}
		return ask(func(field any) args { return args{"value": field, "regex": want} }), nil
	}
	return ask(func(field any) args { return args{"values": []any{field, want}} }), nil
}

// classicAction compiles {action, …}.
func classicAction(given map[string]any) (action, error) {
	if err := required(given, "action"); err != nil {
		return action{}, err
	}
	name := given["action"].(string)
	if err := oneOfTexts("action", name, ClassicActions()); err != nil {
		return action{}, err
	}
	d, params := deeds()[name], others(given, "action")
	sig := d.signature
	switch name {
	case "fail":
		sig = signature{required: []string{"message"}}
	case "set-capability": // without a value it is taken away
		sig = signature{required: []string{"name"}, optional: []string{"value"}}
	}
	err := sig.check(params, "parameter")
	if name == "fail" {
		params["msg"] = params["message"]
	}
	if err == nil && d.check != nil {
		err = d.check(params)
	}
	if err == nil {
		_, err = formatted(params["value"], func(s string) (string, error) { _, err := parseTemplate(s); return s, err })
	}
	if err != nil {
		return action{}, errs.New(errs.Invalid, "Invalid parameters for action %s: %s", name, err.Error())
	}
	_, secret := target(given)
	return action{name: name, do: func(r *run) error {
		a := args{}
		for k, v := range params {
			a[k] = v
		}
		var err error
		if a["value"], err = formatted(params["value"], r.classicText); err != nil {
			if secret {
				return errs.New(errs.Invalid, "%s: a field of the value is not in the data", text(params["path"]))
			}
			return err
		}
		return d.do(r, a)
	}}, nil
}

// classicText fills {data[…]} in.
func (r *run) classicText(s string) (string, error) {
	t, err := parseTemplate(s)
	if err != nil {
		return "", err
	}
	out, err := t.expand(map[string]any{"data": r.Data})
	if errs.Is(err, errs.Invalid) { // too long
		return "", err
	}
	if err != nil {
		return "", errs.New(errs.Invalid, "Invalid formatting variable key provided: %s", err.Error())
	}
	return out, r.fill(len(out))
}
