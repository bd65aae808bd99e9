package apply

import (
	"fmt"
	"strings"
	"testing"

	"trefoil/overcloud/resource"
)

// A step that stands is taken again for a disk that was added, and for nothing else.
func TestAnAddedDiskBecomesAnOSD(t *testing.T) {
	const gib = 1 << 30
	n := newNode(t)
	n.sys.units["ceph-osd@0.service"], n.sys.units["ceph-osd@1.service"] = "inactive", "inactive"
	n.sys.disks = []Disk{{"/dev/vda", 40 * gib, "has 4 partitions", true}, {"/dev/vdb", 10 * gib, "", false}}
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
	n.sys.disks = append(n.sys.disks, Disk{"/dev/vdc", 10 * gib, "ext4", false})
	if _, err := n.apply(r); err == nil || !strings.Contains(err.Error(), "/dev/vdc (10.0 GiB) holds ext4") || number != 0 {
		t.Errorf("a disk with data: %v", err)
	}
	n.sys.disks[2].Use = ""
	n.must("changed ceph_osd:ceph\ndone", r)
	if n.sys.units["ceph-osd@1.service"] != "active" {
		t.Errorf("units %v", n.sys.units)
	}
}

// Nova attaches servers' volumes as disks of the machine.
func TestVolumesOfServersAreNotTheMachinesDisks(t *testing.T) {
	for path, is := range map[string]bool{
		"/sys/devices/platform/host3/session1/target3:0:0/3:0:0:1/block/sdb":                                   true,
		"/sys/devices/pci0000:00/0000:00:03.0/host1/rport-1:0-2/target1:0:2/1:0:2:0/block/sdc":                 true,
		"/sys/devices/virtual/nvme-fabrics/ctl/nvme1/nvme1n1":                                                  true,
		"/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda":                        false,
		"/sys/devices/pci0000:00/0000:00:05.0/virtio2/block/vdb":                                               false,
		"/sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0/host0/port-0:0/end_device-0:0/target0:0:0/block/sd": false,
	} {
		if elsewhere.MatchString(path) != is {
			t.Errorf("%s: %v", path, !is)
		}
	}
}
