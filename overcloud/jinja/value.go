package jinja

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A value is one of: nil (None), bool, int64, float64, string, *List, Tuple,
// *Dict, Undefined, *Namespace, Func or *macro.

// List is a Python list: a reference.
type List struct{ Items []any }

// Tuple is a Python tuple.
type Tuple struct{ Items []any }

// Dict is a Python dict: a reference that keeps the order of insertion. Keys
// are strings, numbers, booleans, None or tuples of them.
type Dict struct {
	keys  []any
	items map[any]any
}

// Namespace is what namespace() makes: an object whose attributes can be set.
type Namespace struct{ attrs *Dict }

// Undefined is the value of a name, key or attribute that does not exist. What
// says why, for the error of whoever uses it.
type Undefined struct{ What string }

// Func is a callable.
type Func struct {
	name string
	call func(r *renderer, line int, args []any, kw *Dict) any
}

// NewList makes a list.
func NewList(items ...any) *List { return &List{Items: items} }

// NewDict makes an empty dict.
func NewDict() *Dict { return &Dict{items: map[any]any{}} }

// hashKey makes a Go map key of a value, false when Python could not hash it.
// 1, 1.0 and True are the same key, as in Python.
func hashKey(v any) (any, bool) {
	switch v := v.(type) {
	case nil, string:
		return v, true
	case int64:
		return float64(v), true
	case bool:
		if v {
			return 1.0, true
		}
		return 0.0, true
	case float64:
		return v, true
	case Tuple:
		var b strings.Builder
		for _, it := range v.Items {
			if _, ok := hashKey(it); !ok {
				return nil, false
			}
			b.WriteString(Repr(it) + "\x00")
		}
		return [1]string{b.String()}, true
	}
	return nil, false
}

// Set stores a value; a key that Python cannot hash is ignored by Set and
// reported by the template's own operations.
func (d *Dict) Set(key, value any) bool {
	h, ok := hashKey(key)
	if !ok {
		return false
	}
	if _, has := d.items[h]; !has {
		d.keys = append(d.keys, key)
	}
	d.items[h] = value
	return true
}

// Get returns the value of a key.
func (d *Dict) Get(key any) (any, bool) {
	h, ok := hashKey(key)
	if !ok {
		return nil, false
	}
	v, ok := d.items[h]
	return v, ok
}

// Delete removes a key and returns its value.
func (d *Dict) Delete(key any) (any, bool) {
	h, ok := hashKey(key)
	if !ok {
		return nil, false
	}
	v, ok := d.items[h]
	if !ok {
		return nil, false
	}
	delete(d.items, h)
	for i, k := range d.keys {
		if kh, _ := hashKey(k); kh == h {
			d.keys = append(d.keys[:i:i], d.keys[i+1:]...)
			break
		}
	}
	return v, true
}

// Keys returns the keys in the order they came in.
func (d *Dict) Keys() []any { return append([]any(nil), d.keys...) }

// Len is the number of keys.
func (d *Dict) Len() int { return len(d.keys) }

// Truth is Python's bool(v).
func Truth(v any) bool {
	switch v := v.(type) {
	case nil, Undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case *List:
		return len(v.Items) > 0
	case Tuple:
		return len(v.Items) > 0
	case *Dict:
		return v.Len() > 0
	}
	return true
}

// Str is Python's str(v).
func Str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case Undefined:
		return ""
	}
	return Repr(v)
}

// maxRepr is how deep Repr looks, so that a list that contains itself ends.
const maxRepr = 50

// Repr is Python's repr(v).
func Repr(v any) string {
	var b strings.Builder
	repr(&b, v, 0)
	return b.String()
}

func repr(b *strings.Builder, v any, depth int) {
	if depth > maxRepr || b.Len() > 32<<20 {
		b.WriteString("...")
		return
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		if v {
			b.WriteString("True")
		} else {
			b.WriteString("False")
		}
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		b.WriteString(reprFloat(v))
	case string:
		reprString(b, v)
	case Undefined:
		b.WriteString("Undefined")
	case *List:
		b.WriteByte('[')
		reprItems(b, v.Items, depth)
		b.WriteByte(']')
	case Tuple:
		b.WriteByte('(')
		reprItems(b, v.Items, depth)
		if len(v.Items) == 1 {
			b.WriteByte(',')
		}
		b.WriteByte(')')
	case *Dict:
		reprDict(b, v, depth)
	case *Namespace:
		b.WriteString("<Namespace ")
		reprDict(b, v.attrs, depth)
		b.WriteByte('>')
	case Func:
		b.WriteString("<function " + v.name + ">")
	case *macro:
		b.WriteString("<Macro " + v.name + ">")
	default:
		b.WriteString("<object>")
	}
}

func reprItems(b *strings.Builder, items []any, depth int) {
	for i, it := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		repr(b, it, depth+1)
	}
}

func reprDict(b *strings.Builder, d *Dict, depth int) {
	b.WriteByte('{')
	for i, k := range d.keys {
		if i > 0 {
			b.WriteString(", ")
		}
		repr(b, k, depth+1)
		b.WriteString(": ")
		v, _ := d.Get(k)
		repr(b, v, depth+1)
	}
	b.WriteByte('}')
}

// reprFloat follows Python: shortest digits, exponent outside 1e-4 … 1e16.
func reprFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func reprString(b *strings.Builder, s string) {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	b.WriteByte(q)
	for _, r := range s {
		switch {
		case r == rune(q) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f || (r > 0x7f && r <= 0xff && !unicode.IsPrint(r)):
			b.WriteString(`\x` + hex(r, 2))
		case r > 0xff && !unicode.IsPrint(r) && r <= 0xffff:
			b.WriteString(`\u` + hex(r, 4))
		case r > 0xffff && !unicode.IsPrint(r):
			b.WriteString(`\U` + hex(r, 8))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte(q)
}

func hex(r rune, width int) string {
	s := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", max(0, width-len(s))) + s
}

// typeName is what Jinja's messages call a value.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case *List:
		return "list"
	case Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case Undefined:
		return "Undefined"
	case *Namespace:
		return "Namespace"
	}
	return "function"
}

func runeLen(s string) int { return utf8.RuneCountInString(s) }
