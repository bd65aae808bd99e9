package hw

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"trefoil/ironic/agentapi"
)

// tree is a machine's /sys and /proc made of files and links.
func tree(t *testing.T, files, links map[string]string) Probe {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range links {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(root, to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(root, to), p); err != nil {
			t.Fatal(err)
		}
	}
	return Probe{Root: root, BootIF: "01-52-54-00-00-00-01", Addrs: func(string) []net.IP {
		return []net.IP{net.ParseIP("fe80::1"), net.IPv4(192, 0, 2, 7)}
	}}
}

func TestInventory(t *testing.T) {
	p := tree(t, map[string]string{
		"sys/class/net/lo/type":                              "772\n",
		"sys/class/net/eth0/type":                            "1\n",
		"sys/class/net/eth0/address":                         "52:54:00:00:00:01\n",
		"sys/class/net/eth0/carrier":                         "1\n",
		"sys/class/net/eth0/speed":                           "-1\n",
		"sys/class/net/br0/type":                             "1\n", // no hardware behind it
		"sys/devices/pci0000:00/0000:00:03.0/virtio0/vendor": "0x1af4\n",
		"sys/devices/pci0000:00/0000:00:03.0/virtio0/device": "0x0001\n",
		"sys/block/vda/size":                                 "20971520\n",
		"sys/block/vda/ro":                                   "0\n",
		"sys/block/vda/serial":                               "S-1",
		"sys/block/vda/queue/rotational":                     "1\n",
		"sys/block/vda/queue/logical_block_size":             "512\n",
		"sys/block/vda/queue/physical_block_size":            "4096\n",
		"sys/block/sda/size":                                 "41943040\n",
		"sys/block/sda/wwid":                                 "naa.5000c500a1b2c3d4\n",
		"sys/devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/model": "A DISK  \n",
		"sys/block/loop0/size":          "100\n",
		"sys/block/sr0/size":            "100\n",
		"sys/block/sdb/size":            "0\n",
		"proc/cpuinfo":                  "processor\t: 0\nmodel name\t: A CPU\ncpu MHz\t\t: 2000.5\nphysical id\t: 0\nflags\t\t: vmx aes\n\nprocessor\t: 1\nphysical id\t: 1\n",
		"proc/meminfo":                  "MemTotal:        1000000 kB\n",
		"sys/class/dmi/id/sys_vendor":   "QEMU\n",
		"sys/class/dmi/id/bios_version": "1.16\n",
	}, map[string]string{
		"sys/class/net/eth0/device":                          "sys/devices/pci0000:00/0000:00:03.0/virtio0",
		"sys/devices/pci0000:00/0000:00:03.0/virtio0/driver": "sys/bus/virtio/drivers/virtio_net",
		"sys/block/vda/device":                               "sys/devices/pci0000:00/0000:00:04.0/virtio1",
		"sys/block/sda/device":                               "sys/devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0",
		"sys/block/sr0/device":                               "sys/devices/x",
	})
	inv := p.Inventory()
	wwn, hctl := "0x5000c500a1b2c3d4", "2:0:0:0"
	want := agentapi.Inventory{
		Interfaces: []agentapi.Interface{{Name: "eth0", MACAddress: "52:54:00:00:00:01", IPv4Address: "192.0.2.7", IPv6Address: "fe80::1", HasCarrier: true,
			LLDP: [][]any{}, Vendor: "0x1af4", Product: "0x0001", PCIAddress: "0000:00:03.0", Driver: "virtio_net"}},
		CPU: agentapi.CPU{ModelName: "A CPU", Frequency: "2000.5", Count: 2, Architecture: machine(), Flags: []string{"vmx", "aes"}, SocketCount: 2},
		Disks: []agentapi.Disk{
			{Name: "/dev/sda", Model: "A DISK", Size: 20 << 30, WWN: &wwn, WWNWithExtension: &wwn, HCTL: &hctl, ByPath: "/dev/disk/by-path/pci-0000:00:1f.2-ata-3", Transport: "sata"},
			{Name: "/dev/vda", Size: 10 << 30, Rotational: true, Serial: "S-1", ByPath: "/dev/disk/by-path/pci-0000:00:04.0", LogicalSectors: 512, PhysicalSectors: 4096, Transport: "virtio"},
		},
		Memory: agentapi.Memory{Total: 1000000 << 10, PhysicalMB: 976}, BMCAddress: "0.0.0.0", BMCV6Address: "::/0",
		SystemVendor: agentapi.SystemVendor{Manufacturer: "QEMU", Firmware: agentapi.Firmware{Version: "1.16"}},
		Boot:         agentapi.Boot{CurrentBootMode: "bios", PXEInterface: "52:54:00:00:00:01"}, Hostname: inv.Hostname,
	}
	if !reflect.DeepEqual(inv, want) {
		t.Errorf("got  %+v\nwant %+v", inv, want)
	}
}

func TestInstalledMB(t *testing.T) {
	device := func(lo, hi byte, ext uint32) []byte {
		s := make([]byte, 0x20)
		s[0], s[1], s[0x0c], s[0x0d] = 17, 0x20, lo, hi
		s[0x1c], s[0x1d], s[0x1e], s[0x1f] = byte(ext), byte(ext>>8), byte(ext>>16), byte(ext>>24)
		return append(s, 'D', 'I', 'M', 'M', 0, 0)
	}
	other := []byte{0, 4, 0, 0, 0, 0}
	table := append(append(append(append(other, device(0, 4, 0)...), device(0xff, 0x7f, 65536)...), device(0xff, 0xff, 0)...), device(0, 0x88, 0)...)
	if got := installedMB(table); got != 1024+65536+2 {
		t.Errorf("got %d", got)
	}
}

func TestBootMAC(t *testing.T) {
	for in, want := range map[string]string{"01-52-54-00-AA-bb-01": "52:54:00:aa:bb:01", "52:54:00:aa:bb:01": "52:54:00:aa:bb:01", "": "", "nonsense": ""} {
		if got := BootMAC(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func FuzzInstalledMB(f *testing.F) {
	f.Add([]byte{17, 4, 0, 0, 0, 0})
	f.Fuzz(func(_ *testing.T, table []byte) { installedMB(table) })
}
