// Package hot reads Heat Orchestration Templates and environments and evaluates
// them without a cloud: parameters, conditions, intrinsic functions, and which
// template a type stands for. It is pure: resources, attributes and files come from a
// Scope. Every error names the file and the line.
//
// Source of behaviour: OpenStack Heat (queens, wallaby) as TripleO's trees use it.
package hot

import (
	"fmt"
	"sort"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
)

// Template is a parsed template; it is immutable and safe for concurrent use.
type Template struct {
	File        string
	Version     string
	Description string
	Parameters  []*Parameter
	Conditions  []*Named
	Resources   []*Definition
	Outputs     []*Named
	Warnings    []string // keys given twice

	files      []Reference // that get_file names literally
	parameters map[string]int
	resources  map[string]*Definition
	single     bool
}

// Named is a condition or an output: a name and what to evaluate.
type Named struct {
	Name        string
	Description string
	Line        int
	Value       Expr
	Condition   Expr // outputs only; nil: always
}

// Definition is a resource as the template writes it.
type Definition struct {
	Name           string
	Type           string
	Line           int
	Properties     Expr // nil: none
	Given          []Given
	Condition      Expr // nil: always
	DependsOn      []string
	Metadata       Expr
	DeletionPolicy Expr
	UpdatePolicy   Expr
	ExternalID     Expr
}

// Given is the name of a property with the line it stands in; none for
// properties that a function makes.
type Given struct {
	Name string
	Line int
}

// Parameter returns the declaration of a parameter, or nil.
func (t *Template) Parameter(name string) *Parameter {
	if i, ok := t.parameters[name]; ok {
		return t.Parameters[i]
	}
	return nil
}

// ParameterIndex is the place of a parameter in Parameters, or -1.
func (t *Template) ParameterIndex(name string) int {
	if i, ok := t.parameters[name]; ok {
		return i
	}
	return -1
}

// Output returns the definition of an output, or nil.
func (t *Template) Output(name string) *Named { return named(t.Outputs, name) }

// ConditionNamed returns the definition of a condition, or nil.
func (t *Template) ConditionNamed(name string) *Named { return named(t.Conditions, name) }

// Resource returns the definition of a resource, or nil.
func (t *Template) Resource(name string) *Definition {
	return t.resources[name]
}

func named(list []*Named, name string) *Named {
	for _, n := range list {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// problems collects what is wrong with a file, so that all of it is told at once.
type problems struct {
	file  string
	list  []string
	lines []int
	more  int // that are counted only
	hint  string
}

// maxProblems is how many are told, maxKept how many are kept until only those of
// the first lines are, so that a hostile file takes little memory.
const (
	maxProblems = 50
	maxKept     = 10_000
)

func (p *problems) add(line int, format string, args ...any) {
	if len(p.list) == maxKept {
		p.sort()
		p.list, p.lines, p.more = p.list[:maxProblems], p.lines[:maxProblems], p.more+maxKept-maxProblems
	}
	p.list = append(p.list, fmt.Sprintf("%s:%d: %s", p.file, line, fmt.Sprintf(format, args...)))
	p.lines = append(p.lines, line)
}

// sort puts them in the order of the lines.
func (p *problems) sort() {
	order := make([]int, len(p.list))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return p.lines[order[i]] < p.lines[order[j]] })
	list, lines := make([]string, len(order)), make([]int, len(order))
	for i, at := range order {
		list[i], lines[i] = p.list[at], p.lines[at]
	}
	p.list, p.lines = list, lines
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	list := p.list
	if more := len(list) - maxProblems + p.more; more > 0 {
		list = append(list[:maxProblems:maxProblems], fmt.Sprintf("%s: … and %d more", p.file, more))
	}
	e := errs.New(errs.Invalid, "%s", strings.Join(list, "\n"))
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
	var conditions, resources, outputs, groups *yaml.Node
	used := map[string]int{}
	for _, s := range pairs(root) {
		used[s.key.Value] = s.key.Line
		switch s.key.Value {
		case "heat_template_version":
			if t.Version = s.val.Value; t.Version != "" && versionDate(t.Version) == "" {
				p.add(s.val.Line, "unknown heat_template_version %q%s; expected one of %s", t.Version,
					nearest.Hint(t.Version, versionNames()), strings.Join(versionNames(), ", "))
			}
		case "description":
			t.Description = s.val.Value
		case "parameters":
			t.Parameters = parseParameters(p, s.val)
			t.warnImmutable()
		case "conditions":
			conditions = s.val
		case "resources":
			resources = s.val
		case "outputs":
			outputs = s.val
		case "parameter_groups":
			groups = s.val
		default:
			p.add(s.key.Line, "unknown section %q%s", s.key.Value, nearest.Hint(s.key.Value,
				[]string{"heat_template_version", "description", "parameters", "parameter_groups", "conditions", "resources", "outputs"}))
		}
	}
	if t.Version == "" {
		p.add(root.Line, "heat_template_version is missing")
	}
	t.compile(p, conditions, resources, outputs)
	t.checkVersion(p, used)
	t.groups(p, groups)
	t.deprecate(groups)
	p.sort()
	return t, p.err()
}

// compile makes expressions of what the sections hold. Names come first: what
// stands above may use what stands below.
func (t *Template) compile(p *problems, conditions, resources, outputs *yaml.Node) {
	c := &compiler{p: p, t: t, version: versionDate(t.Version), done: map[anchor]Expr{}}
	t.parameters, t.resources = map[string]int{}, map[string]*Definition{}
	for i, d := range t.Parameters {
		t.parameters[d.Name] = i
	}
	for _, n := range section(p, "conditions", conditions) {
		t.Conditions = append(t.Conditions, &Named{Name: n.key.Value, Line: n.key.Line})
	}
	for _, n := range section(p, "resources", resources) {
		d := &Definition{Name: n.key.Value, Line: n.key.Line}
		t.Resources = append(t.Resources, d)
		t.resources[d.Name] = d
	}
	c.lenient = true
	for i, n := range section(p, "conditions", conditions) {
		t.Conditions[i].Value = c.condition(n.val)
	}
	c.lenient = false
	for i, n := range section(p, "resources", resources) {
		c.resource(t.Resources[i], n.val)
	}
	for _, n := range section(p, "outputs", outputs) {
		t.Outputs = append(t.Outputs, c.output(n))
	}
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

// Member is the resource of a template that Single makes.
const Member = "member"

// Single makes a template of one resource whose properties are values already.
func Single(file string, line int, typ string, properties map[string]any) *Template {
	d := &Definition{Name: Member, Type: typ, Line: line, Properties: constant{properties}}
	return &Template{File: file, Resources: []*Definition{d}, resources: map[string]*Definition{Member: d}, single: true}
}

// IsSingle tells a template that Single made.
func (t *Template) IsSingle() bool { return t.single }

// warnImmutable tells which parameters an update may change here all the same.
func (t *Template) warnImmutable() {
	for _, d := range t.Parameters {
		if d.Immutable {
			t.Warnings = append(t.Warnings, fmt.Sprintf("%s:%d: parameter %s: immutable has no effect here: an update may change its value", t.File, d.Line, d.Name))
		}
	}
}
