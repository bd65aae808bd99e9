package plan

import (
	"fmt"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/hot"
)

// The settings that our Ceph templates give, for what a plan can check without machines.
const (
	poolSizeKey = "ceph::pool_size"        // of ceph_mon: copies; 0 is automatic
	osdsKey     = "ceph::osds"             // of ceph_osd: devices; none is every data disk
	minOSDsKey  = "ceph::osds_per_machine" // of ceph_osd: the least that a machine must have
)

// checkCeph refuses more copies than there are disks. Trees whose services are not ours to apply
// are left to the programs that do.
func (p *Plan) checkCeph() error {
	var keeping []string
	osds, copies := 0, 0
	for _, r := range p.Roles {
		for i := range r.Data {
			d := &r.Data[i]
			switch {
			case d.foreign() != "" || r.Count == 0:
			case d.Name == "ceph_osd":
				n := max(number(d.Settings[minOSDsKey]), 1)
				if list, _ := d.Settings[osdsKey].([]any); len(list) > 0 {
					n = len(list)
				}
				osds += r.Count * n
				keeping = append(keeping, fmt.Sprintf("%d of role %s with at least %d each", r.Count, r.Name, n))
			case d.Name == "ceph_mon":
				copies = max(copies, number(d.Settings[poolSizeKey]))
			}
		}
	}
	if copies > osds && osds > 0 {
		return errs.New(errs.Invalid, "CephPoolDefaultSize asks for %d copies, and there are %d OSDs: machines %s", copies, osds, strings.Join(keeping, ", ")).
			WithHint("lower CephPoolDefaultSize, raise the number of storage machines, or set CephOsdMinDisks to the data disks that each of them has")
	}
	return nil
}

// number is a whole number of a template's value; 0 where it is none.
func number(v any) int {
	n, err := strconv.Atoi(hot.String(v))
	if err != nil {
		return 0
	}
	return n
}
