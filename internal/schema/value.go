package schema

import "trefoil/internal/yaml"

// maxDepth is how deep a free value may nest.
const maxDepth = 50

// Values reads a map of anything below a key: nil, bool, int, float64, string,
// []any and map[string]any, as yaml.Scalar says. It returns nil when the key is absent or no map.
func (m *Map) Values(key string) map[string]any {
	n := m.Node(key)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		m.wrong(key, "a map", n)
		return nil
	}
	v := &values{p: m.p, what: key + " of " + m.what}
	out, _ := v.value(n, 0).(map[string]any)
	return out
}

type values struct {
	p    *Problems
	what string
	deep bool // said already
}

func (v *values) value(n *yaml.Node, depth int) any {
	if n = follow(n); depth > maxDepth {
		if !v.deep {
			v.p.Add(n.Line, "%s is nested more than %d deep", v.what, maxDepth)
		}
		v.deep = true
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := v.p.open(n, v.what)
		out := make(map[string]any, len(m.order))
		for _, k := range m.order {
			out[k] = v.value(m.fields[k].value, depth+1)
		}
		return out
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, e := range v.p.items(n) {
			out = append(out, v.value(e, depth+1))
		}
		return out
	case yaml.ScalarNode:
		return yaml.Scalar(n)
	}
	v.p.Add(n.Line, "%s has an anchor that contains itself", v.what)
	return nil
}
