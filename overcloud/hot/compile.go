package hot

import (
	"regexp"
	"slices"

	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
)

// looksLikeFunction is a single key that can only be a misspelt function.
var looksLikeFunction = regexp.MustCompile(`^((get|str|list|map|make)_[a-z_]+|Fn::[A-Za-z:]+)$`)

// compiler turns nodes into expressions and tells everything that is wrong
// without evaluating: unknown functions, names that are not declared.
type compiler struct {
	p    *problems
	t    *Template
	done map[anchor]Expr // so that aliases cost nothing

	version     string // the template's, by date
	inCondition bool   // only some functions may be used

	// lenient: an undeclared parameter or an unknown function is a warning. A
	// condition is evaluated only where it is used, and TripleO's trees have such in
	// conditions that nobody uses.
	lenient bool
}

// anchor is a value that aliases may name, as a value or in a condition.
type anchor struct {
	n           *yaml.Node
	inCondition bool
}

// value compiles a value.
func (c *compiler) value(n *yaml.Node) Expr {
	n = deref(n)
	if n == nil {
		return constant{}
	}
	key := anchor{n, c.inCondition}
	if n.Anchor != "" {
		if e, ok := c.done[key]; ok {
			return e
		}
	}
	e := c.fresh(n)
	if n.Anchor != "" {
		c.done[key] = e
	}
	return e
}

func (c *compiler) fresh(n *yaml.Node) Expr {
	switch n.Kind {
	case yaml.SequenceNode:
		return c.list(n)
	case yaml.MappingNode:
		if len(n.Content) == 2 && n.Content[0].Kind == yaml.ScalarNode && n.Content[0].Tag != "!!merge" {
			if f := c.function(n.Content[0], deref(n.Content[1])); f != nil {
				return f
			}
		}
		return c.mapping(n)
	}
	return constant{yaml.Scalar(n)}
}

func (c *compiler) list(n *yaml.Node) Expr {
	out := make(listExpr, len(n.Content))
	values := make([]any, len(n.Content))
	fixed := true
	for i, item := range n.Content {
		out[i] = c.value(item)
		k, ok := out[i].(constant)
		values[i], fixed = k.v, fixed && ok
	}
	if fixed {
		return constant{values}
	}
	return out
}

func (c *compiler) mapping(n *yaml.Node) Expr {
	out := make(mapping, 0, len(n.Content)/2)
	values := make(map[string]any, len(n.Content)/2)
	fixed := true
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Tag == "!!merge" {
			out = c.inherit(out, n.Content[i+1])
			fixed = false
			continue
		}
		if k.Kind != yaml.ScalarNode {
			c.p.add(k.Line, "a key must be a text, got %s", nodeKind(k))
			continue
		}
		e := c.value(n.Content[i+1])
		out = slices.DeleteFunc(out, func(o entry) bool { return o.key == k.Value })
		out = append(out, entry{k.Value, e})
		v, ok := e.(constant)
		values[k.Value], fixed = v.v, fixed && ok
	}
	if fixed {
		return constant{values}
	}
	return out
}

// inherit adds what a merge key (<<) brings and the map does not have itself.
func (c *compiler) inherit(out mapping, n *yaml.Node) mapping {
	n = deref(n)
	if n != nil && n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			out = c.inherit(out, item)
		}
		return out
	}
	for _, kv := range pairs(n) {
		if !slices.ContainsFunc(out, func(o entry) bool { return o.key == kv.key.Value }) {
			out = append(out, entry{kv.key.Value, c.value(kv.val)})
		}
	}
	return out
}

// condition compiles a condition: a name, a boolean or a function. Null holds always.
func (c *compiler) condition(n *yaml.Node) Expr {
	n = deref(n)
	if n == nil {
		return nil
	}
	from := c.from(n)
	if n.Kind == yaml.ScalarNode {
		v := yaml.Scalar(n)
		if v == nil {
			return constant{true}
		}
		if b, ok := v.(bool); ok {
			return constant{b}
		}
		name, ok := v.(string)
		if !ok {
			c.p.add(n.Line, "a condition must be true, false, a name or a function, got %s", kind(v))
			return broken{}
		}
		if !slices.ContainsFunc(c.t.Conditions, func(x *Named) bool { return x.Name == name }) {
			c.p.add(n.Line, "the template has no condition %q%s", name, nearest.Hint(name, names(c.t.Conditions)))
		}
		return conditionName{name, from}
	}
	defer func(was bool) { c.inCondition = was }(c.inCondition)
	c.inCondition = true
	e := c.value(n)
	if k, ok := e.(constant); ok {
		c.p.add(n.Line, "a condition must be true, false, a name or a function, got %s", kind(k.v))
		return broken{}
	}
	return mustHold{e, from}
}

func (c *compiler) from(n *yaml.Node) Origin { return Origin{c.t.File, n.Line} }

// conditionName is a condition given by name.
type conditionName struct {
	name string
	from Origin
}

func (e conditionName) eval(s Scope) (any, error) { return s.Condition(e.name, e.from) }

// mustHold is a condition that must come out as true or false, or as the name of
// a condition.
type mustHold struct {
	e    Expr
	from Origin
}

func (e mustHold) eval(s Scope) (any, error) {
	v, err := e.e.eval(s)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		return s.Condition(v, e.from)
	}
	return nil, at(e.from, "a condition must be true or false, got %s", kind(v))
}

func nodeKind(n *yaml.Node) string {
	switch deref(n).Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a scalar"
}

func names(list []*Named) []string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = n.Name
	}
	return out
}

func parameterNames(t *Template) []string {
	out := make([]string, len(t.Parameters))
	for i, p := range t.Parameters {
		out[i] = p.Name
	}
	return out
}

func resourceNames(t *Template) []string {
	out := make([]string, len(t.Resources))
	for i, r := range t.Resources {
		out[i] = r.Name
	}
	return out
}
