//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

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

// plainUndercloud and plainNodes are for tests of something else.
func (u *user) plainUndercloud() {
	u.ok("openstack undercloud install")
	u.ok("openstack overcloud image upload --image-path ~/images/")
}

func (u *user) plainNodes() {
	u.ok("openstack overcloud node import --introspect --provide inspection.json")
}

func (u *user) nodes() {
	bad := u.home("bad.json")
	must(u.t, os.WriteFile(bad, []byte("{\n \"nodes\": [ }"), 0o644))
	wants(u.t, u.fails("openstack overcloud node import bad.json"), "bad.json:2:13: not valid JSON")

	imp := u.start("openstack overcloud node import --introspect --provide inspection.json", false)
	u.until("a node in introspection", "openstack baremetal node list -f value -c 'Provisioning State'", 10*time.Minute,
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
