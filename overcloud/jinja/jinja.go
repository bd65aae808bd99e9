// Package jinja renders Jinja2 templates with Python's semantics: lists and
// dicts are references, dicts keep their order, str() and repr() look as in
// Python, undefined names render empty and fail when used. It is pure: files
// for include come from a Loader. Every error names the template and the line,
// and the includes and macros that led there.
//
// Source of behaviour: Jinja2 3.1 with its default Environment (no trim_blocks,
// one trailing newline dropped, autoescape off, no extensions). What differs is
// refused with a reason: integers have 64 bits, and what is random is not there.
package jinja

import (
	"context"
	"fmt"
	"strings"

	"trefoil/internal/errs"
)

// Loader returns the source of a template by the name that include gave. An
// error that is fs.ErrNotExist says that there is no such template.
type Loader func(name string) (string, error)

// Limits bound what one Render may cost. Zero fields take the defaults.
type Limits struct {
	Steps  int // evaluated nodes and visited items; default 5 million
	Output int // bytes of output and of any one string; default 16 MiB
	Depth  int // nesting of expressions, includes and macro calls; default 600
	Memory int // bytes of all strings and lists that a render makes; default 512 MiB
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int
		def   int
	}{{&l.Steps, 5_000_000}, {&l.Output, 16 << 20}, {&l.Depth, 600}, {&l.Memory, 512 << 20}} {
		if *f.field == 0 {
			*f.field = f.def
		}
	}
	return l
}

// Env is where templates come from, what they may use and what they may cost.
// It is safe for concurrent use if Loader is.
type Env struct {
	Context context.Context   // whose end ends a render with its error; nil: none
	Loader  Loader            // nil: include fails
	Limits  Limits            //
	Filters map[string]Filter // beside Jinja2's own, which they replace
	Tests   map[string]Test   // the same

	TrimBlocks   bool // the newline after a statement or comment is dropped
	LstripBlocks bool // blanks before a statement or comment that begins a line are dropped
	KeepNewline  bool // a newline at the template's end stays
}

// Template is a parsed template; it is immutable.
type Template struct {
	Name   string
	body   []node
	blocks map[string]*blockNode
}

// Parse checks the syntax of src, and that there are the filters and tests that
// it names. name is for errors.
func (e *Env) Parse(name, src string) (t *Template, err error) {
	defer recoverError(&err)
	return e.parse(name, src), nil
}

func (e *Env) parse(name, src string) *Template {
	p := &parser{env: e, name: name, segs: scan(e, name, src)}
	body, _ := p.parseUntil(nil)
	return &Template{Name: name, body: body, blocks: p.blocks}
}

// Render parses and renders src. The values of vars are nil, bool, int64, float64,
// string and those of this package; lists and dicts are shared, so a template that
// appends changes them.
func (e *Env) Render(name, src string, vars *Dict) (string, error) {
	t, err := e.Parse(name, src)
	if err != nil {
		return "", err
	}
	return e.render(t, vars)
}

func (e *Env) render(t *Template, vars *Dict) (out string, err error) {
	defer recoverError(&err)
	r := &renderer{env: e, limits: e.Limits.withDefaults(), cache: map[string]*Template{}}
	r.files = []frame{{name: t.Name}}
	root := newScope(nil)
	if vars != nil {
		for _, k := range vars.keys {
			if s, ok := k.(string); ok {
				v, _ := vars.Get(s)
				root.set(s, v)
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

	cause error // what ended the render from outside, nil when the template did
}

// fail stops the parse or render at a line.
func fail(file string, line int, format string, args ...any) {
	panic(failure{file: file, line: line, msg: fmt.Sprintf(format, args...)})
}

// maxMessage is how many bytes of a message an error keeps.
const maxMessage = 4000

func (f failure) error() error {
	msg := fmt.Sprintf("%s:%d: %s", f.file, f.line, f.msg[:min(len(f.msg), maxMessage)])
	for _, v := range f.via {
		msg += "\n  " + v
	}
	if msg = errs.Printable(msg); f.cause != nil {
		return fmt.Errorf("%s: %w", msg, f.cause)
	}
	return errs.New(errs.Invalid, "%s", msg)
}

// recoverError turns a failure into an error; other panics are bugs and go on.
func recoverError(err *error) {
	switch v := recover().(type) {
	case nil:
	case failure:
		*err = v.error()
	default:
		panic(v)
	}
}
