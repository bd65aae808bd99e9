package hw

import (
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"trefoil/ironic/agentapi"
)

// Disks lists the disks a node could boot from, by name: whole, writable, with
// a size, and backed by hardware.
func (p Probe) Disks() []agentapi.Disk {
	out := []agentapi.Disk{}
	for _, name := range p.list("/sys/block") {
		dir := "/sys/block/" + name
		sectors, err := strconv.ParseInt(p.read(dir+"/size"), 10, 64)
		if err != nil || sectors == 0 || p.read(dir+"/ro") == "1" || !p.exists(dir+"/device") || notDisk.MatchString(name) {
			continue
		}
		out = append(out, p.disk(name, sectors*512))
	}
	return out
}

var notDisk = regexp.MustCompile(`^(loop|ram|zram|dm-|md|sr|fd|nbd|mtdblock)|^mmcblk\d+(boot|rpmb)`)

func (p Probe) disk(name string, size int64) agentapi.Disk {
	dir := "/sys/block/" + name
	dev := p.link(dir + "/device")
	d := agentapi.Disk{
		Name: "/dev/" + name, Size: size,
		Model: p.read(dir + "/device/model"), Vendor: p.read(dir + "/device/vendor"),
		Rotational:     p.read(dir+"/queue/rotational") == "1",
		LogicalSectors: p.num(dir + "/queue/logical_block_size"), PhysicalSectors: p.num(dir + "/queue/physical_block_size"),
		Transport: transport(name, dev),
	}
	for _, f := range []string{"/serial", "/device/serial"} {
		if d.Serial == "" {
			d.Serial = p.read(dir + f)
		}
	}
	if d.Serial == "" {
		d.Serial = vpdSerial(p.read(dir + "/device/vpd_pg80"))
	}
	if wwn := p.wwn(dir); wwn != "" {
		d.WWN, d.WWNWithExtension = &wwn, &wwn
	}
	if base := filepath.Base(dev); hctlForm.MatchString(base) {
		d.HCTL = &base
	}
	if pci := pciAddress(dev); pci != "" {
		d.ByPath = "/dev/disk/by-path/pci-" + pci + pathSuffix(dev)
	}
	return d
}

var (
	hctlForm = regexp.MustCompile(`^\d+:\d+:\d+:\d+$`)
	pciForm  = regexp.MustCompile(`[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]`)
	ataForm  = regexp.MustCompile(`/ata(\d+)/`)
)

// pciAddress is the last PCI function on a device's path: bridges come first.
func pciAddress(sysPath string) string {
	all := pciForm.FindAllString(sysPath, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// pathSuffix follows udev's path_id for the common buses.
func pathSuffix(dev string) string {
	if m := ataForm.FindStringSubmatch(dev); m != nil {
		return "-ata-" + m[1]
	}
	base := filepath.Base(dev)
	if hctlForm.MatchString(base) {
		_, rest, _ := strings.Cut(base, ":") // udev counts hosts from 0 for each controller
		return "-scsi-0:" + rest
	}
	if strings.HasPrefix(base, "nvme") {
		return "-nvme-1"
	}
	return ""
}

func transport(name, dev string) string {
	switch {
	case strings.HasPrefix(name, "nvme"):
		return "nvme"
	case strings.Contains(dev, "/usb"):
		return "usb"
	case strings.Contains(dev, "/ata"):
		return "sata"
	case strings.Contains(dev, "/end_device-"):
		return "sas"
	case strings.Contains(dev, "/session"):
		return "iscsi"
	case strings.Contains(dev, "/virtio"):
		return "virtio"
	}
	return ""
}

// wwn turns the kernel's "naa.5000…" or "eui.…" into udev's "0x5000…" or "eui.…".
func (p Probe) wwn(dir string) string {
	for _, f := range []string{"/wwid", "/device/wwid"} {
		id := p.read(dir + f)
		if v, ok := strings.CutPrefix(id, "naa."); ok {
			return "0x" + v
		}
		if strings.HasPrefix(id, "eui.") {
			return id
		}
	}
	return ""
}

// vpdSerial reads SCSI vital product data page 0x80: 4 bytes of header, then text.
func vpdSerial(page string) string {
	if len(page) <= 4 {
		return ""
	}
	return strings.TrimSpace(page[4:])
}

func (p Probe) num(name string) int {
	n, _ := strconv.Atoi(p.read(name))
	return n
}

// machine is uname's word for the architecture.
func machine() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}
