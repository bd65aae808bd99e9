//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const deploy = "openstack overcloud deploy --templates --control-scale 1 --compute-scale %[1]d --ceph-storage-scale 1 " +
	"--control-flavor control --compute-flavor compute --ceph-storage-flavor ceph-storage --libvirt-type qemu -r %[2]s/internal/e2e/roles.yaml -e %[2]s/templates/environments/lab.yaml"

// TestTheWholeWay is the article on real machines, with a crash of the undercloud
// in each long phase, a deploy that changes nothing, one more compute, and the way back.
func TestTheWholeWay(t *testing.T) {
	u := inLab(t, "lab.yaml")
	t.Run("undercloud", func(t *testing.T) { u.t = t; u.undercloud() })
	t.Run("nodes", func(t *testing.T) { u.t = t; u.nodes() })
	if t.Failed() {
		return
	}
	t.Run("deploy", func(t *testing.T) { u.t = t; u.deploy() })
	if t.Failed() {
		return
	}
	t.Run("again", func(t *testing.T) { u.t = t; u.again() })
	t.Run("scale", func(t *testing.T) { u.t = t; u.scale() })
	t.Run("delete", func(t *testing.T) { u.t = t; u.delete() })
	u.t = t
}

func (u *user) cleanUp() {
	if os.Getenv("TREFOIL_KEEP") != "" {
		u.t.Logf("kept for you to look at: lab %s, %s", labName, u.dir)
		return
	}
	for _, line := range []string{"openstack lab exec " + labName + " -- openstack undercloud uninstall --purge", "openstack lab delete " + labName} {
		cmd := exec.Command("bash", "-c", line)
		cmd.Env, cmd.Dir = u.env, u.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			u.t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	if out, _ := exec.Command("ip", "netns", "list").Output(); strings.Contains(string(out), "trefoil-e2e") {
		u.t.Errorf("the namespace outlived its lab:\n%s", out)
	}
	if !u.t.Failed() {
		_ = os.RemoveAll(u.dir)
	}
}

func (u *user) undercloud() {
	for range 2 { // the second run changes nothing and says the same
		out := u.ok("openstack undercloud install")
		wants(u.t, out, strings.Repeat("#", 77), "Undercloud install complete.", u.home("undercloud-passwords.conf"), u.home("stackrc"))
	}
	wants(u.t, u.ok("openstack overcloud image upload --image-path ~/images/"),
		`Image "overcloud-full-vmlinuz" was uploaded.`, `Image "overcloud-full" was uploaded.`, `Image "bm-deploy-ramdisk" was uploaded.`)
	wants(u.t, u.ok("openstack overcloud image upload --image-path ~/images/"), `Image "overcloud-full" is up-to-date, skipping.`)
	wants(u.t, u.ok("/usr/bin/openstack image list -f value -c Name"), "bm-deploy-kernel", "overcloud-full-initrd")
}

func (u *user) nodes() {
	bad := u.home("bad.json")
	must(u.t, os.WriteFile(bad, []byte("{\n \"nodes\": [ }"), 0o644))
	wants(u.t, u.fails("openstack overcloud node import bad.json"), "bad.json:2:13: not valid JSON")

	imp := u.start("openstack overcloud node import --introspect --provide inspection.json", false)
	u.until("a node in introspection", "openstack baremetal node list -f value -c 'Provisioning State'", 5*time.Minute,
		func(s string) bool { return strings.Contains(s, "inspect") })
	u.kill()
	out := imp.wait(0)
	wants(u.t, out, `4 node(s) successfully moved to the "manageable" state.`, "Successfully registered node UUID", "Status:SUCCESS. Errors:None",
		"Successfully introspected 4 node(s).", `4 node(s) successfully moved to the "available" state.`)
	list := u.ok("openstack baremetal node list -f value -c Name -c 'Power State' -c 'Provisioning State'")
	for _, n := range []string{"control-1", "compute-1", "compute-2", "storage-1"} {
		wants(u.t, list, n+" power off available")
	}
	wants(u.t, u.ok("/usr/bin/openstack baremetal node show storage-1 -f value -c properties"), "'memory_mb'", "'local_gb'", "'cpus'")
}

func (u *user) deploy() {
	for node, profile := range map[string]string{"control-1": "control", "compute-1": "compute", "compute-2": "compute", "storage-1": "ceph-storage"} {
		u.ok("openstack baremetal node set --property capabilities='profile:" + profile + ",boot_option:local' $(openstack baremetal node list -f value -c UUID -c Name | awk '$2 == \"" + node + "\" {print $1}')")
	}
	wants(u.t, u.fails(u.command(3)), "Compute: 3 wanted, 1 missing", "already has a role")
	wants(u.t, u.start(u.command(1)+" --dry-run", false).wait(3), "overcloud-controller-0", "overcloud-novacompute-0", "overcloud-cephstorage-0", "Validation Finished")

	d := u.start(u.command(1), false)
	u.until("a node that is being deployed", "openstack baremetal node list -f value -c 'Provisioning State'", 5*time.Minute,
		func(s string) bool { return strings.Contains(s, "wait call-back") })
	wants(u.t, u.fails(u.command(1)), "Unable to deploy as the stack 'overcloud' status is 'CREATE_IN_PROGRESS'")
	u.kill()
	u.until("the third step", "openstack stack event list overcloud", 25*time.Minute,
		func(s string) bool { return strings.Contains(s, "ControllerDeployment_Step3.0]: CREATE_IN_PROGRESS") })
	u.kill()
	wants(u.t, d.wait(0), "[overcloud]: CREATE_COMPLETE  Stack CREATE completed successfully", " Stack overcloud CREATE_COMPLETE ", "Overcloud Endpoint: http://192.168.255.", "Overcloud Deployed")

	// The Python client lets OS_* of stackrc win over --os-cloud: they go first.
	wants(u.t, u.ok("unset ${!OS_*}; /usr/bin/openstack --os-cloud overcloud token issue -f value -c id"), "gAAAAA")
	wants(u.t, u.ok("source overcloudrc; openstack project list -f value -c Name"), "admin", "service")
	wants(u.t, u.ok("openstack server list"), "overcloud-controller-0", "ACTIVE", "ctlplane=192.168.255.", "overcloud-full")
	wants(u.t, u.ok("openstack stack list -f value -c 'Stack Name' -c 'Stack Status'"), "overcloud CREATE_COMPLETE")
	wants(u.t, u.ok("/usr/bin/openstack stack list -f value -c 'Stack Status'"), "CREATE_COMPLETE")
	wants(u.t, u.ssh("overcloud-controller-0", "systemctl is-active mariadb rabbitmq-server memcached chrony && sudo ceph -s"), "HEALTH_OK", "2 osds: 2 up")
}

func (u *user) command(computes int) string { return fmt.Sprintf(deploy, computes, u.root) }

// ssh logs in as the article does; the host key must be known already.
func (u *user) ssh(server, command string) string {
	u.t.Helper()
	// ssh takes files from the passwd file's home, whatever HOME says.
	return u.ok("ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=$HOME/.ssh/known_hosts -i $HOME/.ssh/id_rsa heat-admin@$(openstack server list -f value -c Name -c Networks | sed -n 's/^" + server + " ctlplane=//p') '" + command + "'")
}

func (u *user) again() {
	wants(u.t, u.ok(u.command(1)+" --dry-run"), "Nothing would change.", "Validation Finished")
	wants(u.t, u.ok(u.command(1)), "UPDATE_COMPLETE", "nothing had to be changed")
}

func (u *user) scale() {
	wants(u.t, u.start(u.command(2)+" --dry-run", false).wait(3), "overcloud-novacompute-1", "ComputeCount: 1 → 2", "~ file:/etc/hosts")
	wants(u.t, u.ok(u.command(2)), "UPDATE_COMPLETE", "1 node(s) added, 0 removed")
	wants(u.t, u.ok("openstack server list -f value -c Name"), "overcloud-novacompute-1")
	wants(u.t, u.ssh("overcloud-novacompute-0", "getent hosts overcloud-novacompute-1"), "overcloud-novacompute-1.localdomain")
}

func (u *user) delete() {
	wants(u.t, u.ok("openstack overcloud delete overcloud -y"), "Deleting stack overcloud...", "Success.")
	list := u.ok("openstack baremetal node list -f value -c Name -c 'Instance UUID' -c 'Power State' -c 'Provisioning State'")
	for _, n := range []string{"control-1", "compute-1", "compute-2", "storage-1"} {
		wants(u.t, list, n+" None power off available")
	}
	if out := u.ok("openstack server list -f value -c Name"); strings.TrimSpace(out) != "" {
		u.t.Errorf("servers are left: %s", out)
	}
	u.disksAreClean()
}

// disksAreClean looks at the machines' disks from outside: neither partition table is left.
func (u *user) disksAreClean() {
	disks, err := filepath.Glob(u.labDisks())
	must(u.t, err)
	if len(disks) < 4 {
		u.t.Fatalf("disks of the lab: %v", disks)
	}
	for _, d := range disks {
		head := filepath.Join(u.dir, "head.raw")
		out, err := exec.Command("qemu-img", "dd", "-O", "raw", "bs=1M", "count=2", "if="+d, "of="+head).CombinedOutput()
		if err != nil {
			u.t.Fatalf("read %s: %v\n%s", d, err, out)
		}
		data, err := os.ReadFile(head)
		must(u.t, err)
		if strings.Contains(string(data), "EFI PART") || len(data) > 511 && data[510] == 0x55 && data[511] == 0xaa {
			u.t.Errorf("%s still has a partition table", d)
		}
	}
}

func (u *user) labDisks() string {
	base := os.Getenv("TREFOIL_LAB_DIR")
	if base == "" {
		base = "/var/lib/trefoil/labs"
	}
	return filepath.Join(base, labName, "libvirt/lib/images", "*.qcow2")
}
