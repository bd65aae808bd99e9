package rules

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// text writes a JSON value as Python's str() does, which rules are written for.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return ironic.PyRepr(v)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// numeric reads what a JSON value says as a number; booleans are 0 and 1, as in Python.
func numeric(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case bool:
		return map[bool]float64{true: 1}[x], true
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(x), 64)
		return f, err == nil
	}
	return 0, false
}

// numbers reads both as numbers where one of them is one. A field that was put into
// a text ("{inventory[cpu][count]}") is a text; that it never equals 4 helps nobody.
func numbers(a, b any) (x, y float64, ok bool) {
	_, ta := a.(string)
	_, tb := b.(string)
	if ta && tb {
		return 0, 0, false
	}
	x, okx := numeric(a)
	y, oky := numeric(b)
	return x, y, okx && oky
}

func equal(a, b any) bool {
	if x, y, ok := numbers(a, b); ok {
		return x == y
	}
	for _, p := range [][2]any{{a, b}, {b, a}} { // "{plugin_data[auto_discovered]}" is the text True
		yes, ok1 := p[0].(bool)
		word, ok2 := p[1].(string)
		if ok1 && ok2 {
			return strings.EqualFold(word, strconv.FormatBool(yes))
		}
	}
	return reflect.DeepEqual(a, b)
}

// order is -1, 0 or 1. Invalid where the two have no order.
func order(a, b any) (int, error) {
	if x, y, ok := numbers(a, b); ok {
		return cmp.Compare(x, y), nil
	}
	s, ok1 := a.(string)
	t, ok2 := b.(string)
	if ok1 && ok2 {
		return strings.Compare(s, t), nil
	}
	return 0, errs.New(errs.Invalid, "%s and %s cannot be compared", kindName(a), kindName(b))
}

// kindName names what a value is without showing it: rules may hold secrets.
func kindName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case float64:
		return "a number"
	case string:
		return "a text"
	case []any:
		return "a list"
	}
	return "an object"
}
