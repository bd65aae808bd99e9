package hot

import (
	"fmt"
	"slices"

	"trefoil/internal/nearest"
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

// Environment is what environment files say, merged in order. Reading it is safe
// from several goroutines while nobody merges. The rules are Heat's (engine's
// environments and their merging), testdata/heat/environment.txt holds it to them.
type Environment struct {
	Parameters map[string]any    // of the root template only
	Defaults   map[string]any    // parameter_defaults: of every template
	Origins    map[string]Origin // of both, who set it last; At is that of a key within one
	Registry   []Mapping         // in order; Resolve knows which one wins
	Overrides  []Override        // hooks and restricted actions of single resources
	Encrypted  []string          // encrypted_param_names
	EventSinks []map[string]any  // carried, nothing listens to them here
	Warnings   []string          // keys given twice, patterns that match nothing

	// Type returns the declared type of a parameter, "" where it is not known.
	// It tells a string from a list when values are merged, and may be nil.
	Type func(parameter string) string

	said     map[string]strategy // parameter_merge_strategies of one file
	fallback strategy            // its default
	strategy map[string]strategy // what holds for each parameter that was merged
	byHeat   bool                // some file has parameter_merge_strategies

	within map[string]map[string]Origin // of the keys of parameters that are maps, by both

	exact  map[string]*Mapping // index of Registry
	globs  []*Mapping          // the longest first
	single bool                // some line is for one resource only
}

// NewEnvironment makes an empty one.
func NewEnvironment() *Environment {
	return &Environment{Parameters: map[string]any{}, Defaults: map[string]any{}, Origins: map[string]Origin{},
		said: map[string]strategy{}, strategy: map[string]strategy{}, within: map[string]map[string]Origin{}}
}

var environmentKeys = []string{"parameters", "parameter_defaults", "resource_registry",
	"parameter_merge_strategies", "encrypted_param_names", "event_sinks", "description"}

// ParseEnvironment reads one environment file and tells all that is wrong in it
// at once. Relative paths in its registry are relative to the directory of file.
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
		e.section(p, s)
	}
	for name := range e.strategyNames() {
		if o := e.said[name]; o.origin.Line > 0 && !slices.Contains(strategies, o.name) {
			p.add(o.origin.Line, "parameter_merge_strategies: %s: unknown strategy %q%s; expected overwrite, merge or deep_merge",
				name, o.name, nearest.Hint(o.name, strategies))
		}
	}
	e.index()
	return e, p.err()
}

func (e *Environment) section(p *problems, s pair) {
	switch s.key.Value {
	case "parameters":
		e.values(p, s, e.Parameters)
	case "parameter_defaults":
		e.values(p, s, e.Defaults)
	case "resource_registry":
		e.registry(p, s.val)
	case "parameter_merge_strategies":
		e.strategies(p, s.val)
	case "encrypted_param_names":
		list, ok := plain(s.val).([]any)
		if !ok && !isNull(s.val) {
			p.add(s.key.Line, "encrypted_param_names must be a list of names")
		}
		for _, v := range list {
			e.Encrypted = append(e.Encrypted, String(v))
		}
	case "event_sinks":
		e.eventSinks(p, s)
	case "description": // people write it; Heat does not know it
	default:
		p.add(s.key.Line, "unknown key %q%s", s.key.Value, nearest.Hint(s.key.Value, environmentKeys))
	}
}

// values reads parameters or parameter_defaults; what stands there itself wins over
// what a merge key brings.
func (e *Environment) values(p *problems, s pair, into map[string]any) {
	for _, kv := range section(p, s.key.Value, s.val) {
		if kv.key.Tag == "!!merge" {
			continue
		}
		if !isText(kv.key) {
			p.add(kv.key.Line, "%s: the name of a parameter must be text, got %s", s.key.Value, kv.key.Value)
			continue
		}
		into[kv.key.Value] = plain(kv.val)
		e.Origins[kv.key.Value] = Origin{p.file, kv.key.Line}
		for _, inner := range pairs(kv.val) {
			e.keyFrom(kv.key.Value, inner.key.Value, Origin{p.file, inner.key.Line})
		}
	}
	for _, kv := range pairs(s.val) {
		if kv.key.Tag != "!!merge" {
			continue
		}
		for k, v := range plainMap(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{kv.key, kv.val}}, 0) {
			if _, own := into[k]; !own {
				into[k], e.Origins[k] = v, Origin{p.file, kv.key.Line}
			}
		}
	}
}

// At is where a key of a parameter that is a map was given last; where that is not known, as of
// what a merge key brings, where the parameter was.
func (e *Environment) At(parameter, key string) Origin {
	if o, ok := e.within[parameter][key]; ok {
		return o
	}
	return e.Origins[parameter]
}

func (e *Environment) keyFrom(parameter, key string, o Origin) {
	if e.within[parameter] == nil {
		e.within[parameter] = map[string]Origin{}
	}
	e.within[parameter][key] = o
}

// keysFrom notes that the keys of v, of a parameter, are given anew: by other, or by nobody who
// has lines.
func (e *Environment) keysFrom(parameter string, v any, other *Environment) {
	m, _ := v.(map[string]any)
	for key := range m {
		delete(e.within[parameter], key)
		if other == nil {
			continue
		}
		if o, ok := other.within[parameter][key]; ok {
			e.keyFrom(parameter, key, o)
		}
	}
}

// isText tells a key that is text from a number, a boolean, null or a list.
func isText(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	_, ok := yaml.Scalar(n).(string)
	return ok
}

func (e *Environment) eventSinks(p *problems, s pair) {
	list, ok := plain(s.val).([]any)
	if !ok && !isNull(s.val) {
		p.add(s.key.Line, "event_sinks must be a list of maps with type")
		return
	}
	if len(list) > 0 {
		e.Warnings = append(e.Warnings, fmt.Sprintf("%s:%d: event_sinks has no effect here: events are not sent on", p.file, s.key.Line))
	}
	for i, v := range list {
		m, _ := v.(map[string]any)
		if kind, _ := m["type"].(string); kind == "" {
			p.add(s.val.Content[i].Line, "event_sinks: each must be a map with type, like zaqar-queue")
			continue
		}
		e.EventSinks = append(e.EventSinks, m)
	}
}

// SetDefault lays one parameter default over e, whatever the strategies say.
// Maps are merged key by key.
func (e *Environment) SetDefault(name string, v any, from string) {
	e.Defaults[name] = updated(e.Defaults[name], v)
	e.Origins[name] = Origin{File: from}
	e.keysFrom(name, v, nil)
}
