package hot

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
)

// constraint is one rule; check returns what is wrong with a value or "".
type constraint struct {
	what  string // description of the template's author, may be empty
	line  int
	check func(v any) string
}

// constraintKeys are the rules in the order in which Heat looks for them: one
// item of constraints holds one rule.
var constraintKeys = []string{"modulo", "range", "length", "allowed_values", "allowed_pattern", "custom_constraint"}

// constraintTypes says which types of parameters a rule is for.
var constraintTypes = map[string][]string{
	"modulo": {"number"}, "range": {"number"}, "length": {"string", "comma_delimited_list", "json"},
	"allowed_values":  {"string", "number", "boolean", "comma_delimited_list"},
	"allowed_pattern": {"string", "comma_delimited_list"}, "custom_constraint": {"string", "number", "boolean", "comma_delimited_list"},
}

func (d *Parameter) parseConstraints(p *problems, n *yaml.Node) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		p.add(n.Line, "parameter %s: constraints must be a list", d.Name)
		return
	}
	for _, item := range n.Content {
		d.parseConstraint(p, deref(item))
	}
}

// parseConstraint reads one item: a rule and, where there is one, its description.
func (d *Parameter) parseConstraint(p *problems, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		p.add(n.Line, "parameter %s: a constraint must be a map", d.Name)
		return
	}
	given := map[string]pair{}
	what := ""
	for _, f := range pairs(n) {
		switch name := f.key.Value; {
		case name == "description":
			what = f.val.Value
		case slices.Contains(constraintKeys, name):
			given[name] = f
		default:
			p.add(f.key.Line, "parameter %s: unknown constraint %q%s", d.Name, name, nearest.Hint(name, append(constraintKeys, "description")))
			return
		}
	}
	i := slices.IndexFunc(constraintKeys, func(k string) bool { _, ok := given[k]; return ok })
	if i < 0 {
		p.add(n.Line, "parameter %s: a constraint without a rule; expected one of %s", d.Name, strings.Join(constraintKeys, ", "))
		return
	}
	name := constraintKeys[i]
	f := given[name]
	if types := constraintTypes[name]; !slices.Contains(types, d.Type) {
		p.add(f.key.Line, "parameter %s: %s is not for type %s, but for %s", d.Name, name, d.Type, strings.Join(types, ", "))
		return
	}
	if name == "modulo" {
		d.uses = append(d.uses, use{"constraint", "modulo", f.key.Line})
	}
	check, problem := d.rule(name, f.val)
	if problem != "" {
		p.add(f.key.Line, "parameter %s: %s %s", d.Name, name, problem)
		return
	}
	if check != nil {
		d.constraints = append(d.constraints, constraint{what: what, line: f.key.Line, check: check})
	}
}

// rule makes the check of one rule; nil where there is nothing to check here.
func (d *Parameter) rule(name string, n *yaml.Node) (func(any) string, string) {
	v := plain(n)
	switch name {
	case "allowed_values":
		list, ok := v.([]any)
		if !ok {
			return nil, "must be a list"
		}
		return d.allowedValues(list), ""
	case "allowed_pattern":
		s, ok := v.(string)
		if !ok {
			return nil, "must be text"
		}
		check, problem := allowedPattern(s)
		return d.eachItem(check), problem
	case "modulo":
		return modulo(v)
	case "custom_constraint":
		if s, ok := v.(string); !ok || s == "" {
			return nil, "must be the name of a constraint, like nova.flavor"
		}
		return nil, "" // nova.flavor and the like are the cloud's to check, at placement
	}
	return between(name, v)
}

// allowedValues takes one of a list; of a list, every item. Values are compared
// as the parameter's type.
func (d *Parameter) allowedValues(list []any) func(any) string {
	words := make([]string, len(list))
	allowed := make([]any, len(list))
	for i, a := range list {
		words[i] = String(a)
		allowed[i] = a
		if d.Type == "comma_delimited_list" {
			continue // Heat compares the items, which are text, with what stands in the template
		}
		if v, problem := d.convert(a); problem == "" {
			allowed[i] = v
		}
	}
	return func(v any) string {
		items, isList := v.([]any)
		if !isList {
			items = []any{v}
		}
		for _, item := range items {
			if !slices.ContainsFunc(allowed, func(a any) bool { return alike(a, item) }) {
				return "is not one of " + strings.Join(words, ", ")
			}
		}
		return ""
	}
}

// eachItem has every item of a list checked. Heat has patterns for text only: a list is
// put into files as it is, and a mistake in it must not show there for the first time.
func (d *Parameter) eachItem(check func(any) string) func(any) string {
	if d.Type != "comma_delimited_list" {
		return check
	}
	return func(v any) string {
		items, _ := v.([]any)
		for _, item := range items {
			if text, ok := item.(string); ok { // "a, b" has an item with a blank, which those who read the files take
				item = strings.TrimSpace(text)
			}
			if problem := check(item); problem != "" {
				return "has the item " + d.show(item) + ", which " + problem
			}
		}
		return ""
	}
}

// limits reads a map of numbers with the keys that a rule has.
func limits(v any, keys ...string) (map[string]float64, string) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, "must be a map with " + strings.Join(keys, " and ")
	}
	out := map[string]float64{}
	for _, k := range sortedKeys(m) {
		if !slices.Contains(keys, k) {
			return nil, fmt.Sprintf("has no key %q%s; expected %s", k, nearest.Hint(k, keys), strings.Join(keys, " and "))
		}
		if m[k] == nil {
			continue
		}
		n, problem := convertNumber(m[k])
		f, isNumber := toNumber(n)
		if problem != "" || !isNumber {
			return nil, fmt.Sprintf("needs a number for %s", k)
		}
		out[k] = f
	}
	return out, ""
}

// between checks a number, or a length, against min and max.
func between(name string, v any) (func(any) string, string) {
	m, problem := limits(v, "min", "max")
	if problem != "" {
		return nil, problem
	}
	lo, hasLo := m["min"]
	hi, hasHi := m["max"]
	if !hasLo && !hasHi {
		return nil, "needs min or max"
	}
	if name == "length" && (lo != math.Trunc(lo) || hi != math.Trunc(hi)) {
		return nil, "needs whole numbers"
	}
	return func(v any) string {
		n, _ := toNumber(v)
		if name == "length" {
			n = float64(length(v))
		}
		if hasLo && n < lo {
			return relation(name, "below", lo)
		}
		if hasHi && n > hi {
			return relation(name, "above", hi)
		}
		return ""
	}, ""
}

// length counts the letters of text, the items of a list, the keys of a map.
func length(v any) int {
	switch v := v.(type) {
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	return utf8.RuneCountInString(String(v))
}

// modulo takes numbers that are offset more than a multiple of step.
func modulo(v any) (func(any) string, string) {
	m, problem := limits(v, "step", "offset")
	if problem != "" {
		return nil, problem
	}
	step, hasStep := m["step"]
	offset, hasOffset := m["offset"]
	switch {
	case !hasStep || !hasOffset:
		return nil, "needs step and offset"
	case step != math.Trunc(step) || offset != math.Trunc(offset):
		return nil, "needs whole numbers"
	case step == 0:
		return nil, "needs a step other than 0"
	case math.Abs(offset) >= math.Abs(step):
		return nil, "needs an offset smaller than the step"
	case step*offset < 0:
		return nil, "needs step and offset of one sign"
	}
	return func(v any) string {
		n, _ := toNumber(v)
		rest := math.Mod(n, step)
		if rest != 0 && (rest < 0) != (step < 0) {
			rest += step // the sign of the step, as in Python
		}
		if rest != offset {
			return fmt.Sprintf("is not %v more than a multiple of %v", offset, step)
		}
		return ""
	}, ""
}

// relation says how a value breaks a range or a length.
func relation(name, how string, limit float64) string {
	if name == "length" {
		return fmt.Sprintf("has a length %s %v", how, limit)
	}
	return fmt.Sprintf("is %s %v", how, limit)
}

// alike tells whether two values are equal; 1, 1.0 and true are.
func alike(a, b any) bool {
	x, okX := toNumber(a)
	y, okY := toNumber(b)
	if okX && okY {
		return x == y
	}
	return okX == okY && toJSON(a) == toJSON(b)
}
