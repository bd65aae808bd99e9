package diff

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"sort"
	"strings"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack/eval"
)

// comparison holds what one Compare works on.
type comparison struct {
	before, after   Side
	old, new        plan.Config
	secrets         *secrets
	stay            []string // names of machines on both sides, in the order of the new plan
	oldRole, newOne map[string]*plan.Role
}

func newComparison(before, after Side) (*comparison, error) {
	c := &comparison{before: before, after: after, oldRole: rolesOf(before.Plan), newOne: rolesOf(after.Plan)}
	stand := &standIns{}
	c.before.Machines, c.after.Machines = stand.fill(before.Machines), stand.fill(after.Machines)
	var err error
	if c.new, err = configOf(c.after.Plan, c.after.Machines); err != nil {
		return nil, err
	}
	if c.old, err = configOf(c.before.Plan, c.before.Machines); err != nil {
		return nil, &oldSideError{err}
	}
	c.secrets = newSecrets(stand.pairs, c.before.Plan, c.after.Plan)
	c.secrets.ofConfig(c.old)
	c.secrets.ofConfig(c.new)
	c.secrets.done()
	for _, m := range c.after.Machines {
		if machine(c.before.Machines, m.Name) != nil {
			c.stay = append(c.stay, m.Name)
		}
	}
	return c, nil
}

// oldSideError is an error of what is deployed; that must not stop its own cure.
type oldSideError struct{ err error }

func (e *oldSideError) Error() string { return "what is deployed: " + e.err.Error() }

func (e *oldSideError) Unwrap() error { return e.err }

// configOf is what the machines must do; machines of roles that the plan does
// not have any more are left out.
func configOf(p *plan.Plan, machines []Machine) (plan.Config, error) {
	roles := rolesOf(p)
	var nodes []plan.Node
	for _, m := range machines {
		if roles[m.Role] != nil {
			nodes = append(nodes, m.Node)
		}
	}
	return p.Configure(nodes)
}

func rolesOf(p *plan.Plan) map[string]*plan.Role {
	out := map[string]*plan.Role{}
	for i := range p.Roles {
		out[p.Roles[i].Name] = &p.Roles[i]
	}
	return out
}

func machine(list []Machine, name string) *Machine {
	if i := slices.IndexFunc(list, func(m Machine) bool { return m.Name == name }); i >= 0 {
		return &list[i]
	}
	return nil
}

func (c *comparison) machines(d *Diff) {
	add := func(ch Change, m Machine) {
		n := Node{Change: ch, Name: m.Name, Role: m.Role, Index: m.Index, Machine: m.Machine, MachineUUID: m.UUID, Flavor: m.Flavor}
		if ch == Removed && !isStandIn(m.Address) {
			n.Address = m.Address
		}
		if n.Machine == "" {
			n.Machine = m.UUID
		}
		d.Nodes = append(d.Nodes, n)
	}
	for _, m := range c.before.Machines {
		if machine(c.after.Machines, m.Name) == nil {
			add(Removed, m)
		}
	}
	for _, m := range c.after.Machines {
		if machine(c.before.Machines, m.Name) == nil {
			add(Added, m)
		}
	}
}

func (c *comparison) roles(d *Diff) {
	for _, r := range c.before.Plan.Roles {
		if c.newOne[r.Name] == nil {
			d.Roles = append(d.Roles, c.role(Removed, &r, &plan.Role{Name: r.Name}))
		}
	}
	for _, r := range c.after.Plan.Roles {
		old, ch := c.oldRole[r.Name], Changed
		if old == nil {
			old, ch = &plan.Role{}, Added
		}
		x := c.role(ch, old, &r)
		if ch == Added || len(x.Fields) > 0 || !x.Services.none() || !x.Networks.none() || !x.Packages.none() {
			d.Roles = append(d.Roles, x)
		}
	}
}

func (c *comparison) role(ch Change, a, b *plan.Role) Role {
	x := Role{Change: ch, Name: b.Name, Fields: []Field{}, Services: names(a.Services, b.Services), Networks: names(a.Networks, b.Networks),
		Packages: names(a.Packages, b.Packages), Summary: []string{}}
	if ch == Added {
		for _, line := range b.Summary {
			x.Summary = append(x.Summary, c.secrets.shown(line))
		}
	}
	x.Fields = fields(c.secrets, []Field{{"count", a.Count, b.Count}, {"flavor", a.Flavor, b.Flavor}, {"image", a.Image, b.Image},
		{"hostname_format", a.HostnameFormat, b.HostnameFormat}, {"tags", anyList(a.Tags), anyList(b.Tags)}})
	return x
}

// fields are those of list that change, shown.
func fields(s *secrets, list []Field) []Field {
	out := []Field{}
	for _, f := range list {
		if !same(f.Old, f.New) {
			out = append(out, Field{f.Name, s.shownValue(f.Old), s.shownValue(f.New)})
		}
	}
	return out
}

// names are those that come and go, in the order in which they stand.
func names(a, b []string) Names {
	minus := func(x, y []string) []string {
		out := []string{}
		for _, s := range x {
			if !slices.Contains(y, s) && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
		return out
	}
	return Names{Added: minus(b, a), Removed: minus(a, b)}
}

// same compares as JSON does: 1 is 1 whether it came from a flag or a file.
func same(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

func anyList(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func (c *comparison) networks(d *Diff) {
	find := func(p *plan.Plan, name string) *eval.Network {
		if i := slices.IndexFunc(p.Networks, func(n eval.Network) bool { return n.Name == name }); i >= 0 {
			return &p.Networks[i]
		}
		return nil
	}
	for _, n := range c.before.Plan.Networks {
		if find(c.after.Plan, n.Name) == nil {
			d.Networks = append(d.Networks, Network{Removed, n.Name, subnets(n.Subnets, nil)})
		}
	}
	for _, n := range c.after.Plan.Networks {
		old := find(c.before.Plan, n.Name)
		if old == nil {
			d.Networks = append(d.Networks, Network{Added, n.Name, subnets(nil, n.Subnets)})
		} else if s := subnets(old.Subnets, n.Subnets); len(s) > 0 {
			d.Networks = append(d.Networks, Network{Changed, n.Name, s})
		}
	}
}

func subnets(a, b []eval.Subnet) []SubnetChange {
	find := func(list []eval.Subnet, name string) *eval.Subnet {
		if i := slices.IndexFunc(list, func(s eval.Subnet) bool { return s.Name == name }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	out := []SubnetChange{}
	for _, s := range a {
		if find(b, s.Name) == nil {
			out = append(out, SubnetChange{Removed, s.Name, s.CIDR, []Field{}})
		}
	}
	for _, s := range b {
		old := find(a, s.Name)
		if old == nil {
			out = append(out, SubnetChange{Added, s.Name, s.CIDR, []Field{}})
			continue
		}
		f := fields(nil, []Field{{"cidr", old.CIDR, s.CIDR}, {"gateway", old.Gateway, s.Gateway}, {"pools", pools(old.Pools), pools(s.Pools)},
			{"dns", anyList(old.DNS), anyList(s.DNS)}, {"mtu", old.MTU, s.MTU}})
		if len(f) > 0 {
			out = append(out, SubnetChange{Changed, s.Name, s.CIDR, f})
		}
	}
	return out
}

func pools(list []eval.Pool) []any {
	out := make([]any, len(list))
	for i, p := range list {
		out[i] = p.Start + "-" + p.End
	}
	return out
}

// addresses of machines that stay, and of ports that are no machine's. The
// ctlplane address of a machine is what it was given, not what was planned.
func (c *comparison) addresses(d *Diff) {
	server := func(p *plan.Plan, name string) *plan.Server {
		if i := slices.IndexFunc(p.Servers, func(s plan.Server) bool { return s.Name == name }); i >= 0 {
			return &p.Servers[i]
		}
		return nil
	}
	for _, name := range c.stay {
		a, b := server(c.before.Plan, name), server(c.after.Plan, name)
		if a == nil || b == nil {
			continue
		}
		x, y := networksOf(a, machine(c.before.Machines, name)), networksOf(b, machine(c.after.Machines, name))
		for _, net := range union(x, y) {
			if x[net] != y[net] {
				d.Addresses = append(d.Addresses, Address{name, net, x[net], y[net]})
			}
		}
	}
	x, y := free(c.before.Plan), free(c.after.Plan)
	for _, key := range union(x, y) {
		if x[key] != "" && y[key] != "" && x[key] != y[key] {
			i := strings.LastIndexByte(key, '/')
			d.Addresses = append(d.Addresses, Address{key[:i], key[i+1:], x[key], y[key]})
		}
	}
}

// networksOf is a server's addresses; where a network has none of its own and
// the ctlplane's stands for it, that is the machine's.
func networksOf(s *plan.Server, m *Machine) map[string]string {
	out := map[string]string{}
	for net, ip := range s.Networks {
		if out[net] = ip; ip == s.Networks["ctlplane"] && !isStandIn(m.Address) {
			out[net] = m.Address
		}
	}
	return out
}

// free are the planned addresses of ports that are not on a machine: virtual ones.
func free(p *plan.Plan) map[string]string {
	out := map[string]string{}
	for key, ip := range p.Addresses {
		onMachine := slices.ContainsFunc(p.Servers, func(s plan.Server) bool {
			group := s.Path[:max(strings.LastIndexByte(s.Path, '.'), 0)]
			return group != "" && strings.HasPrefix(key, group+".")
		})
		if !onMachine && strings.Contains(key, "/") {
			out[key] = ip
		}
	}
	return out
}

func (c *comparison) parameters(d *Diff) {
	a, b := c.before.Plan, c.after.Plan
	for _, name := range union(a.Parameters, b.Parameters) {
		if !slices.Contains(a.Declared, name) && !slices.Contains(b.Declared, name) {
			continue // told as unused
		}
		old, had := a.Parameters[name]
		now, has := b.Parameters[name]
		if same(old, now) {
			continue // null is as if it were not given
		}
		p := c.parameter(name, old, now)
		switch p.Change = Changed; {
		case !had:
			p.Change, p.Old = Added, nil
		case !has:
			p.Change, p.New = Removed, nil
		}
		d.Parameters = append(d.Parameters, p)
	}
}

func (c *comparison) parameter(name string, old, now any) Parameter {
	hidden := slices.Contains(c.before.Plan.Hidden, name) || slices.Contains(c.after.Plan.Hidden, name)
	if hidden {
		return Parameter{Name: name, Hidden: true, Old: Hidden, New: Hidden, Secret: []string{}}
	}
	p := Parameter{Name: name, Old: c.secrets.shownValue(old), New: c.secrets.shownValue(now), Secret: []string{}}
	a, _ := old.(map[string]any)
	b, _ := now.(map[string]any)
	for _, k := range union(a, b) {
		if !same(a[k], b[k]) && same(c.secrets.shownValue(map[string]any{k: a[k]}), c.secrets.shownValue(map[string]any{k: b[k]})) {
			p.Secret = append(p.Secret, c.secrets.shown(k))
		}
	}
	return p
}

// given are the parameters that a person set, of a first deployment.
func (c *comparison) given(d *Diff) {
	for _, name := range c.after.Plan.Given {
		if v, has := c.after.Plan.Parameters[name]; has && slices.Contains(c.after.Plan.Declared, name) {
			p := c.parameter(name, nil, v)
			p.Change, p.Old = Added, nil
			d.Parameters = append(d.Parameters, p)
		}
	}
}

func (c *comparison) registry(d *Diff) {
	a, b := c.before.Plan.Registry, c.after.Plan.Registry
	for _, t := range union(a, b) {
		m := Mapping{Changed, t, a[t], b[t]}
		switch {
		case m.Old == m.New:
			continue
		case m.Old == "":
			m.Change = Added
		case m.New == "":
			m.Change = Removed
		}
		d.Registry = append(d.Registry, m)
	}
}

// union is the keys of both maps, sorted.
func union[V any](a, b map[string]V) []string {
	var out []string
	for k := range a {
		out = append(out, k)
	}
	for k := range b {
		if _, both := a[k]; !both {
			out = append(out, k)
		}
	}
	sort.Strings(out)
	return out
}
