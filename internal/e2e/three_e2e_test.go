//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

const deployThree = "openstack overcloud deploy --templates -r %[1]s/internal/e2e/three-roles.yaml --control-scale 3 --compute-scale 1 --control-flavor control --compute-flavor compute " +
	"--libvirt-type qemu -e %[1]s/templates/environments/lab.yaml -e %[1]s/examples/cloud.yaml -e three-env.yaml"

// TestThreeControllersOnMachines is a cloud whose controller with the virtual address dies and
// comes back. It takes two hours where machines are emulated on two processors.
func TestThreeControllersOnMachines(t *testing.T) {
	u := inLab(t, "three.yaml")
	must(t, os.WriteFile(u.home("three-env.yaml"), []byte("parameter_defaults:\n  NtpServer: 192.168.255.200\n  ServiceStartTimeout: 3600\n"), 0o644))
	for _, part := range []struct {
		name string
		do   func()
	}{
		{"undercloud", func() {
			u.ok("openstack undercloud install")
			u.ok("openstack overcloud image upload --image-path ~/images/")
		}},
		{"nodes", func() { u.ok("openstack overcloud node import --introspect --provide inspection.json") }},
		{"deploy", u.deployThree},
		{"die", u.die},
		{"back", u.back},
		{"again", func() { u.ok(fmt.Sprintf(deployThree, u.root)) }},
	} {
		if !t.Run(part.name, func(t *testing.T) { u.t = t; part.do() }) {
			break
		}
	}
	u.t = t
}

func (u *user) deployThree() {
	u.ok("for n in 1 2 3; do openstack baremetal node set --property capabilities='profile:control,boot_option:local' control-$n; done; " +
		"openstack baremetal node set --property capabilities='profile:compute,boot_option:local' compute-1")
	wants(u.t, u.ok(fmt.Sprintf(deployThree, u.root)), "[overcloud]: CREATE_COMPLETE  Stack CREATE completed successfully", "Overcloud Deployed")
	u.wholeCluster()
}

// wholeCluster is three of each: databases, message brokers, agents.
func (u *user) wholeCluster() {
	u.until("three servers of the database", u.sshLine("overcloud-controller-0", `sudo mysql -Nse "SHOW STATUS LIKE \"wsrep_cluster_size\""`), 20*time.Minute,
		func(s string) bool { return last(s) == "3" })
	u.until("three message brokers", u.sshLine("overcloud-controller-0", `sudo rabbitmqctl -q cluster_status --formatter json`), 20*time.Minute,
		func(s string) bool {
			return strings.Count(s[strings.Index(s, "running_nodes"):], "rabbit@overcloud-controller-") >= 3
		})
	u.until("the services of three controllers and a compute", pythonLine("compute service list -f value -c Binary -c State"), 30*time.Minute,
		func(s string) bool { return strings.Count(s, "up") == 7 })
	u.until("their network agents", pythonLine("network agent list -f value -c Alive"), 30*time.Minute,
		func(s string) bool { return strings.Count(s, "True") == 13 })
}

// holder is the bare-metal node and the server that have the virtual address.
func (u *user) holder() (node, server string) {
	for i := range 3 {
		server = fmt.Sprintf("overcloud-controller-%d", i)
		vip := last(u.ok("source overcloudrc; echo $OS_AUTH_URL | sed 's#.*//##; s#:.*##'"))
		if strings.Contains(u.ssh(server, "ip -brief -4 address"), " "+vip+"/") {
			node = last(u.ok("id=$(openstack server list -f value -c ID -c Name | sed -n 's/ " + server + "$//p'); openstack baremetal node list -f value -c Name -c 'Instance UUID' | sed -n \"s/ $id$//p\""))
			return node, server
		}
	}
	u.t.Fatal("no controller has the virtual address")
	return "", ""
}

// die switches off the controller with the virtual address, as a power supply would.
func (u *user) die() {
	node, server := u.holder()
	u.ok("openstack baremetal node power off " + node)
	began := time.Now()
	u.until("a token behind the death of "+server, pythonLine("token issue -f value -c id"), 10*time.Minute, func(s string) bool { return strings.Contains(s, "gAAAAA") })
	u.t.Logf("%.0f s from the death of %s to a token", time.Since(began).Seconds(), server)
	u.until("a network", pythonLine("network create after-a-death -f value -c status"), 10*time.Minute, func(s string) bool { return last(s) == "ACTIVE" })
	u.t.Logf("%.0f s to a network", time.Since(began).Seconds())
	u.lost = node
}

// back switches it on again: it joins what has gone on without it, by itself.
func (u *user) back() {
	u.ok("openstack baremetal node power on " + u.lost)
	began := time.Now()
	u.wholeCluster()
	u.t.Logf("%.0f s from its start to a whole cluster", time.Since(began).Seconds())
	u.until("every service of every machine", "openstack overcloud status --health", 20*time.Minute, func(string) bool { return true })
}
