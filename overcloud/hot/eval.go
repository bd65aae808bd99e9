package hot

import (
	"trefoil/internal/yaml"
)

// omitted is what an if without an else leaves: no item, no property.
type omitted struct{}

var omit any = omitted{}

// eval evaluates a node: functions are called, the rest is data.
func (s *Stack) eval(n *yaml.Node) (any, error) {
	n = deref(n)
	if n == nil {
		return nil, nil
	}
	if s.ev.steps++; s.ev.steps > maxSteps {
		return nil, s.fail(n, "evaluation takes more than %d steps", maxSteps)
	}
	switch n.Kind {
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := s.eval(c)
			if err != nil {
				return nil, err
			}
			if v != omit {
				out = append(out, v)
			}
		}
		return out, nil
	case yaml.MappingNode:
		if len(n.Content) == 2 && isFunction(n.Content[0].Value) {
			return s.call(n.Content[0].Value, n, deref(n.Content[1]))
		}
		return s.evalMap(n)
	}
	return scalar(n), nil
}

func (s *Stack) evalMap(n *yaml.Node) (any, error) {
	out := make(map[string]any, len(n.Content)/2)
	for _, e := range pairs(n) {
		v, err := s.eval(e.val)
		if err != nil {
			return nil, err
		}
		if e.key.Tag == "!!merge" {
			if m, ok := v.(map[string]any); ok {
				for k, v := range m {
					if _, has := out[k]; !has {
						out[k] = v
					}
				}
			}
			continue
		}
		if v != omit {
			out[e.key.Value] = v
		}
	}
	return out, nil
}

// evalList evaluates an argument that must be a list of at least n.
func (s *Stack) evalList(name string, arg *yaml.Node, least int) ([]any, error) {
	v, err := s.eval(arg)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok || len(list) < least {
		return nil, s.fail(arg, "%s needs a list of %d or more", name, least)
	}
	return list, nil
}

// condition evaluates a condition: a name, a boolean or a function.
func (s *Stack) condition(n *yaml.Node) (bool, error) {
	n = deref(n)
	if n == nil {
		return true, nil
	}
	var v any
	var err error
	if n.Kind == yaml.ScalarNode {
		v = scalar(n)
		if name, ok := v.(string); ok {
			v, err = s.namedCondition(name, n)
		}
	} else {
		v, err = s.eval(n)
	}
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, s.fail(n, "a condition must be true or false, got %s", String(v))
	}
	return b, nil
}

// evaluating marks a condition that is being evaluated.
type evaluating struct{}

func (s *Stack) namedCondition(name string, n *yaml.Node) (any, error) {
	if v, ok := s.conditions[name]; ok {
		if v == (evaluating{}) {
			return nil, s.fail(n, "condition %s needs itself", name)
		}
		return v, nil
	}
	c := named(s.t.Conditions, name)
	if c == nil {
		return nil, s.fail(n, "the template has no condition %q", name)
	}
	s.conditions[name] = evaluating{}
	v, err := s.condition(c.Value)
	if err != nil {
		delete(s.conditions, name)
		return nil, err
	}
	s.conditions[name] = v
	return v, nil
}

// call evaluates one function; n is the whole node, arg what the key holds.
func (s *Stack) call(name string, n, arg *yaml.Node) (any, error) {
	switch name {
	case "get_param":
		return s.getParam(arg)
	case "get_attr":
		return s.getAttr(arg)
	case "get_resource":
		v, err := s.eval(arg)
		if err != nil {
			return nil, err
		}
		r, err := s.Resource(String(v))
		if err != nil || r.Skipped {
			return nil, err
		}
		return s.Name + "." + r.Name, nil
	case "get_file":
		return s.getFile(arg)
	case "if":
		return s.callIf(arg)
	case "equals":
		list, err := s.evalList(name, arg, 2)
		if err != nil {
			return nil, err
		}
		return same(list[0], list[1]), nil
	case "not":
		b, err := s.condition(arg)
		return !b, err
	case "and", "or":
		return s.andOr(name, arg)
	case "str_replace", "str_replace_strict", "str_replace_vstrict":
		return s.strReplace(name, arg)
	case "list_join", "str_split", "contains", "filter", "digest", "map_replace":
		list, err := s.evalList(name, arg, 2)
		if err != nil {
			return nil, err
		}
		return s.callArgs(name, arg, list)
	case "list_concat", "list_concat_unique", "map_merge":
		return s.merge(name, arg)
	case "make_url":
		return s.makeURL(arg)
	case "repeat":
		return s.repeat(arg)
	}
	return nil, s.fail(n, "%s", notEvaluated[name])
}

func (s *Stack) callIf(arg *yaml.Node) (any, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) < 2 || len(arg.Content) > 3 {
		return nil, s.fail(arg, "if needs a condition, a value and, where there is one, a value for else")
	}
	ok, err := s.condition(arg.Content[0])
	if err != nil {
		return nil, err
	}
	switch {
	case ok:
		return s.eval(arg.Content[1])
	case len(arg.Content) == 3:
		return s.eval(arg.Content[2])
	}
	return omit, nil
}

func (s *Stack) andOr(name string, arg *yaml.Node) (any, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) < 2 {
		return nil, s.fail(arg, "%s needs a list of two or more conditions", name)
	}
	for _, c := range arg.Content {
		b, err := s.condition(c)
		if err != nil {
			return nil, err
		}
		if b == (name == "or") {
			return b, nil
		}
	}
	return name == "and", nil
}
