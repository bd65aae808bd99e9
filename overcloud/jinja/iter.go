package jinja

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// Iter is a Python iterator or generator: it gives its items once, and
// computes each when it is asked for.
type Iter struct {
	kind string // what repr calls it: generator, list_reverseiterator
	next func() (any, bool)
}

// Range is what range() returns: it takes no memory for its items.
type Range struct{ from, to, by int64 }

func (g *Range) len() int {
	span, by := uint64(0), uint64(0)
	switch {
	case g.by > 0 && g.from < g.to:
		span, by = uint64(g.to)-uint64(g.from), uint64(g.by)
	case g.by < 0 && g.from > g.to:
		span, by = uint64(g.from)-uint64(g.to), -uint64(g.by)
	default:
		return 0
	}
	return int(min((span-1)/by+1, math.MaxInt64))
}

func (g *Range) at(i int) int64 { return g.from + int64(i)*g.by }

// has tells whether the range contains a number.
func (g *Range) has(v int64) bool {
	if g.by > 0 && (v < g.from || v >= g.to) || g.by < 0 && (v > g.from || v <= g.to) {
		return false
	}
	return (v-g.from)%g.by == 0
}

func (g *Range) repr() string {
	if g.by == 1 {
		return fmt.Sprintf("range(%d, %d)", g.from, g.to)
	}
	return fmt.Sprintf("range(%d, %d, %d)", g.from, g.to, g.by)
}

// pull takes the next item. Iterators that stand on iterators nest calls,
// which is why it counts depth.
func (r *renderer) pull(line int, it *Iter) (any, bool) {
	r.step(line)
	r.enter(line)
	defer r.leave()
	return it.next()
}

// iter is Python's iter(v): lists and dicts are seen as they change.
func (r *renderer) iter(line int, v any) *Iter {
	i := -1
	at := func(kind string, n func() int, get func(int) any) *Iter {
		return &Iter{kind, func() (any, bool) {
			if i++; i < n() {
				return get(i), true
			}
			return nil, false
		}}
	}
	switch v := v.(type) {
	case *Iter:
		return v
	case *List:
		return at("list_iterator", func() int { return len(v.Items) }, func(i int) any { return v.Items[i] })
	case Tuple:
		return at("tuple_iterator", func() int { return len(v.Items) }, func(i int) any { return v.Items[i] })
	case *Dict:
		return r.iter(line, &View{v, "dict_keys"})
	case *View:
		size := v.d.Len()
		return at(v.kind[:len(v.kind)-1]+"iterator", func() int {
			if v.d.Len() != size {
				r.fail(line, "dictionary changed size during iteration")
			}
			return size
		}, v.at)
	case *Range:
		return at("range_iterator", v.len, func(i int) any { return v.at(i) })
	case Undefined:
		return &Iter{"generator", func() (any, bool) { return nil, false }}
	case Bytes:
		return at("bytes_iterator", func() int { return len(v) }, func(i int) any { return int64(v[i]) })
	}
	s, ok := text(v)
	if !ok {
		r.fail(line, "'%s' object is not iterable", iterName(v))
	}
	return &Iter{"str_iterator", func() (any, bool) {
		if s == "" {
			return nil, false
		}
		_, n := utf8.DecodeRuneInString(s)
		c := s[:n]
		s = s[n:]
		return c, true
	}}
}

func iterName(v any) string {
	if v == nil {
		return "NoneType"
	}
	return typeName(v)
}

// items is Python's list(v): a slice that the caller may change.
func (r *renderer) items(line int, v any) []any {
	if n, ok := length(v); ok {
		r.cost(line, n)
		r.alloc(line, 16*n)
	}
	switch v := v.(type) {
	case *List:
		return append([]any(nil), v.Items...)
	case Tuple:
		return append([]any(nil), v.Items...)
	case *Dict:
		return v.Keys()
	case *View:
		return v.items()
	}
	var out []any
	it := r.iter(line, v)
	for {
		x, ok := r.pull(line, it)
		if !ok {
			return out
		}
		r.alloc(line, 16)
		out = append(out, x)
	}
}

// generator makes an iterator of what f gives.
func generator(f func() (any, bool)) *Iter { return &Iter{"generator", f} }

// deferred makes an iterator whose items are computed when the first is asked for.
func deferred(items func() []any) *Iter {
	var rest []any
	began := false
	return generator(func() (any, bool) {
		if !began {
			rest, began = items(), true
		}
		if len(rest) == 0 {
			return nil, false
		}
		v := rest[0]
		rest = rest[1:]
		return v, true
	})
}
