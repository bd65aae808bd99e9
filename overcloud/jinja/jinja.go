// Package jinja renders Jinja2 templates with Python's semantics: lists and
// dicts are references, dicts keep their order, str() and repr() look as in
// Python, undefined names render empty and fail when used. It is pure: files
// for include come from a Loader. Every error names the template and the line.
//
// Source of behaviour: Jinja2 3.1 with its default Environment (no trim_blocks,
// one trailing newline dropped, autoescape off).
package jinja

import (
	"fmt"
	"strings"

	"trefoil/internal/errs"
)

// Loader returns the source of a template by the name that include gave.
type Loader func(name string) (string, error)

// Limits bound what one Render may cost. Zero fields take the defaults.
type Limits struct {
	Steps  int // evaluated nodes; default 5 million
	Output int // bytes of output and of any one string; default 16 MiB
	Depth  int // nesting of expressions, includes and macro calls; default 100
}

func (l Limits) withDefaults() Limits {
	if l.Steps == 0 {
		l.Steps = 5_000_000
	}
	if l.Output == 0 {
		l.Output = 16 << 20
	}
	if l.Depth == 0 {
		l.Depth = 100
	}
	return l
}

// Env is where templates come from and what they may cost. It is safe for
// concurrent use if Loader is.
type Env struct {
	Loader Loader // nil: include fails
	Limits Limits
}

// Template is a parsed template; it is immutable.
type Template struct {
	Name   string
	body   []node
	blocks map[string]*blockNode
}

// Parse checks the syntax of src. name is for errors.
func Parse(name, src string) (t *Template, err error) {
	defer recoverError(name, &err)
	return parse(name, src), nil
}

func parse(name, src string) *Template {
	p := &parser{name: name, segs: scan(name, src)}
	body, _ := p.parseUntil(nil)
	return &Template{Name: name, body: body, blocks: p.blocks}
}

// Render parses and renders src. The values of vars are those that FromGo
// accepts; lists and dicts are shared, so a template that appends changes them.
func (e *Env) Render(name, src string, vars *Dict) (string, error) {
	t, err := Parse(name, src)
	if err != nil {
		return "", err
	}
	return e.RenderTemplate(t, vars)
}

// RenderTemplate renders a parsed template.
func (e *Env) RenderTemplate(t *Template, vars *Dict) (out string, err error) {
	defer recoverError(t.Name, &err)
	limits := e.Limits.withDefaults()
	r := &renderer{env: e, limits: limits, cache: map[string]*Template{}}
	r.files = []frame{{name: t.Name}}
	root := newScope(nil)
	if vars != nil {
		for _, k := range vars.keys {
			if s, ok := k.(string); ok {
				v, _ := vars.Get(s)
				root.vars[s] = v
			}
		}
	}
	var b strings.Builder
	r.out = &b
	r.template(t, newScope(root))
	return b.String(), nil
}

// failure is how the package's own errors travel up to the exported functions.
type failure struct {
	file string
	line int
	msg  string
	via  []string // include and macro stack, innermost first
}

// fail stops the parse or render at a line.
func fail(file string, line int, format string, args ...any) {
	panic(failure{file: file, line: line, msg: fmt.Sprintf(format, args...)})
}

func (f failure) error() error {
	msg := fmt.Sprintf("%s:%d: %s", f.file, f.line, f.msg)
	for _, v := range f.via {
		msg += "\n  " + v
	}
	return errs.New(errs.Invalid, "%s", msg)
}

// recoverError turns a failure into an error; other panics are bugs and go on.
func recoverError(_ string, err *error) {
	switch v := recover().(type) {
	case nil:
	case failure:
		*err = v.error()
	default:
		panic(v)
	}
}
