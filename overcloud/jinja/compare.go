package jinja

import (
	"sort"
	"strings"
)

// number gives a value as a float64 when it is a number (booleans are).
func number(v any) (float64, bool) {
	if f, ok := v.(float64); ok {
		return f, true
	}
	i, ok := integer(v)
	return float64(i), ok
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

func (r *renderer) compareChain(e *compareExpr, s *scope) any {
	left := r.eval(e.x, s)
	for i, op := range e.ops {
		right := r.eval(e.rest[i], s)
		if !r.compareOp(e.at(), op, left, right) {
			return false
		}
		left = right
	}
	return true
}

func (r *renderer) compareOp(line int, op string, left, right any) bool {
	switch op {
	case "==":
		return r.equal(line, left, right)
	case "!=":
		return !r.equal(line, left, right)
	case "in":
		return r.contains(line, right, left)
	case "not in":
		return !r.contains(line, right, left)
	}
	c, can := r.compare(line, left, right)
	if !can {
		r.used(line, left, right)
		r.fail(line, "'%s' not supported between instances of '%s' and '%s'", op, iterName(left), iterName(right))
	}
	return op == "<" && c < 0 || op == "<=" && c <= 0 || op == ">" && c > 0 && c != unordered || op == ">=" && c >= 0 && c != unordered
}

// unordered is what compare gives for NaN: no order holds.
const unordered = 1 << 30

// equal is Python's ==. Every pair that it looks at is a step, so that values
// which share their parts many times over end.
func (r *renderer) equal(line int, a, b any) bool {
	r.step(line)
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return x == y
		}
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	if x, ok := text(a); ok {
		y, ok := text(b)
		r.cost(line, min(len(x), len(y))/64)
		return ok && x == y
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case Undefined:
		_, ok := b.(Undefined)
		return ok
	case Bytes:
		c, ok := b.(Bytes)
		r.read(line, a)
		return ok && a == c
	case *List:
		l, ok := b.(*List)
		return ok && (a == l || r.equalItems(line, a.Items, l.Items))
	case Tuple:
		l, ok := b.(Tuple)
		return ok && r.equalItems(line, a.Items, l.Items)
	case *Dict:
		d, ok := b.(*Dict)
		return ok && r.equalDicts(line, a, d)
	case *Range:
		g, ok := b.(*Range)
		return ok && a.len() == g.len() && (a.len() == 0 || a.from == g.from && (a.len() == 1 || a.by == g.by))
	case *View:
		v, ok := b.(*View)
		return ok && a.kind != "dict_values" && a.kind == v.kind && (a.kind == "dict_items" && r.equalDicts(line, a.d, v.d) || a.kind == "dict_keys" && r.sameKeys(line, a.d, v.d))
	case pySlice:
		return false
	}
	return a == b
}

func (r *renderer) equalItems(line int, a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	r.enter(line)
	defer r.leave()
	for i := range a {
		if !r.equal(line, a[i], b[i]) {
			return false
		}
	}
	return true
}

func (r *renderer) sameKeys(line int, a, b *Dict) bool {
	r.cost(line, a.weight)
	for h := range a.items {
		if _, ok := b.items[h]; !ok {
			return false
		}
	}
	return a.Len() == b.Len()
}

func (r *renderer) equalDicts(line int, a, b *Dict) bool {
	if a == b {
		return true
	}
	if a.Len() != b.Len() {
		return false
	}
	r.enter(line)
	defer r.leave()
	r.cost(line, a.weight)
	for h, v := range a.items {
		w, ok := b.items[h]
		if !ok || !r.equal(line, v.value, w.value) {
			return false
		}
	}
	return true
}

// compare orders two values as Python's < does; ok is false where Python raises.
func (r *renderer) compare(line int, a, b any) (order int, ok bool) {
	r.step(line)
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return order3(x < y, x > y), true
		}
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		if x != x || y != y {
			return unordered, ok
		}
		return order3(x < y, x > y), ok
	}
	if x, ok := text(a); ok {
		y, ok := text(b)
		r.cost(line, min(len(x), len(y))/64)
		return strings.Compare(x, y), ok
	}
	switch a := a.(type) {
	case *List:
		if l, ok := b.(*List); ok {
			return r.compareItems(line, a.Items, l.Items)
		}
	case Tuple:
		if l, ok := b.(Tuple); ok {
			return r.compareItems(line, a.Items, l.Items)
		}
	case Bytes:
		c, ok := b.(Bytes)
		r.read(line, a)
		return strings.Compare(string(a), string(c)), ok
	}
	return 0, false
}

func order3(less, greater bool) int {
	switch {
	case less:
		return -1
	case greater:
		return 1
	}
	return 0
}

func (r *renderer) compareItems(line int, a, b []any) (int, bool) {
	r.enter(line)
	defer r.leave()
	for i := 0; i < len(a) && i < len(b); i++ {
		if !r.equal(line, a[i], b[i]) {
			return r.compare(line, a[i], b[i])
		}
	}
	return len(a) - len(b), true
}

// sort sorts items by keys, stable, and fails when two keys have no order.
func (r *renderer) sort(line int, items []any, key func(any) any, reverse bool) {
	type pair struct{ k, v any }
	pairs := make([]pair, len(items))
	for i, v := range items {
		pairs[i] = pair{key(v), v}
	}
	sort.SliceStable(pairs, func(i, j int) bool {
		if reverse {
			i, j = j, i
		}
		c, ok := r.compare(line, pairs[i].k, pairs[j].k)
		if !ok {
			r.used(line, pairs[i].k, pairs[j].k)
			r.fail(line, "'<' not supported between instances of '%s' and '%s'", iterName(pairs[i].k), iterName(pairs[j].k))
		}
		return c < 0
	})
	for i := range pairs {
		items[i] = pairs[i].v
	}
}

// contains is v in in.
func (r *renderer) contains(line int, in, v any) bool {
	if hay, ok := text(in); ok {
		s, ok := text(v)
		if !ok {
			r.used(line, v)
			r.fail(line, "'in <string>' requires string as left operand, not %s", iterName(v))
		}
		r.cost(line, len(hay)/64)
		return strings.Contains(hay, s)
	}
	switch in := in.(type) {
	case *Dict:
		return r.hasKey(line, in, v)
	case *View:
		if in.kind == "dict_keys" {
			return r.hasKey(line, in.d, v)
		}
	case *Range:
		if i, ok := integer(v); ok {
			return in.has(i)
		}
	case Bytes:
		s, ok := v.(Bytes)
		r.read(line, in)
		return ok && strings.Contains(string(in), string(s))
	case Undefined:
		return false
	}
	it := r.iter(line, in)
	for {
		x, ok := r.pull(line, it)
		if !ok {
			return false
		}
		if r.equal(line, x, v) {
			return true
		}
	}
}

func (r *renderer) hasKey(line int, d *Dict, k any) bool {
	h, ok := r.hash(line, k)
	if !ok {
		r.unhashable(line, k)
	}
	_, ok = d.items[h]
	return ok
}
