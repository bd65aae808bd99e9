package stack

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
)

// Rotated is what a rotation did, by name; values are not told.
type Rotated struct {
	Names []string `json:"rotated"`
	Kept  []string `json:"kept"` // an environment sets them
}

// RotatePasswords makes passwords of a plan anew: those of names, or all that can be
// where none is named. The cloud has them when the plan is deployed next. Those that
// an environment sets are refused where they are named, and else stay.
func (v *Service) RotatePasswords(ctx context.Context, name string, names []string) (*Rotated, error) {
	p, err := v.Plan(ctx, name)
	if err != nil {
		return nil, err
	}
	if p.Given {
		return nil, errs.New(errs.Conflict, "the passwords of plan %s are given, none is generated", name).WithHint("change them in an environment, or in the plan environment")
	}
	if err := v.complete(p); err != nil {
		return nil, err
	}
	before := p.Passwords
	after, changed, err := plan.Rotate(before, names, v.Passwords)
	if err != nil {
		return nil, err
	}
	trial := p.Stack()
	trial.Passwords = after
	made, err := v.Check(ctx, trial)
	if err != nil {
		return nil, err
	}
	set := slices.DeleteFunc(slices.Clone(changed), func(n string) bool {
		value, there := made.Passwords[n]
		return !there || value == after[n]
	})
	if len(set) > 0 && len(names) > 0 {
		return nil, errs.New(errs.Invalid, "an environment of plan %s sets %s: nothing was rotated", name, strings.Join(set, ", ")).WithHint("change it there and deploy")
	}
	p.Passwords = maps.Clone(after)
	for _, n := range set {
		p.Passwords[n] = before[n]
	}
	was := p.Version
	v.next(p, p.Input)
	out := &Rotated{Names: slices.DeleteFunc(changed, func(n string) bool { return slices.Contains(set, n) }), Kept: set}
	return out, v.keep(ctx, p, was)
}

// reaches refuses an update whose passwords would not reach what they are for: new ones that
// only a part of the cloud would hear of, and those that a deployment does not change there.
// What counts is how they take effect, since an environment may set any of them. Those that
// are not known to be everywhere once it has begun are returned.
func (v *Service) reaches(ctx context.Context, old, next *Stack, made *Made) ([]string, error) {
	nodes, err := v.Store.StackNodes(ctx, old.ID)
	limited := next.Input.Limits.Said(made.Blacklist)
	if err != nil || limited == "" && !stands(nodes) {
		return nil, err
	}
	was := old.Whole()
	if was.Action == Delete {
		was.Action = Update // templates know nothing of deleting
	}
	deployed, broken := v.Check(ctx, was)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return old.Reach(limited, nodes, deployed, broken, made)
}

// Reach is what both a deployment and its dry run are refused for, of a stack with these nodes
// as it was deployed last: its plan, or why that cannot be made any more. limited says which
// part of the cloud alone would be deployed, "" is all. The names of passwords that are not
// known to be everywhere once the deployment has begun are returned.
func (s *Stack) Reach(limited string, nodes []Node, deployed *Made, broken error, next *Made) ([]string, error) {
	switch {
	case broken != nil && limited == "":
		return s.NewPasswords, nil // templates that this release does not take any more must not stop those that mend them
	case broken != nil:
		return nil, errs.Wrap(errs.Invalid, broken, "what was deployed last cannot be planned again, so that nobody can tell which passwords are new since, and this deployment is limited (%s)", limited).
			WithHint(wholeCloud)
	}
	names := differing(deployed.Passwords, next.Passwords)
	if err := wholly(limited, usedFirst(names, next), "since the last deployment"); err != nil {
		return nil, err
	}
	if err := wholly(limited, usedFirst(s.NewPasswords, next), "in a deployment that failed"); err != nil {
		return nil, err
	}
	for _, name := range s.NewPasswords {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if !stands(nodes) {
		return nil, nil
	}
	return names, next.Changeable(deployed)
}

// stands tells whether a machine has done a step of some deployment.
func stands(nodes []Node) bool {
	return slices.ContainsFunc(nodes, func(n Node) bool { return len(n.Hashes) > 0 })
}

// wholeCloud is what to do where a limited deployment is refused.
const wholeCloud = "deploy once without --limit, --tags, --from-step and " + plan.BlacklistParameter + "; a machine that is away may be gone on without (<Role>MaxFailPercentage), or be given back (openstack overcloud node delete)"

// wholly refuses to bring passwords that are new to a part of the cloud: a service would log
// in with one that the database or Keystone does not know yet. limited says which part; "" is
// all of it.
func wholly(limited string, names []string, since string) error {
	if limited == "" || len(names) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s: new %s, and this one is limited (%s): services would log in with passwords that databases and Keystone do not know yet", few(names), since, limited).
		WithHint(wholeCloud)
}

// usedFirst puts the passwords that templates of the plan ask for before those of services
// that it has not.
func usedFirst(names []string, p *Made) []string {
	used := func(name string) bool { return slices.Contains(p.Declared, name) }
	return slices.Concat(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !used(n) }), slices.DeleteFunc(slices.Clone(names), used))
}

// few names the first ones, and how many there are beside them.
func few(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most-1], ", "), len(names)-most+1)
}

// differing are the names of passwords of both that are others, sorted.
func differing(was, now map[string]string) []string {
	var names []string
	for name, value := range was {
		if next, there := now[name]; there && next != value {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
