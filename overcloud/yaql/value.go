package yaql

import (
	"fmt"
	"math"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// dict is a map made by the expression: any keys, in the order they came.
type dict struct {
	keys, vals []any
	at         map[any]int
}

func newDict(n int) *dict {
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
	case *regexp.Regexp:
		return "a regex"
	case *scope:
		return "variables of let()"
	case pair:
		return "a pair key => value"
	}
	return sprintf("a %T, which no template has", v)
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
	d := newDict(e.sized(len(keys) + more))
	for i, k := range keys {
		d.set(e.key(k), k, vals[i])
	}
	return d
}

// key is a comparable value, the same for values that Python calls equal:
// 1, 1.0 and true; lists and maps by what they hold.
func (e *evaluator) key(v any) any {
	switch v := v.(type) {
	case nil:
		return nullKey{}
	case string, int:
		return v
	case bool:
		n, _ := integer(v)
		return n
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int(v)
		}
		return v
	case []any, map[string]any, *dict, *set:
		var b strings.Builder
		e.writeKey(&b, v)
		return textKey(e.str(b.String()))
	case *regexp.Regexp:
		return textKey("/" + v.String())
	case *view, *iterator, *memo, *ordering, *scope:
		return v // itself and nothing else
	}
	e.fail("%s cannot be a key", typeName(v))
	return nil
}

func (e *evaluator) writeKey(b *strings.Builder, v any) {
	e.enter()
	switch v := v.(type) {
	case []any:
		b.WriteByte('[')
		for _, x := range v {
			e.writeKey(b, x)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case map[string]any, *dict:
		e.writeMapKey(b, v)
	case *set:
		parts := make([]string, len(v.items))
		for i, x := range v.items {
			parts[i] = e.keyText(x)
		}
		sort.Strings(parts)
		b.WriteString("<" + strings.Join(parts, ",") + ">")
	case string:
		writeText(b, v)
	default:
		switch k := e.key(v).(type) {
		case int:
			b.WriteString(strconv.Itoa(k))
		case float64:
			b.WriteString(strconv.FormatFloat(k, 'g', -1, 64))
		case nullKey:
			b.WriteString("null")
		case textKey:
			writeText(b, string(k))
		default:
			fmt.Fprintf(b, "%p", k)
		}
	}
	e.depth--
}

// writeMapKey writes the entries in an order that does not depend on the map's.
func (e *evaluator) writeMapKey(b *strings.Builder, m any) {
	keys, vals := e.entries(m)
	names := make([]string, len(keys))
	at := make([]int, len(keys))
	for i, k := range keys {
		at[i] = i
		if s, ok := k.(string); ok {
			names[i] = s
		} else {
			names[i] = "\x00" + e.keyText(k)
		}
	}
	if _, sorted := m.(map[string]any); !sorted {
		sort.Slice(at, func(i, j int) bool { return names[at[i]] < names[at[j]] })
	}
	b.WriteByte('{')
	for _, i := range at {
		writeText(b, names[i])
		e.writeKey(b, vals[i])
	}
	b.WriteByte('}')
}

// writeText writes a string so that where it ends is told before.
func writeText(b *strings.Builder, s string) {
	b.WriteString(strconv.Itoa(len(s)))
	b.WriteByte('"')
	b.WriteString(s)
}

func (e *evaluator) keyText(v any) string {
	var b strings.Builder
	e.writeKey(&b, v)
	return e.str(b.String())
}

// equal is Python's ==: numbers and booleans by value, the rest by structure.
func (e *evaluator) equal(a, b any) bool {
	if s, ok := a.(string); ok {
		t, ok := b.(string)
		return ok && s == t
	}
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	switch a.(type) {
	case []any, map[string]any, *dict, *set:
		if !sameKind(a, b) {
			return false
		}
	}
	if x, ok := a.(float64); ok && math.IsNaN(x) {
		return false
	}
	return e.key(a) == e.key(b)
}

// sameKind spares writing keys of what cannot be equal.
func sameKind(a, b any) bool {
	switch a := a.(type) {
	case []any:
		l, ok := b.([]any)
		return ok && len(l) == len(a)
	case *set:
		s, ok := b.(*set)
		return ok && len(s.items) == len(a.items)
	}
	return isMap(b) && mapLen(a) == mapLen(b)
}

// plain turns the result of an evaluation into values that templates have.
func (e *evaluator) plain(v any) any {
	switch v := v.(type) {
	case nil, bool, int, float64, string, map[string]any: // a map[string]any came in, and is never changed
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
