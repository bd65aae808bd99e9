package stack

import (
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/plan"
)

// Limits narrow the steps of one action; placement and provisioning are always whole.
// The zero value is no limit.
type Limits struct {
	Nodes    []string `json:"nodes,omitempty"`     // only these machines, and those of these roles
	FromStep int      `json:"from_step,omitempty"` // only from this step on; 0: all
	Tags     []string `json:"tags,omitempty"`      // only these services
}

// None tells that nothing is left out.
func (l Limits) None() bool { return len(l.Nodes) == 0 && l.FromStep <= 1 && len(l.Tags) == 0 }

// Allow tells whether a machine is taken through steps.
func (l Limits) Allow(n plan.Node) bool {
	return len(l.Nodes) == 0 || slices.Contains(l.Nodes, n.Name) || slices.Contains(l.Nodes, n.Role)
}

// String says what is done, for people: "only Compute, from step 3 on, only nova_compute".
func (l Limits) String() string {
	var parts []string
	if len(l.Nodes) > 0 {
		parts = append(parts, "only "+strings.Join(l.Nodes, ", "))
	}
	if l.FromStep > 1 {
		parts = append(parts, fmt.Sprintf("from step %d on", l.FromStep))
	}
	if len(l.Tags) > 0 {
		parts = append(parts, "only services "+strings.Join(l.Tags, ", "))
	}
	return strings.Join(parts, "; ")
}

// Said is what alone is done by a deployment that also leaves the machines of a blacklist
// as they are, for people; "" is all.
func (l Limits) Said(blacklist []string) string {
	var parts []string
	if !l.None() {
		parts = append(parts, l.String())
	}
	if len(blacklist) > 0 {
		parts = append(parts, fmt.Sprintf("not %s (%s)", strings.Join(blacklist, ", "), plan.BlacklistParameter))
	}
	return strings.Join(parts, "; ")
}

// Check refuses names that neither the plan nor the machines there are have.
func (l Limits) Check(p *plan.Plan, there []Node) error {
	if l.FromStep < 0 || l.FromStep > plan.Steps {
		return errs.New(errs.Invalid, "from-step %d: expected 1 to %d", l.FromStep, plan.Steps)
	}
	var names, services []string
	for _, r := range p.Roles {
		names = append(names, r.Name)
		for _, s := range r.Data {
			services = append(services, s.Name)
		}
	}
	for _, s := range p.Servers {
		names = append(names, s.Name)
	}
	for _, n := range there {
		names = append(names, n.Name)
	}
	for _, n := range l.Nodes {
		if !slices.Contains(names, n) {
			return errs.New(errs.Invalid, "limit: %q is neither a machine nor a role%s", n, nearest.Hint(n, names))
		}
	}
	for _, t := range l.Tags {
		if !slices.Contains(services, t) {
			return errs.New(errs.Invalid, "tags: no role has a service %q%s", t, nearest.Hint(t, services)).
				WithHint("the services of the roles: openstack overcloud deploy … --dry-run")
		}
	}
	return nil
}

// Ready refuses to leave out machines, or of a machine the first steps, that are yet
// to do: services of the others wait for theirs, a controller for every hypervisor,
// until they give up. A deployment of all takes no step twice that stands, so nothing
// is lost by it. What a deployment that failed was to change on machines that are left out
// now is not looked at: that they differ is what a limit is for, and who needs it of them waits
// and says so. Only passwords would be told by nobody: see Stack.NewPasswords.
func (l Limits) Ready(p *plan.Plan, there []Node) error {
	var behind []string
	hint := "deploy without --limit first: steps that stand are not taken again"
	for _, s := range p.Servers {
		if l.Allow(plan.Node{Name: s.Name, Role: s.Role}) {
			continue
		}
		i := slices.IndexFunc(there, func(n Node) bool { return n.Name == s.Name })
		if last := lastStep(p, s.Role); last == 0 || i >= 0 && there[i].Hashes[last] != "" {
			continue
		}
		if behind = append(behind, s.Name); i >= 0 && !strings.Contains(hint, giveBack) {
			hint += "; a machine that cannot be mended is given back first: " + giveBack + s.Name
		}
	}
	if len(behind) == 0 {
		return l.begun(p, there)
	}
	return errs.New(errs.Invalid, "limit: %s would be left out, with steps yet to do that services on the other machines wait for", strings.Join(behind, ", ")).
		WithHint("%s", hint)
}

// giveBack begins the command that takes a machine out of a cloud.
const giveBack = "openstack overcloud node delete "

// begun refuses to take machines into steps, or to do single services there, before
// what comes first was done on them: a bare machine has no address on its networks,
// no names of the others and no firewall.
func (l Limits) begun(p *plan.Plan, there []Node) error {
	var behind []string
	for _, s := range p.Servers {
		if !l.Allow(plan.Node{Name: s.Name, Role: s.Role}) {
			continue
		}
		i := slices.IndexFunc(there, func(n Node) bool { return n.Name == s.Name })
		switch first := l.firstStep(p, s.Role); {
		case i < 0 && lastStep(p, s.Role) > 0 && (len(l.Tags) > 0 || first > 1):
			behind = append(behind, s.Name+" is new")
		case i >= 0:
			for step := 1; step < first; step++ {
				if there[i].Hashes[step] == "" && always(p, s.Role, step) {
					behind = append(behind, fmt.Sprintf("%s has not done step %d", s.Name, step))
					break
				}
			}
		}
	}
	if len(behind) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s: %s, and what was asked for builds on the steps before", l.String(), strings.Join(behind, ", ")).
		WithHint("deploy without --from-step and --tags first: steps that stand are not taken again")
}

// firstStep is the one that a machine of a role would begin with; 0: it has none of the
// services.
func (l Limits) firstStep(p *plan.Plan, role string) int {
	first := max(1, l.FromStep)
	if len(l.Tags) == 0 {
		return first
	}
	for step := first; step <= plan.Steps; step++ {
		if does(p, role, step, func(service string, _ plan.Entry) bool { return slices.Contains(l.Tags, service) }) {
			return step
		}
	}
	return 0
}

// lastStep is the last one in which every machine of a role has something to do; 0: none.
func lastStep(p *plan.Plan, role string) int {
	for step := plan.Steps; step > 0; step-- {
		if always(p, role, step) {
			return step
		}
	}
	return 0
}

// always tells whether every machine of a role has something to do in a step.
func always(p *plan.Plan, role string, step int) bool {
	return does(p, role, step, func(_ string, e plan.Entry) bool {
		return e.ForEachPeer == "" && e.OnlyBeside == "" && !e.BootstrapOnly && !e.NotOnBootstrap
	})
}

// does tells whether a role's services have an entry in a step that counts.
func does(p *plan.Plan, role string, step int, counts func(service string, e plan.Entry) bool) bool {
	for _, r := range p.Roles {
		for _, s := range r.Data {
			if r.Name == role && slices.ContainsFunc(s.Steps[step-1], func(e plan.Entry) bool { return counts(s.Name, e) }) {
				return true
			}
		}
	}
	return false
}
