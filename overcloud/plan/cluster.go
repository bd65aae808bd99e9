package plan

import (
	"fmt"
	"strings"

	"trefoil/internal/errs"
)

// busService is the service_name of the message bus.
const busService = "rabbitmq"

// The settings that our templates give, for what a plan can check without machines.
const (
	clusteredKey  = "cluster"                // of mysql, rabbitmq and ceph_mon: its machines are one cluster
	glanceFileKey = "glance::file"           // of glance_api: images lie on the machine's own disk
	cinderLVMKey  = "cinder::volume::on_lvm" // of cinder_volume: volumes lie on the machine's own disk
)

// shares is what runs on several machines of a plan and is one for all of them, or not.
type shares struct {
	machines map[string]int            // by service
	says     map[string]map[string]any // settings, by service
}

// shares looks at services of our own templates; TripleO's own trees, which Pacemaker
// clusters, are not judged.
func (p *Plan) shares() shares {
	s := shares{map[string]int{}, map[string]map[string]any{}}
	for _, r := range p.Roles {
		for i := range r.Data {
			d := &r.Data[i]
			if _, ours := d.Raw["step_config"].(map[string]any); ours && r.Count > 0 {
				s.machines[d.Name] += r.Count
				s.says[d.Name] = d.Settings
			}
		}
	}
	return s
}

// several tells whether a service is on more than one machine and its settings say so of it.
func (s shares) several(service, key string) bool {
	return s.machines[service] > 1 && s.says[service][key] == true
}

// unclustered warns where several machines run what needs to be shared and is not: data
// on a machine's own disk, or a cluster that does not outlive one machine.
func (p *Plan) unclustered() []string {
	s := p.shares()
	var out, two []string
	if s.several("glance_api", glanceFileKey) {
		out = append(out, fmt.Sprintf("glance_api on %d machines keeps images on the disk of the machine that took them: the first is asked for them all, while it is down nobody has them, and they are lost with it; "+
			"deploy machines with OSDs (images are then in Ceph), or mount one filesystem at GlanceFilesystemDir on all of them", s.machines["glance_api"]))
	}
	if s.several(cinderVolume, cinderLVMKey) {
		out = append(out, fmt.Sprintf("cinder_volume on %d machines keeps volumes on the disk of the machine that made them: they cannot be reached while it is down; "+
			"deploy machines with OSDs, and they are in Ceph", s.machines[cinderVolume]))
	}
	for _, name := range []string{mysqlService, busService} {
		if s.machines[name] == 2 && s.several(name, clusteredKey) {
			two = append(two, name)
		}
	}
	if len(two) > 0 {
		out = append(out, strings.Join(two, " and ")+" on 2 machines: when one of them dies the other has no majority and stops serving; three machines outlive the loss of one")
	}
	return out
}

// Clustered tells whether the machines that run a service are one cluster, which
// serves only while more than half of them are there.
func (p *Plan) Clustered(service string) bool {
	for _, r := range p.Roles {
		for i := range r.Data {
			if r.Data[i].Name == service && r.Data[i].Settings[clusteredKey] == true {
				return true
			}
		}
	}
	return false
}

// grown refuses a virtual address for machines that are laid out without one. Their APIs
// listen at all addresses, so that HAProxy would find its ports taken, and each database
// that became part of a cluster would lose its data to another.
func (b *builder) grown(p *Plan) error {
	if p.VirtualAddress() == "" || b.o.AddressHeld || !p.Clustered(mysqlService) {
		return nil
	}
	var names []string
	for _, m := range b.o.Machines {
		for _, r := range p.Roles {
			if m.Configured && r.Name == m.Role && r.runs(mysqlService) {
				names = append(names, m.Name)
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "stack %s was laid out for one controller: the APIs of %s hold their ports at all addresses, and HAProxy could not have them at the virtual one", p.Stack, strings.Join(names, ", ")).
		WithHint("one controller leaves all as it is; a cloud that is to grow has EnableHighAvailability: 'true' from its first deployment: openstack overcloud delete, and deploy again")
}
