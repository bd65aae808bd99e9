package apitest

import (
	"context"

	"trefoil/ironic"
	"trefoil/ironic/api"
)

var _ api.Allocator = (*Conductor)(nil)

// Allocate stores the allocation and looks for its node at once; the caller's
// copy is as it was before the search.
func (c *Conductor) Allocate(ctx context.Context, a *ironic.Allocation) error {
	if err := c.called("Allocate", a.Name); err != nil {
		return err
	}
	if a.NodeUUID != "" {
		return c.Store.CreateAllocation(ctx, a, a.Backfills)
	}
	a.State = ironic.AllocationAllocating
	if err := c.Store.CreateAllocation(ctx, a, nil); err != nil {
		return err
	}
	nodes, err := c.Store.Nodes(ctx, ironic.NodeFilter{})
	if err != nil {
		return err
	}
	nodes, failed := a.Candidates(nodes, func(int, func(i, j int)) {})
	if failed == nil {
		_, err = c.Store.Assign(ctx, a.UUID, nodes[0].UUID, func(*ironic.Node) error { return nil })
		return err
	}
	_, err = c.Store.UpdateAllocation(ctx, a.UUID, func(row *ironic.Allocation) error {
		row.State, row.LastError = ironic.AllocationError, failed.Error()
		return nil
	})
	return err
}

// DeleteAllocation frees the node by the conductor's rule.
func (c *Conductor) DeleteAllocation(ctx context.Context, uuid string) error {
	if err := c.called("DeleteAllocation"); err != nil {
		return err
	}
	_, err := c.Store.DeleteAllocation(ctx, uuid, (*ironic.Allocation).MayRemove)
	return err
}
