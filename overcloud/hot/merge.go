package hot

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"trefoil/internal/yaml"
)

// strategy is how values of a parameter from several files become one.
type strategy struct {
	name   string // overwrite, merge, deep_merge
	origin Origin
}

var strategies = []string{"overwrite", "merge", "deep_merge"}

// strategies reads parameter_merge_strategies.
func (e *Environment) strategies(p *problems, n *yaml.Node) {
	e.byHeat = true
	for _, kv := range section(p, "parameter_merge_strategies", n) {
		s := strategy{kv.val.Value, Origin{p.file, kv.key.Line}}
		e.said[kv.key.Value] = s
		if kv.key.Value == "default" {
			e.fallback = s
		}
	}
}

// strategyNames are the parameters with a strategy of their own, sorted.
func (e *Environment) strategyNames() iter.Seq[string] {
	return slices.Values(slices.Sorted(maps.Keys(e.said)))
}

// Merge lays other, which is one parsed file, over e. Parameters follow
// parameter_merge_strategies. Where no file so far has that section, maps are
// merged key by key and the rest is replaced, as TripleO's client merged the files
// up to Queens; where one has it, Heat merges, and overwrites unless told. The
// error names every parameter whose strategies conflict or whose values cannot
// be merged, with both files; e must not be used after it.
func (e *Environment) Merge(other *Environment) error {
	p := &problems{}
	e.byHeat = e.byHeat || other.byHeat
	for _, names := range []map[string]any{other.Parameters, other.Defaults} {
		for _, name := range sortedKeys(names) {
			if names[name] != nil {
				e.agree(p, other, name)
			}
		}
	}
	if len(p.list) == 0 {
		e.lay(p, other, e.Parameters, other.Parameters)
		e.lay(p, other, e.Defaults, other.Defaults)
	}
	e.Registry = append(e.Registry, other.Registry...)
	e.Overrides = append(e.Overrides, other.Overrides...)
	e.Encrypted = append(e.Encrypted, other.Encrypted...)
	e.EventSinks = append(e.EventSinks, other.EventSinks...)
	e.Warnings = append(e.Warnings, other.Warnings...)
	e.index()
	return p.err()
}

// agree finds the strategy of a parameter and holds it to the one before. As in
// Heat, what a file says counts for the parameters that it sets.
func (e *Environment) agree(p *problems, other *Environment, name string) {
	known, ok := e.strategy[name]
	s, said := other.said[name]
	switch {
	case said:
	case ok:
		s = known
	case other.fallback.name != "":
		s = other.fallback
	default:
		s = strategy{"overwrite", other.Origins[name]}
	}
	if !ok {
		e.strategy[name] = s
		return
	}
	if s.name != known.name {
		p.file = s.origin.File
		p.add(s.origin.Line, "merge strategy %s of parameter %s conflicts with %s of %s; say the same in both files",
			s.name, name, known.name, known.origin)
	}
}

// lay merges the values of one section.
func (e *Environment) lay(p *problems, other *Environment, into, from map[string]any) {
	for _, name := range sortedKeys(from) {
		v, old := from[name], into[name]
		origin := other.Origins[name]
		s := e.strategy[name]
		switch {
		case !e.byHeat:
			v = updated(old, v)
		case v == nil:
			if _, has := into[name]; has {
				continue // Heat passes null over
			}
		case s.name == "merge" || s.name == "deep_merge":
			typ := ""
			if e.Type != nil {
				typ = e.Type(name)
			}
			merged, problem := merge(old, v, typ, s.name == "deep_merge")
			if problem != "" {
				p.file = origin.File
				p.add(origin.Line, "parameter %s cannot be merged with the value of %s: %s", name, e.Origins[name], problem)
				continue
			}
			v = merged
		}
		into[name] = v
		e.Origins[name] = origin
		e.keysFrom(name, from[name], other)
	}
}

// updated lays v over old: maps key by key, as deep as they go.
func updated(old, v any) any {
	a, okA := old.(map[string]any)
	b, okB := v.(map[string]any)
	if !okA || !okB {
		return v
	}
	out := maps.Clone(a)
	for k, v := range b {
		out[k] = updated(out[k], v)
	}
	return out
}

// merge is Heat's merge of two values of a parameter; where its type is not
// known, the kinds of the values tell. The second result is "" or what is wrong.
func merge(old, v any, typ string, deep bool) (any, string) {
	if typ == "json" {
		old, v = decoded(old), decoded(v)
	}
	if empty(old) {
		return v, ""
	}
	switch b := v.(type) {
	case map[string]any:
		if a, ok := old.(map[string]any); ok {
			return mergeMaps(a, b, deep)
		}
	case []any:
		if a, ok := asList(old, typ); ok {
			return slices.Concat(a, b), ""
		}
	case string:
		if a, ok := old.(string); ok && typ != "json" {
			if typ == "comma_delimited_list" {
				return a + "," + b, ""
			}
			return a + b, ""
		}
		if a, ok := old.([]any); ok && typ != "string" {
			add, _ := asList(b, typ)
			return slices.Concat(a, add), ""
		}
	case int, float64:
		if x, ok := toNumber(old); ok && kind(old) == "a number" {
			y, _ := toNumber(b)
			if x+y == float64(int(x+y)) {
				return int(x + y), ""
			}
			return x + y, ""
		}
	case bool:
		return nil, "a boolean can only be overwritten"
	}
	return nil, fmt.Sprintf("%s and %s", kind(old), kind(v))
}

// decoded reads JSON that is given as text.
func decoded(v any) any {
	if s, ok := v.(string); ok {
		if d, ok := parseJSON(s); ok {
			return d
		}
	}
	return v
}

// asList is a value as a list: text with commas where the type allows it.
func asList(v any, typ string) ([]any, bool) {
	switch t := v.(type) {
	case []any:
		return t, true
	case string:
		if typ == "" || typ == "comma_delimited_list" {
			var out []any
			for _, part := range strings.Split(t, ",") {
				out = append(out, part)
			}
			return out, true
		}
	}
	return nil, false
}

// empty is what Python counts as false and nothing can be added to.
func empty(v any) bool {
	switch t := v.(type) {
	case nil:
		return true
	case string:
		return t == ""
	case []any:
		return len(t) == 0
	case map[string]any:
		return len(t) == 0
	}
	return false
}

// mergeMaps lays b over a, leaving out null. Deep, maps in it are merged, lists
// appended and strings put behind each other.
func mergeMaps(a, b map[string]any, deep bool) (any, string) {
	out := maps.Clone(a)
	for _, k := range sortedKeys(b) {
		v := b[k]
		if v == nil {
			continue
		}
		_, isText := v.(string)
		_, isMap := v.(map[string]any)
		_, isList := v.([]any)
		if !deep || empty(out[k]) || !isText && !isMap && !isList {
			out[k] = v
			continue
		}
		if kind(out[k]) != kind(v) {
			return nil, fmt.Sprintf("key %s is %s and %s", k, kind(out[k]), kind(v))
		}
		merged, problem := merge(out[k], v, "", deep)
		if problem != "" {
			return nil, problem
		}
		out[k] = merged
	}
	return out, ""
}
