package jinja

import "strings"

func (r *renderer) eval(e expr, s *scope) any {
	r.step(e.at())
	switch e := e.(type) {
	case *constExpr:
		return e.v
	case *nameExpr:
		return r.name(e, s)
	}
	r.enter(e.at())
	v := r.evalNested(e, s)
	r.leave()
	return v
}

func (r *renderer) evalNested(e expr, s *scope) any {
	switch e := e.(type) {
	case *listExpr:
		items := make([]any, len(e.items))
		r.alloc(e.at(), 16*len(items))
		for i, it := range e.items {
			items[i] = r.eval(it, s)
		}
		if e.tuple {
			return Tuple{Items: items}
		}
		return &List{items}
	case *dictExpr:
		d := NewDict()
		r.alloc(e.at(), 64*len(e.keys))
		for i := range e.keys {
			k := r.eval(e.keys[i], s)
			r.put(e.at(), d, k, r.eval(e.values[i], s))
		}
		return d
	case *unaryExpr:
		return r.unary(e, r.eval(e.x, s))
	case *binaryExpr:
		return r.binary(e, s)
	case *concatExpr:
		return r.concat(e, s)
	case *compareExpr:
		return r.compareChain(e, s)
	case *condExpr:
		if Truth(r.eval(e.cond, s)) {
			return r.eval(e.then, s)
		}
		if e.orel == nil {
			return Undefined{"the inline if-expression on line " + Repr(int64(e.at())) + " evaluated to false and no else section was defined"}
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
	case *sliceExpr:
		return r.evalSlice(e, s)
	}
	return r.access(e, s)
}

func (r *renderer) unhashable(line int, k any) {
	r.fail(line, "unhashable type: '%s'", typeName(k))
}

// access evaluates x.name, x[key] and calls.
func (r *renderer) access(e expr, s *scope) any {
	switch e := e.(type) {
	case *attrExpr:
		return r.attr(e.at(), r.eval(e.x, s), e.name)
	case *itemExpr:
		x := r.eval(e.x, s)
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
	if f := global(e.name); f != nil {
		return f
	}
	if e.name == "self" {
		return &self{s.unit.top}
	}
	return Undefined{"'" + e.name + "' is undefined"}
}

// args evaluates arguments; the dict is nil when there are no named ones.
func (r *renderer) args(line int, a args, s *scope) ([]any, *Dict) {
	out := make([]any, 0, len(a.pos))
	for _, e := range a.pos {
		out = append(out, r.eval(e, s))
	}
	if a.star != nil {
		out = append(out, r.items(line, r.eval(a.star, s))...)
	}
	if len(a.names) == 0 && a.kwargs == nil {
		return out, nil
	}
	kw := NewDict()
	for i, n := range a.names {
		kw.Set(n, r.eval(a.named[i], s))
	}
	if a.kwargs == nil {
		return out, kw
	}
	v := r.eval(a.kwargs, s)
	d, ok := v.(*Dict)
	if !ok {
		r.used(line, v)
		r.fail(line, "the argument after ** must be a mapping, not %s", typeName(v))
	}
	for k, v := range d.All() {
		if _, isStr := text(k); !isStr {
			r.fail(line, "keywords must be strings, got %s", r.brief(line, k))
		}
		if _, twice := r.get(line, kw, k); twice {
			r.fail(line, "the keyword argument %s was given twice", r.brief(line, k))
		}
		r.put(line, kw, k, v)
	}
	return out, kw
}

func (r *renderer) call(line int, fn any, args []any, kw *Dict) any {
	switch f := fn.(type) {
	case *Func:
		return f.call(r, line, args, kw)
	case *macro:
		return r.callMacro(line, f, args, kw)
	case *loopState:
		return f.again(line, args)
	case *blockRef:
		return r.captured(func() { r.runBlock(line, f.name, f.i, f.s) })
	case *joiner:
		return f.call()
	case Undefined:
		r.fail(line, "%s", f.What)
	}
	r.fail(line, "'%s' object is not callable", iterName(fn))
	return nil
}

// attribute is Python's getattr(x, name).
func attribute(x any, name string) (any, bool) {
	switch v := x.(type) {
	case *Namespace:
		if a, ok := v.attrs.Get(name); ok {
			return a, true
		}
	case Tuple:
		if i := map[string]int{"grouper": 1, "list": 2}[name]; v.group && i > 0 {
			return v.Items[i-1], true
		}
	case object:
		if a, ok := v.attr(name); ok {
			return a, true
		}
	}
	if m := boundMethod(x, name); m != nil {
		return m, true
	}
	return nil, false
}

// attr is x.name: an attribute or method first, then an item.
func (r *renderer) attr(line int, x any, name string) any {
	if u, ok := x.(Undefined); ok {
		r.fail(line, "%s", u.What)
	}
	if v, ok := attribute(x, name); ok {
		return v
	}
	if d, ok := x.(*Dict); ok {
		if v, ok := d.Get(name); ok {
			return v
		}
	}
	return noAttribute(x, name)
}

func noAttribute(x any, name string) Undefined {
	return Undefined{"'" + objectName(x) + "' has no attribute '" + cut(name) + "'"}
}

func objectName(x any) string {
	if x == nil {
		return "None"
	}
	return typeName(x) + " object"
}

// item is x[key]: an item first, then an attribute.
func (r *renderer) item(line int, x, key any) any {
	if sl, ok := key.(pySlice); ok {
		return r.slice(line, x, sl)
	}
	r.read(line, key)
	if v, ok := r.index(line, x, key); ok {
		return v
	}
	name, ok := text(key)
	if !ok {
		return Undefined{objectName(x) + " has no element " + r.brief(line, key)}
	}
	if v, ok := attribute(x, name); ok {
		return v
	}
	return noAttribute(x, name)
}

// index is x[key] without attributes.
func (r *renderer) index(line int, x, key any) (any, bool) {
	switch v := x.(type) {
	case Undefined:
		r.fail(line, "%s", v.What)
	case *Dict:
		return r.get(line, v, key)
	case *List:
		return index(v.Items, key)
	case Tuple:
		return index(v.Items, key)
	}
	i, ok := integer(key)
	if !ok {
		return nil, false
	}
	n, _ := length(x)
	if i < 0 {
		i += int64(n)
	}
	if i < 0 || i >= int64(n) {
		return nil, false
	}
	switch v := x.(type) {
	case *Range:
		return v.at(int(i)), true
	case Bytes:
		return int64(v[i]), true
	}
	s, ok := text(x)
	if !ok {
		return nil, false
	}
	r.cost(line, len(s)/64)
	for j, c := range s {
		if i == 0 {
			return s[j : j+len(string(c))], true
		}
		i--
	}
	return nil, false
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

// used fails when one of the values is undefined, with the reason why.
func (r *renderer) used(line int, vs ...any) {
	for _, v := range vs {
		if u, ok := v.(Undefined); ok {
			r.fail(line, "%s", u.What)
		}
	}
}

// concat is a ~ b ~ c.
func (r *renderer) concat(e *concatExpr, s *scope) any {
	parts := make([]string, len(e.items))
	values := make([]any, len(e.items))
	safe := false
	for i, it := range e.items {
		values[i] = r.eval(it, s)
		_, isMarkup := values[i].(Markup)
		safe = safe || isMarkup
	}
	size := 0
	for i, v := range values {
		if r.escape && safe {
			parts[i] = r.escaped(e.at(), v)
		} else {
			parts[i] = r.str(e.at(), v)
		}
		size += len(parts[i])
	}
	r.sized(e.at(), size)
	if r.escape && safe {
		return Markup(strings.Join(parts, ""))
	}
	return strings.Join(parts, "")
}
