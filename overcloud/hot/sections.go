package hot

import (
	"maps"
	"slices"
	"strings"

	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
)

var resourceKeys = []string{"type", "properties", "condition", "depends_on", "metadata", "update_policy",
	"deletion_policy", "external_id", "description"}

// resource compiles the fields of one resource.
func (c *compiler) resource(d *Definition, n *yaml.Node) {
	for _, f := range section(c.p, "resource "+d.Name, n) {
		c.needs("resource", f.key.Value, f.key.Line)
		switch f.key.Value {
		case "type":
			d.Type = f.val.Value
			if f.val.Kind != yaml.ScalarNode || !isText(f.val) {
				c.p.add(f.key.Line, "resource %s: type must be text", d.Name)
			}
		case "properties":
			d.Properties = c.mapField(d, f)
			d.Given = given(f.val)
		case "condition":
			d.Condition = c.condition(f.val)
		case "depends_on":
			d.DependsOn = c.dependsOn(d, f)
		case "metadata":
			d.Metadata = c.mapField(d, f)
		case "update_policy":
			d.UpdatePolicy = c.mapField(d, f)
		case "deletion_policy":
			d.DeletionPolicy = c.deletionPolicy(d, f)
		case "external_id":
			d.ExternalID = c.value(f.val)
			c.textField(d, f, d.ExternalID)
		case "description":
			c.textField(d, f, c.value(f.val))
		default:
			c.p.add(f.key.Line, "resource %s: unknown key %q%s", d.Name, f.key.Value, nearest.Hint(f.key.Value, resourceKeys))
		}
	}
	if d.Type == "" {
		c.p.add(d.Line, "resource %s has no type", d.Name)
	}
	if i, twice := c.t.parameters[d.Name]; twice {
		c.p.add(d.Line, "resource %s has the name of the parameter in line %d; a template has one name for one thing", d.Name, c.t.Parameters[i].Line)
	}
}

// needs tells of a key that came with a later version.
func (c *compiler) needs(kind, name string, line int) {
	if problem := needs(kind, name, c.t.Version); problem != "" {
		c.p.add(line, "%s", problem)
	}
}

// mapField compiles a field that must be a map or a function that makes one.
func (c *compiler) mapField(d *Definition, f pair) Expr {
	e := c.value(f.val)
	if k, ok := e.(constant); ok && k.v != nil && kind(k.v) != "a map" {
		c.p.add(f.key.Line, "resource %s: %s must be a map, got %s", d.Name, f.key.Value, kind(k.v))
	}
	return e
}

// textField checks a field that must be text or a function that makes it.
func (c *compiler) textField(d *Definition, f pair, e Expr) {
	if k, ok := e.(constant); ok && k.v != nil && kind(k.v) != "text" {
		c.p.add(f.key.Line, "resource %s: %s must be text, got %s", d.Name, f.key.Value, kind(k.v))
	}
}

// deletionPolicies are what deletion_policy may be, in small letters since
// 2016-10-14.
var deletionPolicies = []string{"Delete", "Retain", "Snapshot", "delete", "retain", "snapshot"}

func (c *compiler) deletionPolicy(d *Definition, f pair) Expr {
	e := c.value(f.val)
	c.textField(d, f, e)
	if k, ok := e.(constant); ok && kind(k.v) == "text" {
		if !slices.Contains(deletionPolicies, k.v.(string)) {
			c.p.add(f.val.Line, "resource %s: unknown deletion_policy %q%s; expected one of %s", d.Name, k.v, nearest.Hint(k.v.(string), deletionPolicies),
				strings.Join(deletionPolicies, ", "))
			return e
		}
		c.needs("deletion_policy", k.v.(string), f.val.Line)
	}
	return e
}

// given lists the properties that are written out.
func given(n *yaml.Node) []Given {
	var out []Given
	for _, kv := range pairs(n) {
		out = append(out, Given{kv.key.Value, kv.key.Line})
	}
	return out
}

// dependsOn reads a name or a list of names.
func (c *compiler) dependsOn(d *Definition, f pair) []string {
	nodes := []*yaml.Node{f.val}
	if f.val.Kind == yaml.SequenceNode {
		nodes = f.val.Content
	}
	var out []string
	for _, dep := range nodes {
		dep = deref(dep)
		if isNull(dep) && len(nodes) == 1 {
			break
		}
		if dep.Kind != yaml.ScalarNode || !isText(dep) {
			c.p.add(f.key.Line, "resource %s: depends_on must be the name of a resource or a list of names", d.Name)
			continue
		}
		if c.t.Resource(dep.Value) == nil {
			c.p.add(dep.Line, "resource %s depends on %q, which is not in the template%s", d.Name, dep.Value, nearest.Hint(dep.Value, resourceNames(c.t)))
		}
		out = append(out, dep.Value)
	}
	return out
}

func (c *compiler) output(n pair) *Named {
	d := &Named{Name: n.key.Value, Line: n.key.Line}
	for _, f := range section(c.p, "output "+d.Name, n.val) {
		c.needs("output", f.key.Value, f.key.Line)
		switch f.key.Value {
		case "value":
			d.Value = c.value(f.val)
		case "description":
			d.Description = f.val.Value
		case "condition":
			d.Condition = c.condition(f.val)
		default:
			c.p.add(f.key.Line, "output %s: unknown key %q%s", d.Name, f.key.Value,
				nearest.Hint(f.key.Value, []string{"value", "description", "condition"}))
		}
	}
	if d.Value == nil {
		c.p.add(d.Line, "output %s has no value", d.Name)
	}
	return d
}

// checkVersion tells what the parameters and sections have that came with a later
// version. lines are those of the sections.
func (t *Template) checkVersion(p *problems, lines map[string]int) {
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		if problem := needs("section", name, t.Version); problem != "" {
			p.add(lines[name], "%s", problem)
		}
	}
	for _, d := range t.Parameters {
		for _, u := range d.uses {
			if problem := needs(u.kind, u.name, t.Version); problem != "" {
				p.add(u.line, "parameter %s: %s", d.Name, problem)
			}
		}
	}
}

// groups checks parameter_groups: every parameter is there, and in one group only.
func (t *Template) groups(p *problems, n *yaml.Node) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		p.add(n.Line, "parameter_groups must be a list")
		return
	}
	seen := map[string]int{}
	for _, g := range n.Content {
		var names *yaml.Node
		for _, f := range section(p, "a parameter group", deref(g)) {
			switch f.key.Value {
			case "parameters":
				names = f.val
			case "label", "description":
			default:
				p.add(f.key.Line, "parameter group: unknown key %q%s", f.key.Value, nearest.Hint(f.key.Value, []string{"label", "description", "parameters"}))
			}
		}
		if names != nil && isNull(names) {
			continue // Heat refuses it, but a loop of Jinja that found nothing leaves it so
		}
		if names == nil || names.Kind != yaml.SequenceNode {
			p.add(g.Line, "a parameter group must have a list parameters")
			continue
		}
		for _, name := range names.Content {
			name = deref(name)
			if t.Parameter(name.Value) == nil {
				p.add(name.Line, "parameter_groups: the template has no parameter %q%s", name.Value, nearest.Hint(name.Value, parameterNames(t)))
			} else if line, twice := seen[name.Value]; twice {
				p.add(name.Line, "parameter_groups: parameter %s is also in the group of line %d", name.Value, line)
			}
			seen[name.Value] = name.Line
		}
	}
}
