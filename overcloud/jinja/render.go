package jinja

import (
	"fmt"
	"strings"
)

// frame is a template, macro or block that is being run.
type frame struct {
	name string // of the file
	what string // how it was reached: "included", "macro m called"
	line int    // where, in the frame before
}

type renderer struct {
	env    *Env
	limits Limits
	out    *strings.Builder
	steps  int
	memory int
	depth  int
	files  []frame
	cache  map[string]*Template
	escape bool // inside of {% autoescape true %}
	asked  int  // how often step was called, for looking at the context
}

func (r *renderer) fail(line int, format string, args ...any) {
	panic(r.failure(line, fmt.Sprintf(format, args...)))
}

func (r *renderer) failure(line int, msg string) failure {
	f := failure{file: r.files[len(r.files)-1].name, line: line, msg: msg}
	f.via = r.stack(len(r.files) - 1)
	return f
}

// maxStack is how many includes and macros an error names.
const maxStack = 12

// stack tells how the i-th frame was reached, innermost first.
func (r *renderer) stack(from int) []string {
	var via []string
	for i := from; i > 0; i-- {
		if n := from - i; n == maxStack {
			return append(via, fmt.Sprintf("… and %d more", i))
		}
		via = append(via, fmt.Sprintf("%s from %s:%d", r.files[i].what, r.files[i-1].name, r.files[i].line))
	}
	return via
}

func (r *renderer) push(name, what string, line int) {
	r.files = append(r.files, frame{name, what, line})
}

func (r *renderer) pop() { r.files = r.files[:len(r.files)-1] }

// askEvery is after how many calls of step the context is looked at.
const askEvery = 256

func (r *renderer) step(line int) {
	if r.asked++; r.asked%askEvery == 0 && r.env.Context != nil && r.env.Context.Err() != nil {
		f := r.failure(line, "the render was given up")
		f.cause = r.env.Context.Err()
		panic(f)
	}
	if r.steps++; r.steps > r.limits.Steps {
		r.fail(line, "more than %d steps; is there an endless loop?", r.limits.Steps)
	}
}

// cost counts work that one step would hide.
func (r *renderer) cost(line, n int) {
	if n > r.limits.Steps-r.steps {
		r.steps = r.limits.Steps
	} else {
		r.steps += n
	}
	r.step(line)
}

// alloc counts the bytes of a string or list that is about to be made.
func (r *renderer) alloc(line, n int) {
	if n > r.limits.Memory-r.memory {
		r.fail(line, "more than %d bytes of strings and lists; is there a loop that doubles them?", r.limits.Memory)
	}
	r.memory += n
}

// sized fails when a string of n bytes, which is about to be made, is over the limit.
func (r *renderer) sized(line, n int) {
	if n > r.limits.Output || n < 0 {
		r.fail(line, "a string is larger than %d bytes", r.limits.Output)
	}
	r.alloc(line, n)
}

func (r *renderer) enter(line int) {
	if r.depth++; r.depth > r.limits.Depth {
		r.fail(line, "nested more than %d levels deep", r.limits.Depth)
	}
}

func (r *renderer) leave() { r.depth-- }

// str is str(v), bounded.
func (r *renderer) str(line int, v any) string {
	if s, ok := text(v); ok {
		return s
	}
	switch v.(type) {
	case Undefined, *module:
		return Str(v)
	}
	return r.repr(line, v)
}

// repr is repr(v), bounded.
func (r *renderer) repr(line int, v any) string {
	s := reprUpTo(v, r.limits.Output)
	r.sized(line, len(s))
	r.cost(line, len(s)/64)
	return s
}

func (r *renderer) write(line int, s string) {
	if r.out.Len()+len(s) > r.limits.Output {
		r.fail(line, "output is larger than %d bytes", r.limits.Output)
	}
	r.alloc(line, len(s))
	r.out.WriteString(s)
}

// print writes a value as {{ }} does.
func (r *renderer) print(line int, v any) {
	if r.escape {
		r.write(line, r.escaped(line, v))
		return
	}
	r.write(line, r.str(line, v))
}

func (r *renderer) exec(body []node, s *scope) {
	for _, n := range body {
		r.step(n.at())
		switch n := n.(type) {
		case *dataNode:
			if !r.silent(s) {
				r.write(n.at(), n.text)
			}
		case *outputNode:
			if v := r.eval(n.e, s); !r.silent(s) {
				r.print(n.at(), v)
			}
		case *ifNode:
			r.branch(n, s)
		case *forNode:
			r.loop(n, s, r.eval(n.iter, s), 0)
		case *setNode:
			r.set(n, s)
		case *withNode:
			in := newScope(s)
			for i, name := range n.names {
				in.set(name, r.eval(n.values[i], s))
			}
			r.exec(n.body, in)
		case *filterNode:
			body := r.capture(n.body, newScope(s))
			r.print(n.at(), r.chain(n.filter, body, s))
		default:
			r.execNamed(n, s)
		}
	}
}

// execNamed runs the statements that reach other templates, macros or blocks.
func (r *renderer) execNamed(n node, s *scope) {
	switch n := n.(type) {
	case *includeNode:
		r.include(n, s)
	case *importNode:
		r.imports(n, s)
	case *extendsNode:
		r.extends(n, s)
	case *macroNode:
		s.set(n.name, r.newMacro(n, s))
	case *callNode:
		r.print(n.at(), r.callBlock(n, s))
	case *blockNode:
		if !r.silent(s) {
			r.block(n, s)
		}
	case *autoescapeNode:
		saved := r.escape
		r.escape = Truth(r.eval(n.on, s))
		r.exec(n.body, newScope(s))
		r.escape = saved
	}
}

// silent tells whether output goes nowhere: what a template says outside of
// blocks after it has extended another.
func (r *renderer) silent(s *scope) bool { return s.unit.parent != nil && s.unit.out == r.out }

func (r *renderer) branch(n *ifNode, s *scope) {
	for i, cond := range n.conds {
		if Truth(r.eval(cond, s)) {
			r.exec(n.bodies[i], s)
			return
		}
	}
	r.exec(n.orel, s)
}

// capture renders a body into a string.
func (r *renderer) capture(body []node, s *scope) any {
	return r.captured(func() { r.exec(body, s) })
}

// captured collects what f writes.
func (r *renderer) captured(f func()) any {
	var b strings.Builder
	saved := r.out
	r.out = &b
	f()
	r.out = saved
	if r.escape {
		return Markup(b.String())
	}
	return b.String()
}

// chain applies the filters of e to a value that stands where the chain began.
func (r *renderer) chain(e expr, v any, s *scope) any {
	f, ok := e.(*filterExpr)
	if !ok || f == nil {
		return v
	}
	if f.x != nil {
		v = r.chain(f.x, v, s)
	}
	return r.applyFilter(f, v, s)
}

func (r *renderer) set(n *setNode, s *scope) {
	if !n.block {
		r.assign(n.target, r.eval(n.value, s), s)
		return
	}
	body := r.capture(n.body, newScope(s))
	if n.filter != nil {
		body = r.chain(n.filter, body, s)
	}
	r.assign(n.target, body, s)
}

func (r *renderer) assign(target expr, v any, s *scope) {
	switch t := target.(type) {
	case *nameExpr:
		s.set(t.name, v)
	case *attrExpr:
		ns, ok := r.eval(t.x, s).(*Namespace)
		if !ok {
			r.fail(t.at(), "cannot assign attribute on non-namespace object")
		}
		ns.attrs.Set(t.name, v)
	case *listExpr:
		items := r.items(t.at(), v)
		if len(items) != len(t.items) {
			r.fail(t.at(), "cannot unpack %d values into %d names", len(items), len(t.items))
		}
		for i, it := range items {
			r.assign(t.items[i], it, s)
		}
	}
}
