package jinja

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// scope is one level of names; lookups go outward, assignments stay inside.
type scope struct {
	vars   map[string]any
	parent *scope
	tmpl   *Template // set on the outermost scope of a template
}

// top is the scope of the template that s belongs to.
func (s *scope) top() *scope {
	for s.tmpl == nil && s.parent != nil {
		s = s.parent
	}
	return s
}

// template runs a whole template in a scope that becomes its outermost.
func (r *renderer) template(t *Template, s *scope) {
	s.tmpl = t
	r.exec(t.body, s)
}

// self is the value of "self": its attributes render the template's blocks.
type self struct{ s *scope }

func (v self) attr(name string) (any, bool) {
	b, ok := v.s.tmpl.blocks[name]
	if !ok {
		return nil, false
	}
	return Func{name, func(r *renderer, line int, _ []any, _ *Dict) any {
		r.enter(line)
		defer r.leave()
		return r.capture(b.body, newScope(v.s))
	}}, true
}

func newScope(parent *scope) *scope { return &scope{vars: map[string]any{}, parent: parent} }

func (s *scope) lookup(name string) (any, bool) {
	for ; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

type frame struct {
	name string
	line int // of the include or call in the frame before
}

type renderer struct {
	env    *Env
	limits Limits
	out    *strings.Builder
	steps  int
	depth  int
	files  []frame
	cache  map[string]*Template
}

func (r *renderer) fail(line int, format string, args ...any) {
	f := failure{file: r.files[len(r.files)-1].name, line: line, msg: fmt.Sprintf(format, args...)}
	for i := len(r.files) - 1; i > 0; i-- {
		f.via = append(f.via, fmt.Sprintf("included from %s:%d", r.files[i-1].name, r.files[i].line))
	}
	panic(f)
}

func (r *renderer) step(line int) {
	if r.steps++; r.steps > r.limits.Steps {
		r.fail(line, "more than %d steps; is there an endless loop?", r.limits.Steps)
	}
}

func (r *renderer) enter(line int) {
	if r.depth++; r.depth > r.limits.Depth {
		r.fail(line, "nested more than %d levels deep", r.limits.Depth)
	}
}

func (r *renderer) leave() { r.depth-- }

func (r *renderer) write(line int, s string) {
	if r.out.Len()+len(s) > r.limits.Output {
		r.fail(line, "output is larger than %d bytes", r.limits.Output)
	}
	r.out.WriteString(s)
}

func (r *renderer) exec(body []node, s *scope) {
	for _, n := range body {
		r.step(n.at())
		switch n := n.(type) {
		case *dataNode:
			r.write(n.at(), n.text)
		case *outputNode:
			r.write(n.at(), Str(r.eval(n.e, s)))
		case *ifNode:
			if Truth(r.eval(n.cond, s)) {
				r.exec(n.then, s)
			} else {
				r.exec(n.orel, s)
			}
		case *forNode:
			r.loop(n, s, 0)
		case *setNode:
			r.set(n, s)
		case *includeNode:
			r.include(n, s)
		case *macroNode:
			s.vars[n.name] = r.newMacro(n, s)
		case *withNode:
			in := newScope(s)
			for i, name := range n.names {
				in.vars[name] = r.eval(n.values[i], s)
			}
			r.exec(n.body, in)
		case *filterNode:
			body := r.capture(n.body, newScope(s))
			r.write(n.at(), Str(r.chain(n.filter, body, s)))
		case *blockNode:
			from := s
			if !n.scoped {
				from = s.top()
			}
			r.exec(n.body, newScope(from))
		case *doNode:
			r.eval(n.e, s)
		}
	}
}

// capture renders a body into a string.
func (r *renderer) capture(body []node, s *scope) string {
	var b strings.Builder
	saved := r.out
	r.out = &b
	defer func() { r.out = saved }()
	r.exec(body, s)
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
	body := any(r.capture(n.body, newScope(s)))
	if n.filter != nil {
		body = r.chain(n.filter, body, s)
	}
	r.assign(n.target, body, s)
}

func (r *renderer) assign(target expr, v any, s *scope) {
	switch t := target.(type) {
	case *nameExpr:
		s.vars[t.name] = v
	case *attrExpr:
		ns, ok := r.eval(t.x, s).(*Namespace)
		if !ok {
			r.fail(t.at(), "cannot assign attribute on non-namespace object")
		}
		ns.attrs.Set(t.name, v)
	case *listExpr:
		items := r.iterate(t.at(), v)
		if len(items) != len(t.items) {
			r.fail(t.at(), "cannot unpack %d values into %d names", len(items), len(t.items))
		}
		for i, it := range items {
			r.assign(t.items[i], it, s)
		}
	}
}

// loop runs a for. Each round has a scope of its own: what it sets is gone after it.
func (r *renderer) loop(n *forNode, s *scope, level int) {
	r.loopOver(n, s, r.iterate(n.at(), r.eval(n.iter, s)), level)
}

func (r *renderer) loopOver(n *forNode, s *scope, items []any, level int) {
	r.enter(n.at())
	defer r.leave()
	if n.cond != nil {
		var kept []any
		for _, it := range items {
			in := newScope(s)
			r.assign(n.target, it, in)
			if Truth(r.eval(n.cond, in)) {
				kept = append(kept, it)
			}
		}
		items = kept
	}
	if len(items) == 0 {
		r.exec(n.orel, newScope(s))
		return
	}
	st := &loopState{r: r, n: n, s: s, items: items, level: level}
	for i, it := range items {
		r.step(n.at())
		st.i = i
		in := newScope(s)
		in.vars["loop"] = st
		r.assign(n.target, it, in)
		r.exec(n.body, in)
	}
}

// loopState is the value of "loop".
type loopState struct {
	r       *renderer
	n       *forNode
	s       *scope
	items   []any
	i       int
	level   int
	changed any
	seen    bool
}

func (l *loopState) attr(name string) (any, bool) {
	n := len(l.items)
	switch name {
	case "index":
		return int64(l.i + 1), true
	case "index0":
		return int64(l.i), true
	case "revindex":
		return int64(n - l.i), true
	case "revindex0":
		return int64(n - l.i - 1), true
	case "first":
		return l.i == 0, true
	case "last":
		return l.i == n-1, true
	case "length":
		return int64(n), true
	case "depth":
		return int64(l.level + 1), true
	case "depth0":
		return int64(l.level), true
	case "previtem":
		if l.i == 0 {
			return Undefined{"there is no previous item"}, true
		}
		return l.items[l.i-1], true
	case "nextitem":
		if l.i == n-1 {
			return Undefined{"there is no next item"}, true
		}
		return l.items[l.i+1], true
	case "cycle":
		return Func{"cycle", func(r *renderer, line int, a []any, _ *Dict) any {
			if len(a) == 0 {
				r.fail(line, "no items for cycling given")
			}
			return a[l.i%len(a)]
		}}, true
	case "changed":
		return Func{"changed", func(_ *renderer, _ int, a []any, _ *Dict) any {
			now := Tuple{a}
			if l.seen && equal(l.changed, now) {
				return false
			}
			l.changed, l.seen = now, true
			return true
		}}, true
	}
	return nil, false
}

func (r *renderer) include(n *includeNode, s *scope) {
	wanted := r.eval(n.name, s)
	names := []any{wanted}
	switch v := wanted.(type) {
	case *List:
		names = v.Items
	case Tuple:
		names = v.Items
	}
	var t *Template
	for _, name := range names {
		file, ok := name.(string)
		if !ok {
			r.fail(n.at(), "include needs a file name, got %s", typeName(name))
		}
		if t = r.load(file, n.at()); t != nil {
			break
		}
	}
	if t == nil {
		if !n.missing {
			r.fail(n.at(), "template %s not found", Repr(wanted))
		}
		return
	}
	r.enter(n.at())
	defer r.leave()
	r.files = append(r.files, frame{t.Name, n.at()})
	in := newScope(nil)
	if n.context {
		in = newScope(s)
	}
	r.template(t, in)
	r.files = r.files[:len(r.files)-1]
}

// load returns a parsed template, or nil when there is no such file.
func (r *renderer) load(name string, line int) *Template {
	if t, ok := r.cache[name]; ok {
		return t
	}
	if r.env.Loader == nil {
		return nil
	}
	src, err := r.env.Loader(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		r.fail(line, "template %s cannot be read: %v", Repr(name), err)
	}
	t := parse(name, src)
	r.cache[name] = t
	return t
}

// iterate gives the items of an iterable.
func (r *renderer) iterate(line int, v any) []any {
	switch v := v.(type) {
	case *List:
		return append([]any(nil), v.Items...)
	case Tuple:
		return v.Items
	case *Dict:
		return v.Keys()
	case Undefined:
		return nil
	case string:
		out := make([]any, 0, len(v))
		for _, c := range v {
			out = append(out, string(c))
		}
		return out
	}
	r.fail(line, "%s is not iterable", typeName(v))
	return nil
}
