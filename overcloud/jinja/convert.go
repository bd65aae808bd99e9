package jinja

import (
	"trefoil/internal/errs"
	"trefoil/internal/yaml"
)

// maxNodes bounds what FromYAML builds, so that nested aliases cannot explode.
const maxNodes = 2_000_000

// FromYAML makes a value of a parsed document, with the order of its maps. Its
// scalars are read as yaml.Scalar says.
func FromYAML(name string, n *yaml.Node) (any, error) {
	c := &converter{name: name}
	return c.value(n, 0)
}

type converter struct {
	name  string
	nodes int
}

func (c *converter) value(n *yaml.Node, depth int) (any, error) {
	if c.nodes++; c.nodes > maxNodes || depth > 200 {
		return nil, errs.New(errs.Invalid, "%s: too large or too deeply nested", c.name)
	}
	if n == nil {
		return nil, nil
	}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 0 {
			return nil, nil
		}
		return c.value(n.Content[0], depth+1)
	case yaml.AliasNode:
		return c.value(n.Alias, depth+1)
	case yaml.SequenceNode:
		l := &List{Items: make([]any, 0, len(n.Content))}
		for _, e := range n.Content {
			v, err := c.value(e, depth+1)
			if err != nil {
				return nil, err
			}
			l.Items = append(l.Items, v)
		}
		return l, nil
	case yaml.MappingNode:
		return c.mapping(n, depth)
	}
	v := yaml.Scalar(n)
	if i, ok := v.(int); ok {
		return int64(i), nil
	}
	return v, nil
}

func (c *converter) mapping(n *yaml.Node, depth int) (any, error) {
	d := NewDict()
	for i := 0; i+1 < len(n.Content); i += 2 {
		v, err := c.value(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		if n.Content[i].Tag == "!!merge" {
			merge(d, v)
			continue
		}
		k, err := c.value(n.Content[i], depth+1)
		if err != nil {
			return nil, err
		}
		if !d.Set(k, v) {
			return nil, errs.New(errs.Invalid, "%s:%d: a %s cannot be a key", c.name, n.Content[i].Line, typeName(k))
		}
	}
	return d, nil
}

// merge adds the keys of the map or maps behind << that d has not.
func merge(d *Dict, v any) {
	if l, ok := v.(*List); ok {
		for _, m := range l.Items {
			merge(d, m)
		}
		return
	}
	m, ok := v.(*Dict)
	if !ok {
		return
	}
	for _, k := range m.keys {
		if _, has := d.Get(k); !has {
			it, _ := m.Get(k)
			d.Set(k, it)
		}
	}
}
