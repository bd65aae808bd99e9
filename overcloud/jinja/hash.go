package jinja

import (
	"fmt"
	"strconv"
	"strings"
)

// hasher makes Go map keys of values. A tuple becomes a text of all that it
// holds, which a tuple that shares its parts makes exponentially long: charge is
// told the work and the bytes before they are spent.
type hasher struct {
	b      strings.Builder
	depth  int
	charge func(work, bytes int)
}

// maxHash is how deep the tuples of a key may be nested.
const maxHash = 200

// hashKey makes a Go map key of a value, false when Python could not hash it.
// 1, 1.0 and True are the same key, as in Python. It counts nothing: what a
// render hashes goes through renderer.hash.
func hashKey(v any) (any, bool) {
	return (&hasher{charge: func(int, int) {}}).key(v)
}

// hash is hashKey within the limits.
func (r *renderer) hash(line int, v any) (any, bool) {
	h := &hasher{charge: func(work, bytes int) {
		r.cost(line, work)
		r.alloc(line, bytes)
	}}
	k, ok := h.key(v)
	if w := weight(k); w > 1 {
		r.cost(line, w)
	}
	return k, ok
}

// weight is the steps that it costs to look up a hashed key once.
func weight(h any) int {
	switch h := h.(type) {
	case string:
		return 1 + len(h)/perStep
	case Bytes:
		return 1 + len(h)/perStep
	case [1]string:
		return 1 + len(h[0])/perStep
	}
	return 1
}

func (h *hasher) key(v any) (any, bool) {
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
		if !h.tuple(v) {
			return nil, false
		}
		return [1]string{h.b.String()}, true
	}
	return nil, false
}

func (h *hasher) tuple(t Tuple) bool {
	if h.depth++; h.depth > maxHash {
		return false
	}
	h.b.WriteByte('(')
	for _, it := range t.Items {
		if inner, ok := it.(Tuple); ok {
			h.charge(1, 2)
			if !h.tuple(inner) {
				return false
			}
			continue
		}
		k, ok := h.key(it)
		if !ok {
			return false
		}
		h.write(k)
	}
	h.b.WriteByte(')')
	h.depth--
	return true
}

// write adds one element; the kind and the length keep different ones apart.
func (h *hasher) write(k any) {
	text := func(kind byte, s string) {
		h.charge(weight(s), len(s)+8)
		h.b.WriteByte(kind)
		h.b.WriteString(strconv.Itoa(len(s)))
		h.b.WriteByte(':')
		h.b.WriteString(s)
	}
	switch k := k.(type) {
	case nil:
		text('n', "")
	case string:
		text('s', k)
	case Bytes:
		text('b', string(k))
	case int64:
		text('i', strconv.FormatInt(k, 10))
	case float64:
		text('f', strconv.FormatFloat(k, 'g', -1, 64))
	case Undefined:
		text('u', "")
	default:
		text('p', fmt.Sprintf("%p", k))
	}
}

// get looks up a key of a dict; one that cannot be hashed is not there.
func (r *renderer) get(line int, d *Dict, k any) (any, bool) {
	if d == nil {
		return nil, false
	}
	h, ok := r.hash(line, k)
	if !ok {
		return nil, false
	}
	return d.hashed(h)
}

// put stores an item of a dict, and fails when Python could not hash the key.
func (r *renderer) put(line int, d *Dict, k, v any) {
	h, ok := r.hash(line, k)
	if !ok {
		r.unhashable(line, k)
	}
	d.store(h, k, v)
}

// read counts what it costs to look at all of the texts among the values.
func (r *renderer) read(line int, vs ...any) {
	for _, v := range vs {
		n := 0
		switch v := v.(type) {
		case string:
			n = len(v)
		case Markup:
			n = len(v)
		case Bytes:
			n = len(v)
		}
		if n >= perStep {
			r.cost(line, n/perStep)
		}
	}
}

// perStep is how many bytes of a text are read in one step.
const perStep = 64
