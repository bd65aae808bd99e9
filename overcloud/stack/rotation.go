package stack

import (
	"context"
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
// What counts is how they take effect, since an environment may set any of them.
func (v *Service) reaches(ctx context.Context, old, next *Stack, made *Made) error {
	stands, err := v.stands(ctx, old)
	limited := next.Input.Limits.Said(made.Blacklist)
	if err != nil || limited == "" && !stands {
		return err
	}
	was := old.Whole()
	if was.Action == Delete {
		was.Action = Update // templates know nothing of deleting
	}
	deployed, err := v.Check(ctx, was)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && limited == "":
		return nil // templates that this release does not take any more must not stop those that mend them
	case err != nil:
		return errs.Wrap(errs.Invalid, err, "what was deployed last cannot be planned again, so that nobody can tell which passwords are new since, and this deployment is limited (%s)", limited).
			WithHint(wholeCloud)
	}
	if err := wholly(limited, deployed.Passwords, made.Passwords); err != nil || !stands {
		return err
	}
	return made.Changeable(deployed)
}

// stands tells whether a machine of the stack has done a step of some deployment.
func (v *Service) stands(ctx context.Context, s *Stack) (bool, error) {
	nodes, err := v.Store.StackNodes(ctx, s.ID)
	return slices.ContainsFunc(nodes, func(n Node) bool { return len(n.Hashes) > 0 }), err
}

// wholeCloud is what to do where a limited deployment is refused.
const wholeCloud = "deploy once without --limit, --tags, --from-step and " + plan.BlacklistParameter + "; a machine that is away may be gone on without (<Role>MaxFailPercentage), or be given back (openstack overcloud node delete)"

// wholly refuses to bring passwords that are new since the last deployment to a part of the
// cloud: a service would log in with one that the database or Keystone does not know yet.
// limited says which part; "" is all of it.
func wholly(limited string, deployed, next map[string]string) error {
	if limited == "" {
		return nil
	}
	var names []string
	for name, was := range deployed {
		if now, there := next[name]; there && now != was {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return errs.New(errs.Invalid, "%s: new since the last deployment, and this one is limited (%s): services would log in with passwords that databases and Keystone do not know yet", strings.Join(names, ", "), limited).
		WithHint(wholeCloud)
}
