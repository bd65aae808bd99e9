package network

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"trefoil/internal/errs"
)

// newSubnet checks a request and fills in what it leaves out: the first address
// as gateway, everything else as allocation pool.
func newSubnet(a *subnetArgs) (*Subnet, error) {
	cidr, err := netip.ParsePrefix(a.CIDR.v)
	if err != nil {
		return nil, errs.New(errs.Invalid, "Invalid input for cidr. Reason: '%s' is not a valid IP subnet.", a.CIDR.v)
	}
	if cidr != cidr.Masked() {
		return nil, errs.New(errs.Invalid, "Invalid input for cidr. Reason: '%s' isn't a recognized IP subnet cidr, '%s' is recommended.", cidr, cidr.Masked())
	}
	if want := map[bool]int{true: 4, false: 6}[cidr.Addr().Is4()]; a.IPVersion.set && a.IPVersion.v != want {
		return nil, errs.New(errs.Invalid, "The ip_version '%d' does not match the CIDR '%s'", a.IPVersion.v, cidr)
	}
	n := &Subnet{CIDR: cidr, EnableDHCP: true, DNSNameservers: []string{}, HostRoutes: []Route{}, Tags: []string{}}
	if !a.GatewayIP.set {
		n.GatewayIP = cidr.Addr().Next()
	}
	if err := a.ipv6Modes(n); err != nil {
		return nil, err
	}
	if err := a.apply(n); err != nil {
		return nil, err
	}
	if len(n.AllocationPools) == 0 {
		n.AllocationPools = wholePool(cidr, n.GatewayIP)
	}
	return n, n.check()
}

// ipv6Modes takes the two modes of an IPv6 subnet; they are given once and for all.
func (a *subnetArgs) ipv6Modes(n *Subnet) error {
	for name, mode := range map[string]opt[string]{"ipv6_address_mode": a.IPv6AddressMode, "ipv6_ra_mode": a.IPv6RAMode} {
		switch {
		case !mode.set || mode.null:
			continue
		case n.CIDR.Addr().Is4():
			return errs.New(errs.Invalid, "Invalid input for operation: %s is not valid when ip_version is 4.", name)
		case !slices.Contains([]string{"slaac", "dhcpv6-stateful", "dhcpv6-stateless"}, mode.v):
			return errs.New(errs.Invalid, "Invalid input for %s. Reason: '%s' is not in valid_values: slaac, dhcpv6-stateful, dhcpv6-stateless", name, mode.v)
		}
	}
	a.IPv6AddressMode.into(&n.IPv6AddressMode)
	a.IPv6RAMode.into(&n.IPv6RAMode)
	return nil
}

func (a *subnetArgs) apply(n *Subnet) error {
	a.Name.into(&n.Name)
	a.Description.into(&n.Description)
	a.EnableDHCP.into(&n.EnableDHCP)
	a.AllocationPools.into(&n.AllocationPools)
	a.DNSNameservers.into(&n.DNSNameservers)
	a.HostRoutes.into(&n.HostRoutes)
	switch {
	case a.GatewayIP.set && a.GatewayIP.null:
		n.GatewayIP = netip.Addr{}
	case a.GatewayIP.set:
		gw, err := netip.ParseAddr(a.GatewayIP.v)
		if err != nil {
			return errs.New(errs.Invalid, "Invalid input for gateway_ip. Reason: '%s' is not a valid IP address.", a.GatewayIP.v)
		}
		n.GatewayIP = gw
	}
	return nil
}

func (n *Subnet) check() error {
	if n.GatewayIP.IsValid() && !n.CIDR.Contains(n.GatewayIP) {
		return errs.New(errs.Invalid, "Gateway %s is not in the subnet %s.", n.GatewayIP, n.CIDR)
	}
	for i, p := range n.AllocationPools {
		if !n.CIDR.Contains(p.Start) || !n.CIDR.Contains(p.End) {
			return errs.New(errs.Invalid, "The allocation pool %s-%s spans beyond the subnet cidr %s.", p.Start, p.End, n.CIDR)
		}
		if p.End.Less(p.Start) {
			return errs.New(errs.Invalid, "The allocation pool %s-%s is not valid.", p.Start, p.End)
		}
		if n.GatewayIP.IsValid() && p.contains(n.GatewayIP) {
			return errs.New(errs.Conflict, "Gateway ip %s conflicts with allocation pool %s-%s.", n.GatewayIP, p.Start, p.End)
		}
		for _, q := range n.AllocationPools[:i] {
			if !p.End.Less(q.Start) && !q.End.Less(p.Start) {
				return errs.New(errs.Conflict, "Found overlapping allocation pools: %s-%s, %s-%s for subnet %s.", q.Start, q.End, p.Start, p.End, n.CIDR)
			}
		}
	}
	for _, d := range n.DNSNameservers {
		if _, err := netip.ParseAddr(d); err != nil {
			return errs.New(errs.Invalid, "Invalid input for dns_nameservers. Reason: '%s' is not a valid nameserver.", d)
		}
	}
	for _, r := range n.HostRoutes {
		_, err := netip.ParsePrefix(r.Destination)
		_, err2 := netip.ParseAddr(r.NextHop)
		if err != nil || err2 != nil {
			return errs.New(errs.Invalid, "Invalid input for host_routes. Reason: '%s via %s' is not a valid route.", r.Destination, r.NextHop)
		}
	}
	return nil
}

func (p Pool) contains(a netip.Addr) bool { return !a.Less(p.Start) && !p.End.Less(a) }

// wholePool is all of the subnet but its first, its last and the gateway's address.
func wholePool(cidr netip.Prefix, gateway netip.Addr) []Pool {
	first, last := cidr.Addr().Next(), lastAddr(cidr)
	if cidr.Addr().Is4() && cidr.Bits() < 31 {
		last = last.Prev() // broadcast
	}
	var out []Pool
	if gateway.IsValid() && cidr.Contains(gateway) {
		if first.Less(gateway) {
			out = append(out, Pool{first, gateway.Prev()})
		}
		first = gateway.Next()
	}
	if !last.Less(first) {
		out = append(out, Pool{first, last})
	}
	return out
}

func lastAddr(p netip.Prefix) netip.Addr {
	if p.Addr().Is4() {
		b := p.Addr().As4()
		v := binary.BigEndian.Uint32(b[:]) | uint32(1<<(32-p.Bits())-1)
		binary.BigEndian.PutUint32(b[:], v)
		return netip.AddrFrom4(b)
	}
	b := p.Addr().As16()
	for i := p.Bits(); i < 128; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom16(b)
}

// free returns the lowest address of the pools that nobody holds.
func (n *Subnet) free(used map[netip.Addr]bool) (netip.Addr, error) {
	for _, p := range n.AllocationPools {
		for a := p.Start; p.contains(a); a = a.Next() {
			if !used[a] {
				return a, nil
			}
		}
	}
	return netip.Addr{}, errs.New(errs.Conflict, "No more IP addresses available on network %s.", n.NetworkID).
		WithHint("all addresses of the allocation pools of subnet %s are taken; delete ports or widen the pool (dhcp_start, dhcp_end)", n.Name)
}

// usedOn collects the addresses of a subnet that ports hold.
func usedOn(subnetID string, ports []*Port) map[netip.Addr]bool {
	used := map[netip.Addr]bool{}
	for _, p := range ports {
		for _, f := range p.FixedIPs {
			if a, err := netip.ParseAddr(f.Address); err == nil && f.SubnetID == subnetID {
				used[a] = true
			}
		}
	}
	return used
}

func (s *Service) reserved(a netip.Addr) bool { return slices.Contains(s.cfg.Reserved, a) }
