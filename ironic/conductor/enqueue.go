package conductor

import (
	"context"
	"crypto/rand"
	"fmt"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
)

// jobRef is how a node remembers the job that carries it.
type jobRef struct {
	ID   string
	Kind string
	User string // who asked for it; empty: nobody who is known
}

func jobOf(n *ironic.Node) (jobRef, bool) {
	info := n.DriverInternalInfo
	j := jobRef{ID: text(info, keyJobID), Kind: text(info, keyJobKind), User: text(info, keyJobUser)}
	return j, j.ID != ""
}

// assign gives a node a new job inside an update; the caller enqueues it afterwards.
// The id is random in its end: jobs outlive their node, and a node that is created
// again with the same UUID must not meet one of its predecessor. Who asked for it stands
// beside it, for a start that finds the job decided but not stored.
func assign(n *ironic.Node, kind, user string) jobRef {
	j := jobRef{ID: fmt.Sprintf("%s/%s/%s", n.UUID, kind, rand.Text()), Kind: kind, User: user}
	put(n, keyJobID, j.ID)
	put(n, keyJobKind, kind)
	delete(n.DriverInternalInfo, keyJobUser) // of the job before
	if user != "" {
		put(n, keyJobUser, user)
	}
	return j
}

func unassign(n *ironic.Node) {
	delete(n.DriverInternalInfo, keyJobID)
	delete(n.DriverInternalInfo, keyJobKind)
	delete(n.DriverInternalInfo, keyJobUser)
}

// cancelOld ends the job that a node had before it was given another one.
func (c *Conductor) cancelOld(ctx context.Context, old jobRef) {
	if old.ID == "" {
		return
	}
	if err := c.Jobs.Cancel(ctx, old.ID); err != nil && !errs.Is(err, errs.NotFound) {
		c.Log.Warn("cancel the job before", "job", old.ID, "error", err)
	}
}

// enqueue stores a job that was assigned to a node. The caller, who has the node's
// lock, settles the failure: nobody else would before the next start.
func (c *Conductor) enqueue(ctx context.Context, n *ironic.Node, j jobRef) error {
	if err := c.Jobs.Enqueue(ctx, jobPrefix+j.Kind, j.ID, jobInput{Node: n.UUID, User: j.User}); err != nil {
		return errs.Wrap(errs.CodeOf(err), err, "store the %s job of node %s", j.Kind, title(n))
	}
	return nil
}

// takeBack undoes an assignment whose job could not be stored.
func (c *Conductor) takeBack(ctx context.Context, uuid string, j jobRef, cause error, undo func(*ironic.Node)) error {
	_, err := c.Store.UpdateNode(ctx, uuid, func(n *ironic.Node) error {
		if cur, ok := jobOf(n); !ok || cur.ID != j.ID {
			return nil
		}
		unassign(n)
		undo(n)
		n.LastError = ironic.Shortened(cause.Error())
		return nil
	})
	c.note(ironic.WithUser(ctx, j.User), uuid, "transition", "ERROR", fmt.Sprintf("%s did not start: %v", j.Kind, cause))
	return err
}

// restoreState puts back what start and prepare have changed.
func restoreState(n, before *ironic.Node) {
	n.ProvisionState, n.TargetProvisionState, n.ProvisionUpdatedAt = before.ProvisionState, before.TargetProvisionState, before.ProvisionUpdatedAt
	n.Maintenance, n.MaintenanceReason, n.Fault = before.Maintenance, before.MaintenanceReason, before.Fault
	n.InspectionStartedAt, n.InspectionFinishedAt = before.InspectionStartedAt, before.InspectionFinishedAt
	n.InstanceInfo, n.Lessee = before.InstanceInfo, before.Lessee
	n.CleanStep, n.DeployStep, n.ServiceStep = before.CleanStep, before.DeployStep, before.ServiceStep
	for _, k := range append(flowKeys(), keyReceived, api.KeyThenInspect, api.KeyAutomaticLessee) {
		delete(n.DriverInternalInfo, k)
		if v, ok := before.DriverInternalInfo[k]; ok {
			put(n, k, v)
		}
	}
}
