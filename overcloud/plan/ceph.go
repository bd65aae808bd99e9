package plan

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
)

// The settings that our Ceph templates give, for what a plan can check without machines.
const (
	poolSizeKey = "ceph::pool_size"        // of ceph_mon: copies; 0 is automatic
	osdsKey     = "ceph::osds"             // of ceph_osd: devices; none is every data disk
	minOSDsKey  = "ceph::osds_per_machine" // of ceph_osd: the least that a machine must have
	osdSizeKey  = "ceph::osd_min_size_gb"  // of ceph_osd: the smallest disk that it takes
	byKey       = "::rbd_by"               // behind the name of a service that keeps its data in Ceph: the parameter that says so
)

// osdService is the service_name of Ceph's OSDs.
const osdService = "ceph_osd"

// The parameters that say how many copies there are to be, and how many disks for them.
const (
	copiesParameter = "CephPoolDefaultSize"
	disksParameter  = "CephOsdMinDisks"
)

// devicesParameter names the disks for OSDs.
const devicesParameter = "CephAnsibleDisksConfig"

// OSDs are those of each machine of a role.
type OSDs struct {
	Least     int      // that it has
	Devices   []string // by name, and no others; nil: every free disk
	MinSizeGB int      // of a disk that is taken
}

// checkCeph refuses data in a Ceph that there is not, and more copies than there are disks.
// Trees whose services are not ours to apply are left to the programs that do.
func (b *builder) checkCeph(p *Plan) error {
	osds := p.OSDs()
	if len(osds) == 0 {
		return b.checkBackends(p)
	}
	if err := b.checkDisks(osds); err != nil {
		return err
	}
	_, known := b.env.Defaults[disksParameter]
	n := 0
	var keeping []string
	for _, r := range p.Roles {
		o, some := osds[r.Name]
		if !some {
			continue
		}
		if n += r.Count * o.Least; o.Devices != nil {
			keeping = append(keeping, fmt.Sprintf("%d machines of role %s with %d each", r.Count, r.Name, o.Least))
		} else if keeping = append(keeping, fmt.Sprintf("%d machines of role %s with at least %d each", r.Count, r.Name, o.Least)); !known {
			return nil // every free disk is taken, and nobody has said how many there are: placement counts them
		}
	}
	if copies := p.Copies(); copies > n {
		return errs.New(errs.Invalid, "%s asks for %d copies, and there are %d OSDs: %s", p.CopiesBy, copies, n, strings.Join(keeping, ", ")).
			WithHint("lower %s, raise the number of storage machines, or the number of their data disks: those listed in CephAnsibleDisksConfig, or else %s", copiesParameter, disksParameter)
	}
	return nil
}

// checkDisks refuses a list of disks that says something else than which: a slip in it
// must not become "every disk", least of all where what they hold may be lost.
func (b *builder) checkDisks(osds map[string]OSDs) error {
	var all problems
	for _, role := range sortedKeys(osds) {
		for _, parameter := range []string{devicesParameter, role + "Parameters"} {
			v, from := b.env.Defaults[parameter], b.env.Origins[parameter]
			if own, _ := v.(map[string]any); parameter != devicesParameter {
				v = own[devicesParameter]
			}
			if v != nil && !isText(v) {
				diskList(&all, from, v)
			}
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(all, "\n")).
		WithHint("%s: {devices: [/dev/vdb, /dev/vdc]}; leave it out, and every disk is taken that nothing is on", devicesParameter)
}

func diskList(all *problems, from hot.Origin, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		all.add(from.File, from.Line, "%s: expected {devices: [/dev/vdb]}; found %s", devicesParameter, hot.String(v))
	}
	for _, k := range sortedKeys(m) {
		if k != "devices" {
			all.add(from.File, from.Line, "%s: unknown key %q%s: only devices is known", devicesParameter, k, nearest.Hint(k, []string{"devices"}))
		}
	}
	list, ok := m["devices"].([]any)
	if _, given := m["devices"]; given && (!ok || len(list) == 0) {
		all.add(from.File, from.Line, "%s: devices: expected a list of disks; found %s", devicesParameter, hot.String(m["devices"]))
	}
	seen := map[string]bool{}
	for _, d := range list {
		disk := hot.String(d)
		if path.Clean(disk) != disk || !strings.HasPrefix(disk, "/dev/") {
			all.add(from.File, from.Line, "%s: devices: %q is not the path of a disk below /dev", devicesParameter, disk)
		}
		if seen[disk] {
			all.add(from.File, from.Line, "%s: devices: %s is listed twice", devicesParameter, disk)
		}
		seen[disk] = true
	}
}

// checkBackends refuses services that keep their data in Ceph; no machine has OSDs.
func (b *builder) checkBackends(p *Plan) error {
	var lines []string
	for _, r := range p.Roles {
		for _, d := range r.Data {
			by := hot.String(d.Settings[d.Name+byKey])
			if r.Count == 0 || by == "" {
				continue
			}
			lines = append(lines, fmt.Sprintf("%s%s has service %s (%s) of role %s keep its data in Ceph, and no machine has OSDs: %s",
				b.setBy(by), by, d.Name, d.Template, r.Name, p.cureNeed(osdService, nil)))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(lines, "\n")).
		WithHint("deploy machines with OSDs (--ceph-storage-scale), or leave these parameters out: data are then in Ceph where there is one")
}

// setBy is who set a parameter, as a message begins; nothing where nobody did.
func (b *builder) setBy(parameter string) string {
	if o := b.env.Origins[parameter]; o.File != "" {
		return o.String() + ": "
	}
	return ""
}

// OSDs are those of each machine, by role; of roles that have machines and OSDs.
func (p *Plan) OSDs() map[string]OSDs {
	out := map[string]OSDs{}
	for _, r := range p.Roles {
		for i := range r.Data {
			d := &r.Data[i]
			if d.Name != osdService || d.foreign() != "" || r.Count == 0 {
				continue
			}
			o := OSDs{Least: max(number(d.Settings[minOSDsKey]), 1), MinSizeGB: number(d.Settings[osdSizeKey])}
			if list, _ := d.Settings[osdsKey].([]any); len(list) > 0 {
				o.Least = len(list)
				for _, d := range list {
					o.Devices = append(o.Devices, hot.String(d))
				}
			}
			out[r.Name] = o
		}
	}
	return out
}

// Copies is how many copies of Ceph's data are asked for; 0 is as many as fit.
func (p *Plan) Copies() int {
	n := 0
	for _, r := range p.Roles {
		for i := range r.Data {
			if d := &r.Data[i]; d.Name == "ceph_mon" && d.foreign() == "" && r.Count > 0 {
				n = max(n, number(d.Settings[poolSizeKey]))
			}
		}
	}
	return n
}

// number is a whole number of a template's value; 0 where it is none.
func number(v any) int {
	n, err := strconv.Atoi(hot.String(v))
	if err != nil {
		return 0
	}
	return n
}
