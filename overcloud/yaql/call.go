package yaql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// call is one call of a function: its arguments in the order of the signature.
type call struct {
	e     *evaluator
	sc    *scope // the function's own scope, a child of the caller's
	args  []any
	rest  []any      // of a signature that ends with "…"
	named []namedArg // of a signature that takes any names
}

type namedArg struct {
	name  string
	value any
}

func (c *call) str(i int) string     { return c.args[i].(string) }
func (c *call) list(i int) []any     { return c.e.list(c.args[i]) }
func (c *call) iter(i int) *iterator { return c.e.iterate(c.args[i]) }
func (c *call) has(i int) bool       { _, no := c.args[i].(absent); return !no }

func (c *call) int(i int) int {
	n, _ := integer(c.args[i])
	return n
}

func (c *call) lambda(i int) *lambda {
	l, _ := c.args[i].(*lambda)
	return l
}

func (n *callNode) eval(e *evaluator, sc *scope) any {
	var recv []any
	if n.recv != nil {
		x := e.eval(n.recv, sc)
		if n.maybe && x == nil {
			return nil
		}
		recv = []any{x}
	}
	e.off = n.pos()
	if n.recv == nil {
		if f := sc.function(n.name); f != nil {
			return n.own(e, sc, f)
		}
	}
	if n.fn == nil {
		e.lib.unknown(n.pos(), n.name, n.recv != nil)
	}
	return n.bind(e, sc, recv)
}

// own calls a function that def() made: $1, $2 … and $name are its arguments.
func (n *callNode) own(e *evaluator, sc *scope, f *lambda) any {
	in := &scope{parent: f.sc}
	for _, a := range n.args {
		switch {
		case a.value == nil:
			fail(n.pos(), "%s() takes no gaps", n.name)
		case a.key == nil:
			in.args = append(in.args, e.eval(a.value, sc))
		case a.name() == "":
			fail(a.key.pos(), "the name of an argument is a bare word")
		default:
			in.set(a.name(), e.eval(a.value, sc))
		}
	}
	return f.in(in)
}

// bind finds the form of the function that takes the arguments, and calls it.
func (n *callNode) bind(e *evaluator, sc *scope, recv []any) any {
	forms := n.fn.forms(n.recv != nil)
	pos, named := n.split(slices.ContainsFunc(forms, func(f *form) bool { return f.pairs }))
	var fits []*form
	for _, f := range forms {
		if f.takes(len(recv)+len(pos), pos, len(recv), named) {
			fits = append(fits, f)
		}
	}
	if len(fits) == 0 {
		e.refuse("%s() does not take these arguments; it is %s", n.name, signatures(onSame(forms, recv)))
	}
	vals := append([]any{}, recv...)
	for i, a := range pos {
		vals = append(vals, fits[0].value(e, sc, a, len(recv)+i))
	}
	var given []namedArg
	for _, a := range named {
		given = append(given, namedArg{a.name(), fits[0].namedValue(e, sc, a)})
	}
	e.off = n.pos()
	return n.fn.run(e, sc, fits, vals, given)
}

// run calls the first form whose types fit the values.
func (fn *function) run(e *evaluator, sc *scope, fits []*form, vals []any, given []namedArg) any {
	for _, v := range vals {
		e.read(v)
	}
	var wrong string
	for _, f := range fits {
		c := &call{e: e, sc: &scope{parent: sc}}
		if wrong = f.fill(c, vals, given); wrong == "" {
			return f.do(c)
		}
	}
	if len(fits) > 1 {
		var got []string
		for _, v := range vals {
			if _, lazy := v.(*lambda); !lazy {
				got = append(got, typeName(v))
			}
		}
		wrong = fmt.Sprintf("%s() does not take %s; it is %s", fn.name, strings.Join(got, ", "), signatures(onSame(fits, vals)))
	}
	e.refuse("%s", wrong)
	return nil
}

// onSame are the forms whose first argument fits, or all if none does.
func onSame(forms []*form, vals []any) []*form {
	var out []*form
	for _, f := range forms {
		if len(vals) == 0 || f.at(0) == nil {
			continue
		}
		if _, ok := f.at(0).check(nil, vals[0]); ok {
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		return forms
	}
	return out
}

// split parts the arguments of a call; for functions of pairs, pairs are values.
func (n *callNode) split(pairs bool) (pos, named []argument) {
	if pairs {
		return n.args, nil
	}
	for i, a := range n.args {
		if a.key != nil {
			named = n.args[i:]
			break
		}
		pos = append(pos, a)
	}
	for _, a := range named {
		if a.name() == "" {
			fail(a.key.pos(), "the name of an argument is a bare word")
		}
	}
	return pos, named
}

// takes says whether the number and the names of arguments fit; off is 1 when
// the receiver comes before them.
func (f *form) takes(count int, pos []argument, off int, named []argument) bool {
	if count > len(f.params) && f.many == nil {
		return false
	}
	given := make([]bool, len(f.params))
	for i := range min(count, len(f.params)) {
		given[i] = i < off || pos[i-off].value != nil
	}
	for i := len(f.params); i < count; i++ {
		if i >= off && pos[i-off].value == nil {
			return false
		}
	}
	for _, a := range named {
		i := f.param(a.name())
		if i < 0 && !f.anyName || i >= 0 && given[i] {
			return false
		}
		if i >= 0 {
			given[i] = true
		}
	}
	for i, p := range f.params {
		if !given[i] && !p.optional {
			return false
		}
	}
	return true
}

func (f *form) param(name string) int {
	for i, p := range f.params {
		if p.name == name {
			return i
		}
	}
	return -1
}

func (f *form) at(i int) *param {
	if i < len(f.params) {
		return &f.params[i]
	}
	return f.many
}

// value evaluates an argument, unless the function does that itself.
func (f *form) value(e *evaluator, sc *scope, a argument, i int) any {
	if a.value == nil {
		return absent{}
	}
	p := f.at(i)
	if a.key != nil {
		if p.kind == "case" {
			return pair{&lambda{e: e, n: a.key, sc: sc}, &lambda{e: e, n: a.value, sc: sc}}
		}
		k := e.eval(a.key, sc)
		return pair{k, e.eval(a.value, sc)}
	}
	return p.value(e, sc, a.value)
}

func (f *form) namedValue(e *evaluator, sc *scope, a argument) any {
	if i := f.param(a.name()); i >= 0 {
		return f.params[i].value(e, sc, a.value)
	}
	return e.eval(a.value, sc)
}

func (p *param) value(e *evaluator, sc *scope, n node) any {
	if p.kind == "lambda" {
		return &lambda{e: e, n: n, sc: sc}
	}
	return e.eval(n, sc)
}

// fill sets the arguments of a call, or says which one has the wrong type.
func (f *form) fill(c *call, vals []any, named []namedArg) string {
	c.args = make([]any, len(f.params))
	for i, p := range f.params {
		c.args[i] = p.def
	}
	for i, v := range vals {
		if _, gap := v.(absent); gap {
			continue
		}
		p := f.at(i)
		if v, ok := p.check(c.e, v); !ok {
			return f.wrong(p, v)
		} else if i < len(f.params) {
			c.args[i] = v
		} else {
			c.rest = append(c.rest, v)
		}
	}
	for _, a := range named {
		i := f.param(a.name)
		if i < 0 {
			c.named = append(c.named, a)
			continue
		}
		v, ok := f.params[i].check(c.e, a.value)
		if !ok {
			return f.wrong(&f.params[i], v)
		}
		c.args[i] = v
	}
	return ""
}

func (f *form) wrong(p *param, v any) string {
	what := "argument " + strconv.Quote(p.name) + " of " + f.name + "()"
	if f.method && len(f.params) > 0 && p == &f.params[0] {
		what = "what " + f.name + "() is called on"
	}
	hint := ""
	if p.kind == "list" {
		hint = listHint(v)
	}
	return what + " must be " + p.want() + ", got " + typeName(v) + hint
}

// check says whether a value is of the parameter's kind, and converts it.
func (p *param) check(e *evaluator, v any) (any, bool) {
	if v == nil {
		return nil, p.null
	}
	if p.kind == "lambda" {
		l, ok := v.(*lambda)
		if !ok {
			return &lambda{e: e, v: v}, true
		}
		return l, true
	}
	return v, isKind(p.kind, v)
}
