package hot

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// knownTypes are the resource types that end a registry chain.
var knownTypes = []string{"OS::Heat::Value", "OS::Heat::None", "OS::Heat::ResourceGroup", "OS::Heat::ResourceChain", "OS::Nova::Server"}

func knownType(t string) bool { return slices.Contains(knownTypes, t) }

// expand makes the nested stacks of a resource.
func (s *Stack) expand(r *Resource) error {
	switch {
	case isFile(r.Target):
		_, from, _ := s.resolve(r.Type)
		m, err := s.nested(r, r.Target, r.Name, from, r.Properties)
		r.Members = []*Stack{m}
		return err
	case r.Target == "OS::Heat::ResourceChain":
		return s.expandChain(r)
	case r.Target == "OS::Heat::ResourceGroup":
		return s.expandGroup(r)
	}
	return nil
}

func (s *Stack) nested(r *Resource, file, name string, from Origin, props map[string]any) (*Stack, error) {
	if _, err := s.ev.Template(file); errors.Is(err, fs.ErrNotExist) && from.File != "" {
		return nil, at(from, "template %s not found, needed by %s", file, r.origin)
	}
	return s.ev.stack(file, s.Name+"."+name, props, r.origin, s.depth+1)
}

// expandChain makes one nested stack for each type in the property resources;
// types that are OS::Heat::None leave a nil.
func (s *Stack) expandChain(r *Resource) error {
	list, ok := r.Properties["resources"].([]any)
	if !ok && r.Properties["resources"] != nil {
		return at(r.origin, "property resources of %s must be a list of types", r.Name)
	}
	props, _ := r.Properties["resource_properties"].(map[string]any)
	for i, e := range list {
		typ := String(e)
		target, from, _ := s.resolve(typ)
		if target == "OS::Heat::None" {
			r.Members = append(r.Members, nil)
			continue
		}
		if !isFile(target) {
			return at(r.origin, "unknown resource type %q in %s%s", typ, r.Name, Suggest(typ, s.ev.Env.Types()))
		}
		m, err := s.nested(r, target, fmt.Sprintf("%s.%d", r.Name, i), from, props)
		if err != nil {
			return err
		}
		r.Members = append(r.Members, m)
	}
	return nil
}

// expandGroup makes one nested stack that stands for all members: they differ
// only in %index%, which is left as it is for the planner to fill in.
func (s *Stack) expandGroup(r *Resource) error {
	count := r.Properties["count"]
	if count == nil {
		count = 1
	}
	n, err := strconv.Atoi(strings.TrimSpace(String(count)))
	if err != nil || n < 0 || n > 10_000 {
		return at(r.origin, "count of %s must be a number from 0 to 10000, got %s", r.Name, String(count))
	}
	r.Count = n
	def, _ := r.Properties["resource_def"].(map[string]any)
	typ := String(def["type"])
	target, from, _ := s.resolve(typ)
	props, _ := def["properties"].(map[string]any)
	switch {
	case target == "OS::Heat::None" || knownType(target):
		return nil
	case !isFile(target):
		return at(r.origin, "unknown resource type %q in resource_def of %s%s", typ, r.Name, Suggest(typ, s.ev.Env.Types()))
	}
	m, err := s.nested(r, target, r.Name+".%index%", from, props)
	r.Members = []*Stack{m}
	return err
}

// attribute reads an attribute of an evaluated resource.
func (s *Stack) attribute(r *Resource, name string, from Origin) (any, error) {
	if r.Skipped || r.Target == "OS::Heat::None" {
		return nil, nil
	}
	switch r.Target {
	case "OS::Heat::Value":
		if name == "value" {
			return r.Properties["value"], nil
		}
		return nil, at(from, "OS::Heat::Value has no attribute %q%s", name, Suggest(name, []string{"value"}))
	case "OS::Heat::ResourceChain":
		return chainAttribute(r, name)
	case "OS::Heat::ResourceGroup", "OS::Nova::Server":
		return nil, at(from, "attribute %q of %s (%s) is known only after deployment", name, r.Name, r.Target)
	}
	m := r.Members[0]
	if !m.HasOutput(name) {
		var names []string
		for _, o := range m.t.Outputs {
			names = append(names, o.Name)
		}
		return nil, at(from, "%s (%s) has no output %q%s", r.Name, r.Target, name, Suggest(name, names))
	}
	return m.Output(name)
}

// chainAttribute lists the output of every member; null where it has none.
func chainAttribute(r *Resource, name string) (any, error) {
	out := make([]any, len(r.Members))
	for i, m := range r.Members {
		if m == nil {
			continue
		}
		if name == "refs" {
			out[i] = m.Name
			continue
		}
		v, err := m.Output(name)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}
