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
