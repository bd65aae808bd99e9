package hot

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"trefoil/internal/yaml"
)

// looksLikeFunction is a single key that can only be a misspelt function.
var looksLikeFunction = regexp.MustCompile(`^((get|str|list|map|make)_[a-z_]+|Fn::[A-Za-z:]+)$`)

// compiler turns nodes into expressions and tells everything that is wrong
// without evaluating: unknown functions, names that are not declared.
type compiler struct {
	p    *problems
	t    *Template
	done map[*yaml.Node]Expr // anchors, so that aliases cost nothing

	// lenient: an undeclared parameter or an unknown function is a warning. A
	// condition is evaluated only where it is used, and TripleO's trees have such in
	// conditions that nobody uses.
	lenient bool
}

// value compiles a value.
func (c *compiler) value(n *yaml.Node) Expr {
	n = deref(n)
	if n == nil {
		return constant{}
	}
	if n.Anchor != "" {
		if e, ok := c.done[n]; ok {
			return e
		}
	}
	e := c.fresh(n)
	if n.Anchor != "" {
		c.done[n] = e
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
	return constant{scalar(n)}
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

// condition compiles a condition: a name, a boolean or a function.
func (c *compiler) condition(n *yaml.Node) Expr {
	n = deref(n)
	if n == nil {
		return nil
	}
	from := c.from(n)
	if n.Kind == yaml.ScalarNode {
		v := scalar(n)
		if b, ok := v.(bool); ok {
			return constant{b}
		}
		name, ok := v.(string)
		if !ok {
			c.p.add(n.Line, "a condition must be true or false, got %s", String(v))
			return constant{false}
		}
		if !slices.ContainsFunc(c.t.Conditions, func(x *Named) bool { return x.Name == name }) {
			c.p.add(n.Line, "the template has no condition %q%s", name, Suggest(name, names(c.t.Conditions)))
		}
		return conditionName{name, from}
	}
	return mustHold{c.value(n), from}
}

func (c *compiler) from(n *yaml.Node) Origin { return Origin{c.t.File, n.Line} }

// conditionName is a condition given by name.
type conditionName struct {
	name string
	from Origin
}

func (e conditionName) eval(s Scope) (any, error) { return s.Condition(e.name, e.from) }

// mustHold is a condition that must come out as true or false.
type mustHold struct {
	e    Expr
	from Origin
}

func (e mustHold) eval(s Scope) (any, error) {
	v, err := e.e.eval(s)
	if err != nil {
		return nil, err
	}
	b, ok := v.(bool)
	if !ok {
		return nil, at(e.from, "a condition must be true or false, got %s", kind(v))
	}
	return b, nil
}

// function compiles a call, or returns nil where the key is not a function.
func (c *compiler) function(key, arg *yaml.Node) Expr {
	name, from := key.Value, c.from(key)
	switch name {
	case "get_param":
		return c.path(name, from, arg, func(p pathExpr) Expr { return getParam(p) })
	case "get_attr":
		return c.path(name, from, arg, func(p pathExpr) Expr { return getAttr(p) })
	case "get_resource":
		c.known(name, key.Line, arg, resourceNames(c.t))
		return getResource{c.value(arg), from}
	case "if":
		return c.branch(arg, from)
	case "not":
		return negation{c.condition(arg)}
	case "and", "or":
		return c.junction(name, arg, from)
	}
	if name == "get_file" && arg != nil && arg.Kind == yaml.ScalarNode {
		c.t.files = append(c.t.files, arg.Value)
	}
	if f := simpleFunction(name); f != nil {
		return funcExpr{name: name, from: from, arg: c.value(arg), call: f}
	}
	if looksLikeFunction.MatchString(name) && name != "get_input" { // get_input is a software configuration's own
		if why := refused(name); why != "" {
			c.p.add(key.Line, "%s is refused: %s", name, why)
		} else if c.lenient {
			c.warn(key.Line, "unknown function %q%s; it is taken as data", name, Suggest(name, functionNames()))
		} else {
			c.p.add(key.Line, "unknown function %q%s", name, Suggest(name, functionNames()))
			c.p.hint = "the functions are " + strings.Join(functionNames(), ", ")
		}
	}
	return nil
}

// known tells when a name that is written out is not one of those declared.
func (c *compiler) known(function string, line int, n *yaml.Node, declared []string) {
	if n == nil || n.Kind != yaml.ScalarNode || slices.Contains(declared, n.Value) {
		return
	}
	what := "resource"
	if function == "get_param" {
		if strings.HasPrefix(n.Value, "OS::") {
			return
		}
		what = "parameter"
	}
	if c.lenient {
		c.warn(line, "%s: the template has no %s %q%s", function, what, n.Value, Suggest(n.Value, declared))
		return
	}
	c.p.add(line, "%s: the template has no %s %q%s", function, what, n.Value, Suggest(n.Value, declared))
}

func (c *compiler) warn(line int, format string, args ...any) {
	c.t.Warnings = append(c.t.Warnings, fmt.Sprintf("%s:%d: %s", c.t.File, line, fmt.Sprintf(format, args...)))
}

// path compiles the argument of get_param and get_attr: a name and keys.
func (c *compiler) path(name string, from Origin, arg *yaml.Node, make func(pathExpr) Expr) Expr {
	first := arg
	if arg != nil && arg.Kind == yaml.SequenceNode && len(arg.Content) > 0 {
		first = deref(arg.Content[0])
	}
	if name == "get_param" {
		c.known(name, from.Line, first, parameterNames(c.t))
	} else {
		c.known(name, from.Line, first, resourceNames(c.t))
	}
	p := pathExpr{from: from, arg: c.value(arg)}
	if k, ok := p.arg.(constant); ok {
		p.name, p.keys, p.fixed = splitPath(k.v)
	}
	return make(p)
}

func (c *compiler) branch(arg *yaml.Node, from Origin) Expr {
	if arg == nil || arg.Kind != yaml.SequenceNode || len(arg.Content) < 2 || len(arg.Content) > 3 {
		c.p.add(from.Line, "if needs a list of a condition, a value and, where there is one, a value for else")
		return constant{}
	}
	e := choice{cond: c.condition(arg.Content[0]), yes: c.value(arg.Content[1]), no: constant{omitted{}}}
	if len(arg.Content) == 3 {
		e.no = c.value(arg.Content[2])
	}
	return e
}

func (c *compiler) junction(name string, arg *yaml.Node, from Origin) Expr {
	if arg == nil || arg.Kind != yaml.SequenceNode || len(arg.Content) < 2 {
		c.p.add(from.Line, "%s needs a list of two or more conditions", name)
		return constant{false}
	}
	e := junction{any: name == "or"}
	for _, item := range arg.Content {
		e.list = append(e.list, c.condition(item))
	}
	return e
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
