// Package lab makes the machines of a virtual laboratory: a network, libvirt
// domains with their disks, a virtual BMC for each and the node file that an
// undercloud imports. Everything a lab owns lies in one directory and, if wanted,
// in one network namespace; Delete leaves no trace.
package lab

import (
	"strconv"
	"strings"

	"trefoil/internal/yaml"
)

// Config is a lab as a user writes it (examples/lab.yaml).
type Config struct {
	Name         string    `yaml:"name" json:"name"`
	Namespace    string    `yaml:"namespace" json:"namespace"`       // network namespace of its own; "none" is the host's network
	Acceleration string    `yaml:"acceleration" json:"acceleration"` // auto, kvm, tcg
	LibvirtURI   string    `yaml:"libvirt_uri" json:"libvirt_uri"`   // only with namespace none; default qemu:///system
	Network      Network   `yaml:"network" json:"network"`
	VBMC         VBMC      `yaml:"vbmc" json:"vbmc"`
	Machines     []Machine `yaml:"machines" json:"machines"`
}

// Network is the provisioning network that joins the machines and the undercloud.
type Network struct {
	Bridge      string `yaml:"bridge" json:"bridge"`
	CIDR        string `yaml:"cidr" json:"cidr"`
	HostAddress string `yaml:"host_address" json:"host_address"` // where the virtual BMCs listen
	Interface   string `yaml:"interface" json:"interface"`       // the undercloud's local_interface
	MTU         int    `yaml:"mtu" json:"mtu"`
}

// VBMC holds the defaults of the machines' virtual BMCs.
type VBMC struct {
	Username string `yaml:"username" json:"username"`
	Password string `yaml:"password" json:"password"`
	Port     int    `yaml:"port" json:"port"` // of a machine: its own; of the lab: the first (7001)
}

// Machine is one virtual machine.
type Machine struct {
	Name     string `yaml:"name" json:"name"`
	Role     string `yaml:"role" json:"role"` // a hint for people; nothing depends on it
	VCPUs    int    `yaml:"vcpus" json:"vcpus"`
	Memory   Range  `yaml:"memory" json:"memory"`
	Disks    []Disk `yaml:"disks" json:"disks"`
	NICs     []NIC  `yaml:"nics" json:"nics"`
	Firmware string `yaml:"firmware" json:"firmware"` // bios or uefi
	VBMC     VBMC   `yaml:"vbmc" json:"vbmc"`
	UUID     string `yaml:"-" json:"uuid"` // filled in by resolve
}

// Disk is a virtual disk. Its file is sparse: it takes what the machine writes.
type Disk struct {
	Size   Size `yaml:"size" json:"size"`
	Expect Size `yaml:"expect" json:"expect"` // how much is likely to be written
}

// NIC is a network card on the lab's bridge.
type NIC struct {
	MAC string `yaml:"mac" json:"mac"`
}

// NoNamespace is the Namespace of a lab that lives in the host's network.
const NoNamespace = "none"

// Firmwares.
const (
	BIOS = "bios"
	UEFI = "uefi"
)

// Private reports that the lab has a network namespace and a libvirtd of its own.
func (c *Config) Private() bool { return c.Namespace != NoNamespace }

// Parse reads a lab's description, fills in what was left out and checks it. file
// is the name for errors; name, if not empty, replaces the lab's own name (and a
// namespace called like it).
func Parse(file string, data []byte, name string) (*Config, error) {
	var c Config
	if err := yaml.Decode(file, data, &c); err != nil {
		return nil, err
	}
	root, err := yaml.Parse(file, data)
	if err != nil {
		return nil, err
	}
	if name != "" {
		if c.Namespace == c.Name {
			c.Namespace = name
		}
		c.Name = name
	}
	c.resolve()
	k := &checker{file: file, root: root}
	k.config(&c)
	if err := k.err(); err != nil {
		return nil, err
	}
	return &c, nil
}

// Defaults of what a description leaves out.
const (
	defaultBridge    = "br-lab"
	defaultCIDR      = "192.168.255.0/24"
	defaultHost      = "192.168.255.200"
	defaultInterface = "eth0"
	defaultMTU       = 1500
	defaultUser      = "admin"
	defaultPassword  = "admin"
	defaultPort      = 7001
	defaultVCPUs     = 2
	defaultMemory    = 2 << 30
	minimumMemory    = 1 << 30
	defaultDisk      = 60 << 30
	expectedWrites   = 4 << 30 // an overcloud image and what its services write, with room
)

func (c *Config) resolve() {
	setString(&c.Namespace, c.Name)
	setString(&c.Acceleration, "auto")
	setString(&c.LibvirtURI, "qemu:///system")
	setString(&c.Network.Bridge, defaultBridge)
	setString(&c.Network.CIDR, defaultCIDR)
	setString(&c.Network.HostAddress, defaultHost)
	setString(&c.Network.Interface, defaultInterface)
	setInt(&c.Network.MTU, defaultMTU)
	setString(&c.VBMC.Username, defaultUser)
	setString(&c.VBMC.Password, defaultPassword)
	setInt(&c.VBMC.Port, defaultPort)
	for i := range c.Machines {
		c.Machines[i].resolve(c, i)
	}
}

func (m *Machine) resolve(c *Config, index int) {
	setInt(&m.VCPUs, defaultVCPUs)
	setString(&m.Firmware, BIOS)
	if m.Memory.Want == 0 {
		m.Memory = Range{Want: defaultMemory, Min: minimumMemory}
	}
	if len(m.Disks) == 0 {
		m.Disks = []Disk{{Size: defaultDisk}}
	}
	for i := range m.Disks {
		d := &m.Disks[i]
		if d.Expect == 0 {
			d.Expect = min(d.Size, expectedWrites)
		}
	}
	if len(m.NICs) == 0 {
		m.NICs = []NIC{{}}
	}
	for i := range m.NICs {
		setString(&m.NICs[i].MAC, stableMAC(c.Name, m.Name, strconv.Itoa(i)))
		m.NICs[i].MAC = strings.ToLower(m.NICs[i].MAC)
	}
	setString(&m.VBMC.Username, c.VBMC.Username)
	setString(&m.VBMC.Password, c.VBMC.Password)
	setInt(&m.VBMC.Port, c.VBMC.Port+index)
	m.UUID = stableUUID(c.Name, m.Name)
}

func setString(s *string, v string) {
	if *s == "" {
		*s = v
	}
}

func setInt(n *int, v int) {
	if *n == 0 {
		*n = v
	}
}

// peer is the bridge's end of the undercloud's interface. Interface names end at 15 bytes.
func (n *Network) peer() string {
	name := "lab-" + n.Interface
	return name[:min(len(name), 15)]
}
