//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

const deployCloud = "openstack overcloud deploy --templates --control-scale 1 --compute-scale %[1]d --ceph-storage-scale 1 " +
	"--control-flavor control --compute-flavor compute --ceph-storage-flavor ceph-storage --libvirt-type qemu " +
	"-e environments/network-isolation.yaml -e environments/net-single-nic-with-vlans.yaml -e %[2]s/templates/environments/lab.yaml -e %[2]s/examples/cloud.yaml"

// outside is where the cloud's floating addresses are: the lab's own network.
const outside = "--external-cidr 192.168.255.0/24 --external-gateway 192.168.255.1 --external-pool 192.168.255.210-192.168.255.230"

// TestTheCloud is the article on real machines, to a whole OpenStack and back: with a
// crash of the undercloud in each long phase, a deploy that changes nothing, a service
// that is broken on purpose, one more compute, and servers that ping each other. Each
// network of network_data is a VLAN of its own.
func TestTheCloud(t *testing.T) {
	u := inLab(t, "lab.yaml")
	u.does(
		part{"undercloud", u.undercloud, true},
		part{"nodes", u.nodes, true},
		part{"deploy", u.deploy, true},
		part{"again", u.again, false},
		part{"ceph", u.ceph, false},
		part{"broken", u.broken, false},
		part{"scale", u.scale, false},
		part{"use", u.use, false}, // behind these, so that what was scaled and mended is used
		part{"move", u.move, false},
		part{"check", u.check, false},
		part{"migrate", u.migrate, false},
		part{"shrink", u.shrink, false},
		part{"delete", u.delete, false},
	)
}

func (u *user) command(computes int) string { return fmt.Sprintf(deployCloud, computes, u.root) }

func (u *user) deploy() {
	for node, profile := range map[string]string{"control": "control", "compute": "compute", "storage": "ceph-storage"} {
		u.ok("for id in $(openstack baremetal node list -f value -c UUID -c Name | awk '$2 ~ \"^" + node + "\" {print $1}'); do " +
			"openstack baremetal node set --property capabilities='profile:" + profile + ",boot_option:local' $id; done")
	}
	wants(u.t, u.fails(u.command(3)), "Compute: 3 wanted, 1 missing", "already has a role")
	wants(u.t, u.fails("echo 'parameter_defaults: {CephPoolDefaultSize: 5}' > copies.yaml; "+u.command(1)+" -e copies.yaml --dry-run"), "copies.yaml:1: CephPoolDefaultSize asks for 5 copies, and there are 3 data disks")
	wants(u.t, u.start(u.command(1)+" --dry-run", false).wait(3), "overcloud-controller-0", "overcloud-novacompute-0", "overcloud-cephstorage-0", "Validation Finished")

	d := u.start(u.command(1), false)
	d.meanwhile("a node that is being deployed", "openstack baremetal node list -f value -c 'Provisioning State'", 10*time.Minute,
		func(s string) bool { return strings.Contains(s, "wait call-back") })
	wants(u.t, u.fails(u.command(1)), "Unable to deploy as the stack 'overcloud' status is 'CREATE_IN_PROGRESS'")
	u.kill()
	d.meanwhile("the compute's first step", "openstack stack event list overcloud", 40*time.Minute,
		func(s string) bool { return strings.Contains(s, "ComputeDeployment_Step1.0]: CREATE_IN_PROGRESS") })
	u.crash("overcloud-novacompute-0")
	d.meanwhile("the fourth step", "openstack stack event list overcloud", 40*time.Minute,
		func(s string) bool { return strings.Contains(s, "ControllerDeployment_Step4.0]: CREATE_IN_PROGRESS") })
	u.kill()
	wants(u.t, d.wait(0), "[overcloud]: CREATE_COMPLETE  Stack CREATE completed successfully", " Stack overcloud CREATE_COMPLETE ",
		"waits until it lets us in again", "answers again after", "Critical path", "Processor seconds of all machines", "Overcloud Endpoint: http://192.168.255.", "Overcloud Deployed")

	wants(u.t, u.ok("openstack server list"), "overcloud-controller-0", "ACTIVE", "ctlplane=192.168.255.", "overcloud-full")
	wants(u.t, u.ok("openstack stack list -f value -c 'Stack Name' -c 'Stack Status'"), "overcloud CREATE_COMPLETE")
	wants(u.t, u.ok("/usr/bin/openstack stack list -f value -c 'Stack Status'"), "CREATE_COMPLETE")
}

// crash has a machine's kernel panic, whose host key nobody knows yet.
func (u *user) crash(server string) {
	u.t.Helper()
	line := u.sshLine(server, `sudo systemd-run --on-active=1 sh -c "echo c >/proc/sysrq-trigger"`)
	u.ok(strings.Replace(line, "StrictHostKeyChecking=yes -o UserKnownHostsFile=$HOME/.ssh/known_hosts", "StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null", 1))
	u.t.Logf("the kernel of %s panics", server)
}

func (u *user) again() {
	wants(u.t, u.ok(u.command(1)+" --dry-run"), "Nothing would change.", "Validation Finished")
	wants(u.t, u.ok(u.command(1)), "UPDATE_COMPLETE", "nothing had to be changed")
}

// python types a command of Debian's client at the overcloud.
func (u *user) python(line string) string {
	u.t.Helper()
	return u.ok(pythonLine(line))
}

func pythonLine(line string) string {
	return "unset ${!OS_*}; source overcloudrc; /usr/bin/openstack " + line
}

func (u *user) use() {
	wants(u.t, u.ok("source overcloudrc; openstack project list -f value -c Name"), "admin", "service")
	// The Python client lets OS_* of stackrc win over --os-cloud: they go first.
	wants(u.t, u.ok("unset ${!OS_*}; /usr/bin/openstack --os-cloud overcloud token issue -f value -c id"), "gAAAAA")
	wants(u.t, u.python("catalog list -f value -c Name"), "keystone", "glance", "placement", "nova", "neutron", "cinderv3")
	agents := u.python("network agent list -f value -c 'Agent Type' -c Host -c Alive")
	for _, host := range []string{"overcloud-controller-0", "overcloud-novacompute-0", "overcloud-novacompute-1"} {
		wants(u.t, agents, "Open vSwitch agent "+host+".localdomain True")
	}
	wants(u.t, agents, "L3 agent overcloud-controller-0.localdomain True", "DHCP agent", "Metadata agent")
	wants(u.t, u.ok("openstack overcloud status"), "overcloud-novacompute-1", "nova_compute", "neutron_l3", "ceph_osd")
	u.python("router list")
	u.python("server list --all-projects")
	u.store()
	wants(u.t, u.ok("openstack overcloud support report collect -o report; ls report"), "overcloud-controller-0", "overcloud-cephstorage-0", ".tar.gz")
}

// last is the last word, behind what a client may have warned of.
func last(out string) string {
	words := strings.Fields(out)
	if len(words) == 0 {
		return "nothing"
	}
	return words[len(words)-1]
}

// store puts an image and a volume into the cloud, and looks for both in Ceph.
func (u *user) store() {
	image := last(u.python("image create --disk-format raw --container-format bare --file overcloudrc an-image -f value -c id"))
	volume := last(u.python("volume create --size 1 a-volume -f value -c id"))
	u.until("the volume", pythonLine("volume show a-volume -f value -c status"), 10*time.Minute,
		func(s string) bool { return last(s) == "available" })
	wants(u.t, u.ssh("overcloud-controller-0", "sudo rbd -p images ls; sudo rbd -p volumes ls"), image, "volume-"+volume)
	u.python("volume delete a-volume")
	u.python("image delete an-image")
}

// move looks at what it takes to move servers: libvirtd, which is root, reaches the other hypervisor's
// as Nova tells it to, and nova-compute, which is root in a lab, its files. Host keys are checked.
func (u *user) move() {
	const other = `$(getent hosts overcloud-novacompute-1.internalapi | cut -d" " -f1)`
	wants(u.t, u.ssh("overcloud-novacompute-0", `sudo virsh -c "$(printf "$(sudo sed -n "s/^live_migration_uri = //p" /etc/nova/nova-compute.conf)" `+other+`)" list --all`), "Id", "Name", "State")
	wants(u.t, u.ssh("overcloud-novacompute-0", "sudo ssh -o BatchMode=yes "+other+" whoami; sudo -u nova ssh -o BatchMode=yes overcloud-novacompute-1 whoami"), "nova\nnova")
}

// check has two servers ping each other, and looks from outside while they do.
func (u *user) check() {
	check := u.start("openstack overcloud check --require-all "+outside, false)
	check.says("server b ", time.Hour) // both are active, and their guests boot for minutes
	// Tunnels are there where servers are, on the network for them.
	wants(u.t, u.ssh("overcloud-novacompute-1", "sudo ovs-vsctl --columns=options find interface type=vxlan"), `remote_ip="172.16.0.4"`)
	wants(u.t, u.python("server list -f value -c Name -c Status"), "-a ACTIVE", "-b ACTIVE")
	wants(u.t, u.python("router list -f value -c Name -c Status"), "check-", "ACTIVE")
	wants(u.t, u.ssh("overcloud-controller-0", "sudo rbd -p vms ls && sudo rbd -p images ls | grep ."), "_disk")
	wants(u.t, check.wait(0), "Overcloud check:", " 0 failed")
	// The directory of RBD images, which the first volume has made, outlives it.
	wants(u.t, u.ssh("overcloud-controller-0", "sudo rados -p volumes ls"), "rbd_directory")
	for _, list := range []string{"server list", "router list", "volume list"} { // the check has removed what it made
		if out := u.python(list + " -f value"); strings.Contains(out, "check-") {
			u.t.Errorf("%s: the check left %s", list, out)
		}
	}
}

// server makes one of an image that boots nothing, which is enough to run.
func (u *user) server(name string) {
	must(u.t, os.WriteFile(u.home("empty.raw"), make([]byte, 4<<20), 0o644))
	u.python("image create --disk-format raw --container-format bare --file empty.raw " + name)
	u.python("flavor create --ram 64 --disk 1 --vcpus 1 " + name)
	u.python("network create " + name)
	u.python("subnet create --network " + name + " --subnet-range 10.9.0.0/24 " + name)
	u.python("server create --image " + name + " --flavor " + name + " --network " + name + " --wait " + name)
}

// noServer takes away what server made.
func (u *user) noServer(name string) {
	u.python("server delete --wait " + name)
	for _, what := range []string{"network", "flavor", "image"} {
		u.python(what + " delete " + name)
	}
}

// migrate moves a server that runs from one hypervisor to the other.
func (u *user) migrate() {
	u.server("moving")
	wants(u.t, u.ssh("overcloud-controller-0", "sudo rbd -p vms ls"), "_disk")
	from := last(u.python("server show moving -f value -c OS-EXT-SRV-ATTR:host"))
	u.python("server migrate --live-migration --wait moving")
	to := last(u.python("server show moving -f value -c OS-EXT-SRV-ATTR:host"))
	if from == to || !strings.HasPrefix(to, "overcloud-novacompute-") {
		u.t.Errorf("the server was on %s and is on %s", from, to)
	}
	wants(u.t, u.python("server show moving -f value -c status"), "ACTIVE")
	wants(u.t, u.ssh(strings.TrimSuffix(to, ".localdomain"), "sudo virsh list --name"), "instance-")
	u.noServer("moving")
}

func (u *user) ceph() {
	wants(u.t, u.ssh("overcloud-controller-0", "sudo ceph -s && sudo rados lspools"), "HEALTH_OK", "3 osds: 3 up", "images", "volumes", "vms")
	// Each on its network: database and message bus, Ceph, and Ceph's own copies.
	wants(u.t, u.ssh("overcloud-controller-0", "sudo ss -Htln"), "172.16.2.4:5672", "172.16.2.4:11211", "172.16.1.4:6789")
	wants(u.t, u.ssh("overcloud-cephstorage-0", "sudo ss -Htln"), " 172.16.1.", " 172.16.3.")

	// A machine with OSDs that starts anew brings them back.
	booted := u.ssh("overcloud-cephstorage-0", "cat /proc/sys/kernel/random/boot_id")
	u.ssh("overcloud-cephstorage-0", "sudo systemd-run --on-active=1 systemctl reboot")
	u.until("the storage machine after its reboot", u.sshLine("overcloud-cephstorage-0", "cat /proc/sys/kernel/random/boot_id && sudo systemctl is-active ceph-osd@0 ceph-osd@1 ceph-osd@2"), 10*time.Minute,
		func(s string) bool { return !strings.Contains(s, strings.TrimSpace(booted)) })
	u.until("the cluster after it", u.sshLine("overcloud-controller-0", "sudo ceph -s"), 10*time.Minute,
		func(s string) bool { return strings.Contains(s, "HEALTH_OK") && strings.Contains(s, "3 osds: 3 up") })
}

// broken keeps a service from starting and looks whether it is named.
func (u *user) broken() {
	u.ssh("overcloud-controller-0", "sudo systemctl stop neutron-l3-agent; sudo chmod 000 /usr/bin/neutron-l3-agent")
	u.fails(u.command(1))
	wants(u.t, u.ok("openstack overcloud failures"), "overcloud-controller-0", "neutron-l3-agent")
	u.ssh("overcloud-controller-0", "sudo chmod 755 /usr/bin/neutron-l3-agent")
	// The deployment that mends it gives Glance another password, at the database and at Keystone, too.
	wants(u.t, u.ok("openstack overcloud passwords rotate -y GlancePassword"), "GlancePassword")
	wants(u.t, u.ok(u.command(1)), "UPDATE_COMPLETE")
}

func (u *user) scale() {
	wants(u.t, u.start(u.command(2)+" --dry-run", false).wait(3), "overcloud-novacompute-1", "ComputeCount: 1 → 2", "~ file:/etc/hosts", "~ file:/etc/ssh/ssh_known_hosts")
	wants(u.t, u.ok(u.command(2)), "UPDATE_COMPLETE", "1 node(s) added, 0 removed")
	wants(u.t, u.ok("openstack server list -f value -c Name"), "overcloud-novacompute-1")
	wants(u.t, u.ssh("overcloud-novacompute-0", "getent hosts overcloud-novacompute-1"), "overcloud-novacompute-1.localdomain")
	wants(u.t, u.python("hypervisor list -f value -c 'Hypervisor Hostname' -c State"), "overcloud-novacompute-1.localdomain up")
}

// shrink gives the added machine back: the cloud's catalog forgets it.
func (u *user) shrink() {
	wants(u.t, u.ok("openstack overcloud node delete -y overcloud-novacompute-1"), "overcloud-novacompute-1")
	for _, list := range []string{"hypervisor list", "network agent list", "compute service list"} {
		out := u.python(list + " -f value")
		wants(u.t, out, "overcloud-novacompute-0")
		if strings.Contains(out, "overcloud-novacompute-1") {
			u.t.Errorf("%s still has the machine that was given back:\n%s", list, out)
		}
	}
	// The others forget its name with the next deployment.
	wants(u.t, u.start(u.command(1)+" --dry-run", false).wait(3), "No machine would be added.", "an earlier configuration is applied")
}
