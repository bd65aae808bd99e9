// Package networkd turns a network_config (os-net-config's objects) into files of
// systemd-networkd and orders for Open vSwitch. It is pure: which interfaces the
// machine has comes in, files and orders come out.
package networkd

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// NIC is a card of the machine, or one that was numbered when the machine had it.
type NIC struct {
	Name string // "" where Number left a number free
	MAC  string // its own, not its bond's
	Link bool   // it has a carrier
	Gone bool   // it has a number, and is not in the machine any more
}

// Kept is what the paths of the files begin with that the machine boots with, and that the
// next deployment reads; the directory above is the machine's root.
const Kept = "etc/systemd/network/05-overcloud-"

// OVSFile is the name of the file among a Result's that keeps its Bridges: Open vSwitch
// has them in its own database, which does not tell what was asked for.
const OVSFile = "openvswitch.json"

// Result is what the machine is to have.
type Result struct {
	Files     map[string]string // by name, without directory and prefix: ens3.network, vlan20.netdev; OVSFile, NICFile
	NICs      []NIC             // nic1, nic2 …
	Bridges   []Bridge          // of Open vSwitch
	Addresses []string          // with their prefixes, that must be there in the end
}

// Bridge is one of Open vSwitch.
type Bridge struct {
	Name  string `json:"name"`
	MAC   string `json:"mac,omitempty"` // of its first interface; "" leaves it
	Ports []Port `json:"ports,omitempty"`
}

// Port of a Bridge: an interface, an internal port with a tag, or a bond of several.
type Port struct {
	Name    string   `json:"name"`
	Tag     int      `json:"tag,omitempty"`     // of an internal port; 0: a plain interface
	Members []string `json:"members,omitempty"` // of a bond
	Options []string `json:"options,omitempty"` // of a bond, key=value
}

// Equal tells whether two ports are made alike.
func (p Port) Equal(q Port) bool {
	return p.Name == q.Name && p.Tag == q.Tag && slices.Equal(p.Members, q.Members) && slices.Equal(p.Options, q.Options)
}

// Bridges are those that the files of an earlier Result ask for: none where there is no
// OVSFile, or one that cannot be read.
func Bridges(files map[string]string) []Bridge {
	var out []Bridge
	if err := json.Unmarshal([]byte(files[OVSFile]), &out); err != nil {
		return nil
	}
	return out
}

// Render makes the files. The first of nics is nic1. The error names the object and
// what the machine has.
func Render(objects []resource.NetObject, nics []NIC) (*Result, error) {
	r := &renderer{nics: nics, out: &Result{Files: map[string]string{NICFile: nicsText(nics)}, NICs: nics}, sections: map[string]*section{}}
	for i := range objects {
		r.object(&objects[i], nil)
	}
	r.attach()
	if len(r.wrong) > 0 {
		return nil, errs.New(errs.Invalid, "%s", strings.Join(r.wrong, "\n")).
			WithHint("the machine's interfaces that have or had a link are %s; change the role's nic config (OS::TripleO::<Role>::Net::SoftwareConfig)%s", r.known(), r.free())
	}
	for _, name := range r.order {
		r.out.Files[name+".network"] = r.sections[name].String()
	}
	if len(r.out.Bridges) > 0 {
		text, err := json.MarshalIndent(r.out.Bridges, "", " ")
		if err != nil {
			return nil, err
		}
		r.out.Files[OVSFile] = string(text) + "\n"
	}
	return r.out, nil
}

type renderer struct {
	nics     []NIC
	out      *Result
	sections map[string]*section
	order    []string
	vlans    []vlan
	wrong    []string
}

// vlan is a VLAN that waits for the section of what it lies on.
type vlan struct{ name, device string }

// section is the .network file of one device.
type section struct {
	name    string
	mtu     int
	network []string // lines of [Network]
	routes  []string // [Route] sections

	noGateway bool // DHCP gives no default route
}

// String is the file.
func (s *section) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by os-apply-config; changes are lost.\n[Match]\nName=%s\n", s.name)
	if s.mtu > 0 {
		fmt.Fprintf(&b, "\n[Link]\nMTUBytes=%d\n", s.mtu)
	}
	b.WriteString("\n[Network]\n" + strings.Join(s.network, "\n") + "\n")
	for _, r := range s.routes {
		b.WriteString("\n[Route]\n" + r)
	}
	if s.noGateway {
		b.WriteString("\n[DHCPv4]\nUseGateway=no\n")
	}
	return b.String()
}

func (r *renderer) fail(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

func (r *renderer) known() string {
	var out []string
	for i, n := range r.nics {
		if n.Name != "" && !n.Gone {
			out = append(out, fmt.Sprintf("nic%d = %s", i+1, n.Name))
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

// free is what to do where a number's card is gone; "" where none is.
func (r *renderer) free() string {
	if !slices.ContainsFunc(r.nics, func(n NIC) bool { return n.Gone }) {
		return ""
	}
	return "; for a new card in place of one that is gone take the lines of both out of /" + Kept + NICFile + " on the machine: it gets the lowest number that is free"
}

// device gives nicN its real name; other names stay.
func (r *renderer) device(name string) string {
	number, isAlias := strings.CutPrefix(name, "nic")
	n, err := strconv.Atoi(number)
	if !isAlias || err != nil {
		return name
	}
	if n < 1 || n > len(r.nics) || r.nics[n-1].Name == "" {
		here := slices.DeleteFunc(slices.Clone(r.nics), func(n NIC) bool { return n.Name == "" || n.Gone })
		r.fail("%s: the machine has %d interfaces that have or had a link", name, len(here))
		return name
	}
	if nic := r.nics[n-1]; nic.Gone {
		r.fail("%s: its card, %s with the address %s, is not in the machine any more", name, nic.Name, nic.MAC)
		return name
	}
	return r.nics[n-1].Name
}

func (r *renderer) mac(device string) string {
	i := slices.IndexFunc(r.nics, func(n NIC) bool { return n.Name == device })
	if i < 0 {
		return ""
	}
	return r.nics[i].MAC
}

// object renders one object; master are the lines that bind it to its bond or bridge.
func (r *renderer) object(o *resource.NetObject, master []string) {
	name := r.device(o.DeviceName())
	s := r.layer3(name, o)
	s.network = append(s.network, master...)
	switch o.Type {
	case "vlan":
		r.netdev(name, "vlan", o.MTU, fmt.Sprintf("[VLAN]\nId=%d\n", o.VLANID))
		r.vlans = append(r.vlans, vlan{name, r.device(o.Device)})
	case "linux_bond":
		r.netdev(name, "bond", o.MTU, "[Bond]\n"+r.bonding(name, o.BondingOptions))
		for i := range o.Members {
			lines := []string{"Bond=" + name}
			if o.Members[i].Primary {
				lines = append(lines, "PrimarySlave=yes")
			}
			r.object(&o.Members[i], lines)
		}
	case "linux_bridge":
		r.netdev(name, "bridge", o.MTU, "[Bridge]\nSTP=no\n")
		for i := range o.Members {
			r.object(&o.Members[i], []string{"Bridge=" + name})
		}
	case "ovs_bridge":
		r.ovsBridge(name, o)
	}
}

// layer3 begins a device's section with its addresses and routes.
func (r *renderer) layer3(name string, o *resource.NetObject) *section {
	s := &section{name: name, mtu: o.MTU}
	link := "LinkLocalAddressing=no"
	if o.UseDHCPv6 {
		link = "LinkLocalAddressing=ipv6"
	}
	s.network = append(s.network, link, "IPv6AcceptRA="+yes(o.UseDHCPv6))
	switch {
	case o.UseDHCP && o.UseDHCPv6:
		s.network = append(s.network, "DHCP=yes")
	case o.UseDHCP:
		s.network = append(s.network, "DHCP=ipv4")
	case o.UseDHCPv6:
		s.network = append(s.network, "DHCP=ipv6")
	}
	for _, a := range o.Addresses {
		p, err := netip.ParsePrefix(a.IPNetmask)
		if err != nil {
			r.fail("%s: address %q", name, a.IPNetmask) // not reached: the document was checked
			continue
		}
		s.network = append(s.network, "Address="+p.String())
		r.out.Addresses = append(r.out.Addresses, p.String())
	}
	for _, d := range o.DNSServers {
		s.network = append(s.network, "DNS="+d)
	}
	for _, rt := range o.Routes {
		s.routes = append(s.routes, fmt.Sprintf("Destination=%s\nGateway=%s\n", rt.To(), rt.Via()))
	}
	if o.UseDHCP && o.DefRoute != nil && !*o.DefRoute {
		s.noGateway = true
	}
	if r.sections[name] != nil {
		r.fail("%s stands twice", name)
	}
	r.sections[name] = s
	r.order = append(r.order, name)
	return s
}

func yes(on bool) string {
	if on {
		return "yes"
	}
	return "no"
}

func (r *renderer) netdev(name, kind string, mtu int, rest string) {
	text := fmt.Sprintf("# Written by os-apply-config; changes are lost.\n[NetDev]\nName=%s\nKind=%s\n", name, kind)
	if mtu > 0 {
		text += fmt.Sprintf("MTUBytes=%d\n", mtu)
	}
	r.out.Files[name+".netdev"] = text + "\n" + rest
}

// attach writes VLANs into the sections of what they lie on. What is not listed has
// no section: making one would take its addresses away.
func (r *renderer) attach() {
	for _, v := range r.vlans {
		s := r.sections[v.device]
		if s == nil {
			r.fail("%s lies on %s, which has no object of its own in network_config: list it, with its addresses", v.name, v.device)
			continue
		}
		s.network = append(s.network, "VLAN="+v.name)
		if s.mtu > 0 && r.sections[v.name].mtu > s.mtu {
			r.fail("%s: mtu %d is more than the %d of %s, which it lies on", v.name, r.sections[v.name].mtu, s.mtu, v.device)
		}
	}
}

// bondKeys are the kernel's bonding options and networkd's words for them.
var bondKeys = map[string]string{"mode": "Mode", "miimon": "MIIMonitorSec", "lacp_rate": "LACPTransmitRate", "xmit_hash_policy": "TransmitHashPolicy",
	"updelay": "UpDelaySec", "downdelay": "DownDelaySec", "ad_select": "AdSelect", "fail_over_mac": "FailOverMACPolicy",
	"primary_reselect": "PrimaryReselectPolicy", "arp_interval": "ARPIntervalSec", "arp_ip_target": "ARPIPTargets", "min_links": "MinLinks"}

var bondModes = []string{"balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"}

func (r *renderer) bonding(name, options string) string {
	var b strings.Builder
	for _, o := range strings.Fields(options) {
		k, v, _ := strings.Cut(o, "=")
		word, known := bondKeys[k]
		if !known {
			r.fail("%s: bonding option %q is not known", name, k)
			continue
		}
		switch k {
		case "mode":
			if n, err := strconv.Atoi(v); err == nil && n >= 0 && n < len(bondModes) {
				v = bondModes[n] // the kernel takes numbers, networkd does not
			}
			if !slices.Contains(bondModes, v) {
				r.fail("%s: bonding mode %q is not one of %s", name, v, strings.Join(bondModes, ", "))
			}
		case "miimon", "updelay", "downdelay", "arp_interval":
			v += "ms"
		case "lacp_rate":
			v = map[string]string{"0": "slow", "1": "fast"}[v] + strings.Trim(v, "01")
		}
		fmt.Fprintf(&b, "%s=%s\n", word, v)
	}
	return b.String()
}

// ovsBridge: its ports belong to Open vSwitch, which keeps them in its own
// database; networkd gives addresses to the bridge and to tagged ports.
func (r *renderer) ovsBridge(name string, o *resource.NetObject) {
	b := Bridge{Name: name}
	for i := range o.Members {
		m := &o.Members[i]
		port := r.device(m.DeviceName())
		switch m.Type {
		case "vlan":
			r.layer3(port, m)
			b.Ports = append(b.Ports, Port{Name: port, Tag: m.VLANID})
			continue
		case "ovs_bond":
			p := Port{Name: port, Options: strings.Fields(m.OVSOptions)}
			for j := range m.Members {
				member := r.device(m.Members[j].DeviceName())
				r.layer3(member, &m.Members[j])
				p.Members = append(p.Members, member)
				b.firstMAC(r.mac(member))
			}
			b.Ports = append(b.Ports, p)
			continue
		}
		r.object(m, nil)
		b.firstMAC(r.mac(port))
		b.Ports = append(b.Ports, Port{Name: port})
	}
	r.out.Bridges = append(r.out.Bridges, b)
}

func (b *Bridge) firstMAC(mac string) {
	if b.MAC == "" {
		b.MAC = mac
	}
}
