package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strings"

	"libvirt.org/go/libvirtxml"

	"trefoil/overcloud/lab/probe"
)

// owner is the element by which a lab knows its own domains.
const owner = "https://trefoil.example/xmlns/lab/1"

// Paths of a machine as libvirt sees them. In a private lab they are bind mounts
// of the lab's directory; beside the host's libvirt they are that directory.
type places struct {
	images string // disk files
	nvram  string // UEFI variables
	logs   string // what the serial consoles printed
}

// firmware files of Debian's ovmf package.
const (
	ovmfCode = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	ovmfVars = "/usr/share/OVMF/OVMF_VARS_4M.fd"
)

// domainXML describes one machine to libvirt. The boot order stands in <os>, from
// where a virtual BMC can override it: network first, then disk.
func domainXML(lab string, m *Sized, n *Network, accel probe.Accel, p places) (string, error) {
	d := libvirtxml.Domain{
		Type:        "qemu",
		Name:        m.Name,
		UUID:        m.UUID,
		Description: fmt.Sprintf("machine of lab %s", lab),
		Metadata:    &libvirtxml.DomainMetadata{XML: ownerXML(lab, m.Role, "")},
		Memory:      &libvirtxml.DomainMemory{Value: uint(m.RAM.MiB()), Unit: "MiB"},
		VCPU:        &libvirtxml.DomainVCPU{Value: uint(m.VCPUs)},
		OS:          firmware(m, p),
		Features:    &libvirtxml.DomainFeatureList{ACPI: &libvirtxml.DomainFeature{}, APIC: &libvirtxml.DomainFeatureAPIC{}},
		Clock:       &libvirtxml.DomainClock{Offset: "utc"},
		OnPoweroff:  "destroy", OnReboot: "restart", OnCrash: "destroy",
		Devices: devices(m, n, p),
	}
	accelerate(&d, m, accel)
	text, err := d.Marshal()
	if err != nil {
		return "", fmt.Errorf("describe machine %s: %w", m.Name, err)
	}
	sum := sha256.Sum256([]byte(text))
	d.Metadata.XML = ownerXML(lab, m.Role, hex.EncodeToString(sum[:8]))
	if text, err = d.Marshal(); err != nil {
		return "", fmt.Errorf("describe machine %s: %w", m.Name, err)
	}
	return text, nil
}

// accelerate chooses domain type and CPU. Under emulation a plain CPU is the
// fastest: measured on the 2-core lab, SSE code runs CRC-32 twice as
// fast as the AVX code that programs pick on "max", SHA-256 is the same, and
// "max" brings five-level page tables. RDRAND seeds the guest's random numbers. The
// model is of a maker whose processors have no Meltdown: on an Intel one the kernel
// changes page tables at each system call, which empties QEMU's own and makes
// programs with many of them (RabbitMQ, systemd) several times slower. It has no
// virtualization of its own, so that nobody takes the machine for one with KVM.
func accelerate(d *libvirtxml.Domain, m *Sized, accel probe.Accel) {
	if accel == probe.KVM {
		d.Type = "kvm"
		d.CPU = &libvirtxml.DomainCPU{Mode: "host-passthrough"}
		return
	}
	d.CPU = &libvirtxml.DomainCPU{
		Mode: "custom", Match: "exact", Check: "none",
		Model: &libvirtxml.DomainCPUModel{Fallback: "forbid", Value: "Opteron_G3"},
		Features: []libvirtxml.DomainCPUFeature{{Policy: "require", Name: "rdrand"}, {Policy: "require", Name: "ssse3"},
			{Policy: "require", Name: "sse4.1"}, {Policy: "require", Name: "sse4.2"}, {Policy: "disable", Name: "svm"}},
	}
	if m.TBCache > 0 {
		d.Features.TCG = &libvirtxml.DomainFeatureTCG{
			TBCache: &libvirtxml.DomainFeatureTCGTBCache{Unit: "MiB", Size: uint(m.TBCache.MiB())},
		}
	}
}

// firmware gives BIOS on the old chipset, UEFI on the new one. A BIOS that finds
// nothing to boot tries again after five seconds, as servers do.
func firmware(m *Sized, p places) *libvirtxml.DomainOS {
	retry := 5000
	os := &libvirtxml.DomainOS{
		Type:        &libvirtxml.DomainOSType{Arch: "x86_64", Machine: "pc", Type: "hvm"},
		BootDevices: []libvirtxml.DomainBootDevice{{Dev: "network"}, {Dev: "hd"}},
	}
	if m.Firmware != UEFI {
		os.BIOS = &libvirtxml.DomainBIOS{UseSerial: "yes", RebootTimeout: &retry}
		return os
	}
	os.Type.Machine = "q35"
	os.Loader = &libvirtxml.DomainLoader{Readonly: "yes", Type: "pflash", Path: ovmfCode}
	os.NVRam = &libvirtxml.DomainNVRam{Template: ovmfVars, NVRam: p.nvram + "/" + m.Name + "_VARS.fd"}
	return os
}

func devices(m *Sized, n *Network, p places) *libvirtxml.DomainDeviceList {
	port := uint(0)
	list := &libvirtxml.DomainDeviceList{
		Emulator: "/usr/bin/qemu-system-x86_64",
		Serials: []libvirtxml.DomainSerial{{
			Source: &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}},
			Target: &libvirtxml.DomainSerialTarget{Port: &port},
			Log:    &libvirtxml.DomainChardevLog{File: p.logs + "/" + m.Name + "-console.log", Append: "on"},
		}},
		MemBalloon: &libvirtxml.DomainMemBalloon{Model: "none"},
		RNGs: []libvirtxml.DomainRNG{{
			Model: "virtio", Backend: &libvirtxml.DomainRNGBackend{Random: &libvirtxml.DomainRNGBackendRandom{Device: "/dev/urandom"}},
		}},
	}
	for i := range m.Disks {
		list.Disks = append(list.Disks, libvirtxml.DomainDisk{
			Device: "disk",
			// A lab's disks need not survive the host's power cut: flushes cost too much.
			Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: "qcow2", Cache: "unsafe", Discard: "unmap"},
			Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: p.images + "/" + diskFile(m.Name, i)}},
			Target: &libvirtxml.DomainDiskTarget{Dev: diskName(i), Bus: "virtio"},
			Serial: m.UUID[:8] + "-" + diskName(i),
		})
	}
	for _, nic := range m.NICs {
		card := libvirtxml.DomainInterface{
			MAC:    &libvirtxml.DomainInterfaceMAC{Address: nic.MAC},
			Source: &libvirtxml.DomainInterfaceSource{Bridge: &libvirtxml.DomainInterfaceSourceBridge{Bridge: n.Bridge}},
			Model:  &libvirtxml.DomainInterfaceModel{Type: "virtio"},
		}
		if n.MTU != defaultMTU {
			card.MTU = &libvirtxml.DomainInterfaceMTU{Size: uint(n.MTU)}
		}
		list.Interfaces = append(list.Interfaces, card)
	}
	return list
}

func diskName(i int) string { return "vd" + string(rune('a'+i)) }

// diskFile is NAME.qcow2 for the first disk, as in the article, then NAME-vdb.qcow2.
func diskFile(machine string, i int) string {
	if i == 0 {
		return machine + ".qcow2"
	}
	return machine + "-" + diskName(i) + ".qcow2"
}

// mark is what a lab writes into its domains.
type mark struct {
	lab  string
	made string // hash of the description that the domain was made from
}

func ownerXML(lab, role, made string) string {
	return fmt.Sprintf(`<trefoil:lab xmlns:trefoil=%q name=%q role=%q made=%q/>`, owner, lab, escape(role), made)
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}

// ownerOf returns the mark of the lab that a domain says it belongs to; zero when
// there is none. libvirt keeps it as it was written.
func ownerOf(domain string) mark {
	var d struct {
		Lab []struct {
			XMLName xml.Name
			Name    string `xml:"name,attr"`
			Made    string `xml:"made,attr"`
		} `xml:"metadata>lab"`
	}
	if xml.Unmarshal([]byte(domain), &d) != nil {
		return mark{}
	}
	for _, l := range d.Lab {
		if l.XMLName.Space == owner {
			return mark{l.Name, l.Made}
		}
	}
	return mark{}
}
