package jinja

import "strings"

func (r *renderer) eval(e expr, s *scope) any {
	r.step(e.at())
	r.enter(e.at())
	defer r.leave()
	switch e := e.(type) {
	case *constExpr:
		return e.v
	case *nameExpr:
		return r.name(e, s)
	case *listExpr:
		items := make([]any, len(e.items))
		for i, it := range e.items {
			items[i] = r.eval(it, s)
		}
		if e.tuple {
			return Tuple{items}
		}
		return &List{items}
	case *dictExpr:
		d := NewDict()
		for i := range e.keys {
			if k := r.eval(e.keys[i], s); !d.Set(k, r.eval(e.values[i], s)) {
				r.fail(e.at(), "unhashable type: '%s'", typeName(k))
			}
		}
		return d
	case *unaryExpr:
		return r.unary(e, r.eval(e.x, s))
	case *binaryExpr:
		return r.binary(e, s)
	case *compareExpr:
		return r.compareChain(e, s)
	case *condExpr:
		if Truth(r.eval(e.cond, s)) {
			return r.eval(e.then, s)
		}
		if e.orel == nil {
			return Undefined{"the inline if-expression evaluated to false and no else section was defined"}
		}
		return r.eval(e.orel, s)
	case *filterExpr:
		var x any
		if e.x != nil {
			x = r.eval(e.x, s)
		}
		return r.applyFilter(e, x, s)
	case *testExpr:
		return r.applyTest(e, s)
	}
	return r.access(e, s)
}

// access evaluates x.name, x[key] and calls.
func (r *renderer) access(e expr, s *scope) any {
	switch e := e.(type) {
	case *attrExpr:
		return r.attr(e.at(), r.eval(e.x, s), e.name)
	case *itemExpr:
		x := r.eval(e.x, s)
		if sl, ok := e.key.(*sliceExpr); ok {
			return r.slice(sl, x, s)
		}
		return r.item(e.at(), x, r.eval(e.key, s))
	case *callExpr:
		fn := r.eval(e.fn, s)
		args, kw := r.args(e.at(), e.args, s)
		return r.call(e.at(), fn, args, kw)
	}
	r.fail(e.at(), "cannot be used here")
	return nil
}

func (r *renderer) name(e *nameExpr, s *scope) any {
	if v, ok := s.lookup(e.name); ok {
		return v
	}
	if f, ok := global(e.name); ok {
		return f
	}
	if top := s.top(); e.name == "self" && top.tmpl != nil {
		return self{top}
	}
	return Undefined{"'" + e.name + "' is undefined"}
}

func (r *renderer) args(line int, a args, s *scope) ([]any, *Dict) {
	out := make([]any, 0, len(a.pos))
	for _, e := range a.pos {
		out = append(out, r.eval(e, s))
	}
	if a.star != nil {
		out = append(out, r.iterate(line, r.eval(a.star, s))...)
	}
	kw := NewDict()
	for i, n := range a.names {
		kw.Set(n, r.eval(a.named[i], s))
	}
	if a.kwargs != nil {
		d, ok := r.eval(a.kwargs, s).(*Dict)
		if !ok {
			r.fail(line, "the argument after ** must be a dict")
		}
		for _, k := range d.keys {
			v, _ := d.Get(k)
			kw.Set(k, v)
		}
	}
	return out, kw
}

func (r *renderer) call(line int, fn any, args []any, kw *Dict) any {
	switch f := fn.(type) {
	case Func:
		return f.call(r, line, args, kw)
	case *macro:
		return r.callMacro(line, f, args, kw)
	case *loopState:
		if !f.n.recursive || len(args) != 1 {
			r.fail(line, "loop() needs a recursive loop and one argument")
		}
		var b strings.Builder
		saved := r.out
		r.out = &b
		defer func() { r.out = saved }()
		r.loopOver(f.n, f.s, r.iterate(line, args[0]), f.level+1)
		return b.String()
	case Undefined:
		r.fail(line, "%s", f.What)
	}
	r.fail(line, "'%s' object is not callable", typeName(fn))
	return nil
}

// attr is x.name: an attribute or method first, then an item.
func (r *renderer) attr(line int, x any, name string) any {
	switch v := x.(type) {
	case Undefined:
		r.fail(line, "%s", v.What)
	case *loopState:
		if a, ok := v.attr(name); ok {
			return a
		}
	case *Namespace:
		if a, ok := v.attrs.Get(name); ok {
			return a
		}
	case self:
		if b, ok := v.attr(name); ok {
			return b
		}
	case *macro:
		if name == "name" {
			return v.name
		}
	}
	if m, ok := method(x, name); ok {
		return m
	}
	if d, ok := x.(*Dict); ok {
		if v, ok := d.Get(name); ok {
			return v
		}
	}
	return Undefined{"'" + typeName(x) + " object' has no attribute '" + name + "'"}
}

// item is x[key]: an item first, then an attribute.
func (r *renderer) item(line int, x, key any) any {
	switch v := x.(type) {
	case Undefined:
		r.fail(line, "%s", v.What)
	case *Dict:
		if it, ok := v.Get(key); ok {
			return it
		}
	case *List:
		if it, ok := index(v.Items, key); ok {
			return it
		}
	case Tuple:
		if it, ok := index(v.Items, key); ok {
			return it
		}
	case string:
		if _, isInt := integer(key); isInt {
			if it, ok := index(r.iterate(line, v), key); ok {
				return it
			}
		}
	}
	if name, ok := key.(string); ok {
		if m, ok := method(x, name); ok {
			return m
		}
		return Undefined{"'" + typeName(x) + " object' has no attribute '" + name + "'"}
	}
	return Undefined{typeName(x) + " object has no element " + Repr(key)}
}

func index(items []any, key any) (any, bool) {
	i, ok := integer(key)
	if !ok {
		return nil, false
	}
	if i < 0 {
		i += int64(len(items))
	}
	if i < 0 || i >= int64(len(items)) {
		return nil, false
	}
	return items[i], true
}

func (r *renderer) slice(e *sliceExpr, x any, s *scope) any {
	bound := func(b expr) any {
		if b == nil {
			return nil
		}
		return r.eval(b, s)
	}
	from, to, step := bound(e.from), bound(e.to), bound(e.step)
	items := r.iterate(e.at(), x)
	if _, isDict := x.(*Dict); isDict {
		r.fail(e.at(), "a dict cannot be sliced")
	}
	picked := r.pick(e.at(), items, from, to, step)
	switch x.(type) {
	case string:
		var b strings.Builder
		for _, c := range picked {
			b.WriteString(c.(string))
		}
		return b.String()
	case Tuple:
		return Tuple{picked}
	}
	return &List{picked}
}

// pick follows Python's slice.indices.
func (r *renderer) pick(line int, items []any, from, to, step any) []any {
	n := int64(len(items))
	by := int64(1)
	if step != nil {
		v, ok := integer(step)
		if !ok || v == 0 {
			r.fail(line, "slice step must be a number other than zero")
		}
		by = v
	}
	lo, hi := int64(0), n
	if by < 0 {
		lo, hi = n-1, -1
	}
	clamp := func(b any, def int64) int64 {
		if b == nil {
			return def
		}
		v, ok := integer(b)
		if !ok {
			r.fail(line, "slice indices must be integers")
		}
		if v < 0 {
			v += n
		}
		if by > 0 {
			return min(max(v, 0), n)
		}
		return min(max(v, -1), n-1)
	}
	lo, hi = clamp(from, lo), clamp(to, hi)
	var out []any
	if by > n+1 || by < -n-1 {
		by = (n + 1) * (by / max(by, -by))
	}
	for i := lo; (by > 0 && i < hi) || (by < 0 && i > hi); i += by {
		out = append(out, items[i])
	}
	return out
}

func (r *renderer) compareChain(e *compareExpr, s *scope) any {
	left := r.eval(e.x, s)
	for i, op := range e.ops {
		right := r.eval(e.rest[i], s)
		var ok bool
		switch op {
		case "==":
			ok = equal(left, right)
		case "!=":
			ok = !equal(left, right)
		case "in":
			ok = r.contains(e.at(), right, left)
		case "not in":
			ok = !r.contains(e.at(), right, left)
		default:
			c, can := compare(left, right)
			if !can {
				r.used(e.at(), left, right)
				r.fail(e.at(), "'%s' not supported between '%s' and '%s'", op, typeName(left), typeName(right))
			}
			ok = op == "<" && c < 0 || op == "<=" && c <= 0 || op == ">" && c > 0 || op == ">=" && c >= 0
		}
		if !ok {
			return false
		}
		left = right
	}
	return true
}

// used fails when one of the values is undefined, with the reason why.
func (r *renderer) used(line int, vs ...any) {
	for _, v := range vs {
		if u, ok := v.(Undefined); ok {
			r.fail(line, "%s", u.What)
		}
	}
}

func (r *renderer) contains(line int, in, v any) bool {
	switch in := in.(type) {
	case string:
		s, ok := v.(string)
		if !ok {
			r.used(line, v)
			r.fail(line, "'in <string>' requires string as left operand, not %s", typeName(v))
		}
		return strings.Contains(in, s)
	case *Dict:
		_, ok := in.Get(v)
		return ok
	}
	for _, it := range r.iterate(line, in) {
		if equal(it, v) {
			return true
		}
	}
	return false
}
