//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const deployCloud = "openstack overcloud deploy --templates --control-scale 1 --compute-scale %[1]d --ceph-storage-scale 1 " +
	"--control-flavor control --compute-flavor compute --ceph-storage-flavor ceph-storage --libvirt-type qemu " +
	"-e %[2]s/templates/environments/lab.yaml -e %[2]s/examples/cloud.yaml"

// outside is where the cloud's floating addresses are: the lab's own network.
const outside = "--external-cidr 192.168.255.0/24 --external-gateway 192.168.255.1 --external-pool 192.168.255.210-192.168.255.230"

// TestTheCloud deploys the whole of OpenStack on real machines, with a crash of the
// undercloud in the step that starts it, and uses it: servers that ping each other, a
// service that is broken on purpose, one more compute. `make cloud` runs it.
func TestTheCloud(t *testing.T) {
	u := inLab(t, "lab-cloud.yaml")
	for _, part := range []struct {
		name string
		do   func()
	}{{"machines", u.cloudMachines}, {"deploy", u.cloudDeploy}, {"again", u.cloudAgain}, {"use", u.cloudUse},
		{"ceph", u.cloudCeph}, {"broken", u.cloudBroken}, {"scale", u.cloudScale}} {
		if !t.Run(part.name, func(t *testing.T) { u.t = t; part.do() }) && part.name != "use" {
			break
		}
	}
	u.t = t
}

func (u *user) cloudCommand(computes int) string { return fmt.Sprintf(deployCloud, computes, u.root) }

func (u *user) cloudMachines() {
	u.ok("openstack undercloud install")
	u.ok("openstack overcloud image upload --image-path ~/images/")
	u.ok("openstack overcloud node import --introspect --provide inspection.json")
	for node, profile := range map[string]string{"control": "control", "compute": "compute", "storage": "ceph-storage"} {
		u.ok("for id in $(openstack baremetal node list -f value -c UUID -c Name | awk '$2 ~ \"^" + node + "\" {print $1}'); do " +
			"openstack baremetal node set --property capabilities='profile:" + profile + ",boot_option:local' $id; done")
	}
}

func (u *user) cloudDeploy() {
	d := u.start(u.cloudCommand(2), false)
	u.until("the fourth step", "openstack stack event list overcloud", 40*time.Minute,
		func(s string) bool { return strings.Contains(s, "ControllerDeployment_Step4.0]: CREATE_IN_PROGRESS") })
	u.kill()
	wants(u.t, d.wait(0), "[overcloud]: CREATE_COMPLETE  Stack CREATE completed successfully", "Critical path", "Overcloud Deployed")
}

func (u *user) cloudAgain() {
	wants(u.t, u.ok(u.cloudCommand(2)+" --dry-run"), "Nothing would change.")
	wants(u.t, u.ok(u.cloudCommand(2)), "UPDATE_COMPLETE", "nothing had to be changed")
}

// python types a command of Debian's client at the overcloud.
func (u *user) python(line string) string {
	u.t.Helper()
	return u.ok("unset ${!OS_*}; source overcloudrc; /usr/bin/openstack " + line)
}

func (u *user) cloudUse() {
	out := u.ok("openstack overcloud check --require-all " + outside)
	wants(u.t, out, "Overcloud check:", " 0 failed")
	agents := u.python("network agent list -f value -c 'Agent Type' -c Host -c Alive")
	for _, host := range []string{"overcloud-controller-0", "overcloud-novacompute-0", "overcloud-novacompute-1"} {
		wants(u.t, agents, "Open vSwitch agent "+host+".localdomain True")
	}
	wants(u.t, agents, "L3 agent overcloud-controller-0.localdomain True", "DHCP agent", "Metadata agent")
	wants(u.t, u.python("catalog list -f value -c Name"), "keystone", "glance", "placement", "nova", "neutron", "cinderv3")
	for _, list := range []string{"server list", "router list", "volume list"} { // the check has removed what it made
		if out := u.python(list + " -f value"); strings.Contains(out, "check-") {
			u.t.Errorf("%s: the check left %s", list, out)
		}
	}
}

func (u *user) cloudCeph() {
	wants(u.t, u.ssh("overcloud-controller-0", "sudo ceph -s && sudo rados lspools"), "HEALTH_OK", "3 osds: 3 up", "images", "volumes", "vms")
}

// cloudBroken keeps a service from starting and looks whether it is named.
func (u *user) cloudBroken() {
	u.ssh("overcloud-controller-0", "sudo systemctl stop neutron-l3-agent; sudo chmod 000 /usr/bin/neutron-l3-agent")
	u.fails(u.cloudCommand(2))
	wants(u.t, u.ok("openstack overcloud failures"), "overcloud-controller-0", "neutron-l3-agent")
	u.ssh("overcloud-controller-0", "sudo chmod 755 /usr/bin/neutron-l3-agent")
	wants(u.t, u.ok(u.cloudCommand(2)), "UPDATE_COMPLETE")
}

func (u *user) cloudScale() {
	wants(u.t, u.ok(u.cloudCommand(3)), "UPDATE_COMPLETE", "1 node(s) added, 0 removed")
	wants(u.t, u.python("hypervisor list -f value -c 'Hypervisor Hostname' -c State"), "overcloud-novacompute-2.localdomain up")
}
