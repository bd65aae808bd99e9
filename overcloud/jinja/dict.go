package jinja

import (
	"iter"
	"slices"
)

// Dict is a Python dict: a reference that keeps the order of insertion. Keys
// are strings, numbers, booleans, None or tuples of them.
type Dict struct {
	keys   []any
	slots  []*slot // beside keys
	items  map[any]*slot
	weight int // steps that it costs to hash all the keys
}

// NewDict makes an empty dict.
func NewDict() *Dict { return &Dict{items: map[any]*slot{}} }

// slot is the place of a value; weight is what looking its key up costs.
type slot struct {
	value  any
	weight int
}

// Set stores a value; false for a key that Python cannot hash.
func (d *Dict) Set(key, value any) bool {
	h, ok := hashKey(key)
	if ok {
		d.store(h, key, value)
	}
	return ok
}

func (d *Dict) store(h, key, value any) {
	if s, has := d.items[h]; has {
		s.value = value
		return
	}
	s := &slot{value, weight(h)}
	d.keys = append(d.keys, key)
	d.slots = append(d.slots, s)
	d.items[h] = s
	d.weight += s.weight
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
	return d.hashed(h)
}

// hashed returns the value of a key that hashKey has made.
func (d *Dict) hashed(h any) (any, bool) {
	s, ok := d.items[h]
	if !ok {
		return nil, false
	}
	return s.value, true
}

// All gives the keys and values in order. Other than Get it hashes nothing.
func (d *Dict) All() iter.Seq2[any, any] {
	return func(yield func(k, v any) bool) {
		if d == nil {
			return
		}
		for i := 0; i < len(d.keys); i++ {
			if !yield(d.keys[i], d.slots[i].value) {
				return
			}
		}
	}
}

// Delete removes a key and returns its value.
func (d *Dict) Delete(key any) (any, bool) {
	h, ok := hashKey(key)
	if !ok {
		return nil, false
	}
	s, ok := d.items[h]
	if !ok {
		return nil, false
	}
	delete(d.items, h)
	d.weight -= s.weight
	i := slices.Index(d.slots, s)
	d.keys = append(d.keys[:i:i], d.keys[i+1:]...)
	d.slots = append(d.slots[:i:i], d.slots[i+1:]...)
	return s.value, true
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
	out := &Dict{keys: d.Keys(), slots: make([]*slot, len(d.slots)), items: make(map[any]*slot, len(d.items)), weight: d.weight}
	made := make(map[*slot]*slot, len(d.slots))
	for i, s := range d.slots {
		out.slots[i] = &slot{s.value, s.weight}
		made[s] = out.slots[i]
	}
	for h, s := range d.items {
		out.items[h] = made[s]
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
	value := v.d.slots[i].value
	if v.kind == "dict_values" {
		return value
	}
	return Tuple{Items: []any{k, value}}
}

func (v *View) items() []any { return v.upTo(v.d.Len()) }

// upTo makes the first n items.
func (v *View) upTo(n int) []any {
	out := make([]any, min(v.d.Len(), n))
	for i := range out {
		out[i] = v.at(i)
	}
	return out
}
