package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/plan/diff"
	"trefoil/overcloud/stack"
)

// Preview tells what Run would do to bring before (nil: nothing) to after. It
// chooses machines as Run does, and changes and stores nothing. It is a stack.Comparer.
func (e *Engine) Preview(ctx context.Context, before, after *stack.Stack) (*diff.Diff, error) {
	var have []stack.Node
	var err error
	if before != nil {
		if have, err = e.Store.StackNodes(ctx, before.ID); err != nil {
			return nil, err
		}
	}
	machines, err := e.Cloud.Nodes(ctx)
	if err != nil {
		return nil, fmt.Errorf("list bare-metal nodes: %w", err)
	}
	now, err := e.next(ctx, after, have, machines)
	if err != nil {
		return nil, err
	}
	old, broken := e.deployed(ctx, before, have, machines)
	d, err := diff.Compare(old, now)
	if err != nil {
		return nil, err
	}
	if before != nil && before.State == stack.InProgress {
		d.Running = before.Status()
	}
	if broken != nil {
		d.Notes = append(d.Notes, "the plan that is deployed cannot be made again, so that only machines are compared: "+broken.Error())
	}
	if before != nil {
		d.Notes = append(d.Notes, forgotten(before.Input, after.Input)...)
	}
	if list := now.Plan.Blacklist; len(list) > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("not touched, whatever differs there: %s (%s)", strings.Join(list, ", "), plan.BlacklistParameter))
	}
	limits := after.Input.Limits
	reach := func() error {
		if old.Plan == nil && broken == nil {
			return nil // nothing is deployed yet
		}
		_, err := before.Reach(limits.Said(now.Plan.Blacklist), have, old.Plan, broken, now.Plan)
		return err
	}
	for _, check := range []func() error{now.Plan.Deployable, now.Plan.Shared, now.Plan.Listed, func() error { return limits.Ready(now.Plan, have) }, reach} {
		if err := check(); err != nil {
			d.Refused = append(d.Refused, diff.Refusal{Reason: err.Error(), Hint: errs.HintOf(err)})
		}
	}
	return d, nil
}

// next is the side that is asked for: the nodes that stay, and those that
// placement chooses. As in a run, the plan is made again when they are known.
func (e *Engine) next(ctx context.Context, s *stack.Stack, have []stack.Node, machines []placement.Node) (diff.Side, error) {
	var side diff.Side
	p, err := e.Plan(ctx, s, nodesOf(known(have, nil))...)
	if err != nil {
		return side, err
	}
	file, err := Machines(s)
	if err != nil {
		return side, err
	}
	keep, surplus := Split(have, p, file, s.Input.Only)
	wants, _, err := Wants(ctx, e.Cloud, p, file)
	if err != nil {
		return side, err
	}
	choices, err := Choose(machines, wants, keep, surplus)
	var no *placement.NoFit
	if errors.As(err, &no) {
		return side, errs.Wrap(errs.Conflict, err, "placement").WithHint("openstack overcloud profiles list")
	}
	if err != nil {
		return side, err
	}
	side = diff.Side{Plan: p, Machines: append(known(keep, machines), chosen(p, choices)...)}
	sortMachines(p, side.Machines)
	if len(surplus)+len(choices) > 0 && len(have) > 0 {
		side.Plan, err = e.Plan(ctx, s, nodesOf(side.Machines)...)
	}
	return side, err
}

// chosen are machines to come; their addresses are not known yet.
func chosen(p *plan.Plan, choices []placement.Choice) []diff.Machine {
	var out []diff.Machine
	for _, c := range choices {
		role := p.Roles[slices.IndexFunc(p.Roles, func(r plan.Role) bool { return r.Name == c.Role })]
		out = append(out, diff.Machine{Machine: c.Node.Label(), Flavor: role.Flavor,
			Node: plan.Node{Name: nodeName(p, c, role), Role: role.Name, Index: c.Index, UUID: c.Node.UUID}})
	}
	return out
}

// sortMachines puts them in the order of the roles, then of their indexes.
func sortMachines(p *plan.Plan, list []diff.Machine) {
	order := map[string]int{}
	for i, r := range p.Roles {
		order[r.Name] = i
	}
	slices.SortStableFunc(list, func(a, b diff.Machine) int {
		if a.Role != b.Role {
			return order[a.Role] - order[b.Role]
		}
		return a.Index - b.Index
	})
}

func nodesOf(list []diff.Machine) []plan.Node {
	out := make([]plan.Node, len(list))
	for i, m := range list {
		out[i] = m.Node
	}
	return out
}

// deployed is the side that is there. Where its plan cannot be made any more, only the
// machines are, and the error says why.
func (e *Engine) deployed(ctx context.Context, s *stack.Stack, have []stack.Node, machines []placement.Node) (diff.Side, error) {
	side := diff.Side{Machines: known(have, machines), Applied: map[string]map[int]string{}}
	for _, n := range have {
		side.Applied[n.Name] = n.Hashes
	}
	if s == nil || onlyMachines(s) {
		return side, nil
	}
	p, err := e.Plan(ctx, s, nodesOf(side.Machines)...)
	if err != nil {
		return side, err
	}
	side.Plan = p
	return side, nil
}

// known are a stack's nodes with the names of their machines.
func known(nodes []stack.Node, machines []placement.Node) []diff.Machine {
	out := make([]diff.Machine, len(nodes))
	for i, n := range nodes {
		out[i] = diff.Machine{Node: plain(n), Flavor: n.Flavor}
		if j := slices.IndexFunc(machines, func(m placement.Node) bool { return m.UUID == n.UUID }); j >= 0 {
			out[i].Machine = machines[j].Label()
		}
	}
	return out
}

// nodeName is the host name of a chosen machine: the file's, or the plan's, which
// knows HostnameMap, or as the role names its machines.
func nodeName(p *plan.Plan, c placement.Choice, role plan.Role) string {
	if c.Name != "" {
		return c.Name
	}
	for _, s := range p.Servers {
		if s.Role == c.Role && s.Index == c.Index {
			return s.Name
		}
	}
	name := strings.NewReplacer("%stackname%", p.Stack, "%index%", strconv.Itoa(c.Index)).Replace(role.HostnameFormat)
	if names, _ := p.Parameters["HostnameMap"].(map[string]any); names[name] != nil {
		return fmt.Sprint(names[name])
	}
	return name
}

// forgotten tells what the last deployment was given and this one is not: a
// forgotten -e takes networks and services away.
func forgotten(old, now stack.Input) []string {
	var out []string
	tell := func(what, name string) {
		out = append(out, fmt.Sprintf("%s %s was given to the last deployment and is not given to this one", what, name))
	}
	for _, name := range old.Environments {
		if !slices.Contains(now.Environments, name) {
			tell("environment", name)
		}
	}
	for _, f := range []struct{ what, old, now string }{
		{"roles file", old.RolesFile, now.RolesFile}, {"networks file", old.NetworksFile, now.NetworksFile},
		{"virtual IPs file", old.VIPFile, now.VIPFile}, {"baremetal file", old.BaremetalFile, now.BaremetalFile},
	} {
		if f.old != "" && f.now == "" {
			tell(f.what, f.old)
		}
	}
	return out
}

var _ stack.Comparer = (&Engine{}).Preview
