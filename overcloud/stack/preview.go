package stack

import (
	"context"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan/diff"
)

// Comparer tells what leads from before, what is deployed (nil: nothing), to
// after, what is asked for. It stores nothing.
type Comparer func(ctx context.Context, before, after *Stack) (*diff.Diff, error)

// Preview tells what Create, or Update where there is a stack of that name, would
// do with the input. Nothing is stored, so it works while an action runs, too.
func (v *Service) Preview(ctx context.Context, name string, in Input) (*diff.Diff, error) {
	after := &Stack{Name: name, Action: Create, Input: in}
	before, err := v.Store.Stack(ctx, name)
	switch {
	case err == nil:
		copied := *before.Whole()
		if copied.Action == Delete {
			copied.Action = Update // templates know nothing of deleting
		}
		// A change of StackAction from CREATE to UPDATE is nobody's change: it is the same on both sides.
		a := copied
		a.Input = in.onto(copied.Input)
		before, after = &copied, &a
	case !errs.Is(err, errs.NotFound):
		return nil, err
	case !validName.MatchString(name):
		return nil, errs.New(errs.Invalid, "stack name %q is not valid: a letter, then letters, digits and -", name)
	default:
		before = nil
	}
	p, err := v.Store.Plan(ctx, after.Name)
	if errs.Is(err, errs.NotFound) {
		p, err = &Plan{Name: after.Name, Passwords: after.Passwords}, nil
	}
	if err == nil {
		err = v.complete(p)
	}
	if err != nil {
		return nil, err
	}
	after.Passwords = p.Passwords
	return v.Compare(ctx, before, after)
}
