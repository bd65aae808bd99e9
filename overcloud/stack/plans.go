package stack

import (
	"context"
	"maps"
	"regexp"
	"time"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/plan"
)

// Plan is what a deployment is to be, kept under a name whether or not it is
// deployed. A stack of the same name has a copy of what its last action was given.
type Plan struct {
	Name      string
	Input     Input
	Passwords map[string]string // secret; made once, kept as long as the plan
	Given     bool              // the passwords are the user's: none is generated
	Version   int               // grows with each change
	CreatedAt time.Time
	UpdatedAt *time.Time
}

// Stack is the plan as a stack that does not exist yet.
func (p *Plan) Stack() *Stack {
	return &Stack{Name: p.Name, Action: Create, Input: p.Input, Passwords: p.Passwords, Generation: p.Version, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
}

// PlanStore keeps plans. Safe for concurrent use; each method is one transaction.
// Unknown plans give errs.NotFound, a second plan of a name errs.Conflict.
type PlanStore interface {
	CreatePlan(ctx context.Context, p *Plan) error
	Plan(ctx context.Context, name string) (*Plan, error)
	// Plans lists all by name, without their Input and Passwords.
	Plans(ctx context.Context) ([]*Plan, error)
	// UpdatePlan reads, lets change edit, and writes back in one transaction.
	UpdatePlan(ctx context.Context, name string, change func(*Plan) error) (*Plan, error)
	DeletePlan(ctx context.Context, name string) error
}

var planName = regexp.MustCompile(`^[a-zA-Z0-9-]+$`)

// NewPlan is what a plan is created of.
type NewPlan struct {
	Name      string            `json:"name"`
	Input     Input             `json:"input"`
	Passwords map[string]string `json:"passwords,omitempty"` // that exist already, from an exported plan
	Given     bool              `json:"given_passwords"`     // generate none
}

// CreatePlan checks a plan and keeps it. A plan that does not render is refused
// and nothing is kept. The strings are warnings.
func (v *Service) CreatePlan(ctx context.Context, n NewPlan) (*Plan, []string, error) {
	if !planName.MatchString(n.Name) {
		return nil, nil, errs.New(errs.Invalid, "Unable to create plan. The plan name must only contain letters, numbers or dashes").
			WithHint("%q has something else", n.Name)
	}
	if _, err := v.Store.Plan(ctx, n.Name); err == nil {
		return nil, nil, errs.New(errs.Conflict, "Unable to create plan. A container with the name %s already exists.", n.Name).
			WithHint("openstack overcloud deploy --update-plan-only changes it; openstack overcloud plan delete %s removes it", n.Name)
	} else if !errs.Is(err, errs.NotFound) {
		return nil, nil, err
	}
	p := &Plan{Name: n.Name, Input: n.Input, Passwords: n.Passwords, Given: n.Given, Version: 1, CreatedAt: v.Now()}
	if err := v.complete(p); err != nil {
		return nil, nil, err
	}
	made, err := v.Check(ctx, p.Stack())
	if err != nil {
		return nil, nil, err
	}
	return p, made.Warnings, v.Store.CreatePlan(ctx, p)
}

// complete makes the passwords that a plan lacks. The seed of random texts is made
// even where the passwords are all given: without it they could be guessed.
func (v *Service) complete(p *Plan) error {
	made, err := v.Passwords(p.Passwords)
	if err != nil {
		return err
	}
	if p.Given {
		made = maps.Clone(made)
		maps.DeleteFunc(made, func(name, _ string) bool {
			_, given := p.Passwords[name]
			return !given && name != plan.SeedName
		})
	}
	p.Passwords = made
	return nil
}

// next makes a plan the version behind it, with a new content.
func (v *Service) next(p *Plan, in Input) {
	now := v.Now()
	if p.Version++; p.Version > 1 {
		p.UpdatedAt = &now
	}
	p.Input = in.Whole()
}

// keep writes a plan down of which the version was has been checked; 0 is none.
func (v *Service) keep(ctx context.Context, p *Plan, was int) error {
	if was == 0 {
		return v.Store.CreatePlan(ctx, p)
	}
	_, err := v.Store.UpdatePlan(ctx, p.Name, func(now *Plan) error {
		if now.Version != was {
			return Overtaken(p.Name)
		}
		*now = *p
		return nil
	})
	return err
}

// Overtaken says that a plan is no longer the one that was checked.
func Overtaken(name string) error {
	return errs.New(errs.Conflict, "the plan %s was changed by somebody else in the meantime; nothing was done", name).WithHint("run the same command again")
}

// UpdatePlan gives the plan of that name a new content, or creates it, and
// deploys nothing. The strings are warnings.
func (v *Service) UpdatePlan(ctx context.Context, name string, in Input) (*Plan, []string, error) {
	if !planName.MatchString(name) {
		return nil, nil, errs.New(errs.Invalid, "the plan name %q is not valid: letters, digits and -", name)
	}
	p, err := v.Store.Plan(ctx, name)
	switch {
	case errs.Is(err, errs.NotFound):
		p = &Plan{Name: name, CreatedAt: v.Now()}
	case err != nil:
		return nil, nil, err
	}
	if err := v.complete(p); err != nil {
		return nil, nil, err
	}
	was := p.Version
	v.next(p, in)
	made, err := v.Check(ctx, p.Stack())
	if err != nil {
		return nil, nil, err
	}
	return p, made.Warnings, v.keep(ctx, p, was)
}

// Plan finds a plan; where there is none the nearest name is told.
func (v *Service) Plan(ctx context.Context, name string) (*Plan, error) {
	p, err := v.Store.Plan(ctx, name)
	if !errs.Is(err, errs.NotFound) {
		return p, err
	}
	all, lerr := v.Store.Plans(ctx)
	if lerr != nil {
		return nil, lerr
	}
	known := make([]string, len(all))
	for i, x := range all {
		known[i] = x.Name
	}
	return nil, errs.New(errs.NotFound, "the plan %s could not be found%s", name, nearest.Hint(name, known)).WithHint("openstack overcloud plan list")
}

// DeletePlan forgets a plan that has no stack.
func (v *Service) DeletePlan(ctx context.Context, name string) error {
	if _, err := v.Plan(ctx, name); err != nil {
		return err
	}
	switch _, err := v.Store.Stack(ctx, name); {
	case err == nil:
		return errs.New(errs.Conflict, "Cannot delete a plan that has an associated stack.").WithHint("openstack overcloud delete %s removes both", name)
	case !errs.Is(err, errs.NotFound):
		return err
	}
	return v.Store.DeletePlan(ctx, name)
}

// DeployPlan creates the stack of a plan, or updates it.
func (v *Service) DeployPlan(ctx context.Context, name string, timeoutMins int) (*Stack, error) {
	p, err := v.Plan(ctx, name)
	if err != nil {
		return nil, err
	}
	s, err := v.Store.Stack(ctx, name)
	if errs.Is(err, errs.NotFound) {
		return v.create(ctx, name, timeoutMins, p.Input, p)
	}
	if err != nil {
		return nil, err
	}
	return s, v.update(ctx, s.ID, timeoutMins, p.Input, p)
}
