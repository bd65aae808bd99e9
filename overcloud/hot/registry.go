package hot

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
)

// Mapping is a line of a resource_registry. Target is a file (slashes, relative
// to the tree or absolute), a URL, a type, or OS::Heat::None; empty takes away
// what was mapped before it.
type Mapping struct {
	Pattern  string // a type, or a prefix of types that ends with a star
	Target   string
	Resource []string // only for this resource: names of the stacks around it, as patterns, and its own
	Origin   Origin
}

// Override is what the section resources of a resource_registry says of the
// resources that match a name.
type Override struct {
	Resource   []string // patterns of names, from the root stack down
	Hooks      []string // pre-create, pre-update, pre-delete, post-create, post-update, post-delete
	Restricted []string // update, replace
	Origin     Origin
}

var (
	hookTypes         = []string{"pre-create", "pre-update", "pre-delete", "post-create", "post-update", "post-delete"}
	restrictedActions = []string{"update", "replace"}
)

// registry reads resource_registry.
func (e *Environment) registry(p *problems, n *yaml.Node) {
	for _, kv := range section(p, "resource_registry", n) {
		if kv.key.Value == "resources" && (isNull(kv.val) || kv.val.Kind == yaml.MappingNode) {
			e.resources(p, nil, kv.val)
			continue
		}
		e.mapping(p, nil, kv)
	}
}

// resources reads the section resources: of each name types, hooks and actions,
// and under it, names of a nested stack.
func (e *Environment) resources(p *problems, outer []string, n *yaml.Node) {
	for _, r := range pairs(n) {
		names := append(slices.Clone(outer), r.key.Value)
		where := "resource_registry resources " + strings.Join(names, " ")
		if isNull(r.val) {
			continue
		}
		if r.val.Kind != yaml.MappingNode || len(names) > maxDepth {
			p.add(r.key.Line, "%s must be a map with types, hooks or restricted_actions", where)
			continue
		}
		o := Override{Resource: names, Origin: Origin{p.file, r.key.Line}}
		for _, kv := range pairs(r.val) {
			switch {
			case kv.key.Value == "hooks":
				o.Hooks = words(p, where+": hook", kv, hookTypes)
			case kv.key.Value == "restricted_actions":
				o.Restricted = words(p, where+": restricted action", kv, restrictedActions)
			case kv.val.Kind == yaml.MappingNode:
				wrapped := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{kv.key, kv.val}}
				e.resources(p, names, wrapped)
			default:
				e.mapping(p, names, kv)
			}
		}
		if o.Hooks != nil || o.Restricted != nil {
			e.Overrides = append(e.Overrides, o)
		}
	}
}

// words reads one word or a list of words, each of which must be known.
func words(p *problems, where string, kv pair, known []string) []string {
	nodes := kv.val.Content
	if kv.val.Kind == yaml.ScalarNode {
		nodes = []*yaml.Node{kv.val}
	}
	var out []string
	for _, n := range nodes {
		if !slices.Contains(known, n.Value) {
			p.add(n.Line, "%s %q does not exist%s; expected %s", where, n.Value, nearest.Hint(n.Value, known), strings.Join(known, ", "))
			continue
		}
		out = append(out, n.Value)
	}
	return out
}

// mapping reads one line.
func (e *Environment) mapping(p *problems, names []string, kv pair) {
	m := Mapping{Pattern: kv.key.Value, Resource: names, Origin: Origin{p.file, kv.key.Line}}
	switch {
	case !isText(kv.key):
		p.add(kv.key.Line, "resource_registry: a type must be text, got %s", kv.key.Value)
		return
	case isNull(kv.val):
	case kv.val.Kind != yaml.ScalarNode || !isText(kv.val) || kv.val.Value == "":
		p.add(kv.key.Line, "resource_registry %s must be a file, a type or null", m.Pattern)
		return
	default:
		m.Target = kv.val.Value
	}
	if star := strings.IndexByte(m.Pattern, '*'); star >= 0 && star < len(m.Pattern)-1 {
		e.Warnings = append(e.Warnings, fmt.Sprintf("%s: resource_registry %s: only a star at the end stands for something; this one is a letter and matches no type",
			m.Origin, m.Pattern))
	}
	m.Target = strings.TrimPrefix(m.Target, "file://")
	if IsFile(m.Target) && !path.IsAbs(m.Target) && !strings.Contains(m.Target, "://") {
		m.Target = path.Join(path.Dir(p.file), m.Target)
	}
	e.Registry = append(e.Registry, m)
}

// IsFile tells a template file from a resource type.
func IsFile(target string) bool {
	return strings.HasSuffix(target, ".yaml") || strings.HasSuffix(target, ".template") || strings.Contains(target, "://")
}

// glob returns the prefix that a pattern stands for.
func (m *Mapping) glob() (string, bool) { return strings.CutSuffix(m.Pattern, "*") }

// index makes what find looks up: the last line of each pattern, without those
// that a null took away.
func (e *Environment) index() {
	e.exact, e.globs, e.single = map[string]*Mapping{}, nil, false
	for i := range e.Registry {
		m := &e.Registry[i]
		if len(m.Resource) > 0 {
			e.single = true
			continue
		}
		if prefix, ok := m.glob(); ok && m.Target == "" {
			for name := range e.exact {
				if strings.HasPrefix(name, prefix) {
					delete(e.exact, name)
				}
			}
		} else if m.Target == "" {
			delete(e.exact, m.Pattern)
		} else {
			e.exact[m.Pattern] = m
		}
	}
	for _, m := range e.exact {
		if _, ok := m.glob(); ok {
			e.globs = append(e.globs, m)
		}
	}
	sort.Slice(e.globs, func(i, j int) bool {
		a, b := e.globs[i].Pattern, e.globs[j].Pattern
		return len(a) > len(b) || len(a) == len(b) && a < b
	})
}

// find returns the line that holds for a type, or nil: an exact one before a
// prefix, a longer prefix before a shorter one.
func (e *Environment) find(typ string) *Mapping {
	if m := e.exact[typ]; m != nil {
		return m
	}
	for _, m := range e.globs {
		if prefix, _ := m.glob(); strings.HasPrefix(typ, prefix) && typ != m.Target {
			return m
		}
	}
	return nil
}

// ByResource tells whether the registry maps types of single resources.
func (e *Environment) ByResource() bool { return e.single }

// ofResource returns the line for a type of one resource, or nil. names are those
// of the stacks around it, from the root down, and its own, which must be equal:
// patterns are for the stacks only, as in Heat.
func (e *Environment) ofResource(names []string, typ string) *Mapping {
	var found *Mapping
	for i := range e.Registry {
		m := &e.Registry[i]
		last := len(m.Resource) - 1
		if m.Pattern != typ || last < 0 || len(names) != len(m.Resource) || names[last] != m.Resource[last] {
			continue
		}
		if matchNames(m.Resource[:last], names[:last]) {
			if found = m; m.Target == "" {
				found = nil
			}
		}
	}
	return found
}

// matchNames matches names with patterns in which * ? and [] stand for letters.
func matchNames(patterns, names []string) bool {
	if len(patterns) != len(names) {
		return false
	}
	for i, p := range patterns {
		p = strings.ReplaceAll(p, "[!", "[^")
		if ok, err := path.Match(p, strings.ReplaceAll(names[i], "/", "\x00")); err != nil && p != names[i] || err == nil && !ok {
			return false
		}
	}
	return true
}

// maxAliases bounds how often one type may stand for another.
const maxAliases = 50

// Resolve follows the registry from a type to a file or to a type that is not
// mapped further. Aliases in a circle are not mapped; Check tells them.
func (e *Environment) Resolve(typ string) (target string, from Origin, mapped bool) {
	target, from, mapped, _ = e.follow(e.find(typ), typ)
	return target, from, mapped
}

// ResolveFor is Resolve for one resource: what the registry says of it by name
// comes first. names are those of the stacks around it, from the root down, and
// its own.
func (e *Environment) ResolveFor(names []string, typ string) (target string, from Origin, mapped bool) {
	m := e.ofResource(names, typ)
	if m == nil {
		m = e.find(typ)
	}
	target, from, mapped, _ = e.follow(m, typ)
	return target, from, mapped
}

// follow goes from a type through m and what comes after it; circle is the way
// round where it comes to no end.
func (e *Environment) follow(m *Mapping, typ string) (target string, from Origin, mapped bool, circle []string) {
	target = typ
	seen := []string{typ}
	for m != nil {
		mapped, from = true, m.Origin
		prefix, isGlob := m.glob()
		if to, both := strings.CutSuffix(m.Target, "*"); isGlob && both {
			target = to + strings.TrimPrefix(target, prefix)
		} else {
			target = m.Target
		}
		if IsFile(target) {
			return target, from, mapped, nil
		}
		if i := slices.Index(seen, target); i >= 0 || len(seen) > maxAliases {
			return typ, Origin{}, false, append(seen[max(i, 0):], target)
		}
		seen = append(seen, target)
		m = e.find(target)
	}
	return target, from, mapped, nil
}

// Check tells the aliases of the registry that lead in a circle, each with the
// way round. It is for after the last Merge.
func (e *Environment) Check() error {
	p := &problems{}
	told := map[string]bool{}
	for i := range e.Registry {
		m := &e.Registry[i]
		typ := strings.ReplaceAll(m.Pattern, "*", "X") // a type that a prefix stands for
		first := e.find(typ)
		if len(m.Resource) > 0 {
			first = m
		} else if first != m {
			continue
		}
		_, _, _, circle := e.follow(first, typ)
		if circle == nil || told[circle[0]] {
			continue
		}
		for _, t := range circle {
			told[t] = true
		}
		if len(circle) > 6 {
			circle = append(slices.Clone(circle[:5]), "…")
		}
		p.file = m.Origin.File
		p.add(m.Origin.Line, "resource_registry: types stand for each other in a circle: %s", strings.Join(circle, " → "))
	}
	return p.err()
}

// Types returns the patterns of the registry, sorted.
func (e *Environment) Types() []string {
	seen := map[string]bool{}
	var out []string
	for _, m := range e.Registry {
		if !seen[m.Pattern] && len(m.Resource) == 0 {
			seen[m.Pattern] = true
			out = append(out, m.Pattern)
		}
	}
	sort.Strings(out)
	return out
}
