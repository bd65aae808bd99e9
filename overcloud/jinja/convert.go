package jinja

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
)

// maxNodes bounds what FromYAML builds, so that nested aliases cannot explode.
const maxNodes = 2_000_000

// FromYAML makes a value of a parsed document, with the order of its maps. The
// scalars are read as PyYAML's safe_load (YAML 1.1) reads them: yes, no, on and
// off are booleans.
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
	return scalar(n), nil
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

var (
	yamlInt   = regexp.MustCompile(`^[-+]?[0-9][0-9_]*$`)
	yamlOctal = regexp.MustCompile(`^0[0-7_]+$`)
)

// scalar reads a plain scalar by YAML 1.1's rules.
func scalar(n *yaml.Node) any {
	s := n.Value
	if n.Tag == "!!str" && n.Style != 0 {
		return s
	}
	if n.Style == 0 || n.Tag == "!!bool" {
		switch strings.ToLower(s) {
		case "true", "yes", "on":
			return true
		case "false", "no", "off":
			return false
		}
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!int":
		plain := strings.ReplaceAll(s, "_", "")
		if yamlOctal.MatchString(s) && len(plain) > 1 {
			if v, err := strconv.ParseInt(plain, 8, 64); err == nil {
				return v
			}
		}
		base := 0
		if yamlInt.MatchString(s) {
			base = 10
		}
		if v, err := strconv.ParseInt(plain, base, 64); err == nil {
			return v
		}
	case "!!float":
		if v, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64); err == nil {
			return v
		}
	}
	return s
}

// FromGo makes a value of plain Go data: nil, bool, int, int64, float64,
// string, []any, []string, map[string]any (keys sorted) and values of this package.
func FromGo(v any) any {
	switch v := v.(type) {
	case int:
		return int64(v)
	case []string:
		l := NewList()
		for _, s := range v {
			l.Items = append(l.Items, s)
		}
		return l
	case []any:
		l := NewList()
		for _, e := range v {
			l.Items = append(l.Items, FromGo(e))
		}
		return l
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		d := NewDict()
		for _, k := range keys {
			d.Set(k, FromGo(v[k]))
		}
		return d
	case nil, bool, int64, float64, string, Markup, *List, Tuple, *Dict, Undefined, *Namespace, *Func:
		return v
	}
	return fmt.Sprint(v)
}

// ToGo makes plain Go data of a value; keys become strings.
func ToGo(v any) any { return toGo(v, 0) }

func toGo(v any, depth int) any {
	if depth > maxRepr {
		return nil
	}
	switch v := v.(type) {
	case Markup:
		return string(v)
	case *View:
		return toGo(&List{Items: v.items()}, depth)
	case *List:
		out := make([]any, len(v.Items))
		for i, e := range v.Items {
			out[i] = toGo(e, depth+1)
		}
		return out
	case Tuple:
		return toGo(&List{Items: v.Items}, depth)
	case *Dict:
		out := make(map[string]any, v.Len())
		for k, e := range v.All() {
			out[Str(k)] = toGo(e, depth+1)
		}
		return out
	case Undefined:
		return nil
	}
	return v
}
