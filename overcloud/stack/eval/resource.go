package eval

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
)

// Resource is an evaluated resource. It does not change once it is evaluated,
// and may be shared by several stacks.
type Resource struct {
	Name       string
	Type       string // as written
	Target     string // after the registry: a file or a type
	Properties map[string]any
	Skipped    bool     // its condition is false
	Members    []*Stack // nested stacks: one of a template, several of a chain or group; nil for OS::Heat::None
	Indexes    []int    // of a group's members

	stack *Stack // that it stands in
	def   *hot.Definition
	kind  *kind // of a built-in type
	uses  uses
	busy  bool
	began int
	model *Stack         // of a group: a member that is never made, where count is 0
	state map[string]any // what a built-in type planned: addresses, a random text
}

// Path is the dotted path from the root.
func (r *Resource) Path() string { return r.stack.Name + "." + r.Name }

// Origin is where the resource is defined.
func (r *Resource) Origin() hot.Origin { return hot.Origin{File: r.stack.t.File, Line: r.def.Line} }

// DependsOn are the names of the resources of its stack that it needs, sorted:
// those it lists and those its properties refer to.
func (r *Resource) DependsOn() []string { return sortedKeys(r.uses.resources) }

// Model is the member of a group that stands for all of them, also where count is 0.
func (r *Resource) Model() *Stack {
	if r.model == nil && len(r.Members) > 0 {
		return r.Members[0]
	}
	return r.model
}

// propertyOrigin is where a property is written, else where the resource is.
func (r *Resource) propertyOrigin(name string) hot.Origin {
	for _, g := range r.def.Given {
		if g.Name == name {
			return hot.Origin{File: r.stack.t.File, Line: g.Line}
		}
	}
	return r.Origin()
}

// personal tells whether the resource depends on which stack it stands in.
func (r *Resource) personal() bool {
	if r.uses.identity {
		return true
	}
	for _, m := range r.Members {
		if m != nil && m.identity {
			return true
		}
	}
	return r.model != nil && r.model.identity
}

// Resource evaluates one resource: its properties and its nested stacks.
func (s *Stack) Resource(name string) (*Resource, error) {
	s.frame().resource(name)
	if r, ok := s.resources[name]; ok {
		if r.busy {
			return nil, hot.At(r.Origin(), "resource %s needs itself: %s", name, s.cycle(name))
		}
		return r, nil
	}
	d := s.t.Resource(name)
	if d == nil {
		return nil, hot.At(hot.Origin{File: s.t.File}, "no resource %q%s", name, nearest.Hint(name, resourceNames(s.t)))
	}
	if r := s.sharedResource(name); r != nil {
		return r, nil
	}
	r := &Resource{Name: name, Type: d.Type, stack: s, def: d, busy: true, began: s.ev.steps}
	s.resources[name] = r
	s.frames = append(s.frames, &r.uses)
	err := r.build()
	s.frames = s.frames[:len(s.frames)-1]
	if err != nil {
		delete(s.resources, name)
		return nil, err
	}
	r.busy = false
	return r, nil
}

func resourceNames(t *hot.Template) []string {
	out := make([]string, len(t.Resources))
	for i, r := range t.Resources {
		out[i] = r.Name
	}
	return out
}

func (r *Resource) build() error {
	s := r.stack
	if err := s.ev.step(1); err != nil {
		return err
	}
	for _, d := range r.def.DependsOn {
		if _, err := s.Resource(d); err != nil {
			return err
		}
	}
	ok, err := hot.Holds(r.def.Condition, s)
	if err != nil {
		return err
	}
	if r.Skipped = !ok; r.Skipped {
		return nil
	}
	var from hot.Origin
	r.Target, from = s.resolveFor(r.Name, r.Type)
	if r.Target == none {
		return nil
	}
	if err := r.properties(); err != nil {
		return err
	}
	if hot.IsFile(r.Target) {
		m, err := r.nested(r.Target, s.Name+"."+r.Name, from, r.Properties, r.earlier(0))
		if m != nil {
			r.Members = []*Stack{m}
		}
		return err
	}
	if r.kind = builtin(r.Target); r.kind == nil {
		s.ev.problems.add(r.Origin(), "unknown resource type %q%s", r.Type, nearest.Hint(r.Type, append(s.ev.Env.Types(), builtins()...)))
		r.Target = none
		return nil
	}
	r.checkProperties()
	if r.kind.plan == nil {
		return nil
	}
	return r.kind.plan(r)
}

func (r *Resource) properties() error {
	r.Properties = map[string]any{}
	for _, e := range []hot.Expr{r.def.DeletionPolicy, r.def.UpdatePolicy, r.def.ExternalID, r.def.Metadata} {
		if _, err := hot.Eval(e, r.stack); err != nil {
			return err
		}
	}
	v, err := hot.Eval(r.def.Properties, r.stack)
	if err != nil {
		return err
	}
	if m, ok := v.(map[string]any); ok {
		r.Properties = m
	} else if v != nil {
		r.stack.ev.problems.add(r.Origin(), "properties of %s must be a map", r.Name)
	}
	return nil
}

// checkProperties tells which properties a built-in type does not have.
func (r *Resource) checkProperties() {
	if r.kind.properties == nil {
		return
	}
	for _, k := range sortedKeys(r.Properties) {
		if !slices.Contains(r.kind.properties, k) {
			r.stack.ev.problems.add(r.propertyOrigin(k), "%s (%s) has no property %q%s", r.Name, r.Target, k, nearest.Hint(k, r.kind.properties))
		}
	}
	for _, k := range r.kind.required {
		if r.Properties[k] == nil {
			if _, given := r.Properties[k]; !given {
				r.stack.ev.problems.add(r.Origin(), "%s (%s) needs the property %s", r.Name, r.Target, k)
			}
		}
	}
}

// nested makes a nested stack; nil, with a problem noted, where its template is missing.
func (r *Resource) nested(file, name string, from hot.Origin, props map[string]any, model *Stack) (*Stack, error) {
	s := r.stack
	if _, err := s.ev.Template(file); errors.Is(err, fs.ErrNotExist) {
		if from.File == "" {
			from = r.Origin()
		}
		s.ev.problems.add(from, "template %s not found%s", file, neededBy(from, r.Origin()))
		return nil, nil
	}
	return s.ev.stack(file, name, props, r.Origin(), r, model)
}

func neededBy(from, by hot.Origin) string {
	if from == by {
		return ""
	}
	return ", needed by " + by.String()
}

// earlier is the i-th member of the same resource in the stack's model.
func (r *Resource) earlier(i int) *Stack {
	if r.stack.model == nil {
		return nil
	}
	m := r.stack.model.resources[r.Name]
	if m == nil || i >= len(m.Members) {
		return nil
	}
	return m.Members[i]
}

// Ref implements hot.Scope: the identifier of a resource. A nested stack that has
// an output OS::stack_id is referred to by that.
func (s *Stack) Ref(name string, from hot.Origin) (any, error) {
	r, err := s.Resource(name)
	if err != nil {
		return nil, err
	}
	if r.Skipped {
		return nil, r.absent(from)
	}
	if hot.IsFile(r.Target) {
		if len(r.Members) == 1 && r.Members[0].HasOutput("OS::stack_id") {
			return r.Members[0].Output("OS::stack_id")
		}
	}
	s.personal()
	id := s.ev.id(s.Name + "." + name) // a shared resource has its own in every stack
	s.ev.ids[id] = r
	return id, nil
}

// Identified returns the resource that an identifier refers to, or nil.
func (ev *Evaluator) Identified(id string) *Resource { return ev.ids[id] }

// IsDeployment tells whether the resource gives a software configuration to servers.
func (r *Resource) IsDeployment() bool {
	return strings.HasPrefix(r.Target, "OS::Heat::S") && strings.Contains(r.Target, "Deployment")
}

// ID is the resource's identifier.
func (r *Resource) ID() string { return r.stack.ev.id(r.Path()) }

// id makes an identifier from a path: the caller's way, else a UUID of version 5.
func (ev *Evaluator) id(path string) string {
	if ev.ID != nil {
		return ev.ID(path)
	}
	h := sha1.Sum([]byte(path))
	h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80 // RFC 9562
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// Attr implements hot.Scope.
func (s *Stack) Attr(name string, path []any, from hot.Origin) (any, error) {
	r, err := s.Resource(name)
	if err != nil {
		return nil, err
	}
	if r.Skipped {
		return nil, r.absent(from)
	}
	if r.Target == none {
		return nil, nil
	}
	if len(path) == 0 {
		return r.attributes(from)
	}
	if !hot.IsFile(r.Target) && r.kind.attribute != nil {
		return r.kind.attribute(r, path, from)
	}
	if hot.IsFile(r.Target) && strings.HasPrefix(hot.String(path[0]), "resource.") {
		return r.inner(path, from)
	}
	v, err := r.attribute(hot.String(path[0]), from)
	if err != nil {
		return nil, err
	}
	v, _ = hot.Walk(v, path[1:])
	return v, nil
}

// absent is the error of who asks for a resource that its condition leaves out.
func (r *Resource) absent(from hot.Origin) error {
	return hot.At(from, "resource %s is not there: its condition (%s) is false; ask for it under the same condition", r.Name, r.Origin())
}

// attributes are all of a resource: the outputs of a nested stack, or what its
// type has.
func (r *Resource) attributes(from hot.Origin) (any, error) {
	var names []string
	switch {
	case hot.IsFile(r.Target):
		if len(r.Members) == 1 {
			for _, o := range r.Members[0].t.Outputs {
				names = append(names, o.Name)
			}
		}
	default:
		names = r.kind.attributes
	}
	out := map[string]any{}
	for _, name := range names {
		v, err := r.stack.Attr(r.Name, []any{name}, from)
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

// inner is resource.NAME of a nested stack: what refers to a resource in it, or
// one of its attributes.
func (r *Resource) inner(path []any, from hot.Origin) (any, error) {
	if len(r.Members) == 0 {
		return nil, nil // its template is missing, which has been noted
	}
	m := r.Members[0]
	name, rest := within(path)
	if m.t.Resource(name) == nil {
		return nil, hot.At(from, "%s (%s) has no resource %q%s", r.Name, r.Target, name, nearest.Hint(name, resourceNames(m.t)))
	}
	if len(rest) == 0 {
		return m.Ref(name, from)
	}
	return m.Attr(name, rest, from)
}

// attribute is one of a nested stack, or of a built-in type that has no way of its own.
func (r *Resource) attribute(name string, from hot.Origin) (any, error) {
	if hot.IsFile(r.Target) {
		if len(r.Members) == 0 {
			return nil, nil // its template is missing, which has been noted
		}
		return r.output(r.Members[0], name, from)
	}
	if v, ok := r.state[name]; ok {
		r.stack.personal()
		return v, nil
	}
	switch name {
	case "show", "OS::stack_id":
		return nil, nil
	}
	if r.kind.attributes != nil && !slices.Contains(r.kind.attributes, name) {
		return nil, hot.At(from, "%s (%s) has no attribute %q%s", r.Name, r.Target, name, nearest.Hint(name, r.kind.attributes))
	}
	return r.Properties[name], nil // what only a running cloud knows is null
}

// output is an output of a nested stack; outputs.NAME is one too, as in Heat.
func (r *Resource) output(m *Stack, name string, from hot.Origin) (any, error) {
	if !m.HasOutput(name) {
		if name == "show" {
			return nil, nil
		}
		names := make([]string, len(m.t.Outputs))
		for i, o := range m.t.Outputs {
			names[i] = o.Name
		}
		return nil, hot.At(from, "%s (%s) has no output %q%s", r.Name, r.Target, name, nearest.Hint(name, names))
	}
	return m.Output(name)
}
