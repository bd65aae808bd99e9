package hot

import (
	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
)

// PlanEnvironment is TripleO's plan-environment.yaml: which environments a plan
// starts from, and what it sets itself.
type PlanEnvironment struct {
	Name         string
	Environments []PlanFile
	Passwords    map[string]any
	Derived      *Environment // derived_parameters
	Own          *Environment // parameter_defaults and resource_registry
}

// PlanFile is an environment of a plan: a file of its tree, or text that stands in
// the plan environment itself.
type PlanFile struct {
	Path string
	Data []byte // nil: of Path
	Line int
}

var planKeys = []string{"version", "name", "description", "template", "environments", "parameter_defaults", "resource_registry",
	"passwords", "derived_parameters", "workflow_parameters", "encrypted_param_names", "event_sinks", "parameter_merge_strategies"}

// ParsePlanEnvironment reads a plan environment and tells all that is wrong in it
// at once. Source of the keys: tripleo-common, Queens.
func ParsePlanEnvironment(file string, data []byte) (*PlanEnvironment, error) {
	root, err := yaml.Parse(file, data)
	if err != nil {
		return nil, err
	}
	e := &PlanEnvironment{Passwords: map[string]any{}, Derived: NewEnvironment(), Own: NewEnvironment()}
	p := &problems{file: file}
	if root == nil {
		return e, nil
	}
	if root.Kind != yaml.MappingNode {
		p.add(root.Line, "a plan environment is a map with environments: a list of {path: FILE}")
		return nil, p.err()
	}
	if tooLarge(root, 0, new(int)) {
		p.add(root.Line, "more than %d values or %d levels deep, aliases followed", maxNodes, maxDepth)
		return nil, p.err()
	}
	e.Own.Warnings = dedupe(p, root)
	for _, s := range pairs(root) {
		e.section(p, s)
	}
	e.Own.index()
	return e, p.err()
}

func (e *PlanEnvironment) section(p *problems, s pair) {
	switch s.key.Value {
	case "version", "description", "template", "workflow_parameters":
	case "name":
		e.Name = s.val.Value
	case "environments":
		e.environments(p, s)
	case "passwords":
		for _, kv := range section(p, s.key.Value, s.val) {
			e.Passwords[kv.key.Value] = plain(kv.val)
		}
	case "derived_parameters":
		e.Derived.values(p, s, e.Derived.Defaults)
	case "parameter_defaults", "resource_registry", "encrypted_param_names", "event_sinks", "parameter_merge_strategies":
		e.Own.section(p, s)
	default:
		p.add(s.key.Line, "unknown key %q%s", s.key.Value, nearest.Hint(s.key.Value, planKeys))
	}
}

func (e *PlanEnvironment) environments(p *problems, s pair) {
	if s.val.Kind != yaml.SequenceNode {
		p.add(s.key.Line, "environments must be a list of {path: FILE}")
		return
	}
	for _, n := range s.val.Content {
		f := PlanFile{Line: n.Line}
		for _, kv := range pairs(n) {
			switch kv.key.Value {
			case "path":
				f.Path = kv.val.Value
			case "data":
				f.Data = []byte(kv.val.Value)
				if kv.val.Kind != yaml.ScalarNode {
					f.Data, _ = yaml.Marshal(plain(kv.val)) // plain values always encode
				}
			default:
				p.add(kv.key.Line, "environments: unknown key %q%s", kv.key.Value, nearest.Hint(kv.key.Value, []string{"path", "data"}))
			}
		}
		if f.Path == "" && f.Data == nil {
			p.add(n.Line, "environments: each must have a path, or data")
			continue
		}
		e.Environments = append(e.Environments, f)
	}
}
