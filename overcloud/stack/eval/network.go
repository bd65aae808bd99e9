package eval

import (
	"errors"
	"fmt"
	"net/netip"

	"trefoil/overcloud/hot"
)

// Subnet is a subnet whose addresses can be planned.
type Subnet struct {
	Network string // its network's name
	Name    string
	CIDR    string
	Gateway string
	Pools   []Pool // empty: every address but the gateway's
	DNS     []string
	MTU     int
}

// Pool is a range of addresses, both ends included.
type Pool struct{ Start, End string }

// Network is one with its subnets.
type Network struct {
	Name    string
	Path    string // of the resource that makes it; "" for one that exists
	Subnets []Subnet
}

// planner knows the networks and hands out their addresses, lowest first, so
// that the same tree gives the same addresses.
type planner struct {
	nets  []*network
	known map[string]string     // key → address that is kept
	taken map[netip.Addr]string // address → key
	keys  map[string]string     // key → address that was handed out
}

type network struct {
	name, id, path string
	properties     map[string]any
	subnets        []*subnet
}

type subnet struct {
	Subnet
	id      string
	prefix  netip.Prefix
	pools   [][2]netip.Addr
	next    []netip.Addr // of each pool
	gateway netip.Addr
	props   map[string]any

	exhausted bool // no address is left, which was told
}

func newPlanner(subnets []Subnet, known map[string]string) *planner {
	p := &planner{known: known, taken: map[netip.Addr]string{}, keys: map[string]string{}}
	for key, ip := range known {
		if a, err := netip.ParseAddr(ip); err == nil {
			p.taken[a] = key
		}
	}
	for _, s := range subnets {
		n := p.find(s.Network)
		if n == nil {
			n = &network{name: s.Network, id: s.Network}
			p.nets = append(p.nets, n)
		}
		n.subnets = append(n.subnets, newSubnet(s, s.Name, nil))
	}
	return p
}

func newSubnet(s Subnet, id string, props map[string]any) *subnet {
	out := &subnet{Subnet: s, id: id, props: props}
	out.prefix, _ = netip.ParsePrefix(s.CIDR)
	out.gateway, _ = netip.ParseAddr(s.Gateway)
	for _, pool := range s.Pools {
		from, err1 := netip.ParseAddr(pool.Start)
		to, err2 := netip.ParseAddr(pool.End)
		if err1 == nil && err2 == nil {
			out.pools = append(out.pools, [2]netip.Addr{from, to})
		}
	}
	if len(out.pools) == 0 && out.prefix.IsValid() {
		out.pools = [][2]netip.Addr{{out.prefix.Masked().Addr().Next(), last(out.prefix)}}
	}
	for _, pool := range out.pools {
		out.next = append(out.next, pool[0])
	}
	return out
}

// last is the last address of a prefix that a host may have.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	if a.Is4() && p.Bits() < 31 {
		return a.Prev() // broadcast
	}
	return a
}

// copy is a planner that may be used without consequence for the first.
func (p *planner) copy() *planner {
	c := &planner{known: p.known, taken: map[netip.Addr]string{}, keys: map[string]string{}}
	for _, n := range p.nets {
		m := *n
		m.subnets = nil
		for _, s := range n.subnets {
			t := *s
			t.next = append([]netip.Addr(nil), s.next...)
			m.subnets = append(m.subnets, &t)
		}
		c.nets = append(c.nets, &m)
	}
	for a, k := range p.taken {
		c.taken[a] = k
	}
	for k, a := range p.keys {
		c.keys[k] = a
	}
	return c
}

// find returns a network by name or identifier, or nil.
func (p *planner) find(name string) *network {
	for _, n := range p.nets {
		if n.name == name || n.id == name {
			return n
		}
	}
	return nil
}

func (n *network) find(name string) *subnet {
	for _, s := range n.subnets {
		if s.Name == name || s.id == name {
			return s
		}
	}
	return nil
}

// address hands out the address of a key: the one that is known, the one that is
// asked for, or the lowest free one of the subnet.
func (p *planner) address(key string, s *subnet, want string) (string, error) {
	if want == "" {
		want = p.known[key]
	}
	if want != "" {
		a, err := netip.ParseAddr(want)
		if err != nil {
			return "", fmt.Errorf("%q is not an IP address", want)
		}
		if other := p.taken[a]; other != "" && other != key && !p.reserved(other, key, want) {
			return "", fmt.Errorf("address %s is also that of %s", want, other)
		}
		p.taken[a], p.keys[key] = key, want
		return want, nil
	}
	if s == nil {
		return "", nil
	}
	for i, pool := range s.pools {
		for a := s.next[i]; a.IsValid() && a.Compare(pool[1]) <= 0; a = a.Next() {
			if p.taken[a] == "" && a != s.gateway {
				p.taken[a], p.keys[key], s.next[i] = key, a.String(), a.Next()
				return a.String(), nil
			}
		}
	}
	if s.exhausted {
		return "", errTold
	}
	s.exhausted = true
	return "", fmt.Errorf("subnet %s (%s) has no free address left, nor for those behind it; make its allocation pools larger", s.Name, s.CIDR)
}

// errTold stands for an error that was told: each of thousands of machines would repeat it.
var errTold = errors.New("told")

// reserved tells that an address is kept for either of two keys and that nobody
// has it yet: what is known of a machine may stand under several names.
func (p *planner) reserved(other, key, address string) bool {
	return p.known[other] == address && p.known[key] == address && p.keys[other] == ""
}

// planned are all addresses that were handed out, by key.
func (p *planner) planned() map[string]string {
	out := make(map[string]string, len(p.keys))
	for k, a := range p.keys {
		out[k] = a
	}
	return out
}

func (p *planner) networks() []Network {
	var out []Network
	for _, n := range p.nets {
		x := Network{Name: n.name, Path: n.path}
		for _, s := range n.subnets {
			x.Subnets = append(x.Subnets, s.Subnet)
		}
		out = append(out, x)
	}
	return out
}

func planNet(r *Resource) error {
	r.stack.personal()
	name := hot.String(r.Properties["name"])
	if name == "" {
		name = r.Path()
	}
	n := &network{name: name, id: r.ID(), path: r.Path(), properties: r.Properties}
	r.stack.ev.net.nets = append(r.stack.ev.net.nets, n)
	r.state = map[string]any{"name": name, "subnets": []any{}}
	return nil
}

func planSubnet(r *Resource) error {
	r.stack.personal()
	ev := r.stack.ev
	network := hot.String(r.Properties["network"])
	if network == "" {
		network = hot.String(r.Properties["network_id"])
	}
	n := ev.net.find(network)
	if n == nil {
		ev.warn(r.propertyOrigin("network"), "subnet %s is of network %q, which is not in the plan", r.Name, network)
		return nil
	}
	s := Subnet{Network: n.name, Name: hot.String(r.Properties["name"]), CIDR: hot.String(r.Properties["cidr"]), Gateway: hot.String(r.Properties["gateway_ip"])}
	prefix, err := netip.ParsePrefix(s.CIDR)
	if err != nil {
		ev.problems.add(r.propertyOrigin("cidr"), "cidr of %s is %q; expected an address and a prefix, as 172.16.1.0/24", r.Name, s.CIDR)
		return nil
	}
	pools, _ := r.Properties["allocation_pools"].([]any)
	for _, v := range pools {
		m, _ := v.(map[string]any)
		pool := Pool{hot.String(m["start"]), hot.String(m["end"])}
		a, err1 := netip.ParseAddr(pool.Start)
		b, err2 := netip.ParseAddr(pool.End)
		if err1 != nil || err2 != nil || !prefix.Contains(a) || !prefix.Contains(b) || b.Less(a) {
			ev.problems.add(r.propertyOrigin("allocation_pools"), "allocation pool %s-%s of %s is not a range within %s", pool.Start, pool.End, r.Name, s.CIDR)
			continue
		}
		s.Pools = append(s.Pools, pool)
	}
	n.subnets = append(n.subnets, newSubnet(s, r.ID(), r.Properties))
	version := 4
	if prefix.Addr().Is6() {
		version = 6
	}
	r.state = map[string]any{"cidr": s.CIDR, "gateway_ip": r.Properties["gateway_ip"], "ip_version": version, "name": s.Name, "network_id": n.id,
		"allocation_pools": orEmpty(r.Properties["allocation_pools"]), "host_routes": orEmpty(r.Properties["host_routes"]), "dns_nameservers": orEmpty(r.Properties["dns_nameservers"])}
	return nil
}

func orEmpty(v any) any {
	if v == nil {
		return []any{}
	}
	return v
}
