package eval

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
)

// planGroup makes the members of an OS::Heat::ResourceGroup. Indexes that its
// removal policies list are left out.
func planGroup(r *Resource) error {
	n, ok := whole(r.Properties["count"], 1)
	if !ok || n < 0 || n > maxMembers {
		r.stack.ev.problems.add(r.propertyOrigin("count"), "count of %s must be a number from 0 to %d, got %s", r.Name, maxMembers, hot.String(r.Properties["count"]))
		return nil
	}
	if ev := r.stack.ev; ev.Sketch[r.Path()] || len(ev.problems.list) > 0 {
		n = min(n, 1) // where something is wrong already one tells what else is, and thousands take minutes
	}
	indexVar := "%index%"
	if v, ok := r.Properties["index_var"].(string); ok && v != "" {
		indexVar = v
	}
	def, _ := r.Properties["resource_def"].(map[string]any)
	typ := hot.String(def["type"])
	props, _ := def["properties"].(map[string]any)
	r.Indexes = r.numbers(n)
	r.Members = make([]*Stack, n)
	for at, i := range r.Indexes {
		m, err := r.member(typ, fmt.Sprintf("%s.%d", r.Path(), i), indexed(props, indexVar, strconv.Itoa(i)), at)
		if err != nil || m == nil {
			return err
		}
		r.Members[at] = m
	}
	if n == 0 {
		return r.rehearse(typ, indexed(props, indexVar, "0"))
	}
	return nil
}

// numbers are the indexes of n members: those that they are known to have, then
// the lowest ones that are not removed.
func (r *Resource) numbers(n int) []int {
	var out []int
	taken := r.removed()
	for _, i := range r.stack.ev.Indexes[r.Path()] {
		if len(out) < n && !taken[strconv.Itoa(i)] {
			out = append(out, i)
			taken[strconv.Itoa(i)] = true
		}
	}
	for i := 0; len(out) < n; i++ {
		if !taken[strconv.Itoa(i)] {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return out
}

// Removed are the indexes that a group's removal policies list, and those that were
// removed earlier, sorted.
func (r *Resource) Removed() []int {
	var out []int
	for name := range r.removed() {
		if i, err := strconv.Atoi(name); err == nil {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return out
}

// rehearse evaluates a member of an empty group, as Heat validates it: what is
// wrong with it shows before somebody scales up. It takes no address.
func (r *Resource) rehearse(typ string, props map[string]any) error {
	keep := r.stack.ev.net
	r.stack.ev.net = keep.copy()
	defer func() { r.stack.ev.net = keep }()
	var err error
	r.model, err = r.member(typ, r.Path()+".0", props, 0)
	return err
}

// member makes one nested stack of a group or chain; nil for types without one.
func (r *Resource) member(typ, name string, props map[string]any, at int) (*Stack, error) {
	target, from := r.stack.resolve(typ)
	switch {
	case target == none:
		return nil, nil
	case hot.IsFile(target):
		model := r.earlier(at)
		if at > 0 && r.Target == groupType && r.Members[0] != nil {
			model = r.Members[0]
		}
		return r.nested(target, name, from, props, model)
	case builtin(target) != nil:
		return r.single(typ, name, props)
	}
	if target != typ {
		r.stack.ev.problems.add(r.Origin(), "resource type %q of %s stands for %q (resource_registry), which is neither a template (.yaml) nor a known type%s",
			typ, r.Name, target, nearest.Hint(target, builtins()))
		return nil, nil
	}
	r.stack.ev.problems.add(r.Origin(), "unknown resource type %q in %s%s", typ, r.Name, nearest.Hint(typ, append(r.stack.ev.Env.Types(), builtins()...)))
	return nil, nil
}

// single wraps a member of a built-in type in a stack of its own, so that all
// members are alike.
func (r *Resource) single(typ, name string, props map[string]any) (*Stack, error) {
	t := hot.Single(r.stack.t.File, r.def.Line, typ, props)
	s := &Stack{Name: name, t: t, ev: r.stack.ev, parent: r, depth: r.stack.depth + 1,
		resources: map[string]*Resource{}, conditions: map[string]*value{}, outputs: map[string]*value{}}
	return s, s.complete()
}

// removed are the members that are not to be: those of the group's removal
// policies, and earlier ones unless the mode says that the list takes their place.
func (r *Resource) removed() map[string]bool {
	out := removedIndexes(r.Properties["removal_policies"])
	if r.Properties["removal_policies_mode"] != "update" {
		for _, i := range r.stack.ev.Removed[r.Path()] {
			out[strconv.Itoa(i)] = true
		}
	}
	return out
}

// removedIndexes are the members that removal_policies list.
func removedIndexes(v any) map[string]bool {
	out := map[string]bool{}
	list, _ := v.([]any)
	for _, p := range list {
		m, _ := p.(map[string]any)
		names, _ := m["resource_list"].([]any)
		for _, n := range names {
			out[hot.String(n)] = true
		}
	}
	return out
}

// indexed replaces the index in every value of a map; what has none stays shared.
func indexed(props map[string]any, indexVar, index string) map[string]any {
	v, _ := replaceIndex(props, indexVar, index)
	out, _ := v.(map[string]any)
	return out
}

func replaceIndex(v any, indexVar, index string) (any, bool) {
	switch t := v.(type) {
	case string:
		if strings.Contains(t, indexVar) {
			return strings.ReplaceAll(t, indexVar, index), true
		}
	case []any:
		var out []any
		for i, e := range t {
			if n, changed := replaceIndex(e, indexVar, index); changed {
				if out == nil {
					out = append([]any(nil), t...)
				}
				out[i] = n
			}
		}
		if out != nil {
			return out, true
		}
	case map[string]any:
		var out map[string]any
		for k, e := range t {
			n, changed := replaceIndex(e, indexVar, index)
			if !changed {
				continue
			}
			if out == nil {
				out = make(map[string]any, len(t))
				for k, e := range t {
					out[k] = e
				}
			}
			out[k] = n
		}
		if out != nil {
			return out, true
		}
	}
	return v, false
}

func whole(v any, def int) (int, bool) {
	if v == nil {
		return def, true
	}
	n, err := strconv.Atoi(strings.TrimSpace(hot.String(v)))
	return n, err == nil
}

// planChain makes one nested stack for each type in the property resources of an
// OS::Heat::ResourceChain; types that are OS::Heat::None leave a nil.
func planChain(r *Resource) error {
	list, ok := r.Properties["resources"].([]any)
	if !ok && r.Properties["resources"] != nil {
		r.stack.ev.problems.add(r.propertyOrigin("resources"), "property resources of %s must be a list of types", r.Name)
	}
	props, _ := r.Properties["resource_properties"].(map[string]any)
	r.Members = make([]*Stack, len(list))
	taken := map[string]bool{}
	for i, e := range list {
		m, err := r.member(hot.String(e), fmt.Sprintf("%s.%d", r.Path(), i), r.accepted(hot.String(e), props, taken), len(list))
		if err != nil {
			return err
		}
		r.Members[i] = m
	}
	r.checkTaken(props, taken)
	return nil
}

// accepted are the properties of a chain that a member's template has parameters for,
// which are added to taken. Heat gives all to each, so that a new property has to be
// declared by every template that anybody ever wrote.
func (r *Resource) accepted(typ string, props map[string]any, taken map[string]bool) map[string]any {
	target, _ := r.stack.resolve(typ)
	if target == none {
		return nil
	}
	var t *hot.Template
	if hot.IsFile(target) {
		t, _ = r.stack.ev.Template(target)
	}
	out := make(map[string]any, len(props))
	for k, v := range props {
		if t == nil || t.Parameter(k) != nil { // what has no template judges by itself
			out[k], taken[k] = v, true
		}
	}
	return out
}

// checkTaken tells which properties no member has: a wrong name. One that the chain's
// own template has as a parameter is only handed on, to whoever may want it.
func (r *Resource) checkTaken(props map[string]any, taken map[string]bool) {
	if len(r.Members) == 0 {
		return
	}
	for _, k := range sortedKeys(props) {
		if !taken[k] && r.stack.t.Parameter(k) == nil {
			r.stack.ev.problems.add(r.propertyOrigin("resource_properties"), "no template in %s has a parameter %q%s", r.Name, k, nearest.Hint(k, sortedKeys(taken)))
		}
	}
}

// listAttribute is an attribute of a group or a chain: refs, refs_map,
// attributes.NAME, resource.N, or NAME itself, which is a list over the members.
func listAttribute(r *Resource, path []any, from hot.Origin) (any, error) {
	name := hot.String(path[0])
	switch {
	case name == "refs" || name == "refs_map":
		return memberRefs(r, name, path[1:])
	case name == "attributes":
		if len(path) < 2 {
			return nil, hot.At(from, "get_attr: attributes of %s needs the name of an attribute", r.Name)
		}
		out := map[string]any{}
		for i, m := range r.Members {
			v, err := r.of(m, path[1:], from)
			if err != nil {
				return nil, err
			}
			out[r.index(i)] = v
		}
		return out, nil
	case name == "removed_rsrc_list":
		return []any{}, nil
	case strings.HasPrefix(name, "resource."):
		member, rest := within(path)
		return r.nth(member, rest, from)
	}
	out := make([]any, len(r.Members))
	for i, m := range r.Members {
		v, err := r.of(m, path, from)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// index is what a member is called.
func (r *Resource) index(i int) string {
	if r.Indexes != nil {
		return strconv.Itoa(r.Indexes[i])
	}
	return strconv.Itoa(i)
}

func memberRefs(r *Resource, name string, path []any) (any, error) {
	refs, byName := make([]any, len(r.Members)), map[string]any{}
	for i, m := range r.Members {
		v, err := r.memberRef(m, i)
		if err != nil {
			return nil, err
		}
		refs[i], byName[r.index(i)] = v, v
	}
	var all any = refs
	if name == "refs_map" {
		all = byName
	}
	v, _ := hot.Walk(all, path)
	return v, nil
}

func (r *Resource) memberRef(m *Stack, i int) (any, error) {
	r.stack.personal()
	switch {
	case m != nil && m.HasOutput("OS::stack_id"):
		return m.Output("OS::stack_id")
	case m != nil:
		return r.stack.ev.id(m.Name), nil
	}
	return r.stack.ev.id(fmt.Sprintf("%s.%s", r.Path(), r.index(i))), nil
}

// of walks a path into one member; null for a member that is OS::Heat::None.
func (r *Resource) of(m *Stack, path []any, from hot.Origin) (any, error) {
	if m == nil {
		return nil, nil
	}
	var v any
	var err error
	if m.t.IsSingle() {
		return m.Attr(hot.Member, path, from)
	}
	name := hot.String(path[0])
	if r.Target == chainType && !m.HasOutput(name) {
		return nil, nil // a chain's templates need not all have it
	}
	if v, err = r.output(m, name, from); err != nil {
		return nil, err
	}
	v, _ = hot.Walk(v, path[1:])
	return v, nil
}

// nth is resource.N or resource.N.ATTRIBUTE.
func (r *Resource) nth(member string, path []any, from hot.Origin) (any, error) {
	for i, m := range r.Members {
		switch {
		case r.index(i) != member:
		case len(path) == 0:
			return r.memberRef(m, i)
		default:
			return r.of(m, path, from)
		}
	}
	return nil, nil
}

// within takes the path resource.NAME or resource.NAME.ATTRIBUTE apart: the name
// and the path from there on.
func within(path []any) (name string, rest []any) {
	parts := strings.SplitN(hot.String(path[0]), ".", 3)
	rest = path[1:]
	if len(parts) == 3 {
		rest = append([]any{parts[2]}, rest...)
	}
	return parts[1], rest
}
