package deploy

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// askedFor is the address on ctlplane that somebody asked for a machine: in the file of machines,
// or by a parameter; "" for any.
func (r *run) askedFor(p *plan.Plan, n stack.Node) string {
	return cmp.Or(instanceOf(r.machines, n.Name).FixedIP(), p.FixedAddress(n.Role, n.Index))
}

// askedAddresses makes the ports of machines that an address is asked for: before the virtual
// address and those of other machines, which are the lowest that is free, and before any machine
// is touched.
func (r *run) askedAddresses(ctx context.Context, p *plan.Plan, nodes []stack.Node) error {
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(n stack.Node) bool { return r.askedFor(p, n) == "" })
	return join("provisioning", each(nodes, func(n stack.Node) error {
		ip := r.askedFor(p, n)
		if _, err := r.Cloud.EnsurePort(ctx, n.UUID, n.Name, n.InstanceUUID, ip); err != nil {
			return fmt.Errorf("give %s the address %s: %w", n.Name, ip, err)
		}
		return nil
	}))
}
