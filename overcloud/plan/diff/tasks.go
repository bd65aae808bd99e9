package diff

import (
	"slices"

	"trefoil/internal/yaml"
	"trefoil/overcloud/plan"
)

// tasks compares what the services' templates say beside the resources of
// machines, in the roles that stay and have machines.
func (c *comparison) tasks(d *Diff) {
	var g groups[Task]
	for _, r := range c.after.Plan.Roles {
		old := c.oldRole[r.Name]
		if old == nil || r.Count == 0 && old.Count == 0 {
			continue // nothing of it was, or no machine has it
		}
		changes := c.services(old.Data, r.Data)
		if len(changes) == 0 { // the tree may combine the same services in another way
			changes = c.roleData("", old.RoleData, r.RoleData)
		}
		for _, t := range changes {
			g.add(t, func(t *Task) { t.Roles = append(t.Roles, r.Name) })
		}
	}
	d.Tasks = append(d.Tasks, g.list...)
}

// whole is the key of a service that comes or goes with all its role_data.
const whole = "role_data"

func (c *comparison) services(a, b []plan.ServiceData) []Task {
	find := func(list []plan.ServiceData, name string) *plan.ServiceData {
		if i := slices.IndexFunc(list, func(s plan.ServiceData) bool { return s.Name == name }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	var out []Task
	for _, s := range b {
		if old := find(a, s.Name); old == nil {
			out = append(out, Task{Change: Added, Service: s.Name, Key: whole, Diff: []string{}})
		} else {
			out = append(out, c.roleData(s.Name, old.Raw, s.Raw)...)
		}
	}
	for _, s := range a {
		if find(b, s.Name) == nil {
			out = append(out, Task{Change: Removed, Service: s.Name, Key: whole, Diff: []string{}})
		}
	}
	return out
}

// roleData compares key by key.
func (c *comparison) roleData(service string, a, b map[string]any) []Task {
	var out []Task
	for _, key := range union(a, b) {
		if elsewhere(key, a[key]) && elsewhere(key, b[key]) || same(a[key], b[key]) {
			continue
		}
		t := Task{Change: Changed, Service: service, Key: key, Diff: unified(c.yaml(a[key]), c.yaml(b[key]))}
		switch {
		case empties(a[key]):
			t.Change = Added
		case empties(b[key]):
			t.Change = Removed
		}
		out = append(out, t)
	}
	return out
}

func empties(v any) bool {
	switch t := v.(type) {
	case nil:
		return true
	case string:
		return t == ""
	case []any:
		return len(t) == 0
	case map[string]any:
		return len(t) == 0
	}
	return false
}

// elsewhere tells which keys are compared in another place: packages with the
// role, the resources of our own step_config on machines.
func elsewhere(key string, v any) bool {
	_, manifest := v.(string)
	return key == "service_name" || key == "service_names" || key == "packages" || key == "summary" || key == "step_config" && !manifest
}

// yaml is a value as text with tokens for secrets; nothing is no text.
func (c *comparison) yaml(v any) string {
	if v == nil {
		return ""
	}
	if s, ok := v.(string); ok {
		return c.secrets.tokened(s)
	}
	data, err := yaml.Marshal(c.secrets.tokenedValue(v))
	if err != nil { // values of templates can always be written
		return err.Error()
	}
	return string(data)
}

// deployments compares the software configurations of machines that stay. First
// those of a name that change the same way on several machines become one, then
// those of several names on the same machines.
func (c *comparison) deployments(d *Diff) {
	old, now := c.staying(c.before.Plan), c.staying(c.after.Plan)
	var byName, g groups[Deployment]
	for _, p := range []*plan.Plan{c.after.Plan, c.before.Plan} {
		for _, dep := range p.Deployments {
			x, nodes, changes := c.deployment(old[dep.Path], now[dep.Path])
			delete(old, dep.Path)
			delete(now, dep.Path)
			if changes {
				byName.add(x, func(x *Deployment) { x.Nodes = append(x.Nodes, names(x.Nodes, nodes).Added...) })
			}
		}
	}
	for _, x := range byName.list {
		name := x.Names[0]
		x.Names = nil
		g.add(x, func(x *Deployment) { x.Names = append(x.Names, name) })
	}
	d.Deployments = append(d.Deployments, g.list...)
}

// staying are a plan's deployments by path, with those of their machines that stay.
func (c *comparison) staying(p *plan.Plan) map[string]*plan.Deployment {
	out := map[string]*plan.Deployment{}
	for _, d := range p.Deployments {
		d.Servers = slices.DeleteFunc(slices.Clone(d.Servers), func(s string) bool { return !slices.Contains(c.stay, s) })
		if len(d.Servers) > 0 {
			out[d.Path] = &d
		}
	}
	return out
}

// deployment compares two of a path, of which one may not be there.
func (c *comparison) deployment(a, b *plan.Deployment) (x Deployment, nodes []string, changes bool) {
	x = Deployment{Change: Changed, Diff: []string{}}
	switch {
	case a == nil && b == nil:
		return x, nil, false
	case a == nil:
		x.Change, a = Added, b
	case b == nil:
		x.Change, b = Removed, a
	case same(body(a), body(b)):
		return x, nil, false
	default:
		x.Diff = unified(c.yaml(body(a)), c.yaml(body(b)))
	}
	x.Names, x.Group = []string{b.Name}, b.Group
	return x, b.Servers, true
}

// body is what a deployment tells a machine.
func body(d *plan.Deployment) map[string]any {
	out := map[string]any{"group": d.Group}
	for k, v := range map[string]any{"config": d.Config, "input_values": d.Inputs, "options": d.Options} {
		if m, isMap := v.(map[string]any); v != nil && (!isMap || len(m) > 0) {
			out[k] = v
		}
	}
	return out
}
