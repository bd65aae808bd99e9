package deploy

import (
	"cmp"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// askedFor is the address on ctlplane that somebody asked for a machine: in the file of machines,
// or by a parameter; "" for any.
func (r *run) askedFor(p *plan.Plan, n stack.Node) string {
	return cmp.Or(instanceOf(r.machines, n.Name).FixedIP(), p.FixedAddress(n.Role, n.Index))
}
