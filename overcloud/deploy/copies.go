package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// CheckCopies refuses more copies of Ceph's data than the machines have disks for, those
// that the stack keeps and those that were chosen, before any of them is touched. Whether
// something is on a disk only the machine itself knows: only what can never be is refused.
func CheckCopies(ctx context.Context, c Cloud, p *plan.Plan, keep []stack.Node, chosen []placement.Choice) error {
	copies, osds := p.Copies(), p.OSDs()
	if copies == 0 {
		return nil
	}
	type machine struct{ role, uuid, name string }
	var all []machine
	for _, n := range keep {
		all = append(all, machine{n.Role, n.UUID, n.Name})
	}
	for _, n := range chosen {
		all = append(all, machine{n.Role, n.Node.UUID, n.Node.Label()})
	}
	have := 0
	var seen []string
	for _, m := range all {
		o, some := osds[m.role]
		if !some {
			continue
		}
		n := o.Least
		if !o.Listed {
			disks, err := c.DataDisks(ctx, m.uuid)
			if err != nil {
				return fmt.Errorf("disks of node %s: %w", m.name, err)
			}
			if disks == nil {
				return nil
			}
			n = large(disks, o.MinSizeGB)
		}
		have += n
		seen = append(seen, fmt.Sprintf("%s has %d", m.name, n))
	}
	if have >= copies || len(seen) == 0 {
		return nil
	}
	slices.Sort(seen)
	return errs.New(errs.Invalid, "%s asks for %d copies, and there are %d data disks: %s", p.CopiesBy, copies, have, strings.Join(seen, ", ")).
		WithHint("lower it, add storage machines, or disks and openstack overcloud node introspect; disks smaller than CephOsdMinDiskSizeGB do not count")
}

// large is how many disks have at least as many GiB.
func large(disks map[string]int64, gib int) int {
	n := 0
	for _, bytes := range disks {
		if bytes >= int64(gib)<<30 {
			n++
		}
	}
	return n
}
