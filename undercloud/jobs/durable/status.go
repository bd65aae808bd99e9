package durable

import (
	"context"
	"fmt"
	"slices"

	"trefoil/internal/errs"
	"trefoil/undercloud/jobs"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// Status tells how a job stands; NotFound when it is not known.
func (d *Runner) Status(ctx context.Context, id string) (*jobs.Status, error) {
	c, err := d.context(ctx)
	if err != nil {
		return nil, err
	}
	list, err := dbos.ListWorkflows(c, dbos.WithFilterWorkflowIDs(id), dbos.WithFilterLoadInput(false))
	if err != nil {
		return nil, fmt.Errorf("read job %s: %w", id, err)
	}
	if len(list) == 0 {
		return nil, errs.New(errs.NotFound, "there is no job %s", id)
	}
	s := status(list[0])
	return &s, nil
}

// List returns jobs of a kind (all kinds when empty) in any of the states (all
// when none is named), oldest first.
func (d *Runner) List(ctx context.Context, kind string, states ...jobs.State) ([]jobs.Status, error) {
	c, err := d.context(ctx)
	if err != nil {
		return nil, err
	}
	list, err := dbos.ListWorkflows(c, dbos.WithFilterName("job"), dbos.WithFilterLoadInput(false))
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	var out []jobs.Status
	for _, w := range list {
		s := status(w)
		if (kind == "" || s.Kind == kind) && (len(states) == 0 || slices.Contains(states, s.State)) {
			out = append(out, s)
		}
	}
	return out, nil
}

func status(w dbos.WorkflowStatus) jobs.Status {
	s := jobs.Status{ID: w.ID, CreatedAt: w.CreatedAt.UTC(), UpdatedAt: w.UpdatedAt.UTC()}
	s.Kind, _ = w.Attributes["kind"].(string)
	if w.Error != nil {
		s.Error = w.Error.Error()
	}
	switch w.Status {
	case dbos.WorkflowStatusSuccess:
		s.State = jobs.Done
	case dbos.WorkflowStatusError, dbos.WorkflowStatusMaxRecoveryAttemptsExceeded:
		s.State = jobs.Failed
	case dbos.WorkflowStatusCancelled:
		s.State = jobs.Cancelled
	case dbos.WorkflowStatusPending:
		s.State = jobs.Running
	default: // enqueued, delayed: a job taken up after a crash waits for its turn
		s.State = jobs.Pending
	}
	return s
}
