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

func (m *macro) attr(name string) (any, bool) {
	switch name {
	case "name":
		return m.name, true
	case "arguments":
		t := Tuple{}
		for _, p := range m.n.params {
			t.Items = append(t.Items, p)
		}
		return t, true
	case "catch_varargs":
		return m.n.special["varargs"], true
	case "catch_kwargs":
		return m.n.special["kwargs"], true
	case "caller":
		return m.n.special["caller"], true
	}
	return nil, false
}

func (m *macro) repr() string { return "<Macro " + Repr(m.name) + ">" }

// callMacro binds the arguments in the order of the parameters: a default sees
// the parameters before it.
func (r *renderer) callMacro(line int, m *macro, args []any, kw *Dict) any {
	r.enter(line)
	defer r.leave()
	in := newScope(m.s)
	params := m.n.params
	named := kw.Copy()
	r.special(line, m, args, named, in)
	r.push(m.file, "macro "+m.name+" called", line)
	for i, p := range params {
		d := i - (len(params) - len(m.n.defaults))
		v, given := named.Delete(p)
		switch {
		case i < len(args) && given:
			r.pop()
			r.fail(line, "macro %q got argument %q twice", m.name, p)
		case i < len(args):
			in.set(p, args[i])
		case given:
			in.set(p, v)
		case d >= 0:
			in.set(p, r.eval(m.n.defaults[d], in))
		default:
			in.set(p, Undefined{"parameter '" + p + "' was not provided"})
		}
	}
	out := r.capture(m.n.body, in)
	r.pop()
	return out
}

// special sets caller, varargs and kwargs where the macro uses them, and refuses
// arguments that nobody takes.
func (r *renderer) special(line int, m *macro, args []any, named *Dict, in *scope) {
	params, special := m.n.params, m.n.special
	if special["caller"] && !slices.Contains(params, "caller") {
		v, ok := named.Delete("caller")
		if !ok {
			v = Undefined{"No caller defined"}
		}
		in.set("caller", v)
	}
	rest := NewDict()
	for _, k := range named.Keys() {
		if slices.Contains(params, Str(k)) {
			continue
		}
		switch {
		case special["kwargs"]:
			v, _ := named.Delete(k)
			rest.Set(k, v)
		case Str(k) == "caller":
			r.fail(line, "macro %q was invoked with two values for the special caller argument or does not use it", m.name)
		default:
			r.fail(line, "macro %q takes no keyword argument %s", m.name, Repr(k))
		}
	}
	if special["kwargs"] {
		in.set("kwargs", rest)
	}
	if special["varargs"] {
		in.set("varargs", Tuple{Items: append([]any(nil), args[min(len(args), len(params)):]...)})
	} else if len(args) > len(params) {
		r.fail(line, "macro %q takes not more than %d argument(s)", m.name, len(params))
	}
}

// callBlock is {% call m() %}: the body becomes the macro's caller.
func (r *renderer) callBlock(n *callNode, s *scope) any {
	r.enter(n.at())
	defer r.leave()
	fn := r.eval(n.call.fn, s)
	args, kw := r.args(n.at(), n.call.args, s)
	kw = kw.Copy()
	kw.Set("caller", r.newMacro(n.caller, s))
	return r.call(n.at(), fn, args, kw)
}
