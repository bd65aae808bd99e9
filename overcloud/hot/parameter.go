package hot

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/yaml"
)

// Parameter is a declared input of a template.
type Parameter struct {
	Name        string
	Type        string // string, number, boolean, json, comma_delimited_list
	Description string
	Default     any
	HasDefault  bool
	Hidden      bool
	Tags        []string
	Line        int

	constraints []constraint
}

// constraint is one rule; check returns what is wrong with a value or "".
type constraint struct {
	what  string // description of the template's author, may be empty
	check func(v any) string
}

var parameterTypes = []string{"string", "number", "boolean", "json", "comma_delimited_list"}

func parseParameters(p *problems, n *yaml.Node) []*Parameter {
	var out []*Parameter
	for _, e := range section(p, "parameters", n) {
		d := &Parameter{Name: e.key.Value, Line: e.key.Line}
		for _, f := range section(p, "parameter "+d.Name, e.val) {
			switch f.key.Value {
			case "type":
				d.Type = f.val.Value
			case "description":
				d.Description = f.val.Value
			case "default":
				d.Default, d.HasDefault = plain(f.val), true
			case "hidden":
				d.Hidden = plain(f.val) == true
			case "tags":
				for _, t := range f.val.Content {
					d.Tags = append(d.Tags, t.Value)
				}
			case "constraints":
				for _, c := range f.val.Content {
					d.constraints = append(d.constraints, parseConstraint(p, d.Name, c)...)
				}
			case "label", "immutable":
			default:
				p.add(f.key.Line, "parameter %s: unknown key %q%s", d.Name, f.key.Value, Suggest(f.key.Value,
					[]string{"type", "description", "default", "hidden", "tags", "constraints", "label", "immutable"}))
			}
		}
		if !slices.Contains(parameterTypes, d.Type) {
			p.add(d.Line, "parameter %s: unknown type %q; expected one of %s", d.Name, d.Type, strings.Join(parameterTypes, ", "))
		} else if d.HasDefault && d.Default != nil {
			v, problem := d.Check(d.Default)
			if problem != "" {
				p.add(d.Line, "parameter %s: the default %s", d.Name, problem)
			}
			d.Default = v
		}
		out = append(out, d)
	}
	return out
}

func parseConstraint(p *problems, param string, n *yaml.Node) []constraint {
	var out []constraint
	what := ""
	for _, f := range pairs(n) {
		v := plain(f.val)
		switch f.key.Value {
		case "description":
			what = f.val.Value
		case "allowed_values":
			list, _ := v.([]any)
			out = append(out, constraint{check: allowedValues(list)})
		case "allowed_pattern":
			check, err := allowedPattern(f.val.Value)
			if err != nil {
				p.add(f.val.Line, "parameter %s: bad allowed_pattern: %v", param, err)
				continue
			}
			out = append(out, constraint{check: check})
		case "range", "length":
			m, _ := v.(map[string]any)
			out = append(out, constraint{check: between(f.key.Value, m)})
		case "custom_constraint", "modulo":
			// nova.flavor and the like are the cloud's to check, at placement.
		default:
			p.add(f.key.Line, "parameter %s: unknown constraint %q%s", param, f.key.Value,
				Suggest(f.key.Value, []string{"allowed_values", "allowed_pattern", "range", "length", "custom_constraint", "modulo", "description"}))
		}
	}
	for i := range out {
		out[i].what = what
	}
	return out
}

// lacks is the one look-ahead that TripleO's patterns use: a text without X.
var lacks = regexp.MustCompile(`^\^?\(\(\?!(.*)\)\.\)\*\$?$`)

func allowedPattern(pattern string) (func(any) string, error) {
	want := true
	expr := "^(?:" + pattern + ")$"
	if m := lacks.FindStringSubmatch(pattern); m != nil {
		want, expr = false, m[1]
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	return func(v any) string {
		if re.MatchString(String(v)) != want {
			return "does not match the pattern " + pattern
		}
		return ""
	}, nil
}

func allowedValues(list []any) func(any) string {
	var words []string
	for _, a := range list {
		words = append(words, String(a))
	}
	return func(v any) string {
		vs, isList := v.([]any)
		if !isList {
			vs = []any{v}
		}
		for _, v := range vs {
			if !slices.ContainsFunc(list, func(a any) bool { return String(a) == String(v) }) {
				return "is not one of " + strings.Join(words, ", ")
			}
		}
		return ""
	}
}

// between checks a number or a length against min and max.
func between(what string, m map[string]any) func(any) string {
	return func(v any) string {
		n, ok := toNumber(v)
		if what == "length" {
			switch v := v.(type) {
			case []any:
				n = float64(len(v))
			case map[string]any:
				n = float64(len(v))
			default:
				n = float64(len([]rune(String(v))))
			}
		} else if !ok {
			return "is not a number"
		}
		if lo, ok := toNumber(m["min"]); ok && n < lo {
			return fmt.Sprintf("has a %s below %v", what, lo)
		}
		if hi, ok := toNumber(m["max"]); ok && n > hi {
			return fmt.Sprintf("has a %s above %v", what, hi)
		}
		return ""
	}
}

func toNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// Check converts a value to the parameter's type and applies its constraints.
// The second result says what is wrong, without the value: it may be a secret.
func (d *Parameter) Check(v any) (any, string) {
	v, problem := d.convert(v)
	if problem != "" {
		return v, problem
	}
	for _, c := range d.constraints {
		if problem := c.check(v); problem != "" {
			if c.what != "" {
				problem += " (" + c.what + ")"
			}
			return v, problem
		}
	}
	return v, ""
}

func (d *Parameter) convert(v any) (any, string) {
	switch d.Type {
	case "string":
		switch v.(type) {
		case map[string]any, []any:
			return toJSON(v), ""
		}
		return String(v), ""
	case "number":
		if _, ok := toNumber(v); ok {
			return v, ""
		}
		s := strings.TrimSpace(String(v))
		if n, err := strconv.Atoi(s); err == nil {
			return n, ""
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f, ""
		}
		return v, "is not a number"
	case "boolean":
		if b, ok := v.(bool); ok {
			return b, ""
		}
		switch strings.ToLower(String(v)) {
		case "t", "true", "on", "y", "yes", "1":
			return true, ""
		case "f", "false", "off", "n", "no", "0", "":
			return false, ""
		}
		return v, "is not a boolean"
	case "json":
		return convertJSON(v)
	}
	return convertList(v)
}

func convertJSON(v any) (any, string) {
	switch t := v.(type) {
	case map[string]any, []any:
		return v, ""
	case nil:
		return map[string]any{}, ""
	case string:
		if t == "" {
			return map[string]any{}, ""
		}
		var out any
		if err := json.Unmarshal([]byte(t), &out); err == nil {
			return out, ""
		}
	}
	return v, "is not a map or a list"
}

func convertList(v any) (any, string) {
	switch t := v.(type) {
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = e
		}
		return out, ""
	case []string:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = e
		}
		return out, ""
	case nil:
		return []any{}, ""
	case map[string]any:
		return v, "is not a list"
	}
	s := String(v)
	if s == "" {
		return []any{}, ""
	}
	out := []any{}
	for _, part := range strings.Split(s, ",") {
		out = append(out, strings.TrimSpace(part))
	}
	return out, ""
}

// plain reads a node as data: nil, bool, int, float64, string, []any, map[string]any.
// Scalars follow YAML 1.1, as in Heat: yes, no, on and off are booleans.
func plain(n *yaml.Node) any { return plainDepth(n, 0) }

func plainDepth(n *yaml.Node, depth int) any {
	n = deref(n)
	if n == nil || depth > maxDepth {
		return nil
	}
	switch n.Kind {
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, c := range n.Content {
			out[i] = plainDepth(c, depth+1)
		}
		return out
	case yaml.MappingNode:
		out := make(map[string]any, len(n.Content)/2)
		for _, e := range pairs(n) {
			out[e.key.Value] = plainDepth(e.val, depth+1)
		}
		return out
	}
	return scalar(n)
}

func scalar(n *yaml.Node) any {
	s := n.Value
	if n.Style == 0 && n.Tag != "!!null" {
		switch strings.ToLower(s) {
		case "true", "yes", "on":
			return true
		case "false", "no", "off":
			return false
		}
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!int":
		digits := strings.ReplaceAll(s, "_", "")
		if len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '7' {
			if v, err := strconv.ParseInt(digits, 8, 64); err == nil {
				return int(v)
			}
		}
		if v, err := strconv.ParseInt(digits, 0, 64); err == nil {
			return int(v)
		}
	case "!!float":
		if v, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64); err == nil {
			return v
		}
	}
	return s
}
