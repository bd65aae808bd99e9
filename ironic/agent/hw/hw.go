// Package hw reads the inventory of a machine from /sys, /proc and DMI, in the
// schema of ironic-python-agent, without any helper program.
package hw

import (
	"net"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"trefoil/ironic"
	"trefoil/ironic/agentapi"
)

// Probe reads one machine. The zero value reads this one.
type Probe struct {
	Root string // prefix of /sys and /proc; empty for the real ones
	// Addrs returns an interface's addresses; default asks the kernel.
	Addrs func(name string) []net.IP
	// BootIF is the kernel parameter BOOTIF: the MAC that booted.
	BootIF string
}

// Inventory reads everything. What cannot be read is left empty: an inventory
// with a hole is worth more than none.
func (p Probe) Inventory() agentapi.Inventory {
	host, _ := os.Hostname()
	inv := agentapi.Inventory{
		Interfaces: p.Interfaces(), CPU: p.CPU(), Disks: p.Disks(), Memory: p.Memory(),
		BMCAddress: "0.0.0.0", BMCV6Address: "::/0", // what IPA sends where there is no in-band BMC
		SystemVendor: p.SystemVendor(),
		Boot:         agentapi.Boot{CurrentBootMode: ironic.BIOS, PXEInterface: BootMAC(p.BootIF)},
		Hostname:     host,
	}
	if p.exists("/sys/firmware/efi") {
		inv.Boot.CurrentBootMode = ironic.UEFI
	}
	return inv
}

// BootMAC turns BOOTIF, "52:54:00:…" or "01-52-54-00-…", into a MAC address.
func BootMAC(bootif string) string {
	s := strings.ToLower(strings.ReplaceAll(bootif, "-", ":"))
	if strings.Count(s, ":") == 6 {
		_, s, _ = strings.Cut(s, ":") // hardware type
	}
	if hw, err := net.ParseMAC(s); err == nil && len(hw) == 6 {
		return s
	}
	return ""
}

// Interfaces lists the Ethernet interfaces that are hardware, by name.
func (p Probe) Interfaces() []agentapi.Interface {
	out := []agentapi.Interface{}
	for _, name := range p.list("/sys/class/net") {
		dir := "/sys/class/net/" + name
		if !p.exists(dir+"/device") || p.read(dir+"/type") != "1" {
			continue
		}
		i := agentapi.Interface{
			Name: name, MACAddress: strings.ToLower(p.read(dir + "/address")),
			HasCarrier: p.read(dir+"/carrier") == "1", LLDP: [][]any{},
			Vendor: p.read(dir + "/device/vendor"), Product: p.read(dir + "/device/device"),
			PCIAddress: pciAddress(p.link(dir + "/device")),
			Driver:     filepath.Base(p.link(dir + "/device/driver")),
		}
		if v, err := strconv.Atoi(p.read(dir + "/speed")); err == nil && v > 0 {
			i.SpeedMbps = &v
		}
		for _, ip := range p.addrs(name) {
			if v4 := ip.To4(); v4 != nil && i.IPv4Address == "" {
				i.IPv4Address = v4.String()
			} else if v4 == nil && i.IPv6Address == "" {
				i.IPv6Address = ip.String()
			}
		}
		out = append(out, i)
	}
	return out
}

func (p Probe) addrs(name string) []net.IP {
	if p.Addrs != nil {
		return p.Addrs(name)
	}
	ifc, err := net.InterfaceByName(name)
	if err != nil {
		return nil
	}
	addrs, err := ifc.Addrs()
	if err != nil {
		return nil
	}
	var out []net.IP
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			out = append(out, n.IP)
		}
	}
	return out
}

// CPU reads /proc/cpuinfo.
func (p Probe) CPU() agentapi.CPU {
	c := agentapi.CPU{Architecture: machine(), Flags: []string{}}
	sockets := map[string]bool{}
	for line := range strings.Lines(p.read("/proc/cpuinfo")) {
		key, val, _ := strings.Cut(line, ":")
		val = strings.TrimSpace(val)
		switch strings.TrimSpace(key) {
		case "processor":
			c.Count++
		case "model name":
			c.ModelName = val
		case "cpu MHz":
			c.Frequency = val
		case "flags":
			c.Flags = strings.Fields(val)
		case "physical id":
			sockets[val] = true
		}
	}
	c.SocketCount = max(len(sockets), 1)
	return c
}

// Memory reads what the kernel has and what DMI says is installed.
func (p Probe) Memory() agentapi.Memory {
	var m agentapi.Memory
	for line := range strings.Lines(p.read("/proc/meminfo")) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			m.Total = kb << 10
		}
	}
	table, err := os.ReadFile(p.path("/sys/firmware/dmi/tables/DMI"))
	if err == nil {
		m.PhysicalMB = installedMB(table)
	}
	if m.PhysicalMB == 0 {
		m.PhysicalMB = m.Total >> 20
	}
	return m
}

// SystemVendor reads what DMI says of the machine and its firmware.
func (p Probe) SystemVendor() agentapi.SystemVendor {
	id := func(name string) string { return p.read("/sys/class/dmi/id/" + name) }
	return agentapi.SystemVendor{
		ProductName: id("product_name"), SerialNumber: id("product_serial"), Manufacturer: id("sys_vendor"),
		Firmware: agentapi.Firmware{Vendor: id("bios_vendor"), Version: id("bios_version"), BuildDate: id("bios_date")},
	}
}

func (p Probe) path(name string) string { return filepath.Join(p.Root, name) }

// read returns a small file without surrounding white space, or "".
func (p Probe) read(name string) string {
	data, err := os.ReadFile(p.path(name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func (p Probe) exists(name string) bool {
	_, err := os.Stat(p.path(name))
	return err == nil
}

// link resolves a symbolic link to its full path, or "".
func (p Probe) link(name string) string {
	full, err := filepath.EvalSymlinks(p.path(name))
	if err != nil {
		return ""
	}
	return full
}

func (p Probe) list(dir string) []string {
	entries, err := os.ReadDir(p.path(dir))
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	sort.Strings(names)
	return names
}
