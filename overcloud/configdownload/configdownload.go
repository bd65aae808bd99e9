// Package configdownload lays out what a plan wants done as TripleO's
// config-download does, so that a person or Ansible can read and run it: files by
// role, by machine and for all, an inventory and the settings of Ansible. It is
// pure: files are made in memory. Source of the layout: Config in tripleo-common's
// utils/config.py and TripleoInventory in its inventory.py, Queens and Wallaby.
//
// A tree of our own, whose services want resources instead of Puppet and Ansible,
// gets the same layout with ROLE/step_config.yaml, and with what os-apply-config
// does on each machine as ROLE/MACHINE/step_1.yaml … step_5.yaml.
package configdownload

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
	"trefoil/overcloud/plan"
)

// Options say what is wanted and who runs it.
type Options struct {
	Types      []string       // keys of role_data; empty: all
	User       string         // who logs in to the machines; empty: heat-admin
	Created    time.Time      // when the stack was made; zero: not told
	Undercloud map[string]any // variables of the group Undercloud: auth_url, username, project_name, cacert …
}

// Files are contents by path below the directory. They hold secrets: write them
// so that only their owner can read them. Those named *.sh are programs.
type Files map[string][]byte

// release is which TripleO a tree is of, as far as the layout differs.
type release int

const (
	ours release = iota
	queens
	wallaby // Train and later
)

// maker makes the files of one plan.
type maker struct {
	p       *plan.Plan
	o       Options
	release release
	outputs map[string]any
	nodes   []plan.Node // in the order of the roles
	hosts   []host
	files   Files
}

// host is a machine.
type host struct {
	name, role string
	id         any // of the server, as the templates see it; nil: it is blacklisted
	at         int // which of its role, in lists by role
	server     *plan.Server
	address    string
}

// Make makes the files. nodes are the machines that there are; none: those of the
// plan. It is deterministic and does not change p.
func Make(p *plan.Plan, nodes []plan.Node, o Options) (Files, error) {
	o.User = cmp.Or(o.User, "heat-admin")
	m := &maker{p: p, o: o, release: releaseOf(p), outputs: p.Outputs, files: Files{}}
	m.machines(nodes)
	if m.release == ours {
		var err error
		if m.outputs, err = p.OutputsFor(m.nodes); err != nil {
			return nil, err
		}
	}
	for _, part := range []func() error{m.roleData, m.roleConfig, m.deployments, m.steps, m.networkConfig, m.inventory, m.ansible} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	return m.files, m.files.check()
}

// releaseOf tells the releases apart by what only one of them has.
func releaseOf(p *plan.Plan) release {
	if _, ok := p.Outputs["RoleGroupVars"]; ok {
		return wallaby
	}
	for _, r := range p.Roles {
		for _, d := range r.Data {
			if _, ok := d.Raw["step_config"].(map[string]any); ok {
				return ours
			}
		}
	}
	if _, ok := p.Outputs["RoleConfig"]; ok {
		return queens
	}
	return ours
}

// machines lists the machines in the order of the roles.
func (m *maker) machines(nodes []plan.Node) {
	if len(nodes) == 0 {
		for _, s := range m.p.Servers {
			nodes = append(nodes, plan.Node{Name: s.Name, Role: s.Role, Index: s.Index, Address: s.Networks["ctlplane"]})
		}
	}
	order := map[string]int{}
	for i, r := range m.p.Roles {
		order[r.Name] = i
	}
	m.nodes = slices.Clone(nodes)
	slices.SortStableFunc(m.nodes, func(a, b plan.Node) int {
		return cmp.Or(cmp.Compare(order[a.Role], order[b.Role]), cmp.Compare(a.Index, b.Index))
	})
	ids := at(m.outputs, "ServerIdData", "server_ids")
	count := map[string]int{}
	for _, n := range m.nodes {
		h := host{name: strings.ToLower(n.Name), role: n.Role, address: n.Address, at: count[n.Role]}
		count[n.Role]++
		if i := slices.IndexFunc(m.p.Servers, func(s plan.Server) bool { return s.Name == n.Name }); i >= 0 {
			h.server = &m.p.Servers[i]
			h.id = h.server.ID
		}
		if list, ok := at(ids, n.Role).([]any); ok && h.at < len(list) {
			h.id = list[h.at]
		}
		m.hosts = append(m.hosts, h)
	}
}

// at walks down maps; nil where there is no such key.
func at(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

// put adds a file.
func (m *maker) put(name string, data []byte) error {
	if !fs.ValidPath(name) {
		return errs.New(errs.Invalid, "%q cannot be the name of a file: a role, a machine or a deployment has a name with / or .. in it", name)
	}
	m.files[name] = data
	return nil
}

// putYAML adds a value as a file.
func (m *maker) putYAML(name string, v any) error {
	data, err := yaml.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return m.put(name, data)
}

// wanted are the keys of a role's data that are asked for. A key that no role has
// is an error.
func (m *maker) wanted(roles map[string]any) (func(key string) bool, error) {
	if len(m.o.Types) == 0 {
		return func(string) bool { return true }, nil
	}
	known := map[string]bool{}
	for _, data := range roles {
		for _, k := range sortedKeys(asMap(data)) {
			known[k] = true
		}
	}
	var wrong []string
	for _, t := range m.o.Types {
		if !known[t] {
			wrong = append(wrong, fmt.Sprintf("Invalid key: %s%s", t, nearest.Hint(t, sortedKeys(known))))
		}
	}
	if len(wrong) > 0 {
		return nil, errs.New(errs.Invalid, "%s", strings.Join(wrong, "\n")).WithHint("--config-type takes keys of role_data: %s", strings.Join(sortedKeys(known), ", "))
	}
	return func(key string) bool { return slices.Contains(m.o.Types, key) }, nil
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
