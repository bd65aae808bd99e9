package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/fsm"
	"trefoil/undercloud/jobs"
)

// jobAllocate is the kind of the job that finds a node for an allocation. It is
// no node's job: a node becomes the allocation's in one transaction at its end.
const jobAllocate = jobPrefix + "allocate"

type allocateInput struct {
	Allocation string `json:"allocation"`
}

// allocateID is the job of an allocation. The row's number is in it because a UUID
// that a client chose may come again.
func allocateID(a *ironic.Allocation) string { return fmt.Sprintf("%s/allocate/%d", a.UUID, a.ID) }

// lockedPoll is how often nodes that somebody holds are tried again.
const lockedPoll = 100 * time.Millisecond

var _ api.Allocator = (*Conductor)(nil)

// Allocate stores a and begins the search for its node.
func (c *Conductor) Allocate(ctx context.Context, a *ironic.Allocation) error {
	if a.NodeUUID != "" {
		return c.backfill(ctx, a)
	}
	a.State = ironic.AllocationAllocating
	if err := c.Store.CreateAllocation(ctx, a, nil); err != nil {
		return err
	}
	err := c.Jobs.Enqueue(ctx, jobAllocate, allocateID(a), allocateInput{a.UUID})
	if err == nil {
		return nil
	}
	err = errs.Wrap(errs.CodeOf(err), err, "store the job of allocation %s", a.UUID)
	// Nobody would look for its node before the next start: as if it had never been.
	_, derr := c.Store.DeleteAllocation(context.WithoutCancel(ctx), a.UUID, (*ironic.Allocation).MayRemove)
	return errors.Join(err, derr)
}

// backfill writes down an allocation for a node that is deployed already. One
// that does not fit stays as an allocation in error, as with Ironic.
func (c *Conductor) backfill(ctx context.Context, a *ironic.Allocation) error {
	_, release, err := c.hold(ctx, a.NodeUUID, "allocation backfilling")
	if err != nil {
		return err
	}
	defer release()
	a.State = ironic.AllocationAllocating
	err = c.Store.CreateAllocation(ctx, a, a.Backfills)
	if err == nil {
		c.noteReserved(ctx, a)
		return nil
	}
	if !errs.Is(err, errs.Conflict) {
		return err
	}
	failed := *a
	failed.NodeUUID, failed.State, failed.LastError = "", ironic.AllocationError, ironic.Shortened(err.Error())
	if ferr := c.Store.CreateAllocation(ctx, &failed, nil); ferr != nil && !errs.Is(ferr, errs.Conflict) {
		return errors.Join(err, ferr) // a conflict is what err says already: the name or UUID is taken
	}
	return err
}

func (c *Conductor) noteReserved(ctx context.Context, a *ironic.Allocation) {
	name := a.UUID
	if a.Name != "" {
		name = a.Name + " (" + a.UUID + ")"
	}
	c.note(ctx, a.NodeUUID, "allocation", "INFO", "reserved for allocation "+name)
}

// DeleteAllocation removes an allocation and frees its node.
func (c *Conductor) DeleteAllocation(ctx context.Context, uuid string) error {
	a, err := c.Store.Allocation(ctx, uuid)
	if err != nil {
		return err
	}
	if a.NodeUUID != "" {
		_, release, err := c.hold(ctx, a.NodeUUID, "allocation deletion")
		if err != nil {
			return err
		}
		defer release()
	}
	gone, err := c.Store.DeleteAllocation(ctx, a.UUID, (*ironic.Allocation).MayRemove)
	if err != nil {
		return err
	}
	if gone.NodeUUID != "" {
		c.note(ctx, gone.NodeUUID, "allocation", "INFO", "allocation "+gone.UUID+" was deleted; the node is free")
	}
	return nil
}

// takeUpAllocations starts the searches that a killed predecessor had accepted
// but not stored, and settles those whose job ended without a result.
func (c *Conductor) takeUpAllocations(ctx context.Context) error {
	waiting, err := c.Store.Allocations(ctx, ironic.AllocationFilter{State: ironic.AllocationAllocating})
	if err != nil {
		return fmt.Errorf("take up allocations: %w", err)
	}
	for _, a := range waiting {
		st, err := c.Jobs.Status(ctx, allocateID(a))
		switch {
		case errs.Is(err, errs.NotFound):
			err = c.Jobs.Enqueue(ctx, jobAllocate, allocateID(a), allocateInput{a.UUID})
		case err != nil:
		case st.State == jobs.Pending || st.State == jobs.Running:
		default:
			err = c.failAllocation(ctx, a.UUID, a.Failed("its job ended without a result (%s)", st.State))
		}
		if err != nil {
			return fmt.Errorf("take up allocation %s: %w", a.UUID, err)
		}
	}
	return nil
}

// allocate is the job behind Allocate.
func (c *Conductor) allocate(r jobs.Run, raw json.RawMessage) error {
	var in allocateInput
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("decode the input of job %s: %w", r.ID(), err)
	}
	_, err := r.Step("allocate", func(ctx context.Context) (any, error) { return nil, c.findNode(ctx, in.Allocation) })
	if err == nil || r.Err() != nil {
		return err // found or refused, or stopped: then it goes on at the next start
	}
	c.Log.Error("allocation failed", "allocation", in.Allocation, "error", err)
	ferr := c.failAllocation(context.WithoutCancel(r), in.Allocation, errs.Wrap(errs.Internal, err, "Unexpected exception during allocation"))
	return errors.Join(err, ferr)
}

// findNode looks for a node, and writes down that or why there is none. It may
// run again after a crash: then the allocation has what it was given.
func (c *Conductor) findNode(ctx context.Context, uuid string) error {
	a, err := c.Store.Allocation(ctx, uuid)
	if errs.Is(err, errs.NotFound) || err == nil && a.State != ironic.AllocationAllocating {
		return nil
	}
	if err != nil {
		return err
	}
	err = c.pickNode(ctx, a)
	if errs.Is(err, errs.Conflict) {
		return c.failAllocation(ctx, a.UUID, err)
	}
	return err
}

func (c *Conductor) failAllocation(ctx context.Context, uuid string, why error) error {
	_, err := c.Store.UpdateAllocation(ctx, uuid, func(a *ironic.Allocation) error {
		if a.State == ironic.AllocationAllocating {
			a.State, a.LastError = ironic.AllocationError, ironic.Shortened(why.Error())
		}
		return nil
	})
	if errs.Is(err, errs.NotFound) {
		return nil // deleted meanwhile
	}
	return err
}

// pickNode tries the candidates in turn. Those that somebody holds are tried
// again for LockWait. A Conflict is the verdict.
func (c *Conductor) pickNode(ctx context.Context, a *ironic.Allocation) error {
	free, upright := false, false
	nodes, err := c.Store.Nodes(ctx, ironic.NodeFilter{ProvisionState: string(fsm.Available), ResourceClass: a.ResourceClass,
		Associated: &free, Maintenance: &upright})
	if err != nil {
		return err
	}
	if nodes, err = a.Candidates(nodes, rand.Shuffle); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, c.LockWait)
	defer cancel()
	for {
		var held []*ironic.Node
		for _, n := range nodes {
			switch err := c.claim(ctx, a, n.UUID); {
			case err == nil:
				return nil
			case errs.Is(err, errs.Locked):
				held = append(held, n)
			case errors.Is(err, errTakenMeanwhile) || errs.Is(err, errs.NotFound):
			default:
				return err
			}
		}
		switch {
		case len(held) == 0:
			return a.Failed("all nodes were filtered out during reservation")
		case c.pause(wait, lockedPoll) == nil:
			nodes = held
		case ctx.Err() != nil:
			return context.Cause(ctx)
		default:
			return a.Failed("could not reserve any of %d suitable nodes", len(held))
		}
	}
}

// errTakenMeanwhile says that a candidate no longer suits the allocation.
var errTakenMeanwhile = errors.New("the node does not suit the allocation any more")

// claim makes a node the allocation's if nobody holds it and it still suits.
func (c *Conductor) claim(ctx context.Context, a *ironic.Allocation, node string) error {
	now, cancel := context.WithCancel(ctx)
	cancel() // the lock is taken if it is free; nobody is waited for
	release, err := c.locks.take(now, node, "allocating", c.Now())
	if err != nil {
		return errs.Wrap(errs.Locked, err, "node %s", node)
	}
	n, err := c.reserve(ctx, node, "allocating")
	if err != nil {
		release()
		return err
	}
	defer c.releaser(node, release)()
	if j, busy := jobOf(n); busy {
		return errs.New(errs.Locked, "node %s has yet to begin its %s job", node, j.Kind)
	}
	given, err := c.Store.Assign(ctx, a.UUID, node, func(n *ironic.Node) error {
		if !a.Suits(n) {
			return errTakenMeanwhile
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.noteReserved(ctx, given)
	return nil
}
