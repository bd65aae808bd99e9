//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

const deployThree = "openstack overcloud deploy --templates --control-scale 3 --compute-scale 1 --control-flavor control --compute-flavor compute " +
	"--ntp-server 192.168.255.200 --libvirt-type qemu -e %[1]s/templates/environments/lab.yaml -e %[1]s/examples/cloud.yaml -e three-env.yaml"

// TestThreeControllersOnMachines is a cloud whose controller with the virtual address dies and
// comes back.
func TestThreeControllersOnMachines(t *testing.T) {
	u := inLab(t, "three.yaml")
	// Three of all that a cloud has start at once, on emulated processors.
	must(t, os.WriteFile(u.home("three-env.yaml"), []byte("parameter_defaults:\n  ServiceStartTimeout: 3600\n"), 0o644))
	dead := "" // the node that was switched off
	u.does(
		part{"undercloud", u.plainUndercloud, true},
		part{"nodes", u.plainNodes, true},
		part{"deploy", u.deployThree, true},
		part{"die", func() { dead = u.die() }, true},
		part{"back", func() { u.back(dead) }, true},
		part{"again", func() { wants(u.t, u.ok(fmt.Sprintf(deployThree, u.root)), "nothing had to be changed") }, true},
	)
}

func (u *user) deployThree() {
	u.ok("for n in 1 2 3; do openstack baremetal node set --property capabilities='profile:control,boot_option:local' control-$n; done; " +
		"openstack baremetal node set --property capabilities='profile:compute,boot_option:local' compute-1")
	wants(u.t, u.ok(fmt.Sprintf(deployThree, u.root)), "[overcloud]: CREATE_COMPLETE  Stack CREATE completed successfully", "Overcloud Deployed")
	u.wholeCluster()
}

// wholeCluster waits for three of each: databases, message brokers, agents, and what else there is.
func (u *user) wholeCluster() {
	u.until("three servers of the database", u.sshLine("overcloud-controller-0", `sudo mysql -Nse "SHOW STATUS LIKE \"wsrep_cluster_size\"" | cut -f 2`), 20*time.Minute,
		func(s string) bool { return last(s) == "3" })
	u.until("three message brokers", u.sshLine("overcloud-controller-0", "sudo rabbitmqctl -q cluster_status --formatter json"), 20*time.Minute,
		func(s string) bool {
			_, running, _ := strings.Cut(s, `"running_nodes"`)
			running, _, _ = strings.Cut(running, "]")
			return strings.Count(running, "rabbit@overcloud-controller-") == 3
		})
	u.services(7, 13)
}

// services waits until so many services of Nova are up, and so many network agents alive.
func (u *user) services(nova, agents int) {
	u.until(fmt.Sprintf("%d services of Nova that are up", nova), pythonLine("compute service list -f value -c State"), 30*time.Minute,
		func(s string) bool { return strings.Count(s, "up") == nova })
	u.until(fmt.Sprintf("%d network agents that are alive", agents), pythonLine("network agent list -f value -c Alive"), 30*time.Minute,
		func(s string) bool { return strings.Count(s, "True") == agents })
}

// holder is the bare-metal node and the server that have the virtual address.
func (u *user) holder() (node, server string) {
	vip := last(u.ok("source overcloudrc; echo $OS_AUTH_URL | sed 's#.*//##; s#:.*##'"))
	for i := range 3 {
		server = fmt.Sprintf("overcloud-controller-%d", i)
		if strings.Contains(u.ssh(server, "ip -brief -4 address"), " "+vip+"/") {
			node = last(u.ok("id=$(openstack server list -f value -c ID -c Name | sed -n 's/ " + server + "$//p'); openstack baremetal node list -f value -c Name -c 'Instance UUID' | sed -n \"s/ $id$//p\""))
			return node, server
		}
	}
	u.t.Fatal("no controller has the virtual address", vip)
	return "", ""
}

// die switches off the controller with the virtual address, as a power supply would, and
// uses the cloud without it.
func (u *user) die() (node string) {
	node, server := u.holder()
	u.ok("openstack baremetal node power off " + node)
	began := time.Now()
	u.until("a token behind the death of "+server, pythonLine("token issue -f value -c id"), 10*time.Minute, func(s string) bool { return strings.Contains(s, "gAAAAA") })
	u.t.Logf("%.0f s from the death of %s to a token", time.Since(began).Seconds(), server)
	u.until("a network", pythonLine("network create after-a-death -f value -c status"), 10*time.Minute, func(s string) bool { return last(s) == "ACTIVE" })
	u.t.Logf("%.0f s to a network", time.Since(began).Seconds())
	u.services(5, 9) // so that what is back later was away
	return node
}

// back switches it on again: it joins what has gone on without it, by itself.
func (u *user) back(node string) {
	u.ok("openstack baremetal node power on " + node)
	began := time.Now()
	u.wholeCluster()
	u.t.Logf("%.0f s from its start to a whole cluster", time.Since(began).Seconds())
}
