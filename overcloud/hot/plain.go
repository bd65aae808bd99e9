package hot

import "trefoil/internal/yaml"

// plain reads a node as data: nil, bool, int, float64, string, []any, map[string]any.
// Scalars follow YAML 1.1 as PyYAML reads it for Heat.
func plain(n *yaml.Node) any { return plainDepth(n, 0) }

func plainDepth(n *yaml.Node, depth int) any {
	n = deref(n)
	if n == nil || depth > maxDepth {
		return nil
	}
	switch n.Kind {
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, c := range n.Content {
			out[i] = plainDepth(c, depth+1)
		}
		return out
	case yaml.MappingNode:
		return plainMap(n, depth)
	}
	return yaml.Scalar(n)
}

// plainMap reads a map; what stands in it itself wins over what a merge key brings.
func plainMap(n *yaml.Node, depth int) map[string]any {
	out := make(map[string]any, len(n.Content)/2)
	var merges []*yaml.Node
	for _, e := range pairs(n) {
		if e.key.Tag == "!!merge" {
			merges = append(merges, e.val)
			continue
		}
		out[e.key.Value] = plainDepth(e.val, depth+1)
	}
	for _, m := range merges {
		sources := []any{plainDepth(m, depth+1)}
		if list, ok := sources[0].([]any); ok {
			sources = list
		}
		for _, s := range sources {
			from, _ := s.(map[string]any)
			for k, v := range from {
				if _, has := out[k]; !has {
					out[k] = v
				}
			}
		}
	}
	return out
}
