package deploy

import (
	"context"
	"slices"

	"trefoil/overcloud/stack"
)

// event records a change of a resource; one that repeats what is recorded
// already (after a restart) is dropped.
func (r *run) event(ctx context.Context, name, action, state, reason, physical string) error {
	status := action + "_" + state
	if name != "" {
		rows, err := r.Store.Resources(ctx, r.s.ID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(rows, func(x stack.Resource) bool { return x.Name == name })
		if i >= 0 && rows[i].Status == status && rows[i].Reason == reason && !rows[i].UpdatedAt.Before(r.s.StartedAt) {
			return nil
		}
	}
	if reason == "" {
		reason = "state changed"
	}
	if physical == "" && name != "" {
		physical = stack.PhysicalID(r.s.ID, name)
	}
	return r.Store.Record(ctx, &stack.Event{StackID: r.s.ID, StackName: r.s.Name, Resource: name, Type: stack.ResourceType(name),
		PhysicalID: physical, Status: status, Reason: reason, Time: r.Now()})
}

// around records IN_PROGRESS, runs f and records how it ended. A resource that
// ends because the service stops stays in progress.
func (r *run) around(ctx context.Context, name, physical string, f func() error) error {
	if err := r.event(ctx, name, r.s.Action, stack.InProgress, "state changed", physical); err != nil {
		return err
	}
	if err := f(); err != nil {
		if ctx.Err() == nil {
			_ = r.event(ctx, name, r.s.Action, stack.Failed, err.Error(), physical) // the cause matters more
		}
		return err
	}
	return r.event(ctx, name, r.s.Action, stack.Complete, "state changed", physical)
}
