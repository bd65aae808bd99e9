package hot

import (
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
	"trefoil/overcloud/yaql"
)

// conditionFunctions are the functions that a condition may use.
var conditionFunctions = []string{"get_param", "equals", "not", "and", "or", "yaql", "contains"}

// onlyInConditions are those that are plain keys anywhere else, as in Heat.
var onlyInConditions = []string{"equals", "not", "and", "or"}

// writtenOut says which arguments must stand in the template as they are: Heat
// takes them apart before it evaluates anything.
var writtenOut = map[string]string{
	"list_join": "a list", "filter": "a list", "contains": "a list", "equals": "a list",
	"str_replace": "a map", "str_replace_strict": "a map", "str_replace_vstrict": "a map", "repeat": "a map", "yaql": "a map",
}

// lengths are the numbers of arguments of functions that take a fixed one.
var lengths = map[string]int{"filter": 2, "contains": 2, "equals": 2}

// function compiles a call, or returns nil where the key is not a function.
func (c *compiler) function(key, arg *yaml.Node) Expr {
	name, from := key.Value, c.from(key)
	if !slices.Contains(functionNames(), name) {
		c.notAFunction(key)
		return nil
	}
	if !c.inCondition && slices.Contains(onlyInConditions, name) {
		c.warn(key.Line, "%s is a function only in conditions; here it is taken as data", name)
		return nil
	}
	if problem := c.allowed(name); problem != "" {
		c.p.add(key.Line, "%s", problem)
		return broken{}
	}
	if arg == nil {
		arg = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: key.Line}
	}
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
		if isNull(arg) || arg.Kind == yaml.SequenceNode {
			c.p.add(from.Line, "not needs a condition, got %s", kind(plain(arg)))
			return broken{}
		}
		return negation{c.condition(arg)}
	case "and", "or":
		return c.junction(name, arg, from)
	}
	return c.simple(name, from, arg)
}

// simple compiles a function that sees only its evaluated argument.
func (c *compiler) simple(name string, from Origin, arg *yaml.Node) Expr {
	if problem := shape(name, arg); problem != "" {
		c.p.add(from.Line, "%s: %s", name, problem)
		return broken{}
	}
	if name == "get_file" && arg.Kind == yaml.ScalarNode {
		c.t.files = append(c.t.files, Reference{arg.Value, from})
	}
	e := funcExpr{name: name, from: from, version: c.version, arg: c.value(arg), call: simpleFunction(name)}
	if l, ok := e.arg.(listExpr); ok && writtenOut[name] != "" {
		e.arg = arguments(l)
	}
	if name == "yaql" {
		return c.yaql(e, arg)
	}
	return e
}

// broken stands for what has been told as wrong.
type broken struct{}

func (broken) eval(Scope) (any, error) { return nil, nil }

// arguments are a list that is written out: an if without an else leaves null in
// it, not a gap.
type arguments []Expr

func (e arguments) eval(s Scope) (any, error) {
	out := make([]any, len(e))
	for i, item := range e {
		v, err := Eval(item, s)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// yaql parses an expression that is written out, once for all evaluations.
func (c *compiler) yaql(e funcExpr, arg *yaml.Node) Expr {
	for _, kv := range pairs(arg) {
		if kv.key.Value != "expression" || kv.val.Kind != yaml.ScalarNode {
			continue
		}
		text, ok := yaml.Scalar(kv.val).(string)
		if !ok {
			continue // told where it is evaluated
		}
		parsed, err := yaql.Parse(text)
		if err != nil {
			c.p.add(kv.val.Line, "yaql: %v", err)
			return broken{}
		}
		e.call = func(c call, arg any) (any, error) { return runYAQL(c, arg, parsed) }
	}
	return e
}

// shape says what is wrong with an argument as it stands in the template, or "".
func shape(name string, arg *yaml.Node) string {
	got := "something else"
	if arg.Kind == yaml.SequenceNode {
		got = "a list"
	} else if arg.Kind == yaml.MappingNode {
		got = "a map"
	}
	if want, ok := writtenOut[name]; ok && got != want {
		return fmt.Sprintf("expected %s that is written out, got %s", want, kind(plain(arg)))
	}
	if n, ok := lengths[name]; ok && len(arg.Content) != n {
		return fmt.Sprintf("expected %d values, got %d", n, len(arg.Content))
	}
	if name == "repeat" {
		for _, kv := range pairs(arg) {
			if _, isBool := plain(kv.val).(bool); kv.key.Value == "permutations" && !isBool {
				return "permutations must be true or false, written out"
			}
		}
	}
	if name == "resource_facade" {
		if !slices.Contains(facades, arg.Value) {
			return fmt.Sprintf("expected %s, got %s", strings.Join(facades, ", "), kind(plain(arg)))
		}
	}
	return ""
}

// allowed says why a function may not be used here, or "".
func (c *compiler) allowed(name string) string {
	if !c.inCondition {
		return needs("function", name, c.t.Version)
	}
	if !slices.Contains(conditionFunctions, name) {
		return fmt.Sprintf("function %s cannot be used in a condition; expected one of %s", name, strings.Join(conditionFunctions, ", "))
	}
	return needs("condition", name, c.t.Version)
}

// notAFunction tells of a key that can only be meant as a function.
func (c *compiler) notAFunction(key *yaml.Node) {
	name := key.Value
	if instead, ok := removedFunctions[name]; ok {
		c.p.add(key.Line, "%s is a function of CloudFormation templates, which are not evaluated; use %s", name, instead)
		return
	}
	if !looksLikeFunction.MatchString(name) || name == "get_input" { // get_input is a software configuration's own
		return
	}
	if c.lenient {
		c.warn(key.Line, "unknown function %q%s; it is taken as data", name, nearest.Hint(name, functionNames()))
		return
	}
	c.p.add(key.Line, "unknown function %q%s", name, nearest.Hint(name, functionNames()))
	c.p.hint = "the functions are " + strings.Join(functionNames(), ", ")
}

// known tells when a name that is written out is not one of those declared.
func (c *compiler) known(function string, line int, n *yaml.Node, declared []string) {
	if n == nil || n.Kind != yaml.ScalarNode || slices.Contains(declared, n.Value) {
		return
	}
	name, isText := yaml.Scalar(n).(string)
	if !isText || name == "" {
		return // told where it is evaluated
	}
	what := "resource"
	if function == "get_param" {
		if slices.Contains(pseudoParameters, name) {
			return
		}
		what = "parameter"
	}
	if c.lenient {
		c.warn(line, "%s: the template has no %s %q%s", function, what, name, nearest.Hint(name, declared))
		return
	}
	c.p.add(line, "%s: the template has no %s %q%s", function, what, name, nearest.Hint(name, declared))
}

// pseudoParameters are those that every template has.
var pseudoParameters = []string{"OS::stack_id", "OS::stack_name", "OS::project_id"}

func (c *compiler) warn(line int, format string, args ...any) {
	c.t.Warnings = append(c.t.Warnings, fmt.Sprintf("%s:%d: %s", c.t.File, line, fmt.Sprintf(format, args...)))
}

// path compiles the argument of get_param and get_attr: a name and keys.
func (c *compiler) path(name string, from Origin, arg *yaml.Node, make func(pathExpr) Expr) Expr {
	first := arg
	if arg.Kind == yaml.SequenceNode && len(arg.Content) > 0 {
		first = deref(arg.Content[0])
	}
	if name == "get_param" {
		c.known(name, from.Line, first, append(parameterNames(c.t), pseudoParameters...))
	} else {
		c.known(name, from.Line, first, resourceNames(c.t))
	}
	p := pathExpr{function: name, from: from, version: c.version, arg: c.value(arg)}
	if name == "get_attr" && (arg.Kind != yaml.SequenceNode || len(arg.Content) == 0) {
		c.p.add(from.Line, "get_attr: expected a list of a resource, an attribute and keys that is written out, got %s", kind(plain(arg)))
		return broken{}
	}
	if k, ok := p.arg.(constant); ok {
		var problem string
		if p.name, p.keys, problem = splitPath(k.v); problem != "" {
			c.p.add(from.Line, "%s: %s", name, problem)
		}
		p.fixed = problem == ""
	}
	return make(p)
}

func (c *compiler) branch(arg *yaml.Node, from Origin) Expr {
	n := len(arg.Content)
	if arg.Kind != yaml.SequenceNode || n < 2 || n > 3 {
		c.p.add(from.Line, "if: expected a list of a condition, a value and a value for else")
		return broken{}
	}
	if n == 2 && c.version < nullableIfSince {
		c.p.add(from.Line, "if without a value for else needs heat_template_version %s or later; this template is %s", sinceText(nullableIfSince), c.t.Version)
	}
	e := choice{cond: c.condition(arg.Content[0]), yes: c.value(arg.Content[1]), no: constant{omitted{}}}
	if n == 3 {
		e.no = c.value(arg.Content[2])
	}
	return e
}

func (c *compiler) junction(name string, arg *yaml.Node, from Origin) Expr {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) < 2 {
		c.p.add(from.Line, "%s needs a list of two or more conditions", name)
		return broken{}
	}
	e := junction{any: name == "or"}
	for _, item := range arg.Content {
		e.list = append(e.list, c.condition(item))
	}
	return e
}
