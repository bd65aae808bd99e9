package hot

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
)

// Parameter is a declared input of a template.
type Parameter struct {
	Name        string
	Type        string // string, number, boolean, json, comma_delimited_list
	Label       string
	Description string
	Default     any // of the parameter's type, if it can be: Check it where it is used
	HasDefault  bool
	Hidden      bool // its value must not be shown
	Immutable   bool // an update may not change it
	Deprecated  bool // its group or its description says so
	Tags        []string
	Line        int

	constraints []constraint
	uses        []use // what needs a version
}

// use is something that is not known to every heat_template_version.
type use struct {
	kind, name string // as needs takes them
	line       int
}

var parameterTypes = []string{"string", "number", "boolean", "json", "comma_delimited_list"}

var parameterKeys = []string{"type", "label", "description", "default", "schema", "constraints", "hidden", "immutable", "tags"}

func parseParameters(p *problems, n *yaml.Node) []*Parameter {
	var out []*Parameter
	for _, e := range section(p, "parameters", n) {
		out = append(out, parseParameter(p, e))
	}
	return out
}

func parseParameter(p *problems, e pair) *Parameter {
	d := &Parameter{Name: e.key.Value, Line: e.key.Line}
	if isNull(e.val) {
		p.add(d.Line, "parameter %s has no type; expected one of %s", d.Name, strings.Join(parameterTypes, ", "))
		return d
	}
	if e.val.Kind != yaml.MappingNode {
		p.add(d.Line, "parameter %s must be a map with type", d.Name)
		return d
	}
	var constraints *yaml.Node
	for _, f := range pairs(e.val) {
		if f.key.Value == "constraints" {
			constraints = f.val
			continue
		}
		d.parseKey(p, f)
	}
	if !slices.Contains(parameterTypes, d.Type) {
		p.add(d.Line, "parameter %s: unknown type %q%s; expected one of %s", d.Name, d.Type,
			nearest.Hint(strings.ToLower(d.Type), parameterTypes), strings.Join(parameterTypes, ", "))
		return d
	}
	d.parseConstraints(p, constraints)
	v, problem := d.convert(d.Default)
	if _, isText := v.(string); d.HasDefault && problem == "" && (d.Type != "json" || !isText) {
		d.Default = v // text in json would be read once more where it is used
	}
	return d
}

func (d *Parameter) parseKey(p *problems, f pair) {
	switch f.key.Value {
	case "type":
		d.Type = f.val.Value
	case "label":
		d.Label = f.val.Value
	case "description":
		d.Description = f.val.Value
	case "default":
		d.Default = plain(f.val)
		d.HasDefault = d.Default != nil // as in Heat, a null default is none
	case "hidden":
		d.Hidden = d.flag(p, f)
	case "immutable":
		d.Immutable = d.flag(p, f)
	case "tags":
		d.uses = append(d.uses, use{"parameter", "tags", f.key.Line})
		if f.val.Kind != yaml.SequenceNode {
			p.add(f.key.Line, "parameter %s: tags must be a list", d.Name)
		}
		for _, t := range f.val.Content {
			d.Tags = append(d.Tags, t.Value)
		}
	case "schema": // Heat takes it and does nothing with it
	default:
		p.add(f.key.Line, "parameter %s: unknown key %q%s", d.Name, f.key.Value, nearest.Hint(f.key.Value, parameterKeys))
	}
}

// flag reads hidden and immutable. Any text counts as true in Heat, so that
// what a person did not mean never shows a secret.
func (d *Parameter) flag(p *problems, f pair) bool {
	switch v := plain(f.val).(type) {
	case bool:
		return v
	case nil:
		return false
	case string:
		return v != ""
	}
	p.add(f.key.Line, "parameter %s: %s must be true or false", d.Name, f.key.Value)
	return true
}

// Check converts a value to the parameter's type and applies every constraint.
// The second result is "" or tells all that is wrong, as the end of a sentence
// that begins with the parameter's name; the value of a hidden parameter is not
// shown. Null becomes the empty value of the type. The default is checked where
// it is used: TripleO's trees have some that break their own rules, for keys that
// are always generated.
func (d *Parameter) Check(v any) (any, string) {
	v, problem := d.convert(v)
	if problem != "" {
		return v, "is " + d.show(v) + ", " + problem
	}
	var all []string
	for _, c := range d.constraints {
		if problem := c.check(v); problem != "" {
			if c.what != "" {
				problem += " (" + c.what + ")"
			}
			all = append(all, fmt.Sprintf("%s, a rule in line %d", problem, c.line))
		}
	}
	if len(all) == 0 {
		return v, ""
	}
	return v, "is " + d.show(v) + ", which " + strings.Join(all, "; and ")
}

// Given is Check for a value that a person gave in an environment. Heat makes text of a
// list or map for a string, as Python writes it ("['a', 'b']"), which nobody means: it is refused.
func (d *Parameter) Given(v any) (any, string) {
	k := kind(v)
	if d.Type != "string" || k != "a list" && k != "a map" {
		return d.Check(v)
	}
	s := d.show(v)
	if s != k {
		s += ", " + k
	}
	return v, "is " + s + "; the value must be a string"
}

// Property is Check for a value that a resource's property gives to a nested
// template: Heat converts it by the property's narrower rules first. Lists lose
// their shape on the way, as they travel as text with commas.
func (d *Parameter) Property(v any) (any, string) {
	if problem := d.refuseProperty(v); problem != "" {
		return v, "is " + d.show(v) + ", " + problem
	}
	list, ok := v.([]any)
	if d.Type != "comma_delimited_list" || !ok {
		return d.Check(v)
	}
	parts := make([]string, len(list))
	for i, e := range list {
		if e == nil {
			continue
		}
		s, ok := e.(string)
		if !ok {
			return v, fmt.Sprintf("is %s, whose item %d is not text: %s", d.show(v), i, kind(e))
		}
		parts[i] = s
	}
	return d.Check(strings.Join(parts, ","))
}

// CheckValue says what is wrong with the value of an OS::Heat::Value of a type, as
// the end of a sentence, or "". The value is not shown, and not converted: Heat
// only checks it.
func CheckValue(typ string, v any) string {
	if !slices.Contains(parameterTypes, typ) {
		return fmt.Sprintf("is of the unknown type %q%s; expected one of %s", typ, nearest.Hint(typ, parameterTypes), strings.Join(parameterTypes, ", "))
	}
	d := Parameter{Type: typ}
	problem := d.refuseProperty(v)
	switch {
	case v == nil || problem != "":
	case typ == "json" && kind(v) != "a map":
		problem = "which is not a map"
	case typ == "comma_delimited_list" && kind(v) != "a list":
		problem = "which is not a list"
	case typ == "number":
		_, problem = convertNumber(v)
	}
	if problem == "" {
		return ""
	}
	return "is " + kind(v) + ", " + problem
}

// refuseProperty tells what a property of the parameter's type does not take.
func (d *Parameter) refuseProperty(v any) string {
	switch v := v.(type) {
	case []any:
		if d.Type == "string" || d.Type == "boolean" || d.Type == "number" {
			return "which is not of type " + d.Type
		}
	case map[string]any:
		if d.Type != "json" {
			return "which is not of type " + d.Type
		}
	case int, float64:
		if _, whole := v.(int); d.Type != "number" && (d.Type != "string" || !whole) {
			return "which is not of type " + d.Type
		}
	case bool:
		if d.Type == "json" || d.Type == "comma_delimited_list" {
			return "which is not of type " + d.Type
		}
	case string:
		if lower := strings.ToLower(v); d.Type == "boolean" && lower != "true" && lower != "false" {
			return "which is neither true nor false"
		}
	}
	return ""
}

// maxShown is how many letters of a value a message shows.
const maxShown = 60

// show writes a value for a message. Of maps, and of lists of other things than
// text and numbers, only the kind is shown: they may have secrets in them.
func (d *Parameter) show(v any) string {
	if d.Hidden {
		return "******"
	}
	s := ""
	switch t := v.(type) {
	case string:
		s = strconv.Quote(t)
	case map[string]any:
		return "a map"
	case []any:
		if slices.ContainsFunc(t, func(e any) bool { return kind(e) == "a map" || kind(e) == "a list" }) {
			return "a list"
		}
		s = toJSON(t)
	default:
		s = toJSON(t)
	}
	if r := []rune(s); len(r) > maxShown {
		s = string(r[:maxShown]) + "…"
	}
	return s
}
