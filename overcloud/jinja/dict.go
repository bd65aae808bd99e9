package jinja

import "strings"

// Dict is a Python dict: a reference that keeps the order of insertion. Keys
// are strings, numbers, booleans, None or tuples of them.
type Dict struct {
	keys  []any
	items map[any]any
}

// NewDict makes an empty dict.
func NewDict() *Dict { return &Dict{items: map[any]any{}} }

// hashKey makes a Go map key of a value, false when Python could not hash it.
// 1, 1.0 and True are the same key, as in Python.
func hashKey(v any) (any, bool) {
	switch v := v.(type) {
	case nil, string, int64, Bytes, *Func, *macro, *Namespace, *Iter:
		return v, true
	case Markup:
		return string(v), true
	case bool:
		if v {
			return int64(1), true
		}
		return int64(0), true
	case float64:
		if i := int64(v); float64(i) == v && v > -1<<62 && v < 1<<62 {
			return i, true
		}
		return v, true
	case Undefined:
		return Undefined{}, true
	case Tuple:
		var b strings.Builder
		for _, it := range v.Items {
			h, ok := hashKey(it)
			if !ok {
				return nil, false
			}
			b.WriteString(Repr(h) + "\x00")
		}
		return [1]string{b.String()}, true
	case [1]string:
		return v, true
	}
	return nil, false
}

// Set stores a value; false for a key that Python cannot hash.
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
	if d == nil {
		return nil, false
	}
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

// Len is the number of keys; a nil dict has none.
func (d *Dict) Len() int {
	if d == nil {
		return 0
	}
	return len(d.keys)
}

// Copy makes a dict with the same keys and values.
func (d *Dict) Copy() *Dict {
	if d == nil {
		return NewDict()
	}
	out := &Dict{keys: d.Keys(), items: make(map[any]any, len(d.items))}
	for h, v := range d.items {
		out.items[h] = v
	}
	return out
}

// View is what dict.keys(), values() and items() return: it shows the dict as
// it is now.
type View struct {
	d    *Dict
	kind string // dict_keys, dict_values, dict_items
}

// at is the i-th item of the view.
func (v *View) at(i int) any {
	k := v.d.keys[i]
	if v.kind == "dict_keys" {
		return k
	}
	value, _ := v.d.Get(k)
	if v.kind == "dict_values" {
		return value
	}
	return Tuple{Items: []any{k, value}}
}

func (v *View) items() []any {
	out := make([]any, v.d.Len())
	for i := range out {
		out[i] = v.at(i)
	}
	return out
}
