package stack

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
)

// Service accepts actions on stacks: it checks them, writes them down and has
// them run. Safe for concurrent use; two actions on one stack never overlap.
type Service struct {
	Store Store
	// Check makes the plan, or says what is wrong with it.
	Check   func(ctx context.Context, s *Stack) (*Made, error)
	Compare Comparer // what Preview asks
	// Passwords completes a stack's passwords; those that exist are kept.
	Passwords func(existing map[string]string) (map[string]string, error)
	// Enqueue has Engine.Run called durably; the same job twice is one job.
	Enqueue func(ctx context.Context, job, stackID string) error
	// Stop ends a running job.
	Stop func(ctx context.Context, job string) error
	// Ended tells whether a job is known and will not run again.
	Ended func(ctx context.Context, job string) (bool, error)
	NewID func() string
	Now   func() time.Time
}

// Made is a plan as its templates give it; the name is for those who wire a
// Service and have nothing else to do with plans.
type Made = plan.Plan

var validName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{0,62}$`)

// job is the idempotency key of one action.
func job(s *Stack) string { return fmt.Sprintf("stack-%s-%d", s.ID, s.Generation) }

// Create accepts a new stack; its plan is what the plan of that name becomes.
func (v *Service) Create(ctx context.Context, name string, timeoutMins int, in Input) (*Stack, error) {
	return v.create(ctx, name, timeoutMins, in, nil)
}

// create is Create of the plan that was read, or of the one there is then.
func (v *Service) create(ctx context.Context, name string, timeoutMins int, in Input, read *Plan) (*Stack, error) {
	if !validName.MatchString(name) {
		return nil, errs.New(errs.Invalid, "stack name %q is not valid: a letter, then letters, digits and -", name)
	}
	switch old, err := v.Store.Stack(ctx, name); {
	case err == nil:
		return nil, v.busy(old, errs.New(errs.Conflict, "the stack (%s) already exists", name))
	case !errs.Is(err, errs.NotFound):
		return nil, err
	}
	now := v.Now()
	s := &Stack{ID: v.NewID(), Name: name, Action: Create, State: InProgress, Reason: "Stack CREATE started", TimeoutMins: timeoutMins,
		Generation: 1, Input: in, CreatedAt: now, StartedAt: now}
	a, _, err := v.accept(ctx, s, in, read)
	if err != nil {
		return nil, err
	}
	if _, err := v.Store.Accept(ctx, a); err != nil {
		if old, serr := v.Store.Stack(ctx, name); errs.Is(err, errs.Conflict) && serr == nil {
			return nil, v.busy(old, err) // somebody else's came first
		}
		return nil, err
	}
	return s, v.enqueue(ctx, s)
}

// enqueue hands the action over; where that fails the stack must not look busy.
func (v *Service) enqueue(ctx context.Context, s *Stack) error {
	err := v.Enqueue(ctx, job(s), s.ID)
	if err == nil {
		return nil
	}
	if serr := v.settle(context.WithoutCancel(ctx), s, "the undercloud could not begin: "+err.Error()); serr != nil {
		return errors.Join(err, serr)
	}
	return err
}

// settle ends an action that nothing will end any more.
func (v *Service) settle(ctx context.Context, s *Stack, reason string) error {
	failure := Failure{Phase: "undercloud", Error: reason, Hint: "run the same command again: it goes on where it stopped"}
	changed := false
	_, err := v.Store.UpdateStack(ctx, s.ID, func(x *Stack) error {
		if changed = x.State == InProgress && x.Generation == s.Generation; !changed {
			return nil
		}
		now := v.Now()
		x.State, x.Reason, x.Failures, x.CancelRequested, x.UpdatedAt = Failed, reason, []Failure{failure}, false, &now
		x.Input = x.Input.Whole()
		return nil
	})
	if err != nil || !changed {
		return err
	}
	return v.Store.Record(ctx, &Event{StackID: s.ID, StackName: s.Name, Type: "OS::Heat::Stack", Status: s.Action + "_" + Failed, Reason: reason, Time: v.Now()})
}

// busy is the refusal while an action runs, otherwise else.
func (v *Service) busy(s *Stack, otherwise error) error {
	if s.State != InProgress {
		return otherwise
	}
	return errs.New(errs.Conflict, "Unable to deploy as the stack '%s' status is '%s', since %s", s.Name, s.Status(), s.StartedAt.UTC().Format("15:04:05Z")).
		WithHint("follow it with: openstack stack event list %s --follow; stop it with: openstack stack cancel %s", s.Name, s.Name)
}

// Update accepts a new shape for a stack, and for the plan of its name.
func (v *Service) Update(ctx context.Context, ident string, timeoutMins int, in Input) error {
	return v.update(ctx, ident, timeoutMins, in, nil)
}

// update is Update of the plan that was read, or of the one there is then.
func (v *Service) update(ctx context.Context, ident string, timeoutMins int, in Input, read *Plan) error {
	old, err := v.Store.Stack(ctx, ident)
	if err != nil {
		return err
	}
	if err := v.busy(old, nil); err != nil {
		return err
	}
	trial := *old
	trial.Action, trial.Input = Update, in.onto(old.Input)
	a, made, err := v.accept(ctx, &trial, in, read)
	if err != nil {
		return err
	}
	if in.Only == "" { // else nothing is configured, and the cloud hears of no passwords
		if trial.NewPasswords, err = v.reaches(ctx, old, &trial, made); err != nil {
			return err
		}
	}
	a.Change = v.started(Update, func(s *Stack) {
		s.Input, s.TimeoutMins = in.onto(s.Input), timeoutMins
		if in.Only == "" || s.Passwords == nil { // of an action that configures nothing the cloud hears of no new ones
			s.Passwords = trial.Passwords
		}
		s.NewPasswords = trial.NewPasswords
	})
	s, err := v.Store.Accept(ctx, a)
	if err != nil {
		return err
	}
	return v.enqueue(ctx, s)
}

// accept checks that s, of which in is asked, can be deployed and gives it the
// plan's passwords. in is to become the plan of that name, unless it is narrowed to
// some machines: then the plan stays as it is. What was read of the plan already is
// what must still be there when the action begins. The deployment's plan is returned, too.
func (v *Service) accept(ctx context.Context, s *Stack, in Input, read *Plan) (Acceptance, *Made, error) {
	p := read
	if p == nil {
		var err error
		p, err = v.Store.Plan(ctx, s.Name)
		switch {
		case errs.Is(err, errs.NotFound):
			p = &Plan{Name: s.Name, Passwords: s.Passwords, CreatedAt: v.Now()}
		case err != nil:
			return Acceptance{}, nil, err
		}
	}
	if err := v.complete(p); err != nil {
		return Acceptance{}, nil, err
	}
	s.Passwords = p.Passwords
	made, err := v.Check(ctx, s)
	if err != nil {
		return Acceptance{}, nil, err
	}
	refusals := []func() error{made.Deployable, made.Shared}
	if in.Only == "" {
		refusals = append(refusals, made.Listed)
	}
	for _, refused := range refusals {
		if err := refused(); err != nil {
			return Acceptance{}, nil, err
		}
	}
	if err := v.checkLimits(ctx, s, made); err != nil {
		return Acceptance{}, nil, err
	}
	a := Acceptance{Was: p.Version, Stack: s}
	if in.Only == "" {
		v.next(p, in)
		a.Plan = p
	}
	return a, made, nil
}

// checkLimits refuses limits that name what there is not, or leave out what is waited for.
func (v *Service) checkLimits(ctx context.Context, s *Stack, made *Made) error {
	if s.Input.Limits.None() {
		return nil
	}
	there, err := v.Store.StackNodes(ctx, s.ID)
	if err != nil {
		return err
	}
	if err := s.Input.Limits.Check(made, there); err != nil {
		return err
	}
	return s.Input.Limits.Ready(made, there)
}

// Delete accepts the end of a stack: machines are given back and cleaned.
func (v *Service) Delete(ctx context.Context, ident string) error {
	return v.begin(ctx, ident, Delete, func(*Stack) {})
}

func (v *Service) begin(ctx context.Context, ident, action string, change func(*Stack)) error {
	old, err := v.Store.Stack(ctx, ident)
	if err != nil {
		return err
	}
	s, err := v.Store.UpdateStack(ctx, old.ID, v.started(action, change))
	if err != nil {
		return err
	}
	return v.enqueue(ctx, s)
}

// started has a stack begin an action, unless one is under way.
func (v *Service) started(action string, change func(*Stack)) func(*Stack) error {
	return func(s *Stack) error {
		if err := v.busy(s, nil); err != nil {
			return err
		}
		change(s)
		s.Action, s.State, s.Reason, s.StartedAt = action, InProgress, "Stack "+action+" started", v.Now()
		s.Generation++
		s.Failures, s.Summary, s.CancelRequested = nil, Summary{}, false
		return nil
	}
}

// Cancel asks the running action to end. Machines stay as they are.
func (v *Service) Cancel(ctx context.Context, ident string) error {
	old, err := v.Store.Stack(ctx, ident)
	if err != nil {
		return err
	}
	s, err := v.Store.UpdateStack(ctx, old.ID, func(s *Stack) error {
		if s.State != InProgress {
			return errs.New(errs.Conflict, "stack %s is %s: there is nothing to cancel", s.Name, s.Status())
		}
		s.CancelRequested = true
		return nil
	})
	if err != nil {
		return err
	}
	if err := v.Stop(ctx, job(s)); err != nil {
		return err
	}
	return v.awaitEnd(ctx, s)
}

// cancelWait is how long a cancelled action may take to write down its end.
const cancelWait = 10 * time.Second

// awaitEnd waits until the action has written its end, and writes it itself where
// the job ended without (it had not begun, or died in between).
func (v *Service) awaitEnd(ctx context.Context, s *Stack) error {
	deadline := time.Now().Add(cancelWait)
	for {
		now, err := v.Store.Stack(ctx, s.ID)
		if errs.Is(err, errs.NotFound) || err == nil && now.State != InProgress {
			return nil
		}
		if err != nil {
			return err
		}
		ended, err := v.Ended(ctx, job(s))
		if err != nil {
			return err
		}
		if time.Now().After(deadline) {
			if ended {
				return v.settle(ctx, s, "cancelled by the user")
			}
			return nil // a step that cannot be interrupted; its end will be written
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Resume has unfinished actions run again: a crash may fall between the row and
// its job. An action whose job has ended without a word is closed as failed.
func (v *Service) Resume(ctx context.Context) error {
	all, err := v.Store.Stacks(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.State != InProgress {
			continue
		}
		ended, err := v.Ended(ctx, job(s))
		if err != nil {
			return fmt.Errorf("look for the job of stack %s: %w", s.Name, err)
		}
		switch {
		case ended && s.CancelRequested:
			err = v.settle(ctx, s, "cancelled by the user")
		case ended:
			err = v.settle(ctx, s, "the undercloud was interrupted as the action ended")
		default:
			err = v.Enqueue(ctx, job(s), s.ID)
		}
		if err != nil {
			return fmt.Errorf("resume stack %s: %w", s.Name, err)
		}
	}
	return nil
}
