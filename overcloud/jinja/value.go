package jinja

import "unicode/utf8"

// A value is one of: nil (None), bool, int64, float64, string, Markup, Bytes,
// *List, Tuple, *Dict, *Range, *View, *Iter, Undefined, *Namespace, *Func, or
// an object of the engine's own: a macro, a loop, a module.

// List is a Python list: a reference.
type List struct{ Items []any }

// Tuple is a Python tuple.
type Tuple struct {
	Items []any
	group bool // of groupby: has the attributes grouper and list
}

// Markup is text that is safe inside HTML already: escape leaves it alone.
type Markup string

// Bytes is a Python bytes object, which str.encode makes.
type Bytes string

// Namespace is what namespace() makes: an object whose attributes can be set.
type Namespace struct{ attrs *Dict }

// Undefined is the value of a name, key or attribute that does not exist. What
// says why, for the error of whoever uses it.
type Undefined struct{ What string }

// Func is a callable.
type Func struct {
	name string
	kind string // what repr calls it
	call func(r *renderer, line int, args []any, kw *Dict) any
}

// object is a value of the engine's own with attributes.
type object interface {
	attr(name string) (any, bool)
	repr() string
}

// NewList makes a list.
func NewList(items ...any) *List { return &List{Items: items} }

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
	}
	if s, ok := text(v); ok {
		return s != "" // without counting the characters
	}
	n, ok := length(v)
	return !ok || n > 0
}

// length is Python's len(v); ok is false when v has none.
func length(v any) (n int, ok bool) {
	switch v := v.(type) {
	case Undefined:
		return 0, true
	case string:
		return utf8.RuneCountInString(v), true
	case Markup:
		return utf8.RuneCountInString(string(v)), true
	case Bytes:
		return len(v), true
	case *List:
		return len(v.Items), true
	case Tuple:
		return len(v.Items), true
	case *Dict:
		return v.Len(), true
	case *View:
		return v.d.Len(), true
	case *Range:
		return v.len(), true
	}
	return 0, false
}

// text gives a string's content.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case Markup:
		return string(v), true
	}
	return "", false
}

// typeName is what Python's messages call a value.
func typeName(v any) string {
	switch v := v.(type) {
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
	case Markup:
		return "Markup"
	case Bytes:
		return "bytes"
	case *List:
		return "list"
	case Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case *Range:
		return "range"
	case *View:
		return v.kind
	case *Iter:
		return v.kind
	case Undefined:
		return "Undefined"
	case *Namespace:
		return "Namespace"
	case *macro:
		return "Macro"
	case *loopState:
		return "LoopContext"
	case *module:
		return "TemplateModule"
	}
	return "function"
}

func runeLen(s string) int { return utf8.RuneCountInString(s) }
