// Package baremetal reads Wallaby's baremetal_deployment.yaml and works out
// which instances it asks for, on what machines, and the environment that
// follows from them. It is pure.
//
// The schema and the rules of expansion are those of tripleo-ansible, branch
// stable/wallaby, module_utils/baremetal_deploy.py; testdata/golden.py runs
// that very file over testdata/*.yaml and keeps what it said. Where it stops at
// the first mistake, this package tells all of them; where it loops without
// end (a hostname_format without %index%) or misses what it means to find
// (a fixed IP asked for twice), this package says so.
package baremetal

import (
	"maps"
	"slices"

	"trefoil/internal/schema"
	"trefoil/internal/yaml"
)

// ControlPlane is the network that every machine is deployed on.
const ControlPlane = "ctlplane"

// File is a parsed baremetal_deployment file. It is immutable.
type File struct {
	name     string
	roles    []role
	warnings []string
}

// Warnings tells, with file and line, which keys are accepted and have no effect here.
func (f *File) Warnings() []string { return slices.Clone(f.warnings) }

// role is one entry of the file. Defaults and instances hold only the keys that
// were given; their values are read-only.
type role struct {
	name, format string
	count        int
	defaults     map[string]any
	instances    []entry
	playbooks    []Playbook
	line         int
}

type entry struct {
	fields map[string]any
	line   int
}

// Playbook is one entry of a role's ansible_playbooks.
type Playbook struct {
	Role, File string
	PreNetwork bool
	ExtraVars  map[string]any
}

// Playbooks are the Ansible playbooks that the file asks for, which Trefoil does not run.
func (f *File) Playbooks() []Playbook {
	var out []Playbook
	for _, r := range f.roles {
		out = append(out, r.playbooks...)
	}
	return out
}

// Parse reads a file; name is its name, for errors. The error is an
// errs.Invalid that lists every problem of the file's form.
func Parse(name string, data []byte) (*File, error) {
	root, err := yaml.Parse(name, data)
	if err != nil {
		return nil, err
	}
	r := &reader{p: schema.New(name), name: name}
	f := &File{name: name}
	seen := map[string]int{}
	for _, n := range r.p.List(root, "a list of roles, each with a name") {
		m := r.p.Map(n, "a role", "name", "hostname_format", "count", "defaults", "instances", "ansible_playbooks")
		if m == nil {
			continue
		}
		ro := r.role(m)
		if line, twice := seen[ro.name]; twice && ro.name != "" {
			r.p.Add(m.Line, "role %s is given twice, first in line %d", ro.name, line)
		}
		seen[ro.name] = m.Line
		f.roles = append(f.roles, ro)
	}
	if r.p.Len() == 0 && len(f.roles) == 0 {
		r.p.Add(1, "no roles: nothing to provision")
	}
	if err := r.p.Err(); err != nil {
		return nil, err
	}
	f.warnings = r.unused
	return f, nil
}

type reader struct {
	p      *schema.Problems
	name   string
	unused []string // warnings of keys without effect
}

// maxCount bounds what one line of a file can ask for.
const maxCount = 10_000

func (r *reader) role(m *schema.Map) role {
	m.Need("name")
	ro := role{name: m.Text("name"), format: m.Text("hostname_format"), count: m.Int("count", 0, maxCount, 1), line: m.Line}
	ro.defaults = map[string]any{}
	if d := m.Map("defaults", "defaults of role "+ro.name, instanceKeys()...); d != nil {
		ro.defaults = r.instance(d, "defaults of role "+ro.name)
		for _, k := range []string{"hostname", "name", "provisioned"} {
			if d.Has(k) {
				r.p.Add(d.LineOf(k), "%s: cannot specify %s in defaults", ro.name, k)
			}
		}
	}
	provisioned := 0
	for _, n := range m.List("instances") {
		what := "an instance of role " + ro.name
		if e := r.p.Map(n, what, instanceKeys()...); e != nil {
			fields := r.instance(e, what)
			ro.instances = append(ro.instances, entry{fields, e.Line})
			if flag(fields, "provisioned", true) {
				provisioned++
			}
		}
	}
	if provisioned > ro.count {
		r.p.Add(m.Line, "%s: number of instance entries %d cannot be greater than count %d", ro.name, provisioned, ro.count)
	}
	for _, n := range m.List("ansible_playbooks") {
		if e := r.p.Map(n, "an entry in ansible_playbooks of role "+ro.name, "playbook", "pre_network", "extra_vars"); e != nil {
			e.Need("playbook")
			ro.playbooks = append(ro.playbooks, Playbook{ro.name, e.Text("playbook"), e.Bool("pre_network", false), e.Values("extra_vars")})
		}
	}
	return ro
}

func flag(fields map[string]any, key string, def bool) bool {
	if v, ok := fields[key].(bool); ok {
		return v
	}
	return def
}

// clone copies a value so deep that the copy may be changed.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
