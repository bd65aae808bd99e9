package jinja

import "slices"

// macro is a callable piece of template; it sees the names around its definition.
type macro struct {
	name string
	n    *macroNode
	s    *scope
	file string
}

func (r *renderer) newMacro(n *macroNode, s *scope) *macro {
	return &macro{name: n.name, n: n, s: s, file: r.files[len(r.files)-1].name}
}

func (r *renderer) callMacro(line int, m *macro, args []any, kw *Dict) any {
	r.enter(line)
	defer r.leave()
	in := newScope(m.s)
	params := m.n.params
	if len(args) > len(params) {
		r.fail(line, "macro %q takes not more than %d argument(s)", m.name, len(params))
	}
	for _, k := range kw.keys {
		if !slices.Contains(params, Str(k)) {
			r.fail(line, "macro %q takes no keyword argument %s", m.name, Repr(k))
		}
	}
	for i, p := range params {
		if i < len(args) {
			in.vars[p] = args[i]
			continue
		}
		if v, ok := kw.Get(p); ok {
			in.vars[p] = v
			continue
		}
		d := i - (len(params) - len(m.n.defaults))
		if d >= 0 {
			in.vars[p] = r.eval(m.n.defaults[d], in)
			continue
		}
		in.vars[p] = Undefined{"parameter '" + p + "' was not provided"}
	}
	r.files = append(r.files, frame{m.file, line})
	out := r.capture(m.n.body, in)
	r.files = r.files[:len(r.files)-1]
	return out
}

// global returns a function that every template sees.
func global(name string) (Func, bool) {
	switch name {
	case "range":
		return Func{name, rangeFunc}, true
	case "dict":
		return Func{name, dictFunc}, true
	case "namespace":
		return Func{name, func(r *renderer, line int, a []any, kw *Dict) any {
			return &Namespace{dictFunc(r, line, a, kw).(*Dict)}
		}}, true
	}
	return Func{}, false
}

func rangeFunc(r *renderer, line int, a []any, _ *Dict) any {
	var n [3]int64
	for i, v := range a {
		k, ok := integer(v)
		if !ok || i > 2 {
			r.used(line, v)
			r.fail(line, "range() takes one to three integers")
		}
		n[i] = k
	}
	from, to, by := n[0], n[1], n[2]
	switch len(a) {
	case 0:
		r.fail(line, "range() takes one to three integers")
	case 1:
		from, to, by = 0, n[0], 1
	case 2:
		by = 1
	}
	if by == 0 {
		r.fail(line, "range() step must not be zero")
	}
	l := NewList()
	for i := from; (by > 0 && i < to) || (by < 0 && i > to); i += by {
		if len(l.Items) >= 100_000 {
			r.fail(line, "range() is longer than 100000")
		}
		l.Items = append(l.Items, i)
	}
	r.cost(line, len(l.Items))
	return l
}

func dictFunc(r *renderer, line int, a []any, kw *Dict) any {
	d := NewDict()
	if len(a) > 0 {
		r.update(line, d, a[0])
	}
	r.update(line, d, kw)
	return d
}

// update is dict.update: from a dict or from pairs.
func (r *renderer) update(line int, d *Dict, from any) {
	if src, ok := from.(*Dict); ok {
		for _, k := range src.Keys() {
			v, _ := src.Get(k)
			d.Set(k, v)
		}
		return
	}
	for _, it := range r.iterate(line, from) {
		pair := r.iterate(line, it)
		if len(pair) != 2 || !d.Set(pair[0], pair[1]) {
			r.fail(line, "dict.update needs a dict or pairs of key and value")
		}
	}
}
