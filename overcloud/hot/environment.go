package hot

import (
	"fmt"
	"path"
	"sort"
	"strings"

	"trefoil/internal/yaml"
)

// Origin says where a value was given.
type Origin struct {
	File string
	Line int
}

func (o Origin) String() string {
	if o.Line == 0 {
		return o.File
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// Environment is what environment files say, merged in order.
type Environment struct {
	Parameters map[string]any // of the root template only
	Defaults   map[string]any // parameter_defaults: of every template
	Origins    map[string]Origin
	Registry   []Mapping // later ones win over earlier ones of the same pattern
	Warnings   []string  // keys given twice
}

// Mapping is a line of a resource_registry. Target is a file (slashes, relative
// to the tree or absolute), a type, or OS::Heat::None.
type Mapping struct {
	Pattern string
	Target  string
	Origin  Origin
}

// NewEnvironment makes an empty one.
func NewEnvironment() *Environment {
	return &Environment{Parameters: map[string]any{}, Defaults: map[string]any{}, Origins: map[string]Origin{}}
}

var environmentKeys = []string{"parameters", "parameter_defaults", "resource_registry",
	"parameter_merge_strategies", "encrypted_param_names", "event_sinks", "description"}

// ParseEnvironment reads one environment file. Relative paths in its registry
// are relative to the directory of file.
func ParseEnvironment(file string, data []byte) (*Environment, error) {
	root, err := yaml.Parse(file, data)
	if err != nil {
		return nil, err
	}
	e := NewEnvironment()
	p := &problems{file: file}
	if root == nil {
		return e, nil
	}
	if root.Kind != yaml.MappingNode {
		p.add(root.Line, "an environment is a map with parameter_defaults or resource_registry")
		return nil, p.err()
	}
	if tooLarge(root, 0, new(int)) {
		p.add(root.Line, "more than %d values or %d levels deep, aliases followed", maxNodes, maxDepth)
		return nil, p.err()
	}
	e.Warnings = dedupe(p, root)
	for _, s := range pairs(root) {
		switch s.key.Value {
		case "parameters", "parameter_defaults":
			into := e.Defaults
			if s.key.Value == "parameters" {
				into = e.Parameters
			}
			for _, kv := range section(p, s.key.Value, s.val) {
				into[kv.key.Value] = plain(kv.val)
				e.Origins[kv.key.Value] = Origin{file, kv.key.Line}
			}
		case "resource_registry":
			e.registry(p, file, s.val)
		case "parameter_merge_strategies", "encrypted_param_names", "event_sinks", "description":
		default:
			p.add(s.key.Line, "unknown key %q%s", s.key.Value, Suggest(s.key.Value, environmentKeys))
		}
	}
	return e, p.err()
}

func (e *Environment) registry(p *problems, file string, n *yaml.Node) {
	for _, kv := range section(p, "resource_registry", n) {
		if kv.key.Value == "resources" && kv.val.Kind == yaml.MappingNode {
			continue // hooks and per-resource overrides: nothing to plan
		}
		m := Mapping{Pattern: kv.key.Value, Origin: Origin{file, kv.key.Line}}
		switch {
		case isNull(kv.val):
		case kv.val.Kind != yaml.ScalarNode:
			p.add(kv.key.Line, "resource_registry %s must be a file or a type", m.Pattern)
			continue
		default:
			m.Target = kv.val.Value
		}
		if isFile(m.Target) && !path.IsAbs(m.Target) && !strings.Contains(m.Target, "://") {
			m.Target = path.Join(path.Dir(file), m.Target)
		}
		e.Registry = append(e.Registry, m)
	}
}

// isFile tells a template file from a resource type.
func isFile(target string) bool {
	return strings.HasSuffix(target, ".yaml") || strings.HasSuffix(target, ".template") || strings.Contains(target, "://")
}

// Merge lays other over e: maps are merged key by key, lists and scalars replaced.
func (e *Environment) Merge(other *Environment) {
	mergeMap(e.Parameters, other.Parameters)
	mergeMap(e.Defaults, other.Defaults)
	for k, v := range other.Origins {
		e.Origins[k] = v
	}
	e.Registry = append(e.Registry, other.Registry...)
	e.Warnings = append(e.Warnings, other.Warnings...)
}

// SetDefault lays one parameter default over e.
func (e *Environment) SetDefault(name string, v any, from string) {
	mergeMap(e.Defaults, map[string]any{name: v})
	e.Origins[name] = Origin{File: from}
}

func mergeMap(into, from map[string]any) {
	for k, v := range from {
		old, okOld := into[k].(map[string]any)
		m, ok := v.(map[string]any)
		if !ok || !okOld {
			into[k] = v
			continue
		}
		merged := make(map[string]any, len(old)+len(m))
		for k, v := range old {
			merged[k] = v
		}
		mergeMap(merged, m)
		into[k] = merged
	}
}

// Resolve follows the registry from a type to a file or to a type that is not
// mapped further. Exact patterns win over globs, longer globs over shorter ones.
func (e *Environment) Resolve(typ string) (target string, from Origin, mapped bool) {
	target = typ
	for range 20 {
		m := e.find(target)
		if m == nil || m.Target == target {
			break
		}
		mapped, from = true, m.Origin
		if strings.HasSuffix(m.Pattern, "*") && strings.HasSuffix(m.Target, "*") {
			target = strings.TrimSuffix(m.Target, "*") + strings.TrimPrefix(target, strings.TrimSuffix(m.Pattern, "*"))
			continue
		}
		if target = m.Target; isFile(target) {
			break
		}
	}
	return target, from, mapped
}

func (e *Environment) find(typ string) *Mapping {
	var best *Mapping
	for i := range e.Registry {
		m := &e.Registry[i]
		glob := strings.HasSuffix(m.Pattern, "*") && strings.HasPrefix(typ, strings.TrimSuffix(m.Pattern, "*"))
		if m.Pattern != typ && !glob {
			continue
		}
		if best == nil || m.Pattern == typ || best.Pattern != typ && len(m.Pattern) >= len(best.Pattern) {
			best = m
		}
	}
	if best != nil && best.Target == "" {
		return nil // null removes the mapping
	}
	return best
}

// Types returns the patterns of the registry, sorted.
func (e *Environment) Types() []string {
	seen := map[string]bool{}
	var out []string
	for _, m := range e.Registry {
		if !seen[m.Pattern] {
			seen[m.Pattern] = true
			out = append(out, m.Pattern)
		}
	}
	sort.Strings(out)
	return out
}
