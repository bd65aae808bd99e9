package hot

import (
	"trefoil/internal/yaml"
)

// ParseData reads a whole file as data: nil, bool, int, float64, string, []any,
// map[string]any, each as Heat's YAML has it. An empty file is nil.
func ParseData(file string, data []byte) (any, error) {
	root, err := bounded(file, data)
	if err != nil {
		return nil, err
	}
	return plain(root), nil
}

// ParseParameters reads a map of parameters, or the parameter_defaults of an
// environment, as ParseEnvironment reads the latter. What else an environment has
// is passed over. The result has Defaults and Origins only.
func ParseParameters(file string, data []byte) (*Environment, error) {
	root, err := bounded(file, data)
	if err != nil {
		return nil, err
	}
	p := &problems{file: file}
	if root == nil || root.Kind != yaml.MappingNode {
		p.add(1, "expected a map of parameters, or parameter_defaults with one")
		return nil, p.err()
	}
	at := pair{key: &yaml.Node{Kind: yaml.ScalarNode, Value: "parameters", Line: root.Line}, val: root}
	for _, s := range pairs(root) {
		if s.key.Value == "parameter_defaults" {
			at = s
		}
	}
	seen := map[string]bool{}
	for _, kv := range pairs(at.val) {
		if seen[kv.key.Value] && kv.key.Tag != "!!merge" {
			p.add(kv.key.Line, "parameter %s is given twice", kv.key.Value)
		}
		seen[kv.key.Value] = true
	}
	e := NewEnvironment()
	e.values(p, at, e.Defaults)
	return e, p.err()
}

// bounded parses a file that stays within the limits, aliases followed.
func bounded(file string, data []byte) (*yaml.Node, error) {
	root, err := yaml.Parse(file, data)
	if err != nil || root == nil {
		return nil, err
	}
	if tooLarge(root, 0, new(int)) {
		p := &problems{file: file}
		p.add(root.Line, "more than %d values or %d levels deep, aliases followed", maxNodes, maxDepth)
		return nil, p.err()
	}
	return root, nil
}
