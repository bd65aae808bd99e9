package schema

import (
	"strconv"
	"strings"

	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
)

// maxMerge bounds how deep merge keys may nest.
const maxMerge = 8

// Map is one YAML map whose keys are known. Its methods read a key's value and
// note a problem when it is of the wrong type; a key that is absent, or has the
// null value, gives the zero value.
type Map struct {
	Line   int // where the map begins
	p      *Problems
	what   string
	order  []string
	fields map[string]field
}

type field struct {
	line  int
	value *yaml.Node
}

// Map reads n as a map with the keys known; others are problems, with the
// nearest known name. what names the thing in messages: "a network". No keys
// known means that any is right. It returns nil when n is no map.
func (p *Problems) Map(n *yaml.Node, what string, known ...string) *Map {
	m := p.open(n, what)
	if m == nil || len(known) == 0 {
		return m
	}
	is := map[string]bool{}
	for _, k := range known {
		is[k] = true
	}
	for _, k := range m.order {
		if !is[k] {
			p.Add(m.fields[k].line, "unknown key %q in %s%s", k, what, nearest.Hint(k, known))
		}
	}
	return m
}

func (p *Problems) open(n *yaml.Node, what string) *Map {
	n = follow(n)
	if n == nil || n.Kind != yaml.MappingNode {
		line, got := 1, "nothing"
		if n != nil {
			line, got = n.Line, describe(n)
		}
		p.Add(line, "expected %s, a map of keys, got %s", what, got)
		return nil
	}
	m := &Map{Line: n.Line, p: p, what: what, fields: map[string]field{}}
	m.take(n, 0)
	return m
}

// take adds the pairs of n, then those that it merges in ("<<") where they are not yet there.
func (m *Map) take(n *yaml.Node, depth int) {
	if depth > maxMerge {
		m.p.Add(n.Line, "merge keys (<<) are nested more than %d deep", maxMerge)
		return
	}
	if !m.p.spend(n) {
		return
	}
	own := map[string]bool{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.ShortTag() == "!!merge":
			merged = append(merged, v)
		case k.Kind != yaml.ScalarNode:
			m.p.Add(k.Line, "a key of %s must be text", m.what)
		case own[k.Value]:
			m.p.Add(k.Line, "key %q is given twice in %s", k.Value, m.what)
		default:
			own[k.Value] = true
			if _, has := m.fields[k.Value]; !has {
				m.order = append(m.order, k.Value)
				m.fields[k.Value] = field{k.Line, follow(v)}
			}
		}
	}
	for _, v := range merged {
		m.merge(v, depth)
	}
}

func (m *Map) merge(v *yaml.Node, depth int) {
	switch v = follow(v); v.Kind {
	case yaml.MappingNode:
		m.take(v, depth+1)
	case yaml.SequenceNode:
		for _, e := range m.p.items(v) {
			if e.Kind == yaml.MappingNode {
				m.take(e, depth+1)
			} else {
				m.p.Add(e.Line, "what is merged (<<) into %s must be a map, got %s", m.what, describe(e))
			}
		}
	default:
		m.p.Add(v.Line, "what is merged (<<) into %s must be a map, got %s", m.what, describe(v))
	}
}

// Keys are the map's keys in the order of the file.
func (m *Map) Keys() []string { return m.order }

// Has says whether the key is given and not null.
func (m *Map) Has(key string) bool { return m.Node(key) != nil }

// LineOf is the line of a key, or of the map when it is absent.
func (m *Map) LineOf(key string) int {
	if f, ok := m.fields[key]; ok {
		return f.line
	}
	return m.Line
}

// Node is the value of a key, or nil when it is absent or null.
func (m *Map) Node(key string) *yaml.Node {
	v := m.fields[key].value
	if v == nil || v.Kind == yaml.ScalarNode && tag(v) == "!!null" {
		return nil
	}
	return v
}

// wrong notes that a key's value is not what it should be.
func (m *Map) wrong(key, want string, n *yaml.Node) {
	m.p.Add(m.LineOf(key), "%s of %s must be %s, got %s", key, m.what, want, describe(n))
}

// Need notes a problem for each key that is absent.
func (m *Map) Need(keys ...string) {
	for _, k := range keys {
		if !m.Has(k) {
			m.p.Add(m.Line, "%s has no %s", m.what, k)
		}
	}
}

// Text reads a string.
func (m *Map) Text(key string) string {
	n := m.Node(key)
	switch {
	case n == nil:
		return ""
	case n.Kind != yaml.ScalarNode:
		m.wrong(key, "text", n)
	case tag(n) == "!!str":
		return n.Value
	default:
		m.wrong(key, "text; put it into quotes", n)
	}
	return ""
}

// Bool reads true or false; def is for a key that is absent.
func (m *Map) Bool(key string, def bool) bool {
	n := m.Node(key)
	if n == nil {
		return def
	}
	if v, is := yaml.Scalar(n).(bool); is && n.Kind == yaml.ScalarNode {
		return v
	}
	m.wrong(key, "true or false", n)
	return def
}

// Int reads a whole number from low to high; def is for a key that is absent.
func (m *Map) Int(key string, low, high, def int) int {
	n := m.Node(key)
	if n == nil {
		return def
	}
	v, err := strconv.ParseInt(n.Value, 0, 64)
	if n.Kind != yaml.ScalarNode || tag(n) != "!!int" || err != nil {
		m.wrong(key, "a whole number", n)
		return def
	}
	if v < int64(low) || v > int64(high) {
		m.p.Add(m.LineOf(key), "%s of %s is %d; it must be from %d to %d", key, m.what, v, low, high)
		return def
	}
	return int(v)
}

// OneOf reads a text that must be one of a few.
func (m *Map) OneOf(key string, allowed ...string) string {
	text := m.Text(key)
	for _, a := range allowed {
		if text == a || text == "" {
			return text
		}
	}
	m.p.Add(m.LineOf(key), "%s of %s is %q; it must be one of %s%s", key, m.what, text, strings.Join(allowed, ", "), nearest.Hint(text, allowed))
	return ""
}

// List reads a list's items.
func (m *Map) List(key string) []*yaml.Node {
	n := m.Node(key)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		m.wrong(key, "a list", n)
		return nil
	}
	return m.p.items(n)
}

// Texts reads a list of strings.
func (m *Map) Texts(key string) []string {
	var out []string
	for _, e := range m.List(key) {
		if e.Kind == yaml.ScalarNode && tag(e) == "!!str" {
			out = append(out, e.Value)
		} else {
			m.p.Add(e.Line, "%s of %s is a list of texts, got %s", key, m.what, describe(e))
		}
	}
	return out
}

// Map reads a map with the keys known below a key, or nil when it is absent or no map.
func (m *Map) Map(key, what string, known ...string) *Map {
	n := m.Node(key)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		m.wrong(key, "a map", n)
		return nil
	}
	return m.p.Map(n, what, known...)
}
