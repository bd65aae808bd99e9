//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

const deployOnBonds = "openstack overcloud deploy --templates --control-scale 1 --compute-scale 1 --control-flavor control --compute-flavor compute " +
	"--libvirt-type qemu -e environments/network-isolation.yaml -e environments/net-bond-with-vlans.yaml -e %s/templates/environments/lab.yaml"

// TestACloudOnBondsWithoutCeph is a cloud as it is where no storage machines are, on
// machines whose networks are VLANs on two cards: images are files, volumes and servers
// lie on the machines' own disks. What is changed of bonds and VLANs takes place.
func TestACloudOnBondsWithoutCeph(t *testing.T) {
	u := inLab(t, "bonds.yaml")
	u.does(
		part{"undercloud", u.plainUndercloud, true},
		part{"nodes", u.plainNodes, true},
		part{"deploy", u.deployOnBonds, true},
		part{"again", func() { wants(u.t, u.ok(u.onBonds()), "nothing had to be changed") }, true},
		part{"bonds", u.bonds, true},
		part{"local", u.local, true},
	)
}

func (u *user) onBonds() string { return fmt.Sprintf(deployOnBonds, u.root) }

func (u *user) deployOnBonds() {
	for node, profile := range map[string]string{"control-1": "control", "compute-1": "compute"} {
		u.ok("openstack baremetal node set --property capabilities='profile:" + profile + ",boot_option:local' " + node)
	}
	wants(u.t, u.ok(u.onBonds()), "[overcloud]: CREATE_COMPLETE  Stack CREATE completed successfully", "Overcloud Deployed")
}

// bonds loses a card of each machine, and is given other bonds and another VLAN.
func (u *user) bonds() {
	const controller, compute = "overcloud-controller-0", "overcloud-novacompute-0"
	wants(u.t, u.ssh(controller, "sudo ovs-appctl bond/show bond1"), "bond_mode: active-backup", "eth1: enabled", "eth2: enabled")
	wants(u.t, u.ssh(compute, "cat /proc/net/bonding/bond1"), "active-backup", "Slave Interface: eth1", "Slave Interface: eth2")
	for _, server := range []string{controller, compute} {
		u.ssh(server, "sudo ip link set eth1 down")
	}
	overTenant := u.sshLine(compute, "ping -c 3 -W 5 172.16.0.4")
	u.until("an answer over the second cards", overTenant, time.Minute, func(s string) bool { return strings.Contains(s, " 0% packet loss") })
	for _, server := range []string{controller, compute} {
		u.ssh(server, "sudo ip link set eth1 up")
	}

	must(u.t, os.WriteFile(u.home("changed.yaml"), []byte("parameter_defaults:\n  BondInterfaceOvsOptions: bond_mode=balance-slb other_config:bond-rebalance-interval=20000\n"+
		"  BondInterfaceLinuxOptions: mode=active-backup miimon=200\n  TenantNetworkVlanID: 55\n"), 0o644))
	wants(u.t, u.ok(u.onBonds()+" -e changed.yaml"), "UPDATE_COMPLETE")
	wants(u.t, u.ssh(controller, "sudo ovs-appctl bond/show bond1; sudo ovs-vsctl get port bond1 other_config; sudo ovs-vsctl get port vlan55 tag"), "bond_mode: balance-slb", "20000", "55")
	wants(u.t, u.ssh(compute, "cat /proc/net/bonding/bond1"), "MII Polling Interval (ms): 200")
	for _, server := range []string{controller, compute} {
		if links := u.ssh(server, "ip -brief link; sudo ovs-vsctl --if-exists get port vlan50 tag 2>/dev/null"); strings.Contains(links, "vlan50") || !strings.Contains(links, "vlan55") {
			u.t.Errorf("%s: VLAN 50 became 55, and the machine has:\n%s", server, links)
		}
	}
	u.until("an answer over the new VLAN", overTenant, time.Minute, func(s string) bool { return strings.Contains(s, " 0% packet loss") })
	wants(u.t, u.ok(u.onBonds()+" -e changed.yaml"), "nothing had to be changed")
}

// local has a server, an image and a volume where there is no Ceph: a disk and a file of the
// machines, and a logical volume that the server sees over iSCSI.
func (u *user) local() {
	u.server("local")
	volume := last(u.python("volume create --size 1 local -f value -c id"))
	u.until("the volume", pythonLine("volume show local -f value -c status"), 10*time.Minute, func(s string) bool { return last(s) == "available" })
	u.python("server add volume local local")
	u.until("the volume at the server", pythonLine("volume show local -f value -c status"), 10*time.Minute, func(s string) bool { return last(s) == "in-use" })
	wants(u.t, u.ssh("overcloud-controller-0", "sudo find /var/lib/glance/images -size 4096k; sudo lvs cinder-volumes"), "/var/lib/glance/images/", "volume-"+volume)
	wants(u.t, u.ssh("overcloud-novacompute-0", "sudo virsh domblklist $(sudo virsh list --name)"), "/var/lib/nova/instances/", "vdb")
	wants(u.t, u.ssh("overcloud-novacompute-0", "sudo iscsiadm -m session"), "172.16.1.4:3260")
	u.python("server remove volume local local")
	u.until("the volume without the server", pythonLine("volume show local -f value -c status"), 10*time.Minute, func(s string) bool { return last(s) == "available" })
	u.python("volume delete local")
	u.noServer("local")
}
