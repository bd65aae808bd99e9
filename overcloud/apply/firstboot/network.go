package firstboot

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Network is network_data.json (OpenStack metadata).
type Network struct {
	Links    []NetLink    `json:"links"`
	Networks []NetAddress `json:"networks"`
	Services []NetService `json:"services"`
}

// NetLink is an interface, found by its MAC address.
type NetLink struct {
	ID   string `json:"id"`
	Type string `json:"type"` // phy, and Nova's names of virtual NICs, mean a real NIC
	MAC  string `json:"ethernet_mac_address"`
	MTU  *int   `json:"mtu"`
}

// NetAddress is one address family on a link.
type NetAddress struct {
	ID      string     `json:"id"`
	Link    string     `json:"link"`
	Type    string     `json:"type"` // ipv4, ipv6, ipv4_dhcp, ipv6_dhcp, ipv6_slaac …
	Address string     `json:"ip_address"`
	Netmask string     `json:"netmask"`
	Gateway string     `json:"gateway"`
	Routes  []NetRoute `json:"routes"`
	DNS     []string   `json:"dns_nameservers"`

	Services []NetService `json:"services"`
}

// NetRoute is a route over Gateway.
type NetRoute struct {
	Network string `json:"network"`
	Netmask string `json:"netmask"`
	Gateway string `json:"gateway"`
}

// NetService is a name server when its type is dns.
type NetService struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

// FirstAddress is the first static address without its prefix, or "".
func (n *Network) FirstAddress() string {
	for _, a := range n.Networks {
		addr, _, _ := strings.Cut(a.Address, "/")
		if ip, err := netip.ParseAddr(addr); err == nil && ip.Zone() == "" {
			return ip.String()
		}
	}
	return ""
}

// Nameservers lists the valid ones, each once.
func (n *Network) Nameservers() []string {
	var out []string
	add := func(s string) {
		if _, err := netip.ParseAddr(s); err == nil && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	services := slices.Clone(n.Services)
	for _, a := range n.Networks {
		services = append(services, a.Services...)
		for _, s := range a.DNS {
			add(s)
		}
	}
	for _, s := range services {
		if s.Type == "dns" {
			add(s.Address)
		}
	}
	return out
}

// Networkd returns one systemd.network file per link, by file name. Links are
// matched by MAC among real interfaces only (Kind=!*), because a bridge that
// takes the NIC in later carries the same MAC.
func (n *Network) Networkd() (map[string]string, error) {
	files := map[string]string{}
	for i, l := range n.Links {
		if l.Type == "bond" || l.Type == "vlan" || l.Type == "bridge" {
			return nil, fmt.Errorf("links[%d] %q: type %q is not supported at first boot; give the real interface here and build the rest by a template", i, l.ID, l.Type)
		}
		mac, err := net.ParseMAC(l.MAC)
		if err != nil || len(mac) != 6 {
			return nil, fmt.Errorf("links[%d] %q: ethernet_mac_address %q is not a MAC address", i, l.ID, l.MAC)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "[Match]\nMACAddress=%s\nType=ether\nKind=!*\n", mac)
		if l.MTU != nil && *l.MTU > 0 {
			fmt.Fprintf(&b, "\n[Link]\nMTUBytes=%d\n", *l.MTU)
		}
		if err := n.section(&b, l.ID); err != nil {
			return nil, err
		}
		files[fmt.Sprintf("10-link%d.network", i)] = b.String()
	}
	for i, a := range n.Networks {
		if !slices.ContainsFunc(n.Links, func(l NetLink) bool { return l.ID == a.Link }) {
			return nil, fmt.Errorf("networks[%d] %q: no link %q", i, a.ID, a.Link)
		}
	}
	return files, nil
}

func (n *Network) section(b *strings.Builder, link string) error {
	var routes strings.Builder
	b.WriteString("\n[Network]\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n")
	for i, a := range n.Networks {
		if a.Link != link {
			continue
		}
		if strings.HasPrefix(a.Type, "ipv4_dhcp") {
			b.WriteString("DHCP=ipv4\n")
			continue
		}
		if strings.HasPrefix(a.Type, "ipv6_") {
			b.WriteString("IPv6AcceptRA=yes\n")
			continue
		}
		p, err := prefix(a.Address, a.Netmask)
		if err != nil {
			return fmt.Errorf("networks[%d] %q: %w", i, a.ID, err)
		}
		fmt.Fprintf(b, "Address=%s\n", p)
		if a.Gateway != "" {
			a.Routes = append(slices.Clone(a.Routes), NetRoute{zero(p), zero(p), a.Gateway})
		}
		for j, r := range a.Routes {
			if err := route(&routes, r); err != nil {
				return fmt.Errorf("networks[%d] %q: routes[%d]: %w", i, a.ID, j, err)
			}
		}
	}
	b.WriteString(routes.String())
	return nil
}

func zero(p netip.Prefix) string {
	if p.Addr().Is4() {
		return "0.0.0.0"
	}
	return "::"
}

// route without a gateway says nothing that the address does not: a network
// without a router is written so by some deployers.
func route(b *strings.Builder, r NetRoute) error {
	if r.Gateway == "" {
		return nil
	}
	dest, err := prefix(r.Network, r.Netmask)
	if err != nil {
		return err
	}
	gw, err := netip.ParseAddr(r.Gateway)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	fmt.Fprintf(b, "\n[Route]\nDestination=%s\nGateway=%s\n", dest, gw)
	return nil
}

// prefix takes 192.0.2.1/24, or an address and a mask in either notation.
func prefix(addr, mask string) (netip.Prefix, error) {
	if strings.Contains(addr, "/") {
		return netip.ParsePrefix(addr)
	}
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.Prefix{}, err
	}
	m, err := netip.ParseAddr(mask)
	if err != nil {
		return netip.ParsePrefix(addr + "/" + mask)
	}
	ones, bits := net.IPMask(m.AsSlice()).Size()
	if bits != a.BitLen() {
		return netip.Prefix{}, fmt.Errorf("netmask %q does not fit address %q", mask, addr)
	}
	return netip.PrefixFrom(a, ones), nil
}
