package network

import (
	"net/netip"

	"trefoil/internal/schema"
	"trefoil/internal/yaml"
)

// Prefix is an address range in CIDR notation; Address is one IP address.
type (
	Prefix  = netip.Prefix
	Address = netip.Addr
)

// ParsePrefix reads CIDR notation.
func ParsePrefix(text string) (Prefix, error) { return netip.ParsePrefix(text) }

// Pool is a range of addresses that are given out, both ends included.
type Pool struct{ Start, End Address }

// Route is a destination that is reached by a router of the subnet.
type Route struct {
	Destination Prefix
	Nexthop     Address
}

// subnetKeys are the keys of a subnet that a network does not have.
var subnetKeys = []string{"enabled", "physical_network", "network_type", "segmentation_id", "enable_dhcp", "ipv6_address_mode",
	"ipv6_ra_mode", "external_resource_subnet_id", "external_resource_segment_id"}

func (r *reader) subnet(m *schema.Map, name, what string, line int) Subnet {
	modes := []string{"slaac", "dhcpv6-stateful", "dhcpv6-stateless"}
	s := r.addresses(m, what)
	s.Name, s.Enabled, s.Line = name, m.Bool("enabled", true), line
	s.PhysicalNetwork = m.Text("physical_network")
	s.NetworkType = m.OneOf("network_type", "flat", "vlan")
	s.SegmentationID = m.Int("segmentation_id", 1, maxVLAN, 0)
	s.EnableDHCP = m.Bool("enable_dhcp", false)
	s.IPv6AddressMode, s.IPv6RAMode = m.OneOf("ipv6_address_mode", modes...), m.OneOf("ipv6_ra_mode", modes...)
	s.ExternalSubnet, s.ExternalSegment = m.Text("external_resource_subnet_id"), m.Text("external_resource_segment_id")
	if p, err := netip.ParsePrefix(m.Text("ip_subnet")); err == nil && p.Addr().Is6() {
		r.p.Add(m.LineOf("ip_subnet"), "%s: ip_subnet %s does not appear to be an IPv4 subnet; write it as ipv6_subnet", what, p)
	}
	if !m.Has("ip_subnet") && !m.Has("ipv6_subnet") && s.ExternalSubnet == "" {
		r.p.Add(m.Line, "%s needs ip_subnet or ipv6_subnet", what)
	}
	return s
}

// addresses reads the keys that a v1 network and a subnet have in common. v1
// may write IPv6 addresses into the keys of IPv4; they go where they belong.
func (r *reader) addresses(m *schema.Map, what string) Subnet {
	s := Subnet{Line: m.Line, VLAN: m.Int("vlan", 1, maxVLAN, 0)}
	four := r.family(m, what, "ip_subnet", "gateway_ip", "allocation_pools", "routes")
	six := r.family(m, what, "ipv6_subnet", "gateway_ipv6", "ipv6_allocation_pools", "routes_ipv6")
	if six.cidr.IsValid() && six.cidr.Addr().Is4() {
		r.p.Add(m.LineOf("ipv6_subnet"), "%s: ipv6_subnet %s does not appear to be an IPv6 subnet", what, six.cidr)
	}
	if four.cidr.IsValid() && four.cidr.Addr().Is6() {
		if m.Has("ipv6_subnet") {
			r.p.Add(m.LineOf("ip_subnet"), "%s: ip_subnet %s does not appear to be an IPv4 subnet, and ipv6_subnet is given too", what, four.cidr)
		}
		four, six = family{}, four
	}
	s.CIDR, s.Gateway, s.Pools, s.Routes = four.cidr, four.gateway, four.pools, four.routes
	s.CIDR6, s.Gateway6, s.Pools6, s.Routes6 = six.cidr, six.gateway, six.pools, six.routes
	return s
}

type family struct {
	cidr    Prefix
	gateway Address
	pools   []Pool
	routes  []Route
}

// family reads the four keys of one IP version and holds them against each other.
func (r *reader) family(m *schema.Map, what, cidr, gateway, pools, routes string) family {
	f := family{cidr: r.prefix(m.Text(cidr), m.LineOf(cidr), what, cidr), gateway: r.address(m.Text(gateway), m.LineOf(gateway), what, gateway)}
	if !m.Has(cidr) && cidr == "ipv6_subnet" {
		for _, k := range []string{gateway, pools, routes} {
			if m.Has(k) {
				r.p.Add(m.LineOf(k), "%s: %s without %s", what, k, cidr)
			}
		}
	}
	for _, n := range m.List(pools) {
		f.pools = append(f.pools, r.pool(n, what, pools, f.cidr)...)
	}
	for _, n := range m.List(routes) {
		e := r.p.Map(n, "an entry in "+routes+" of "+what, "destination", "nexthop")
		if e == nil {
			continue
		}
		e.Need("destination", "nexthop")
		rt := Route{r.prefix(e.Text("destination"), e.LineOf("destination"), what, "destination"), r.address(e.Text("nexthop"), e.LineOf("nexthop"), what, "nexthop")}
		if rt.Destination.IsValid() && rt.Nexthop.IsValid() && rt.Destination.Addr().BitLen() != rt.Nexthop.BitLen() {
			r.p.Add(e.Line, "%s: route to %s by %s mixes IPv4 and IPv6", what, rt.Destination, rt.Nexthop)
		}
		r.within(f.cidr, rt.Nexthop, e.LineOf("nexthop"), what, "nexthop")
		f.routes = append(f.routes, rt)
	}
	r.within(f.cidr, f.gateway, m.LineOf(gateway), what, gateway)
	r.apart(m, what, pools, f.pools)
	return f
}

// apart notes pools that overlap.
func (r *reader) apart(m *schema.Map, what, key string, pools []Pool) {
	for i, a := range pools {
		for _, b := range pools[:i] {
			if a.contains(b.Start) || b.contains(a.Start) {
				r.p.Add(m.LineOf(key), "%s: the allocation pools %s-%s and %s-%s overlap", what, b.Start, b.End, a.Start, a.End)
			}
		}
	}
}

func (p Pool) contains(a Address) bool {
	return p.Start.BitLen() == a.BitLen() && p.Start.Compare(a) <= 0 && a.Compare(p.End) <= 0
}

func (r *reader) pool(n *yaml.Node, what, key string, cidr Prefix) []Pool {
	m := r.p.Map(n, "an entry in "+key+" of "+what, "start", "end")
	if m == nil {
		return nil
	}
	m.Need("start", "end")
	p := Pool{r.address(m.Text("start"), m.LineOf("start"), what, "start"), r.address(m.Text("end"), m.LineOf("end"), what, "end")}
	if !p.Start.IsValid() || !p.End.IsValid() {
		return nil
	}
	if p.Start.BitLen() != p.End.BitLen() || p.End.Less(p.Start) {
		r.p.Add(m.Line, "%s: the allocation pool %s-%s ends before it starts", what, p.Start, p.End)
		return nil
	}
	r.within(cidr, p.Start, m.LineOf("start"), what, key+" start")
	r.within(cidr, p.End, m.LineOf("end"), what, key+" end")
	for _, a := range []Address{p.Start, p.End} {
		if Reserved(cidr, a) {
			r.p.Add(m.Line, "%s: %s holds %s, the first or the last address of %s, which is no machine's", what, key, a, cidr)
		}
	}
	return []Pool{p}
}

// Reserved tells whether an address is the network's own, or its broadcast address
// (RFC 919): no machine may have it. IPv6, and point-to-point networks of two addresses
// (RFC 3021), have none.
func Reserved(cidr Prefix, a Address) bool {
	if !cidr.IsValid() || !a.Is4() || cidr.Bits() >= 31 || !cidr.Contains(a) {
		return false
	}
	first := cidr.Masked().Addr().As4()
	last := first
	for bit := cidr.Bits(); bit < 32; bit++ {
		last[bit/8] |= 1 << (7 - bit%8)
	}
	return a.As4() == first || a.As4() == last
}

func (r *reader) within(cidr Prefix, a Address, line int, what, key string) {
	if cidr.IsValid() && a.IsValid() && !cidr.Contains(a) {
		r.p.Add(line, "%s: %s %s is not in %s", what, key, a, cidr)
	}
}

func (r *reader) prefix(text string, line int, what, key string) Prefix {
	if text == "" {
		return Prefix{}
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		r.p.Add(line, "%s: %s %q is not a subnet in CIDR notation, like 172.16.1.0/24", what, key, text)
		return Prefix{}
	}
	if m := p.Masked(); m != p {
		r.p.Add(line, "%s: %s %s has bits after the prefix; the subnet is %s", what, key, p, m)
	}
	if a := p.Addr(); key != "destination" && (a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() || a.IsUnspecified()) {
		r.p.Add(line, "%s: %s %s is no subnet for machines (loopback, link-local, multicast or unspecified)", what, key, p)
	}
	return p.Masked()
}

func (r *reader) address(text string, line int, what, key string) Address {
	if text == "" {
		return Address{}
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		r.p.Add(line, "%s: %s %q is not an IP address", what, key, text)
		return Address{}
	}
	return a.Unmap()
}
