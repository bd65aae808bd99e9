package apply

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/overcloud/resource"
)

// A step that stands is taken again for a disk that was added, and for nothing else.
func TestAnAddedDiskBecomesAnOSD(t *testing.T) {
	const gib = 1 << 30
	n := newNode(t)
	n.sys.units["ceph-osd@0.service"], n.sys.units["ceph-osd@1.service"] = "inactive", "inactive"
	n.sys.disks = []Disk{{"/dev/vda", 40 * gib, "has 4 partitions", true, false}, {"/dev/vdb", 10 * gib, "", false, false}}
	number := -1
	n.sys.stdout = map[string]func() string{
		"python3": func() string {
			number++
			return fmt.Sprintf(`{"code": 0, "output": "{\"osdid\": %d}", "status": ""}`, number)
		},
		"ceph-bluestore-tool": func() string {
			return `{"/dev/vdb": {"osd_uuid": "u", "ceph_fsid": "00000000-0000-4000-8000-000000000001", "whoami": "0", "ready": "ready"}}`
		},
	}
	r := resource.Resource{Type: "ceph_osd", CephOSD: &resource.CephOSD{FSID: "00000000-0000-4000-8000-000000000001", Keyring: "/k", MinSizeGB: 5}}
	n.must("changed ceph_osd:ceph\ndone", r)
	n.sys.disks[1].Use = "ceph_bluestore"
	n.must("unchanged ceph_osd:ceph\ndone", r)
	if ran := strings.Join(n.sys.ran, "; "); strings.Contains(ran, "ceph") && !strings.HasPrefix(ran, "systemctl show") {
		t.Errorf("a step that stands ran %s", ran)
	}
	n.sys.disks = append(n.sys.disks, Disk{"/dev/vdc", 10 * gib, "ext4", false, false})
	if _, err := n.apply(r); err == nil || !strings.Contains(err.Error(), "/dev/vdc (10.0 GiB) holds ext4") || number != 0 {
		t.Errorf("a disk with data: %v", err)
	}
	n.sys.disks[2].Use = ""
	n.must("changed ceph_osd:ceph\ndone", r)
	if n.sys.units["ceph-osd@1.service"] != "active" {
		t.Errorf("units %v", n.sys.units)
	}
}

// Nova attaches servers' volumes as disks of the machine; sysfs tells them from its own.
func TestVolumesOfServersAreNotTheMachinesDisks(t *testing.T) {
	for path, is := range map[string]bool{
		"/sys/devices/platform/host3/session1/target3:0:0/3:0:0:1/block/sdb":                                   true,
		"/sys/devices/pci0000:00/0000:00:03.0/host1/rport-1:0-2/target1:0:2/1:0:2:0/block/sdc":                 true,
		"/sys/devices/virtual/nvme-fabrics/ctl/nvme1/nvme1n1":                                                  true,
		"/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda":                        false,
		"/sys/devices/pci0000:00/0000:00:05.0/virtio2/block/vdb":                                               false,
		"/sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0/host0/port-0:0/end_device-0:0/target0:0:0/block/sd": false,
		"/sys/devices/pci0000:00/0000:00:1c.4/0000:3c:00.0/nvme/nvme0/nvme0n1":                                 false,
	} {
		if remote(path) != is {
			t.Errorf("%s: %v", path, !is)
		}
	}
}

// With the kernel's own multipath an NVMe disk lies beside its controllers, and their paths
// to it are hidden disks.
func TestAnNVMeDiskOfMultipathIsWhereItsControllersAre(t *testing.T) {
	for name, c := range map[string]struct {
		transports []string
		remote     bool
	}{"two ports of a disk in the machine": {[]string{"pcie", "pcie"}, false}, "TCP": {[]string{"tcp", "tcp"}, true}, "Fibre Channel": {[]string{"fc"}, true},
		"a PCIe path and one over RDMA": {[]string{"pcie", "rdma"}, true}, "no path is left": {nil, true}, "one that does not say": {[]string{""}, true}} {
		sys := t.TempDir()
		block, subsystem := filepath.Join(sys, "block"), filepath.Join(sys, "devices/virtual/nvme-subsystem/nvme-subsys7")
		gendisk := func(at, hidden string) {
			put(t, filepath.Join(at, "size"), "20971520\n")
			put(t, filepath.Join(at, "hidden"), hidden+"\n")
			link(t, at, filepath.Join(block, filepath.Base(at)))
		}
		gendisk(filepath.Join(subsystem, "nvme7n1"), "0")
		for i, transport := range c.transports {
			controller := filepath.Join(sys, fmt.Sprintf("devices/some/bus/nvme%d", 7+i))
			put(t, filepath.Join(controller, "transport"), transport+"\n")
			link(t, controller, filepath.Join(subsystem, filepath.Base(controller)))
			gendisk(filepath.Join(controller, fmt.Sprintf("nvme7c%dn1", 7+i)), "1")
		}
		all, err := wholeDisks(block)
		if want := (Disk{Path: "/dev/nvme7n1", Bytes: 10 << 30, Remote: c.remote}); err != nil || len(all) != 1 || all[0] != want {
			t.Errorf("%s: %+v, error %v; expected only %+v", name, all, err, want)
		}
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(to, at)); err != nil {
		t.Fatal(err)
	}
}
