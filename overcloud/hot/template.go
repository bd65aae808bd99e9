// Package hot reads Heat Orchestration Templates and environments and evaluates
// them without a cloud: parameters, conditions, intrinsic functions, nested
// templates by resource registry, chains and groups. It is pure: files come from
// a Read function. Every error names the file and the line.
//
// Source of behaviour: OpenStack Heat (queens, wallaby) as TripleO's trees use it.
package hot

import (
	"fmt"
	"regexp"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
)

// Template is a parsed template; it is immutable.
type Template struct {
	File        string
	Version     string
	Description string
	Parameters  []*Parameter
	Conditions  []*Named
	Resources   []*Definition
	Outputs     []*Named
	Warnings    []string // keys given twice
}

// Named is a condition or an output: a name and what to evaluate.
type Named struct {
	Name        string
	Description string
	Line        int
	Value       *yaml.Node
	Condition   *yaml.Node // outputs only; nil: always
}

// Definition is a resource as the template writes it.
type Definition struct {
	Name       string
	Type       string
	Line       int
	Properties *yaml.Node
	Condition  *yaml.Node
	DependsOn  []string
}

// Parameter returns the declaration of a parameter, or nil.
func (t *Template) Parameter(name string) *Parameter {
	for _, p := range t.Parameters {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Resource returns the definition of a resource, or nil.
func (t *Template) Resource(name string) *Definition {
	for _, r := range t.Resources {
		if r.Name == name {
			return r
		}
	}
	return nil
}

func named(list []*Named, name string) *Named {
	for _, n := range list {
		if n.Name == name {
			return n
		}
	}
	return nil
}

var versions = regexp.MustCompile(`^(20\d\d-\d\d-\d\d|newton|ocata|pike|queens|rocky|stein|train|ussuri|victoria|wallaby)$`)

// problems collects what is wrong with a file, so that all of it is told at once.
type problems struct {
	file string
	list []string
	hint string
}

// maxProblems is how many are told.
const maxProblems = 20

func (p *problems) add(line int, format string, args ...any) {
	if len(p.list) < maxProblems {
		p.list = append(p.list, fmt.Sprintf("%s:%d: %s", p.file, line, fmt.Sprintf(format, args...)))
	}
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	e := errs.New(errs.Invalid, "%s", strings.Join(p.list, "\n"))
	if p.hint != "" {
		return e.WithHint("%s", p.hint)
	}
	return e
}

// ParseTemplate reads a template and checks everything that can be told without
// parameters: sections, functions, and names that are used but not declared.
func ParseTemplate(file string, data []byte) (*Template, error) {
	root, err := yaml.Parse(file, data)
	if err != nil {
		return nil, err
	}
	p := &problems{file: file}
	t := &Template{File: file}
	if root == nil || root.Kind != yaml.MappingNode {
		p.add(1, "a template is a map with heat_template_version and resources or outputs")
		return nil, p.err()
	}
	if tooLarge(root, 0, new(int)) {
		p.add(root.Line, "more than %d values or %d levels deep, aliases followed", maxNodes, maxDepth)
		return nil, p.err()
	}
	t.Warnings = dedupe(p, root)
	for _, s := range pairs(root) {
		switch s.key.Value {
		case "heat_template_version":
			if t.Version = s.val.Value; !versions.MatchString(t.Version) {
				p.add(s.val.Line, "unknown heat_template_version %q; expected one like 2018-08-31, queens or wallaby", t.Version)
			}
		case "description":
			t.Description = s.val.Value
		case "parameters":
			t.Parameters = parseParameters(p, s.val)
		case "conditions":
			for _, c := range section(p, "conditions", s.val) {
				t.Conditions = append(t.Conditions, &Named{Name: c.key.Value, Line: c.key.Line, Value: c.val})
			}
		case "resources":
			t.Resources = parseResources(p, s.val)
		case "outputs":
			t.Outputs = parseOutputs(p, s.val)
		case "parameter_groups":
		default:
			p.add(s.key.Line, "unknown section %q%s", s.key.Value, Suggest(s.key.Value,
				[]string{"heat_template_version", "description", "parameters", "parameter_groups", "conditions", "resources", "outputs"}))
		}
	}
	if t.Version == "" {
		p.add(root.Line, "heat_template_version is missing")
	}
	check(p, t)
	return t, p.err()
}

type pair struct{ key, val *yaml.Node }

// pairs returns the entries of a map in order, following aliases.
func pairs(n *yaml.Node) []pair {
	n = deref(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	out := make([]pair, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		out = append(out, pair{n.Content[i], deref(n.Content[i+1])})
	}
	return out
}

func deref(n *yaml.Node) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.AliasNode && i < 10; i++ {
		n = n.Alias
	}
	return n
}

// section is pairs of a section that must be a map; null is an empty one.
func section(p *problems, name string, n *yaml.Node) []pair {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		p.add(n.Line, "%s must be a map", name)
		return nil
	}
	return pairs(n)
}

func isNull(n *yaml.Node) bool {
	return n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

// maxDepth bounds the nesting of a file.
const maxDepth = 200

// maxNodes bounds a file with its aliases followed, so that a few lines of
// aliases cannot stand for gigabytes.
const maxNodes = 1_000_000

func tooLarge(n *yaml.Node, depth int, count *int) bool {
	if *count++; *count > maxNodes || depth > maxDepth {
		return true
	}
	if n.Kind == yaml.AliasNode {
		return tooLarge(n.Alias, depth+1, count)
	}
	for _, c := range n.Content {
		if tooLarge(c, depth+1, count) {
			return true
		}
	}
	return false
}

// dedupe leaves the last of keys that are given more than once, as PyYAML
// does, and returns a warning for each: TripleO's own trees have some.
func dedupe(p *problems, n *yaml.Node) []string {
	var out []string
	if n.Kind == yaml.MappingNode {
		last := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			last[n.Content[i].Value] = i
		}
		if len(last) < len(n.Content)/2 {
			kept := make([]*yaml.Node, 0, 2*len(last))
			for i := 0; i+1 < len(n.Content); i += 2 {
				k := n.Content[i]
				if at := last[k.Value]; at == i || k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
					kept = append(kept, k, n.Content[i+1])
				} else {
					out = append(out, fmt.Sprintf("%s:%d: key %q is given again in line %d; the last one counts", p.file, k.Line, k.Value, n.Content[at].Line))
				}
			}
			n.Content = kept
		}
	}
	for _, c := range n.Content {
		out = append(out, dedupe(p, c)...)
	}
	return out
}

func parseResources(p *problems, n *yaml.Node) []*Definition {
	var out []*Definition
	for _, r := range section(p, "resources", n) {
		d := &Definition{Name: r.key.Value, Line: r.key.Line}
		for _, f := range section(p, "resource "+d.Name, r.val) {
			switch f.key.Value {
			case "type":
				d.Type = f.val.Value
			case "properties":
				d.Properties = f.val
			case "condition":
				d.Condition = f.val
			case "depends_on":
				for _, dep := range append([]*yaml.Node{f.val}, f.val.Content...) {
					if dep.Kind == yaml.ScalarNode {
						d.DependsOn = append(d.DependsOn, dep.Value)
					}
				}
			case "metadata", "update_policy", "deletion_policy", "external_id", "description":
			default:
				p.add(f.key.Line, "resource %s: unknown key %q%s", d.Name, f.key.Value, Suggest(f.key.Value,
					[]string{"type", "properties", "condition", "depends_on", "metadata", "update_policy", "deletion_policy", "external_id", "description"}))
			}
		}
		if d.Type == "" {
			p.add(d.Line, "resource %s has no type", d.Name)
		}
		out = append(out, d)
	}
	return out
}

func parseOutputs(p *problems, n *yaml.Node) []*Named {
	var out []*Named
	for _, o := range section(p, "outputs", n) {
		d := &Named{Name: o.key.Value, Line: o.key.Line}
		for _, f := range section(p, "output "+d.Name, o.val) {
			switch f.key.Value {
			case "value":
				d.Value = f.val
			case "description":
				d.Description = f.val.Value
			case "condition":
				d.Condition = f.val
			default:
				p.add(f.key.Line, "output %s: unknown key %q%s", d.Name, f.key.Value,
					Suggest(f.key.Value, []string{"value", "description", "condition"}))
			}
		}
		if d.Value == nil {
			p.add(d.Line, "output %s has no value", d.Name)
		}
		out = append(out, d)
	}
	return out
}
