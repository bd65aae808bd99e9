package role

import (
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
)

// parsed is the first role of a file.
type parsed struct {
	file string
	name string
	node *yaml.Node // the role's map
}

// schema says of which kind the keys are that are checked.
var schema = map[string][]string{
	"name": {"str"}, "CountDefault": {"int"}, "HostnameFormatDefault": {"str"}, "disable_constraints": {"bool"},
	"disable_upgrade_deployment": {"bool"}, "upgrade_batch_size": {"int"}, "ServicesDefault": {"list"}, "tags": {"list"},
	"description": {"str"}, "networks": {"list", "dict"}, "networks_skip_config": {"list"},
}

// parse reads the first role of a file: a list with one map that has a name.
func parse(file string, data []byte) (*parsed, error) {
	root, err := yaml.Parse(file, data)
	if err != nil {
		return nil, err
	}
	if root == nil || root.Kind != yaml.SequenceNode || len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
		return nil, errs.New(errs.Invalid, "%s:1: Unable to parse role yaml: expected a list with one role, a map with a name", file)
	}
	p := &parsed{file: file, node: root.Content[0]}
	if p.name = p.text("name"); p.name == "" {
		return nil, errs.New(errs.Invalid, "%s:%d: Role name is missing from the role", file, p.node.Line)
	}
	return p, nil
}

// check tells every key whose value is of the wrong kind.
func (p *parsed) check() error {
	var wrong []string
	for i := 0; i+1 < len(p.node.Content); i += 2 {
		k, v := p.node.Content[i], p.node.Content[i+1]
		if want, checked := schema[k.Value]; checked && !slices.ContainsFunc(want, func(kind string) bool { return is(v, kind) }) {
			wrong = append(wrong, fmt.Sprintf("%s:%d: Role '%s': %s is not of expected type %s", p.file, v.Line, p.name, k.Value, strings.Join(want, " or ")))
		}
	}
	if len(wrong) > 0 {
		return errs.New(errs.Invalid, "%s", strings.Join(wrong, "\n"))
	}
	return nil
}

// is says whether PyYAML, which speaks YAML 1.1, would make a value of that kind.
func is(n *yaml.Node, kind string) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch kind {
	case "list":
		return n.Kind == yaml.SequenceNode
	case "dict":
		return n.Kind == yaml.MappingNode
	}
	if n.Kind != yaml.ScalarNode {
		return false
	}
	tag := n.Tag
	if n.Style == 0 && slices.Contains([]string{"yes", "no", "on", "off"}, strings.ToLower(n.Value)) {
		tag = "!!bool"
	}
	return tag == "!!"+kind || kind == "int" && tag == "!!bool" // Python's bool is an int
}

// value is the node of a key, or nil.
func (p *parsed) value(key string) *yaml.Node {
	for i := 0; i+1 < len(p.node.Content); i += 2 {
		if p.node.Content[i].Value == key {
			return p.node.Content[i+1]
		}
	}
	return nil
}

// text is a scalar's text, or "".
func (p *parsed) text(key string) string {
	if v := p.value(key); v != nil && v.Kind == yaml.ScalarNode {
		return v.Value
	}
	return ""
}

// keys are those of the role, sorted.
func (p *parsed) keys() []string {
	var out []string
	for i := 0; i+1 < len(p.node.Content); i += 2 {
		out = append(out, p.node.Content[i].Value)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// rename gives the role a new name, in its own text and in p; everything else stays as it is.
func (p *parsed) rename(text, name string) (string, error) {
	at := p.value("name").Line - 1
	lines := strings.SplitAfter(text, "\n")
	before, after, ok := strings.Cut(lines[at], "name:")
	if !ok || !strings.Contains(after, p.name) {
		return "", errs.New(errs.Invalid, "%s:%d: cannot copy the role: expected `name: %s` in one line", p.file, at+1, p.name)
	}
	lines[at] = before + "name:" + strings.Replace(after, p.name, name, 1)
	p.name = name
	return strings.Join(lines, ""), nil
}
