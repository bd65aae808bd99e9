package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// Bounds of user-defined rules.
const (
	maxPriority = 9999
	maxLoop     = 1000
)

func (rule *Rule) compileNative(r *ironic.InspectionRule) error {
	switch {
	case rule.phase != MainPhase:
		return errs.New(errs.Invalid, "Invalid phase: %s. Valid phases are: %s", short(rule.phase), MainPhase)
	case r.BuiltIn: // any priority
	case r.Priority < 0:
		return errs.New(errs.Invalid, "Priority cannot be negative for user-defined rules.")
	case r.Priority > maxPriority:
		return errs.New(errs.Invalid, "Priority must be between 0 and %d for user-defined rules.", maxPriority)
	}
	if len(r.Actions) == 0 {
		return errs.New(errs.Invalid, "Validation failed for inspection rule: actions: [] is too short; a rule needs at least one action")
	}
	for i, given := range r.Conditions {
		c, err := nativeCondition(given)
		if err != nil {
			return errs.New(errs.Invalid, "Validation failed for inspection rule: condition %d: %s", i+1, err.Error())
		}
		rule.conditions = append(rule.conditions, c)
	}
	for i, given := range r.Actions {
		a, err := nativeAction(given)
		if err != nil {
			return errs.New(errs.Invalid, "Validation failed for inspection rule: action %d: %s", i+1, err.Error())
		}
		rule.actions = append(rule.actions, a)
	}
	return nil
}

// operation is what conditions and actions have in common: {op, args, loop}.
type operation struct {
	op     string
	args   args
	loop   []any // nil: once
	filled func(name string) bool
	secret bool // what it writes is a secret
}

// parseOperation reads one; others says which further members it may have.
func parseOperation(given map[string]any, others ...string) (operation, error) {
	for k := range given {
		if !slices.Contains(append(others, "op", "args", "loop"), k) {
			return operation{}, errs.New(errs.Invalid, "Additional properties are not allowed ('%s' was unexpected)", short(k))
		}
	}
	if err := required(given, "op"); err != nil {
		return operation{}, err
	}
	o := operation{op: given["op"].(string)}
	switch loop := given["loop"].(type) {
	case nil:
	case []any:
		o.loop = loop
	case map[string]any: // one item
		o.loop = []any{loop}
	default:
		return o, errs.New(errs.Invalid, "loop is %s, not of type 'array', 'object'", kindName(loop))
	}
	if len(o.loop) > maxLoop {
		return o, errs.New(errs.Invalid, "loop has %d items; at most %d are taken", len(o.loop), maxLoop)
	}
	return o, nil
}

// bind brings arguments, an object or a list, to names.
func (o *operation) bind(given any, sig signature) error {
	switch x := given.(type) {
	case map[string]any:
		o.args = args(x)
	case []any:
		o.args = args{}
		names := append(slices.Clone(sig.required), sig.optional...)
		if len(x) > 0 && slices.Equal(sig.required, []string{"values"}) {
			if _, ok := x[0].([]any); !ok { // the values themselves, as Ironic's documentation once had it
				x = []any{x}
			}
		}
		if len(x) > len(names) {
			return errs.New(errs.Invalid, "too many arguments: at most %d are taken (%s)", len(names), strings.Join(names, ", "))
		}
		for i, v := range x {
			o.args[names[i]] = v
		}
	case nil:
		return errs.New(errs.Invalid, "'args' is a required property")
	default:
		return errs.New(errs.Invalid, "args must be either a list or dictionary")
	}
	return sig.check(o.args, "argument")
}

// each calls f with the arguments filled in: once, or for every item of the loop
// until f has seen enough. Each text of the rule is filled in once, and what came into
// it is not: an inventory may hold braces. Ironic fills arguments of loops in twice.
func (o *operation) each(r *run, f func(args) (more bool, err error)) error {
	items, loops := o.loop, len(o.loop) > 0
	if !loops {
		items = []any{nil}
	}
	for _, item := range items {
		if err := r.going(); err != nil {
			return err
		}
		r.item, r.loops, r.node = nil, false, nil
		if loops { // an item may have fields itself
			r.item, r.loops = r.nativeValue(o, "item", item), true
		}
		a := args{}
		for k, v := range o.args {
			if loops || o.filled(k) {
				v = r.nativeValue(o, k, v)
			}
			a[k] = v
		}
		if err := r.going(); err != nil {
			return err
		}
		if more, err := f(a); err != nil || !more {
			return err
		}
	}
	return nil
}

// vars are the roots of fields, secrets masked.
func (r *run) vars() map[string]any {
	if r.node == nil {
		r.node = view(r.Node, nodeAttributes())
	}
	if r.inventory == nil {
		r.inventory = masked("", orEmpty(r.Inventory))
	}
	if r.plugins == nil {
		r.plugins = masked("", orEmpty(r.PluginData))
	}
	out := map[string]any{"node": r.node, "inventory": r.inventory, "plugin_data": r.plugins}
	if r.loops {
		out["item"] = r.item
	}
	return out
}

// nativeValue fills fields in at any depth. Where that cannot be, the text stays as it
// is and a line says so, as in Ironic. A message is for everybody to read, and the line, too.
func (r *run) nativeValue(o *operation, arg string, v any) any {
	vars := r.vars()
	if r.loops && arg == "msg" {
		vars["item"] = masked("", r.item)
	}
	out, _ := formatted(v, func(s string) (string, error) {
		t, err := parseTemplate(s)
		if err == nil {
			var filled string
			if filled, err = t.expand(vars); err == nil {
				return filled, r.fill(len(filled))
			}
			if errs.Is(err, errs.Invalid) { // too long
				r.stop = cmp.Or(r.stop, err)
				return "", err
			}
		}
		why := err.Error()
		if o.secret {
			why = "it has a { or } that begins or ends no field"
		}
		r.say("warning", fmt.Sprintf("inspection rule %s: a text was left as it is: %s", r.rule.title, why))
		return s, nil
	})
	return out
}

// nativeCondition compiles {op, args, loop, multiple}.
func nativeCondition(given map[string]any) (condition, error) {
	o, err := parseOperation(given, "multiple")
	if err != nil {
		return condition{}, err
	}
	multiple := "any"
	if v, ok := given["multiple"]; ok && v != nil {
		if err := oneOfTexts("multiple", v, []string{"any", "all", "first", "last"}); err != nil {
			return condition{}, err
		}
		multiple = v.(string)
	}
	name, inverted := strings.CutPrefix(strings.TrimSpace(o.op), "!")
	name = strings.TrimSpace(name)
	op, ok := operators()[name]
	if !ok {
		return condition{}, errs.New(errs.Invalid, "Unsupported condition operator: %s. Supported operators are: %s; each with ! before it for the inverse",
			short(o.op), strings.Join(slices.Sorted(maps.Keys(operators())), ", "))
	}
	err = o.bind(given["args"], op.signature)
	if err == nil {
		err = o.checkCondition(name)
	}
	if err != nil {
		return condition{}, errs.New(errs.Invalid, "Invalid parameters for condition operator %s: %s", name, err.Error())
	}
	o.filled = func(arg string) bool { return arg != "regex" } // braces mean something else there
	return condition{name: o.op, check: func(r *run) (result bool, err error) {
		first := true
		err = o.each(r, func(a args) (bool, error) {
			ok, err := op.holds(r, a)
			ok = ok != inverted
			result = joined(multiple, first, result, ok)
			first = false
			return more(multiple, ok), err
		})
		return result, err
	}}, nil
}

// joined is the result of a loop after one more answer.
func joined(multiple string, first, before, ok bool) bool {
	switch {
	case first || multiple == "last":
		return ok
	case multiple == "all":
		return before && ok
	case multiple == "any":
		return before || ok
	}
	return before || ok // first: of the items up to the first that fits
}

func more(multiple string, ok bool) bool {
	switch multiple {
	case "all":
		return ok
	case "last":
		return true
	}
	return !ok
}

// checkCondition looks at what can be looked at before fields are filled in.
func (o *operation) checkCondition(name string) error {
	fixed := func(arg string) (string, bool) {
		s, ok := o.args[arg].(string)
		return s, ok && !strings.Contains(s, "{")
	}
	if s, ok := fixed("subnet"); ok {
		if _, err := subnet(s); err != nil {
			return err
		}
	}
	if s, ok := o.args["regex"].(string); ok && o.loop == nil {
		if _, _, err := compileRegex(s, "", ""); err != nil {
			return err
		}
	}
	if v, ok := o.args["values"]; ok && name != "one-of" {
		if _, list := v.([]any); !list {
			return errs.New(errs.Invalid, "values is %s, not a list", kindName(v))
		}
	}
	return nil
}

// nativeAction compiles {op, args, loop}.
func nativeAction(given map[string]any) (action, error) {
	o, err := parseOperation(given)
	if err != nil {
		return action{}, err
	}
	if o.op == "api-call" {
		return action{}, errs.New(errs.Invalid, "Unsupported action operator: api-call: this service calls no addresses on behalf of rules")
	}
	d, ok := deeds()[o.op]
	if !ok {
		return action{}, errs.New(errs.Invalid, "Unsupported action operator: %s. Supported actions are: %s",
			short(o.op), strings.Join(slices.Sorted(maps.Keys(deeds())), ", "))
	}
	err = o.bind(given["args"], d.signature)
	if err == nil && d.check != nil {
		err = d.check(o.args)
	}
	if err != nil {
		return action{}, errs.New(errs.Invalid, "Invalid parameters for action operator %s: %s", o.op, err.Error())
	}
	o.filled = func(arg string) bool { return arg == "value" || arg == "msg" }
	_, o.secret = target(given)
	return action{name: o.op, do: func(r *run) error {
		return o.each(r, func(a args) (bool, error) { return true, d.do(r, a) })
	}}, nil
}
