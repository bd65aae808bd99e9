package yaql

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

// key is a comparable value, the same for values that Python calls equal:
// 1, 1.0 and true; lists and maps by what they hold.
func (e *evaluator) key(v any) any {
	switch v := v.(type) {
	case nil:
		return nullKey{}
	case string:
		e.read(v)
		return v
	case int:
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
	case *regex:
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
		e.room(b.Len() + len(v))
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
		e.read(s)
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
