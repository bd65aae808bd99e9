package hot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
)

// Evaluator evaluates stacks of templates. It is not for concurrent use.
type Evaluator struct {
	Read func(name string) ([]byte, error) // a file of the tree; fs.ErrNotExist where there is none
	Env  *Environment
	Root string // name of the root stack, OS::stack_name

	templates map[string]*Template
	used      map[string]bool // parameters that some evaluated template declares
	hidden    map[string]bool // those that are declared hidden
	steps     int
	ctx       context.Context
}

// maxSteps bounds the nodes that one evaluation looks at, maxNested the depth of stacks.
const (
	maxSteps  = 20_000_000
	maxNested = 30
	maxString = 16 << 20
)

// Stack is one template with its parameters. Resources and outputs are
// evaluated when they are first asked for.
type Stack struct {
	Name       string // dotted path from the root
	Parameters map[string]any

	t          *Template
	ev         *Evaluator
	depth      int
	resources  map[string]*Resource
	conditions map[string]any
}

// Resource is an evaluated resource.
type Resource struct {
	Name       string
	Type       string // as written
	Target     string // after the registry: a file or a type
	Properties map[string]any
	Skipped    bool     // its condition is false
	Members    []*Stack // nested stacks: one of a template, several of a chain or group
	Count      int      // of a group

	origin Origin
	busy   bool
	def    *Definition
}

// Stack evaluates the root template. params are laid over the environment's.
func (ev *Evaluator) Stack(ctx context.Context, file string, params map[string]any) (*Stack, error) {
	ev.ctx = ctx
	ev.templates = map[string]*Template{}
	ev.used = map[string]bool{}
	ev.hidden = map[string]bool{}
	ev.steps = 0
	given := map[string]any{}
	for k, v := range ev.Env.Parameters {
		given[k] = v
	}
	for k, v := range params {
		given[k] = v
	}
	return ev.stack(file, ev.Root, given, Origin{File: file}, 0)
}

// Template returns a parsed template of the tree.
func (ev *Evaluator) Template(file string) (*Template, error) {
	if t, ok := ev.templates[file]; ok {
		return t, nil
	}
	data, err := ev.Read(file)
	if err != nil {
		return nil, err
	}
	t, err := ParseTemplate(file, data)
	if err != nil {
		return nil, err
	}
	ev.templates[file] = t
	return t, nil
}

// Used tells whether an evaluated template declares the parameter.
func (ev *Evaluator) Used(param string) bool { return ev.used[param] }

// Declared returns the names of all parameters that evaluated templates declare.
func (ev *Evaluator) Declared() []string {
	out := make([]string, 0, len(ev.used))
	for k := range ev.used {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// Hidden returns the names of parameters that must not be shown, sorted.
func (ev *Evaluator) Hidden() []string {
	out := make([]string, 0, len(ev.hidden))
	for k := range ev.hidden {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// Warnings returns those of all templates that were read, sorted.
func (ev *Evaluator) Warnings() []string {
	var out []string
	for _, t := range ev.templates {
		out = append(out, t.Warnings...)
	}
	sort.Strings(out)
	return out
}

func (ev *Evaluator) stack(file, name string, given map[string]any, from Origin, depth int) (*Stack, error) {
	if depth > maxNested {
		return nil, at(from, "stacks are nested more than %d deep; does %s contain itself?", maxNested, file)
	}
	t, err := ev.Template(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, at(from, "template %s not found", file)
	}
	if err != nil {
		return nil, err
	}
	s := &Stack{Name: name, t: t, ev: ev, depth: depth, Parameters: map[string]any{},
		resources: map[string]*Resource{}, conditions: map[string]any{}}
	p := &problems{file: from.File}
	for k := range given {
		if t.Parameter(k) == nil && depth > 0 {
			p.add(from.Line, "%s has no parameter %q%s", file, k, Suggest(k, parameterNames(t)))
		}
	}
	for _, d := range t.Parameters {
		ev.used[d.Name] = true
		if d.Hidden {
			ev.hidden[d.Name] = true
		}
		s.parameter(p, d, given)
	}
	sort.Strings(p.list)
	return s, p.err()
}

// parameter finds the value of one: given, environment, default.
func (s *Stack) parameter(p *problems, d *Parameter, given map[string]any) {
	v, ok := given[d.Name]
	origin := p.file
	if !ok {
		if v, ok = s.ev.Env.Defaults[d.Name]; ok {
			origin = s.ev.Env.Origins[d.Name].String()
		}
	}
	if !ok || v == nil && d.HasDefault {
		if !d.HasDefault {
			p.list = append(p.list, fmt.Sprintf("%s:%d: parameter %s has no value and no default", s.t.File, d.Line, d.Name))
			return
		}
		s.Parameters[d.Name] = d.Default
		if d.Default == nil {
			s.Parameters[d.Name], _ = d.Check(nil)
		}
		return
	}
	v, problem := d.Check(v)
	if problem != "" {
		p.list = append(p.list, fmt.Sprintf("%s: parameter %s %s (declared in %s:%d)", origin, d.Name, problem, s.t.File, d.Line))
	}
	s.Parameters[d.Name] = v
}

// at makes an error with a place.
func at(o Origin, format string, args ...any) *errs.Error {
	return errs.New(errs.Invalid, "%s: %s", o, fmt.Sprintf(format, args...))
}

func (s *Stack) fail(n *yaml.Node, format string, args ...any) error {
	return at(Origin{s.t.File, n.Line}, format, args...)
}

// File is the template's name.
func (s *Stack) File() string { return s.t.File }

// Output evaluates one output; absent ones are nil.
func (s *Stack) Output(name string) (any, error) {
	o := named(s.t.Outputs, name)
	if o == nil {
		return nil, nil
	}
	if ok, err := s.condition(o.Condition); err != nil || !ok {
		return nil, err
	}
	v, err := s.eval(o.Value)
	if v == omit {
		v = nil
	}
	return v, err
}

// HasOutput tells whether the template has the output.
func (s *Stack) HasOutput(name string) bool { return named(s.t.Outputs, name) != nil }

// Resource evaluates one resource: its properties and its nested stacks.
func (s *Stack) Resource(name string) (*Resource, error) {
	if r, ok := s.resources[name]; ok {
		if r.busy {
			return nil, at(r.origin, "resource %s needs itself: %s", name, s.cycle())
		}
		return r, nil
	}
	d := s.t.Resource(name)
	if d == nil {
		return nil, at(Origin{File: s.t.File}, "no resource %q%s", name, Suggest(name, resourceNames(s.t)))
	}
	r := &Resource{Name: name, Type: d.Type, def: d, busy: true, origin: Origin{s.t.File, d.Line}}
	s.resources[name] = r
	if err := s.build(r); err != nil {
		delete(s.resources, name)
		return nil, err
	}
	r.busy = false
	return r, nil
}

func (s *Stack) cycle() string {
	var names []string
	for _, n := range resourceNames(s.t) {
		if r := s.resources[n]; r != nil && r.busy {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}

func (s *Stack) build(r *Resource) error {
	if err := s.ev.ctx.Err(); err != nil {
		return err
	}
	ok, err := s.condition(r.def.Condition)
	if err != nil {
		return err
	}
	r.Skipped = !ok
	if r.Skipped {
		return nil
	}
	r.Target, _, _ = s.resolve(r.Type)
	if r.Target == "OS::Heat::None" {
		return nil
	}
	if !isFile(r.Target) && !knownType(r.Target) {
		return at(r.origin, "unknown resource type %q%s", r.Type, Suggest(r.Type, append(s.ev.Env.Types(), knownTypes...)))
	}
	r.Properties = map[string]any{}
	if r.def.Properties != nil {
		v, err := s.eval(r.def.Properties)
		if err != nil {
			return err
		}
		if m, ok := v.(map[string]any); ok {
			r.Properties = m
		}
	}
	return s.expand(r)
}

// resolve follows the registry; a type that is itself a file is relative to the template.
func (s *Stack) resolve(typ string) (string, Origin, bool) {
	target, from, mapped := s.ev.Env.Resolve(typ)
	if !mapped && isFile(typ) && !path.IsAbs(typ) {
		target = path.Join(path.Dir(s.t.File), typ)
	}
	return target, from, mapped
}
