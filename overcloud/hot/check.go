package hot

import (
	"regexp"
	"strings"

	"trefoil/internal/yaml"
)

// functions are the intrinsic functions that are evaluated.
var functions = []string{"get_param", "get_attr", "get_resource", "get_file", "str_replace", "str_replace_strict",
	"str_replace_vstrict", "str_split", "list_join", "list_concat", "list_concat_unique", "map_merge", "map_replace",
	"make_url", "repeat", "filter", "contains", "digest", "if", "equals", "not", "and", "or"}

// notEvaluated are Heat functions that this engine refuses, with the reason.
var notEvaluated = map[string]string{
	"yaql":            "YAQL expressions are not evaluated by this engine",
	"resource_facade": "resource_facade belongs to provider templates, which are not evaluated",
}

// looksLikeFunction is a single key that can only be a misspelt function.
var looksLikeFunction = regexp.MustCompile(`^((get|str|list|map|make)_[a-z_]+|Fn::[A-Za-z]+)$`)

func isFunction(name string) bool {
	for _, f := range functions {
		if f == name {
			return true
		}
	}
	return notEvaluated[name] != ""
}

// check tells what is wrong in a template without evaluating it.
func check(p *problems, t *Template) {
	for _, c := range t.Conditions {
		checkNode(p, t, c.Value)
	}
	for _, r := range t.Resources {
		checkNode(p, t, r.Properties)
		checkCondition(p, t, r.Condition)
		for _, d := range r.DependsOn {
			if t.Resource(d) == nil {
				p.add(r.Line, "resource %s depends on %q, which is not in the template%s", r.Name, d, Suggest(d, resourceNames(t)))
			}
		}
	}
	for _, o := range t.Outputs {
		checkNode(p, t, o.Value)
		checkCondition(p, t, o.Condition)
	}
}

func checkNode(p *problems, t *Template, n *yaml.Node) {
	n = deref(n)
	if n == nil || len(p.list) >= maxProblems {
		return
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		checkFunction(p, t, n.Content[0].Value, n.Content[0].Line, deref(n.Content[1]))
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 || c.Kind == yaml.AliasNode {
			continue
		}
		checkNode(p, t, c)
	}
}

func checkFunction(p *problems, t *Template, name string, line int, arg *yaml.Node) {
	first := arg
	if arg.Kind == yaml.SequenceNode && len(arg.Content) > 0 {
		first = deref(arg.Content[0])
	}
	literal := first.Kind == yaml.ScalarNode
	switch {
	case !isFunction(name):
		if looksLikeFunction.MatchString(name) && name != "get_input" { // get_input is a software configuration's own
			p.add(line, "unknown function %q%s", name, Suggest(name, functions))
			p.hint = "the functions are " + strings.Join(functions, ", ")
		}
	case notEvaluated[name] != "":
		p.add(line, "%s", notEvaluated[name])
	case name == "get_param" && literal:
		if w := first.Value; t.Parameter(w) == nil && !strings.HasPrefix(w, "OS::") {
			p.add(line, "get_param: the template has no parameter %q%s", w, Suggest(w, parameterNames(t)))
		}
	case (name == "get_attr" || name == "get_resource") && literal:
		if t.Resource(first.Value) == nil {
			p.add(line, "%s: the template has no resource %q%s", name, first.Value, Suggest(first.Value, resourceNames(t)))
		}
	case name == "if" && arg.Kind == yaml.SequenceNode && len(arg.Content) > 0:
		checkCondition(p, t, first)
	}
}

// checkCondition checks a condition that is given by name.
func checkCondition(p *problems, t *Template, n *yaml.Node) {
	n = deref(n)
	if n == nil {
		return
	}
	if n.Kind != yaml.ScalarNode {
		checkNode(p, t, n)
		return
	}
	if _, isBool := scalar(n).(bool); isBool || named(t.Conditions, n.Value) != nil {
		return
	}
	var names []string
	for _, c := range t.Conditions {
		names = append(names, c.Name)
	}
	p.add(n.Line, "the template has no condition %q%s", n.Value, Suggest(n.Value, names))
}

func parameterNames(t *Template) []string {
	var out []string
	for _, p := range t.Parameters {
		out = append(out, p.Name)
	}
	return out
}

func resourceNames(t *Template) []string {
	var out []string
	for _, r := range t.Resources {
		out = append(out, r.Name)
	}
	return out
}
