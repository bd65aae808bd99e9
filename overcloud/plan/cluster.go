package plan

import (
	"fmt"
	"strings"
)

// The settings that our templates give, for what a plan can check without machines.
const (
	clusteredKey  = "cluster"                // of mysql and rabbitmq: its machines are one cluster
	glanceFileKey = "glance::file"           // of glance_api: images lie on the machine's own disk
	cinderLVMKey  = "cinder::volume::on_lvm" // of cinder_volume: volumes lie on the machine's own disk
)

// unclustered warns where several machines run what needs to be shared and is not: a
// database or a message bus that each has for itself, or data on a machine's own disk.
// TripleO's own trees, which Pacemaker clusters, are not judged.
func (p *Plan) unclustered() []string {
	machines, says := map[string]int{}, map[string]map[string]any{}
	for _, r := range p.Roles {
		for i := range r.Data {
			d := &r.Data[i]
			if _, ours := d.Raw["step_config"].(map[string]any); ours && r.Count > 0 {
				machines[d.Name] += r.Count
				says[d.Name] = d.Settings
			}
		}
	}
	is := func(service, key string) bool { return machines[service] > 1 && says[service][key] == true }
	var many, out []string
	for _, name := range []string{"mysql", "rabbitmq"} {
		if machines[name] > 1 && !is(name, clusteredKey) {
			many = append(many, fmt.Sprintf("%s on %d machines", name, machines[name]))
		}
	}
	if len(many) > 0 {
		out = append(out, strings.Join(many, ", ")+": each stands by itself, a cloud of its own; put OS::TripleO::Services::HAproxy and Keepalived "+
			"into the controllers' role, and leave EnableHighAvailability empty")
	}
	if is("glance_api", glanceFileKey) {
		out = append(out, fmt.Sprintf("glance_api on %d machines keeps images on the disk of the machine that took them: the others answer 404 for them, and they are lost with it; "+
			"deploy machines with OSDs (images are then in Ceph), or mount one filesystem at GlanceFilesystemDir on all of them", machines["glance_api"]))
	}
	if is("cinder_volume", cinderLVMKey) {
		out = append(out, fmt.Sprintf("cinder_volume on %d machines keeps volumes on the disk of the machine that made them: they cannot be reached while it is down; "+
			"deploy machines with OSDs, and they are in Ceph", machines["cinder_volume"]))
	}
	if machines["mysql"] == 2 && is("mysql", clusteredKey) {
		out = append(out, "mysql on 2 machines: when one of them dies the other has no majority and stops serving; three machines outlive the loss of one")
	}
	return out
}
