package jinja

import "strings"

// pySlice is a Python slice object: what stands in x[from:to:step].
type pySlice struct{ from, to, step any }

func (r *renderer) evalSlice(e *sliceExpr, s *scope) any {
	bound := func(b expr) any {
		if b == nil {
			return nil
		}
		v := r.eval(b, s)
		r.used(b.at(), v)
		return v
	}
	return pySlice{bound(e.from), bound(e.to), bound(e.step)}
}

func (r *renderer) slice(line int, x any, sl pySlice) any {
	r.used(line, x)
	r.read(line, x)
	n, ok := length(x)
	switch x.(type) {
	case *View, *Dict:
		ok = false
	}
	if !ok {
		return Undefined{objectName(x) + " has no element slice"}
	}
	from, to, by := r.bounds(line, int64(n), sl)
	if g, ok := x.(*Range); ok {
		return &Range{g.from + from*g.by, g.from + to*g.by, g.by * by}
	}
	if b, ok := x.(Bytes); ok {
		var out []byte
		for i := from; (by > 0 && i < to) || (by < 0 && i > to); i += by {
			out = append(out, b[i])
		}
		return Bytes(out)
	}
	if s, ok := text(x); ok && len(s) == n && by == 1 { // ASCII
		if to < from {
			return like(x, "")
		}
		return like(x, s[from:to])
	}
	items := r.items(line, x)
	out := make([]any, 0, min(len(items), 64))
	for i := from; (by > 0 && i < to) || (by < 0 && i > to); i += by {
		out = append(out, items[i])
	}
	switch x.(type) {
	case *List:
		return &List{out}
	case Tuple:
		return Tuple{Items: out}
	}
	var b strings.Builder
	for _, c := range out {
		b.WriteString(c.(string))
	}
	return like(x, b.String())
}

// like makes text of the kind of x.
func like(x any, s string) any {
	if _, ok := x.(Markup); ok {
		return Markup(s)
	}
	return s
}

// bounds follows Python's slice.indices; a step beyond the ends is cut so that
// it cannot overflow.
func (r *renderer) bounds(line int, n int64, sl pySlice) (from, to, by int64) {
	number := func(v any, def int64) int64 {
		if v == nil {
			return def
		}
		i, ok := integer(v)
		if !ok {
			r.fail(line, "slice indices must be integers or None, got %s", typeName(v))
		}
		return i
	}
	by = number(sl.step, 1)
	if by == 0 {
		r.fail(line, "slice step cannot be zero")
	}
	by = min(max(by, -n-1), n+1)
	lo, hi := int64(0), n
	if by < 0 {
		lo, hi = -1, n-1
	}
	clamp := func(v any, def int64) int64 {
		if v == nil {
			return def
		}
		i := number(v, 0)
		if i < 0 {
			i += n
		}
		return min(max(i, lo), hi)
	}
	if by < 0 {
		return clamp(sl.from, hi), clamp(sl.to, lo), by
	}
	return clamp(sl.from, lo), clamp(sl.to, hi), by
}
