package yaql

import (
	"fmt"
	"math"
	"sort"
)

// dict is a map made by the expression: any keys, in the order they came.
type dict struct {
	keys, vals []any
	at         map[any]int
}

// newDict makes a dict with room for n keys.
func (e *evaluator) newDict(n int) *dict {
	e.grow(100 + 32*e.sized(n))
	return &dict{keys: make([]any, 0, n), vals: make([]any, 0, n), at: make(map[any]int, n)}
}

// set stores a value; hash is the key's evaluator.key.
func (d *dict) set(hash, k, v any) {
	if i, ok := d.at[hash]; ok {
		d.vals[i] = v
		return
	}
	d.at[hash] = len(d.keys)
	d.keys = append(d.keys, k)
	d.vals = append(d.vals, v)
}

// set is a set or a view of a dict's keys or items.
type set struct {
	items []any
	has   map[any]bool // nil until somebody asks
}

// view is a dict's values: neither list nor set, but no iterator either.
type view struct{ items []any }

// pair is key => value as an argument.
type pair struct{ key, value any }

// absent is an argument that was not given.
type absent struct{}

type (
	nullKey struct{}
	textKey string // stands for a list, map or set
)

func isMap(v any) bool {
	switch v.(type) {
	case map[string]any, *dict:
		return true
	}
	return false
}

func isIterable(v any) bool {
	switch v.(type) {
	case []any, *set, *view, *iterator, *memo, *ordering:
		return true
	}
	return false
}

// integer is Python's int, of which bool is a kind.
func integer(v any) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	case *dict:
		return len(v.keys) > 0
	case *set:
		return len(v.items) > 0
	case *view:
		return len(v.items) > 0
	}
	return true
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case int:
		return "an integer"
	case float64:
		return "a float"
	case string:
		return "a string"
	case []any:
		return "a list"
	case map[string]any, *dict:
		return "a map"
	case *set:
		return "a set"
	case *view, *iterator, *memo, *ordering:
		return "a sequence"
	case *regex:
		return "a regex"
	case *scope:
		return "variables of let()"
	case pair:
		return "a pair key => value"
	}
	return fmt.Sprintf("a %T, which no template has", v)
}

func (e *evaluator) lookup(m, key any) (any, bool) {
	switch m := m.(type) {
	case map[string]any:
		if s, ok := key.(string); ok {
			v, ok := m[s]
			return v, ok
		}
	case *dict:
		if i, ok := m.at[e.key(key)]; ok {
			return m.vals[i], true
		}
	}
	return nil, false
}

func mapLen(m any) int {
	if d, ok := m.(*dict); ok {
		return len(d.keys)
	}
	return len(m.(map[string]any))
}

// entries returns the keys and values of a map in its order, which is by name
// for what came in. The caller must not change them.
func (e *evaluator) entries(m any) (keys, vals []any) {
	if d, ok := m.(*dict); ok {
		return d.keys, d.vals
	}
	in := m.(map[string]any)
	e.sized(len(in))
	e.grow(32 * len(in))
	names := make([]string, 0, len(in))
	for k := range in {
		names = append(names, k)
	}
	sort.Strings(names)
	keys, vals = make([]any, len(in)), make([]any, len(in))
	for i, k := range names {
		keys[i], vals[i] = k, in[k]
	}
	return keys, vals
}

// copyOf makes a dict that may be changed, with room for more.
func (e *evaluator) copyOf(m any, more int) *dict {
	keys, vals := e.entries(m)
	d := e.newDict(len(keys) + more)
	for i, k := range keys {
		d.set(e.key(k), k, vals[i])
	}
	return d
}

// maxResult is how many bytes a string of a result may have, as of any function of a template.
const maxResult = 16 << 20

// plain turns the result of an evaluation into values that templates have.
func (e *evaluator) plain(v any) any {
	switch v := v.(type) {
	case string:
		if len(v) > maxResult {
			e.fail("a string of the result is larger than %d bytes", maxResult)
		}
		return v
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			e.fail("the result holds the number %s, which JSON cannot write", e.text(v))
		}
		return v
	case nil, bool, int, map[string]any: // a map[string]any came in, and is never changed
		return v
	case *dict:
		e.enter()
		keys, vals := e.entries(v)
		out := make(map[string]any, e.sized(len(keys)))
		for i, k := range keys {
			out[e.name(k)] = e.plain(vals[i])
		}
		e.depth--
		return out
	}
	if !isIterable(v) {
		e.fail("the result holds %s, which a template cannot use", typeName(v))
	}
	e.enter()
	out := []any{}
	for it := e.iterate(v); ; {
		x, ok := it.next()
		if !ok {
			break
		}
		out = append(out, e.plain(x))
	}
	e.grow(16 * len(out))
	e.depth--
	return out
}

// name is a key as JSON writes it.
func (e *evaluator) name(k any) string {
	switch k := k.(type) {
	case string:
		return k
	case nil, bool, int, float64:
		return e.text(k)
	}
	e.fail("the result has %s as the key of a map, which a template cannot use", typeName(k))
	return ""
}
