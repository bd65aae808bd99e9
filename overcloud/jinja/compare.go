package jinja

import (
	"sort"
	"strings"
)

// number gives a value as a float64 when it is a number (booleans are).
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// integer gives a value as an int64 when it is an int or a bool.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// equal is Python's ==.
func equal(a, b any) bool { return equalDepth(a, b, 0) }

func equalDepth(a, b any, depth int) bool {
	if depth > maxRepr {
		return false
	}
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return x == y
		}
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case string:
		s, ok := b.(string)
		return ok && s == a
	case Undefined:
		_, ok := b.(Undefined)
		return ok
	case *List:
		l, ok := b.(*List)
		return ok && equalItems(a.Items, l.Items, depth)
	case Tuple:
		l, ok := b.(Tuple)
		return ok && equalItems(a.Items, l.Items, depth)
	case *Dict:
		d, ok := b.(*Dict)
		if !ok || d.Len() != a.Len() {
			return false
		}
		for h, v := range a.items {
			w, ok := d.items[h]
			if !ok || !equalDepth(v, w, depth+1) {
				return false
			}
		}
		return true
	case *Namespace:
		n, ok := b.(*Namespace)
		return ok && n == a
	}
	return false
}

func equalItems(a, b []any, depth int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !equalDepth(a[i], b[i], depth+1) {
			return false
		}
	}
	return true
}

// compare orders two values as Python's < does; ok is false where Python raises.
func compare(a, b any) (int, bool) {
	if x, ok := number(a); ok {
		y, ok := number(b)
		switch {
		case !ok:
			return 0, false
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	}
	switch a := a.(type) {
	case string:
		s, ok := b.(string)
		return strings.Compare(a, s), ok
	case *List:
		if l, ok := b.(*List); ok {
			return compareItems(a.Items, l.Items)
		}
	case Tuple:
		if l, ok := b.(Tuple); ok {
			return compareItems(a.Items, l.Items)
		}
	}
	return 0, false
}

func compareItems(a, b []any) (int, bool) {
	for i := 0; i < len(a) && i < len(b); i++ {
		if equal(a[i], b[i]) {
			continue
		}
		return compare(a[i], b[i])
	}
	return len(a) - len(b), true
}

// sortValues sorts in place, false when two values cannot be compared.
func sortValues(items []any, key func(any) any) bool {
	ok := true
	sort.SliceStable(items, func(i, j int) bool {
		c, can := compare(key(items[i]), key(items[j]))
		ok = ok && can
		return c < 0
	})
	return ok
}
