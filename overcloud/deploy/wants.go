package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/baremetal"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/plan"
)

// Wants turns a plan's roles, and the instances of a file where there is one,
// into what placement looks for, and holds the images against the services. images gives the id of each image by its name.
func Wants(ctx context.Context, c Cloud, p *plan.Plan, d *baremetal.Deployment) (wants []placement.Want, images map[string]string, err error) {
	images, found := map[string]string{}, map[string]Image{}
	var short lacks
	image := func(role plan.Role, name string) (int, error) {
		i, known := found[name]
		if !known {
			if i, err = c.Image(ctx, name); err != nil {
				return 0, err
			}
			found[name], images[name] = i, i.ID
		}
		short.look(role, name, i)
		return i.MinDiskGB, nil
	}
	listed := rolesOf(d)
	for _, role := range p.Roles {
		if role.Count == 0 {
			continue
		}
		w := placement.Want{Role: role.Name, Flavor: role.Flavor, Count: role.Count, KVM: LibvirtType(role) == "kvm"}
		if listed[role.Name] {
			w.Pins, err = pins(role, d, image)
		} else if w.Profile, w.ResourceClass, err = c.Flavor(ctx, role.Flavor); err == nil {
			w.Removed = role.Removed
			w.MinDiskGB, err = image(role, role.Image)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("role %s: %w", role.Name, err)
		}
		wants = append(wants, w)
	}
	return wants, images, short.err()
}

func pins(role plan.Role, d *baremetal.Deployment, image func(plan.Role, string) (int, error)) ([]placement.Pin, error) {
	var out []placement.Pin
	for _, in := range d.Instances {
		if in.Role != role.Name {
			continue
		}
		disk, err := image(role, in.Image())
		if err != nil {
			return nil, err
		}
		out = append(out, placement.Pin{Name: in.Hostname, Index: in.Index, Node: in.Node(), ResourceClass: in.ResourceClass(), ConductorGroup: in.ConductorGroup(),
			Capabilities: in.Capabilities(), Traits: in.Traits(), MinDiskGB: disk, KVM: LibvirtType(role) == "kvm"})
	}
	return out, nil
}

// libvirtType is the setting by which nova_libvirt says how virtual machines run.
const libvirtType = "nova::compute::libvirt::libvirt_virt_type"

// LibvirtType is how a role's machines run virtual machines, kvm or qemu; "" if they run none.
func LibvirtType(role plan.Role) string {
	for _, svc := range role.Data {
		if kind, _ := svc.Settings[libvirtType].(string); kind != "" {
			return kind
		}
	}
	return ""
}

// Slower tells of roles whose virtual machines are emulated on machines that could run
// them by themselves, one sentence each: it works, and nobody would notice why it is slow.
func Slower(p *plan.Plan, choices []placement.Choice) []string {
	var out []string
	for _, role := range p.Roles {
		if LibvirtType(role) != "qemu" {
			continue
		}
		chosen, able := 0, 0
		for _, c := range choices {
			if c.Role == role.Name {
				chosen++
				if can, _ := c.Node.Virtualises(); can {
					able++
				}
			}
		}
		if chosen > 0 && able == chosen {
			out = append(out, fmt.Sprintf("NovaComputeLibvirtType is qemu, and the machines chosen for role %s (%d) can run kvm (cpu_vt): servers will work, about ten times slower than with kvm (--libvirt-type kvm)", role.Name, chosen))
		}
	}
	return out
}

// Small tells of machines that are smaller than what the services of their role take, a
// sentence for each role, with figures. It may work, and it may end hours later where
// nobody looks for that. Of machines that introspection has not measured nothing is told.
func Small(p *plan.Plan, choices []placement.Choice) []string {
	var out []string
	for i := range p.Roles {
		role, all := &p.Roles[i], p.Roles[i].Takes()
		for _, x := range []struct {
			what, unit string
			takes      int
			has        func(placement.Node) int
			of         func(plan.Takes) int
		}{
			{"memory", "MiB", all.MemoryMB, func(n placement.Node) int { return n.MemoryMB }, func(t plan.Takes) int { return t.MemoryMB }},
			{"disk", "GiB", all.DiskGB, func(n placement.Node) int { return n.LocalGB }, func(t plan.Takes) int { return t.DiskGB }},
		} {
			var names []string
			for _, c := range choices {
				if has := x.has(c.Node); c.Role == role.Name && has > 0 && has < x.takes {
					names = append(names, fmt.Sprintf("%s has %d %s", c.Node.Label(), has, x.unit))
				}
			}
			if len(names) > 0 {
				out = append(out, fmt.Sprintf("too little %s for role %s: %s, and its services take about %d with little to do (%s)", x.what, role.Name, strings.Join(names, ", "), x.takes, role.Largest(x.of)))
			}
		}
	}
	return out
}

// lacks are packages that services need and that the images of their machines
// do not have, one sentence each.
type lacks []string

// look notes what an image lacks for a role's services. Nothing is known of an
// image without a list of its packages: the machine itself is looked at in step 1.
func (l *lacks) look(role plan.Role, name string, i Image) {
	if len(i.Packages) == 0 {
		return
	}
	for _, svc := range role.Data {
		for _, p := range svc.Packages {
			if _, there := slices.BinarySearch(i.Packages, p); there {
				continue
			}
			s := fmt.Sprintf("image %s lacks %s, which service %s of role %s needs", name, p, svc.Name, role.Name)
			if !slices.Contains(*l, s) {
				*l = append(*l, s)
			}
		}
	}
}

func (l lacks) err() error {
	if len(l) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(l, "\n")).
		WithHint("build it for the roles that you deploy and upload it: openstack overcloud image build -r ROLES_FILE; openstack overcloud image upload --update-existing")
}
