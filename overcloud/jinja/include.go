package jinja

import (
	"errors"
	"io/fs"
	"strings"
)

// template runs a whole template in a scope that becomes its outermost, and
// after it the one that it extends.
func (r *renderer) template(t *Template, s *scope) {
	s.unit = &unit{tmpl: t, top: s, blocks: map[string][]*blockNode{}}
	r.addBlocks(t, s.unit)
	r.exec(t.body, s)
	for pushed := 0; ; pushed++ {
		parent := s.unit.parent
		if parent == nil {
			for range pushed {
				r.pop()
				r.leave()
			}
			return
		}
		s.unit.parent = nil
		r.enter(0)
		r.push(parent.Name, "extended", s.unit.tmpl.extendsLine())
		s.unit.tmpl = parent
		r.exec(parent.body, s)
	}
}

func (t *Template) extendsLine() int {
	for _, n := range t.body {
		if e, ok := n.(*extendsNode); ok {
			return e.at()
		}
	}
	return 1
}

func (r *renderer) addBlocks(t *Template, u *unit) {
	for name, b := range t.blocks {
		u.blocks[name] = append(u.blocks[name], b)
	}
}

func (r *renderer) extends(n *extendsNode, s *scope) {
	if s.unit.parent != nil {
		r.fail(n.at(), "extended multiple times")
	}
	t := r.find(n.at(), r.eval(n.name, s))
	s.unit.parent, s.unit.out = t, r.out
	r.addBlocks(t, s.unit)
}

// block runs the block that the youngest child defines.
func (r *renderer) block(n *blockNode, s *scope) {
	from := s
	if !n.scoped {
		from = s.unit.top
	}
	b := s.unit.blocks[n.name][0]
	if b.required {
		r.fail(n.at(), "block %q is required, and no child defines it", n.name)
	}
	r.runBlock(n.at(), n.name, 0, from)
}

// runBlock runs the i-th definition of a block; super() in it is the next.
func (r *renderer) runBlock(line int, name string, i int, from *scope) {
	r.enter(line)
	defer r.leave()
	b := from.unit.blocks[name][i]
	if r.files[len(r.files)-1].name != b.file {
		r.push(b.file, "block "+name+" called", line)
		defer r.pop()
	}
	in := newScope(from)
	in.set("super", superBlock(name, i+1, from))
	r.exec(b.body, in)
}

// blockRef is a callable that renders a block: self.name or super.
type blockRef struct {
	name string
	i    int
	s    *scope
}

func superBlock(name string, i int, s *scope) any {
	if i >= len(s.unit.blocks[name]) {
		return Undefined{"there is no parent block called '" + name + "'"}
	}
	return &blockRef{name, i, s}
}

func (b *blockRef) attr(name string) (any, bool) {
	if name != "super" {
		return nil, false
	}
	return superBlock(b.name, b.i+1, b.s), true
}

func (b *blockRef) repr() string { return "<BlockReference " + b.name + ">" }

// self is the value of "self": its attributes render the template's blocks.
type self struct{ s *scope }

func (v *self) attr(name string) (any, bool) {
	if _, ok := v.s.unit.blocks[name]; !ok {
		return nil, false
	}
	return &blockRef{name, 0, v.s}, true
}

func (v *self) repr() string { return "<TemplateReference " + Repr(v.s.unit.tmpl.Name) + ">" }

func (r *renderer) include(n *includeNode, s *scope) {
	wanted := r.eval(n.name, s)
	t := r.pickTemplate(n.at(), wanted)
	if t == nil {
		if !n.missing {
			r.notFound(n.at(), wanted)
		}
		return
	}
	in := newScope(nil)
	if n.context {
		in = newScope(s)
	}
	r.within(t, "included", n.at(), in)
}

// within runs another template.
func (r *renderer) within(t *Template, what string, line int, in *scope) {
	r.enter(line)
	defer r.leave()
	r.push(t.Name, what, line)
	r.template(t, in)
	r.pop()
}

// find returns the template of a name or of the first name that there is.
func (r *renderer) find(line int, wanted any) *Template {
	t := r.pickTemplate(line, wanted)
	if t == nil {
		r.notFound(line, wanted)
	}
	return t
}

func (r *renderer) notFound(line int, wanted any) {
	r.used(line, wanted)
	if names, ok := length(wanted); ok && names == 0 {
		r.fail(line, "an empty list of templates was given")
	}
	if s, ok := text(wanted); ok {
		r.fail(line, "template %s not found", Repr(s))
	}
	r.fail(line, "none of the templates %s was found", Repr(wanted))
}

func (r *renderer) pickTemplate(line int, wanted any) *Template {
	names := []any{wanted}
	switch v := wanted.(type) {
	case *List:
		names = v.Items
	case Tuple:
		names = v.Items
	}
	for _, name := range names {
		file, ok := text(name)
		if !ok {
			r.used(line, name)
			r.fail(line, "a template's name is a string, got %s", typeName(name))
		}
		if t := r.load(file, line); t != nil {
			return t
		}
	}
	return nil
}

// load returns a parsed template, or nil when there is no such file.
func (r *renderer) load(name string, line int) (t *Template) {
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
	defer func() { // a mistake in its syntax: say who wanted it
		v := recover()
		if f, ok := v.(failure); ok {
			r.push(name, "included", line)
			f.via = r.stack(len(r.files) - 1)
			v = f
		}
		if v != nil {
			panic(v) // what is no failure is a bug of ours: nothing may hide it
		}
	}()
	r.alloc(line, len(src))
	t = r.env.parse(name, src)
	r.cache[name] = t
	return t
}

// module is an imported template.
type module struct {
	name string
	body string
	s    *scope
}

func (m *module) attr(name string) (any, bool) {
	if i := m.s.find(name); i >= 0 && !strings.HasPrefix(name, "_") {
		return m.s.vals[i], true
	}
	return nil, false
}

func (m *module) repr() string { return "<TemplateModule " + Repr(m.name) + ">" }

func (r *renderer) imports(n *importNode, s *scope) {
	t := r.find(n.at(), r.eval(n.name, s))
	in := newScope(nil)
	if n.context {
		in = newScope(s)
	}
	m := &module{name: t.Name, s: in}
	m.body = Str(r.captured(func() { r.within(t, "imported", n.at(), in) }))
	if n.as != "" {
		s.set(n.as, m)
		return
	}
	for _, name := range n.names {
		v, ok := m.attr(name[0])
		if !ok {
			v = Undefined{"the template " + Repr(t.Name) + " (imported on line " + Repr(int64(n.at())) + ") does not export the requested name " + Repr(name[0])}
		}
		s.set(name[1], v)
	}
}
