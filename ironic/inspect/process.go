// Package inspect turns the inventory that a ramdisk sent into what a node is
// scheduled by: properties, capabilities and ports. It does no I/O.
//
// It follows the default hooks of ironic-inspector: ramdisk error, root disk,
// scheduler properties, interfaces, capabilities.
package inspect

import (
	"net"
	"slices"
	"sort"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
)

// AddPorts chooses which interfaces become ports.
type AddPorts string

// The choices of inspector's add_ports.
const (
	AddPXE    AddPorts = "pxe" // the one that the ramdisk was booted from; active ones if that is not known
	AddActive AddPorts = "active"
	AddAll    AddPorts = "all"
	AddNone   AddPorts = "disabled"
)

// Port is an interface that shall be a port of the node.
type Port struct {
	MAC string // lower case
	PXE bool   // the ramdisk was booted from it
}

// Result is what one inventory says of a node.
type Result struct {
	// Properties to set: cpus, cpu_arch, memory_mb, local_gb, as text.
	Properties map[string]any
	// Capabilities to merge into properties.capabilities.
	Capabilities map[string]string
	Ports        []Port
	RootDisk     *agentapi.Disk
	BootMode     string
	// Missing says what the inventory left open, in words.
	Missing []string
}

const (
	gib = 1 << 30
	mib = 1 << 20
)

// Process reads an inventory for a node with the given root device hints. The
// errors are Invalid and say what the ramdisk reported or what did not fit.
func Process(d *agentapi.InspectionData, hints map[string]any, add AddPorts) (*Result, error) {
	if d.Error != nil && *d.Error != "" {
		return nil, errs.New(errs.Invalid, "the ramdisk reported: %s", ironic.Shortened(*d.Error))
	}
	inv := &d.Inventory
	r := &Result{Properties: map[string]any{}, Capabilities: capabilities(inv), BootMode: inv.Boot.CurrentBootMode}
	r.count("cpus", int64(inv.CPU.Count))
	if inv.CPU.Architecture != "" {
		r.Properties["cpu_arch"] = inv.CPU.Architecture
	} else {
		r.Missing = append(r.Missing, "cpu_arch")
	}
	mem := inv.Memory.PhysicalMB
	if mem == 0 {
		mem = inv.Memory.Total / mib
	}
	r.count("memory_mb", mem)
	if err := r.rootDisk(d, hints); err != nil {
		return nil, err
	}
	r.Ports = choosePorts(d, add)
	if len(r.Ports) == 0 && add != AddNone {
		r.Missing = append(r.Missing, "network interfaces")
	}
	return r, nil
}

func (r *Result) count(key string, v int64) {
	if v > 0 {
		r.Properties[key] = strconv.FormatInt(v, 10)
		return
	}
	r.Missing = append(r.Missing, key)
}

// rootDisk finds the disk an image goes to. One GiB less than its size is
// offered to the scheduler, as inspector does, to leave room for partitioning.
func (r *Result) rootDisk(d *agentapi.InspectionData, hints map[string]any) error {
	disk := d.RootDisk
	if len(hints) > 0 || disk == nil {
		var err error
		disk, err = RootDisk(d.Inventory.Disks, hints)
		if len(hints) > 0 && err != nil {
			return err
		}
	}
	if disk == nil {
		r.Missing = append(r.Missing, "local_gb (no disk of 4 GiB or more)")
		return nil
	}
	r.RootDisk = disk
	r.Properties["local_gb"] = strconv.FormatInt(max(disk.Size/gib-1, 0), 10)
	return nil
}

// capabilities are inspector's: boot mode and what the CPU can do.
func capabilities(inv *agentapi.Inventory) map[string]string {
	out := map[string]string{}
	if m := inv.Boot.CurrentBootMode; m != "" {
		out["boot_mode"] = m
	}
	for flag, name := range map[string]string{"vmx": "cpu_vt", "svm": "cpu_vt", "aes": "cpu_aes",
		"pse": "cpu_hugepages", "pdpe1gb": "cpu_hugepages_1g", "smx": "cpu_txt"} {
		if slices.Contains(inv.CPU.Flags, flag) {
			out[name] = "true"
		}
	}
	return out
}

func choosePorts(d *agentapi.InspectionData, add AddPorts) []Port {
	if add == AddNone {
		return nil
	}
	boot := BootMAC(d)
	var all []Port
	found := false
	for _, i := range cards(d, boot) {
		mac, _ := NormalMAC(i.MACAddress)
		p := Port{MAC: mac, PXE: mac == boot}
		found = found || p.PXE
		if add == AddAll || i.HasCarrier || p.PXE {
			all = append(all, p)
		}
	}
	if add == AddPXE && found {
		return slices.DeleteFunc(all, func(p Port) bool { return !p.PXE })
	}
	return all
}

// BootMAC is the MAC of the interface that the ramdisk came over; empty when not known.
func BootMAC(d *agentapi.InspectionData) string {
	for _, s := range []string{d.BootInterface, d.Inventory.Boot.PXEInterface} {
		if len(s) == 20 && strings.HasPrefix(s, "01-") { // hardware type 1, then the MAC
			s = s[3:]
		}
		if mac, ok := NormalMAC(strings.ReplaceAll(s, "-", ":")); ok {
			return mac
		}
	}
	return ""
}

// NormalMAC returns an Ethernet address in lower case with colons; false when s
// is none, or is zero or a group address.
func NormalMAC(s string) (string, bool) {
	hw, err := net.ParseMAC(strings.TrimSpace(s))
	if err != nil || len(hw) != 6 || hw[0]&1 != 0 {
		return "", false
	}
	for _, b := range hw {
		if b != 0 {
			return hw.String(), true
		}
	}
	return "", false
}

// MACs returns the usable addresses of an inventory, the boot interface's first. Those that
// BMCs have on their hosts' USB are left out: see bmcCard.
func MACs(d *agentapi.InspectionData) []string {
	ports := choosePorts(d, AddAll)
	sort.SliceStable(ports, func(i, j int) bool { return ports[i].PXE && !ports[j].PXE })
	out := make([]string, len(ports))
	for i, p := range ports {
		out[i] = p.MAC
	}
	return out
}
