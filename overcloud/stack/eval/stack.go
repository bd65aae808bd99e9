package eval

import (
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"

	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
)

// Stack is one template with its parameters. Resources and outputs are
// evaluated when they are first asked for, at the latest as the stack is completed;
// after that it does not change.
type Stack struct {
	Name       string // dotted path from the root
	Parameters map[string]any

	t          *hot.Template
	ev         *Evaluator
	parent     *Resource // nil for the root
	depth      int
	values     []any // of parameters, by their index in the template
	resources  map[string]*Resource
	conditions map[string]*value
	outputs    map[string]*value
	frames     []*uses
	identity   bool // something in it depends on which stack it is

	model   *Stack // an earlier stack of the same template
	differs bits   // parameters that differ from the model's
	shared  map[string]bool
}

// value is a condition or an output: what it is and what it was made of.
type value struct {
	v    any
	busy bool
	uses uses
}

var _ hot.Scope = (*Stack)(nil)

// TemplateFile is the template's name.
func (s *Stack) TemplateFile() string { return s.t.File }

// Template is the stack's template.
func (s *Stack) Template() *hot.Template { return s.t }

// Parent is the resource that this stack stands for; nil for the root.
func (s *Stack) Parent() *Resource { return s.parent }

// within tells whether the stack, or one that it is nested in, is made from a file.
func (s *Stack) within(file string) bool {
	for ; s.t.File != file; s = s.parent.stack {
		if s.parent == nil {
			return false
		}
	}
	return true
}

// circle is the templates from the last stack of the same file down to this one,
// for an error: file → other → file.
func (s *Stack) circle(file string) string {
	files := []string{file}
	for r := s.parent; r != nil; r = r.stack.parent {
		files = append([]string{r.stack.t.File}, files...)
		if r.stack.t.File == file {
			break
		}
	}
	return strings.Join(files, " → ")
}

// setParameters gives every parameter its value: given, environment, default.
func (s *Stack) setParameters(given map[string]any, from hot.Origin) {
	if s.parent != nil {
		for _, k := range sortedKeys(given) {
			if s.t.Parameter(k) == nil {
				s.ev.problems.add(s.parent.propertyOrigin(k), "%s has no parameter %q%s", s.t.File, k, nearest.Hint(k, parameterNames(s.t)))
			}
		}
	}
	s.Parameters = make(map[string]any, len(s.t.Parameters))
	s.values = make([]any, len(s.t.Parameters))
	for i, d := range s.t.Parameters {
		if s.ev.used[d.Name] == nil {
			s.ev.used[d.Name] = map[string]bool{}
		}
		s.ev.used[d.Name][s.t.File] = true
		if d.Hidden {
			s.ev.hidden[d.Name] = true
		}
		if d.Deprecated {
			s.ev.told.deprecated[d.Name] = d.Description
		}
		s.values[i] = s.parameter(d, given, from)
		s.Parameters[d.Name] = s.values[i]
	}
	s.ofRole()
}

// parameter is the value of one. What a property gives to a nested stack counts
// even if it is null: as in Heat, it is the empty value of the type then, not the
// default. Elsewhere null is nothing.
func (s *Stack) parameter(d *hot.Parameter, given map[string]any, from hot.Origin) any {
	v, ok := given[d.Name]
	if ok && s.parent != nil {
		return s.checked(d, d.Property, v, s.parent.propertyOrigin(d.Name))
	}
	if v == nil {
		v = s.ev.Env.Defaults[d.Name]
	}
	if v != nil {
		if o, known := s.ev.Env.Origins[d.Name]; known {
			from = o
		}
		return s.checked(d, d.Given, v, from)
	}
	declared := hot.Origin{File: s.t.File, Line: d.Line}
	if !d.HasDefault {
		_, null := s.ev.Env.Defaults[d.Name]
		s.missing(d, declared, null || ok)
	}
	v, problem := d.Check(d.Default)
	if d.HasDefault && problem != "" {
		s.ev.problems.add(declared, "parameter %s: the default %s", d.Name, problem)
	}
	return v
}

// missing notes a parameter without a value, once where somebody gave null for it.
func (s *Stack) missing(d *hot.Parameter, declared hot.Origin, null bool) {
	from, known := s.ev.Env.Origins[d.Name]
	if !null || !known {
		s.ev.problems.add(declared, "parameter %s has no value and no default", d.Name)
		return
	}
	if key := fmt.Sprint(from, d.Name); !s.ev.told.refused[key] {
		s.ev.told.refused[key] = true
		s.ev.problems.add(from, "parameter %s is null, which is no value, and it has no default (declared in %s)", d.Name, declared)
	}
}

// checked converts a value and notes what is wrong with it, once where several templates
// refuse it for the same reason.
func (s *Stack) checked(d *hot.Parameter, check func(any) (any, string), v any, from hot.Origin) any {
	v, problem := check(v)
	reason, _, _ := strings.Cut(problem, ", a rule in line ")
	if key := fmt.Sprint(from, d.Name, reason); problem != "" && !s.ev.told.refused[key] {
		s.ev.told.refused[key] = true
		s.ev.problems.add(from, "parameter %s %s (declared in %s:%d)", d.Name, problem, s.t.File, d.Line)
	}
	return v
}

func parameterNames(t *hot.Template) []string {
	out := make([]string, len(t.Parameters))
	for i, p := range t.Parameters {
		out[i] = p.Name
	}
	return out
}

// Step implements hot.Scope.
func (s *Stack) Step(n int) error { return s.ev.step(n) }

// Param implements hot.Scope.
func (s *Stack) Param(name string) (any, bool) {
	if i := s.t.ParameterIndex(name); i >= 0 {
		s.frame().param(i)
		return s.values[i], true
	}
	switch name {
	case "OS::stack_name":
		s.personal()
		return s.Name, true
	case "OS::stack_id":
		s.personal()
		return s.ev.id(s.Name), true
	case "OS::project_id":
		return "", true
	}
	return nil, false
}

// Condition implements hot.Scope.
func (s *Stack) Condition(name string, from hot.Origin) (bool, error) {
	s.frame().condition(name)
	if v, ok := s.conditions[name]; ok {
		if v.busy {
			return false, hot.At(from, "condition %s needs itself: %s", name, s.conditionCycle(name))
		}
		return v.v.(bool), nil
	}
	d := s.t.ConditionNamed(name)
	if d == nil {
		return false, hot.At(from, "the template has no condition %q", name)
	}
	v := &value{busy: true}
	s.conditions[name] = v
	ok, err := v.in(s, func() (any, error) { return hot.Holds(d.Value, s) })
	if err != nil {
		delete(s.conditions, name)
		return false, err
	}
	return ok.(bool), nil
}

// conditionCycle names the conditions that are being evaluated, from name on.
func (s *Stack) conditionCycle(name string) string {
	var names []string
	for _, d := range s.t.Conditions {
		if v := s.conditions[d.Name]; v != nil && v.busy && d.Name != name {
			names = append(names, d.Name)
		}
	}
	return strings.Join(append(append([]string{name}, names...), name), " → ")
}

// in evaluates the value in a frame of its own.
func (v *value) in(s *Stack, f func() (any, error)) (any, error) {
	s.frames = append(s.frames, &v.uses)
	defer func() { s.frames = s.frames[:len(s.frames)-1] }()
	var err error
	v.v, err = f()
	v.busy = false
	return v.v, err
}

// Output evaluates one output; absent ones, and those whose condition is false, are nil.
func (s *Stack) Output(name string) (any, error) {
	if v, ok := s.outputs[name]; ok {
		if v.busy {
			return nil, hot.At(hot.Origin{File: s.t.File, Line: s.t.Output(name).Line}, "output %s needs itself", name)
		}
		return v.v, nil
	}
	d := s.t.Output(name)
	if d == nil {
		return nil, nil
	}
	if m := s.sharedOutput(name); m != nil {
		s.outputs[name] = m
		return m.v, nil
	}
	v := &value{busy: true}
	s.outputs[name] = v
	out, err := v.in(s, func() (any, error) {
		if ok, err := hot.Holds(d.Condition, s); err != nil || !ok {
			return nil, err
		}
		return hot.Eval(d.Value, s)
	})
	if err != nil {
		delete(s.outputs, name)
	}
	return out, err
}

// HasOutput tells whether the template has the output.
func (s *Stack) HasOutput(name string) bool { return s.t.Output(name) != nil }

// complete evaluates every resource and output that has not been asked for.
func (s *Stack) complete() error {
	for _, d := range s.t.Resources {
		if _, err := s.Resource(d.Name); err != nil {
			return err
		}
	}
	for _, o := range s.t.Outputs {
		if _, err := s.Output(o.Name); err != nil {
			return err
		}
	}
	return nil
}

// Resources are all of them, in the order of the template.
func (s *Stack) Resources() []*Resource {
	out := make([]*Resource, 0, len(s.t.Resources))
	for _, d := range s.t.Resources {
		if r := s.resources[d.Name]; r != nil {
			out = append(out, r)
		}
	}
	return out
}

// resolve follows the registry.
func (s *Stack) resolve(typ string) (string, hot.Origin) {
	return s.located(typ)(s.ev.Env.Resolve(typ))
}

// resolveFor is resolve for a resource of the stack: the registry may map the
// type for it alone.
func (s *Stack) resolveFor(name, typ string) (string, hot.Origin) {
	if !s.ev.Env.ByResource() {
		return s.resolve(typ)
	}
	names := strings.Split(s.Name, ".")[1:] // below the root
	return s.located(typ)(s.ev.Env.ResolveFor(append(names, name), typ))
}

// located makes a type that is itself a file relative to the template. A template
// that stands for a type of Heat's own has that type itself in it, not itself
// again (as TripleO's config-download-software.yaml needs it).
func (s *Stack) located(typ string) func(string, hot.Origin, bool) (string, hot.Origin) {
	s.ev.told.asked[typ] = true
	return func(target string, from hot.Origin, mapped bool) (string, hot.Origin) {
		if mapped && hot.IsFile(target) && builtin(typ) != nil && s.within(target) {
			return typ, hot.Origin{}
		}
		if !mapped && hot.IsFile(typ) && !path.IsAbs(typ) && !strings.Contains(typ, "://") {
			target = path.Join(path.Dir(s.t.File), typ)
		}
		return target, from
	}
}

// File implements hot.Scope.
func (s *Stack) File(name string) ([]byte, error) { return s.ev.Read(name) }

// Facade implements hot.Scope.
func (s *Stack) Facade(what string) (any, error) {
	if s.parent == nil {
		return nil, errors.New("this is the root stack; only a nested stack stands for a resource")
	}
	p := s.parent
	s.personal()
	e := map[string]hot.Expr{"metadata": p.def.Metadata, "deletion_policy": p.def.DeletionPolicy, "update_policy": p.def.UpdatePolicy}[what]
	v, err := hot.Eval(e, p.stack)
	if v == nil && what == "deletion_policy" {
		return "Delete", err
	}
	if v == nil {
		return map[string]any{}, err
	}
	return v, err
}

// cycle names the resources that are being evaluated, from name on.
func (s *Stack) cycle(name string) string {
	var busy []*Resource
	for _, r := range s.resources {
		if r.busy {
			busy = append(busy, r)
		}
	}
	sort.Slice(busy, func(i, j int) bool { return busy[i].began < busy[j].began })
	var names []string
	for _, r := range busy {
		if len(names) > 0 || r.Name == name {
			names = append(names, r.Name)
		}
	}
	return strings.Join(append(names, name), " → ")
}
