package lab

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
)

// Names become files, domains, namespaces and interfaces: keep to what all of them take.
var (
	nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)
	linkForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$`)
	macForm  = regexp.MustCompile(`^([0-9a-f]{2}:){5}[0-9a-f]{2}$`)
)

// lowestMemory is what the ramdisk needs to unpack itself and work.
const lowestMemory = 512 << 20

// checker collects everything that is wrong, each with the line it stands in.
type checker struct {
	file     string
	root     *yaml.Node
	problems []string
}

func (k *checker) err() error {
	switch len(k.problems) {
	case 0:
		return nil
	case 1:
		return errs.New(errs.Invalid, "%s", k.problems[0])
	}
	return errs.New(errs.Invalid, "%d problems:\n  %s", len(k.problems), strings.Join(k.problems, "\n  "))
}

func (k *checker) config(c *Config) {
	k.name(c.Name, "lab", "name")
	if c.Private() {
		k.name(c.Namespace, "namespace", "namespace")
	}
	k.oneOf(c.Acceleration, []string{"auto", "kvm", "tcg"}, "acceleration")
	k.network(&c.Network)
	if len(c.Machines) == 0 {
		k.say("a lab needs at least one machine", "machines")
	}
	once := map[string]string{}
	for i := range c.Machines {
		k.machine(&c.Machines[i], i, once)
	}
}

func (k *checker) network(n *Network) {
	for _, l := range [][2]string{{"bridge", n.Bridge}, {"interface", n.Interface}} {
		if !linkForm.MatchString(l[1]) {
			k.say(strconv.Quote(l[1])+" is no interface name; expected at most 15 letters, digits, '.', '_' or '-'", "network", l[0])
		}
	}
	if n.Bridge == n.Interface || n.Bridge == n.peer() {
		k.say("bridge and interface need different names", "network", "bridge")
	}
	cidr, err := netip.ParsePrefix(n.CIDR)
	if err != nil || !cidr.Addr().Is4() || cidr != cidr.Masked() {
		k.say(strconv.Quote(n.CIDR)+" is no IPv4 network; expected for example 192.168.255.0/24", "network", "cidr")
		return
	}
	if host, err := netip.ParseAddr(n.HostAddress); err != nil || !cidr.Contains(host) {
		k.say(strconv.Quote(n.HostAddress)+" is not an address of "+n.CIDR, "network", "host_address")
	}
	if n.MTU < 576 || n.MTU > 9000 {
		k.say(strconv.Itoa(n.MTU)+" is out of range; expected 576 to 9000", "network", "mtu")
	}
}

func (k *checker) machine(m *Machine, i int, once map[string]string) {
	k.name(m.Name, "machine", "machines", i, "name")
	k.unique(once, "name "+m.Name, m.Name, "machines", i, "name")
	if m.VCPUs < 1 || m.VCPUs > 64 {
		k.say(strconv.Itoa(m.VCPUs)+" is out of range; expected 1 to 64", "machines", i, "vcpus")
	}
	if m.Memory.Min > m.Memory.Want {
		k.say("min "+m.Memory.Min.String()+" is more than want "+m.Memory.Want.String(), "machines", i, "memory")
	} else if m.Memory.Min < lowestMemory {
		k.say(m.Memory.Min.String()+" is too little; the ramdisk needs 512M", "machines", i, "memory")
	}
	for j, d := range m.Disks {
		if d.Size < 1<<30 {
			k.say("a disk needs a size of at least 1G", "machines", i, "disks", j)
		}
	}
	if len(m.Disks) > 24 {
		k.say("at most 24 disks", "machines", i, "disks")
	}
	for j, n := range m.NICs {
		if first, err := strconv.ParseUint(n.MAC[:min(2, len(n.MAC))], 16, 8); !macForm.MatchString(n.MAC) || err != nil || first&1 == 1 {
			k.say(strconv.Quote(n.MAC)+" is no MAC address of a card; expected for example 52:54:00:20:a2:2f", "machines", i, "nics", j, "mac")
		}
		k.unique(once, "MAC "+n.MAC, m.Name, "machines", i, "nics", j, "mac")
	}
	k.oneOf(m.Firmware, []string{BIOS, UEFI}, "machines", i, "firmware")
	if m.VBMC.Port < 1 || m.VBMC.Port > 65535 {
		k.say(strconv.Itoa(m.VBMC.Port)+" is no UDP port", "machines", i, "vbmc", "port")
	}
	k.unique(once, "vBMC port "+strconv.Itoa(m.VBMC.Port), m.Name, "machines", i, "vbmc", "port")
	if len(m.VBMC.Password) > 20 || len(m.VBMC.Username) > 16 {
		k.say("IPMI takes at most 16 bytes of user name and 20 of password", "machines", i, "vbmc")
	}
}

func (k *checker) name(v, what string, path ...any) {
	if !nameForm.MatchString(v) {
		k.say(strconv.Quote(v)+" is no "+what+" name; expected at most 40 lower-case letters, digits and '-'", path...)
	}
}

func (k *checker) oneOf(v string, allowed []string, path ...any) {
	for _, a := range allowed {
		if v == a {
			return
		}
	}
	k.say(strconv.Quote(v)+" is unknown; expected "+strings.Join(allowed, ", "), path...)
}

func (k *checker) unique(once map[string]string, what, owner string, path ...any) {
	if first, ok := once[what]; ok {
		k.say(what+" is already taken by "+first, path...)
		return
	}
	once[what] = owner
}

// say records a problem as "file:line: path: text"; the line is that of the
// deepest part of path which the file has.
func (k *checker) say(text string, path ...any) {
	line := 1
	n := k.root
	var where strings.Builder
	for _, p := range path {
		switch p := p.(type) {
		case int:
			where.WriteString("[" + strconv.Itoa(p) + "]")
		case string:
			if where.Len() > 0 {
				where.WriteByte('.')
			}
			where.WriteString(p)
		}
		if n = child(n, p); n != nil {
			line = n.Line
		}
	}
	k.problems = append(k.problems, k.file+":"+strconv.Itoa(line)+": "+where.String()+": "+text)
}

// child returns the value below n at a key or an index, or nil.
func child(n *yaml.Node, at any) *yaml.Node {
	switch at := at.(type) {
	case int:
		if n != nil && n.Kind == yaml.SequenceNode && at < len(n.Content) {
			return n.Content[at]
		}
	case string:
		for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == at {
				return n.Content[i+1]
			}
		}
	}
	return nil
}
