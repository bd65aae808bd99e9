package deploy

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// CheckDisks refuses what Ceph's OSDs cannot have: disks that are named and that
// introspection has not seen on a chosen machine, and more copies of data than the
// machines have disks for. It is called before any machine is touched.
func CheckDisks(ctx context.Context, c Cloud, p *plan.Plan, keep []stack.Node, chosen []placement.Choice) error {
	if err := checkDevices(ctx, c, p, chosen); err != nil {
		return err
	}
	return checkCopies(ctx, c, p, keep, chosen)
}

// checkDevices refuses disks by their plain names (/dev/vdb): those behind links of udev
// only the machine itself knows. Machines that are kept may have got disks since.
func checkDevices(ctx context.Context, c Cloud, p *plan.Plan, chosen []placement.Choice) error {
	osds := p.OSDs()
	var lines []string
	for _, n := range chosen {
		o := osds[n.Role]
		if o.Devices == nil {
			continue
		}
		disks, err := c.DataDisks(ctx, n.Node.UUID)
		if err != nil {
			return fmt.Errorf("disks of node %s: %w", n.Node.Label(), err)
		}
		if disks == nil { // nobody has looked
			continue
		}
		var gone []string
		for _, d := range o.Devices {
			if _, there := disks[d]; !there && path.Dir(d) == "/dev" {
				gone = append(gone, d)
			}
		}
		if len(gone) > 0 {
			lines = append(lines, fmt.Sprintf("node %s, chosen for role %s, has no disk %s for OSDs: besides the disk of its image introspection saw %s", n.Node.Label(), n.Role, strings.Join(gone, ", "), listed(disks)))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(lines, "\n")).
		WithHint("correct the devices of CephAnsibleDisksConfig (<Role>Parameters has one for a role of its own); after a change of disks: openstack overcloud node introspect --provide NODE")
}

// listed are disks by name, with their sizes.
func listed(disks map[string]int64) string {
	var out []string
	for _, name := range sortedKeys(disks) {
		out = append(out, fmt.Sprintf("%s (%d GiB)", name, disks[name]>>30))
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

// checkCopies refuses more copies of Ceph's data than the machines have disks for, those
// that the stack keeps and those that were chosen, before any of them is touched. Whether
// something is on a disk only the machine itself knows: only what can never be is refused.
func checkCopies(ctx context.Context, c Cloud, p *plan.Plan, keep []stack.Node, chosen []placement.Choice) error {
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
		if o.Devices == nil {
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
		WithHint("lower it, or add storage machines, or disks: of a machine that is not deployed yet they count after openstack overcloud node introspect, of one that is when CephAnsibleDisksConfig names them (devices); those smaller than CephOsdMinDiskSizeGB do not count")
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
