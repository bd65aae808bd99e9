// Package network reads network_data.yaml, in the form of Queens (v1: addresses
// at the network) and of Wallaby (v2: addresses in subnets), and vip_data.yaml.
// It judges everything at once: keys, types, ranges, addresses, overlaps. It
// does no I/O. The keys are those of the comments in TripleO's own files and of
// tripleo-ansible's schema (module_utils/network_data_v2.py, stable/wallaby).
package network

import (
	"regexp"
	"slices"
	"strings"

	"trefoil/internal/schema"
	"trefoil/internal/yaml"
)

// ControlPlane is the network that always exists and that no file lists.
const ControlPlane = "ctlplane"

// Network is one network of a file. Where v1 has addresses at the network,
// Subnets holds them first, under the name that Wallaby would give: NameLower + "_subnet".
type Network struct {
	Name                 string // in capitals, as templates spell it: InternalApi
	NameLower            string // as files and Neutron spell it: internal_api
	Enabled              bool
	VIP                  bool // has a virtual address
	IPv6                 bool // services use its IPv6 side
	MTU                  int  // bytes; 1500 when it is not given
	VLAN                 int  // of the first subnet that has one; 0: none
	DNSDomain            string
	ServiceNetMapReplace string // NameLower of the default network that it stands for
	CompatName           string
	AdminStateUp, Shared bool
	External             External // of v1's own subnet, and of the network
	Subnets              []Subnet
	V2                   bool // the file has Wallaby's form: no network of it has addresses of its own
	Line                 int
}

// External names what exists already in Neutron and is used instead of made anew.
type External struct {
	Network, VIP, Subnet, Segment string // UUIDs
}

// Subnet is one subnet: IPv4, IPv6 or both. A zero prefix or address was not given.
type Subnet struct {
	Name                            string
	Enabled                         bool
	CIDR, CIDR6                     Prefix
	Gateway, Gateway6               Address
	Pools, Pools6                   []Pool
	Routes, Routes6                 []Route
	VLAN                            int // 0: none
	PhysicalNetwork                 string
	NetworkType                     string // flat, vlan or "" (flat)
	SegmentationID                  int    // 0: none
	EnableDHCP                      bool
	IPv6AddressMode, IPv6RAMode     string
	ExternalSubnet, ExternalSegment string // UUIDs
	Line                            int
}

const (
	defaultMTU = 1500
	minMTU     = 1000
	maxMTU     = 65535 // as interfaces take; tripleo-ansible has one more
	maxVLAN    = 4094
)

// addressKeys are the keys that v1 has at the network and v2 in its subnets.
var addressKeys = []string{"ip_subnet", "allocation_pools", "gateway_ip", "routes", "ipv6_subnet", "ipv6_allocation_pools",
	"gateway_ipv6", "routes_ipv6", "vlan"}

// networkKeys are all other keys of a network.
var networkKeys = []string{"name", "name_lower", "service_net_map_replace", "enabled", "vip", "ipv6", "mtu", "dns_domain",
	"compat_name", "subnets", "admin_state_up", "shared", "external_resource_network_id", "external_resource_vip_id",
	"external_resource_subnet_id", "external_resource_segment_id"}

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
	domainForm = regexp.MustCompile(`^(\.|[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?)$`)
)

// Parse reads a network_data file; file is its name, for errors. An empty file
// has no networks. The error is an errs.Invalid that lists every problem.
func Parse(file string, data []byte) ([]Network, error) {
	root, err := yaml.Parse(file, data)
	if err != nil {
		return nil, err
	}
	r := &reader{p: schema.New(file)}
	var maps []*schema.Map
	for _, n := range r.p.List(root, "a list of networks, each with a name") {
		if m := r.p.Map(n, "a network", slices.Concat(networkKeys, addressKeys)...); m != nil {
			maps = append(maps, m)
		}
	}
	v2 := r.form(maps)
	var out []Network
	for _, m := range maps {
		n := r.network(m)
		n.V2 = v2
		out = append(out, n)
	}
	r.check(out)
	if err := r.p.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

type reader struct{ p *schema.Problems }

// form says whether the file is v2, by tripleoclient's rule: no network has an
// ip_subnet or ipv6_subnet of its own. A file of both forms is a problem.
func (r *reader) form(maps []*schema.Map) (v2 bool) {
	var old, modern *schema.Map
	for _, m := range maps {
		own := m.Has("ip_subnet") || m.Has("ipv6_subnet")
		if own && old == nil {
			old = m
		}
		if !own && m.Has("subnets") && modern == nil {
			modern = m
		}
	}
	if old != nil && modern != nil {
		r.p.Add(modern.Line, "network %s has its addresses in subnets (Wallaby's form), but %s in line %d has them at the network (the older form); write all networks in one form",
			modern.Text("name"), old.Text("name"), old.Line)
	}
	return old == nil
}

func (r *reader) network(m *schema.Map) Network {
	n := Network{
		Name: m.Text("name"), NameLower: m.Text("name_lower"), Enabled: m.Bool("enabled", true), VIP: m.Bool("vip", false),
		IPv6: m.Bool("ipv6", false), MTU: m.Int("mtu", minMTU, maxMTU, defaultMTU), DNSDomain: m.Text("dns_domain"),
		ServiceNetMapReplace: m.Text("service_net_map_replace"), CompatName: m.Text("compat_name"),
		AdminStateUp: m.Bool("admin_state_up", false), Shared: m.Bool("shared", false), Line: m.Line,
		External: External{Network: m.Text("external_resource_network_id"), VIP: m.Text("external_resource_vip_id"),
			Subnet: m.Text("external_resource_subnet_id"), Segment: m.Text("external_resource_segment_id")},
	}
	if m.Need("name"); n.NameLower == "" {
		n.NameLower = strings.ToLower(n.Name)
	}
	for key, name := range map[string]string{"name": n.Name, "name_lower": n.NameLower} {
		if name != "" && !nameForm.MatchString(name) {
			r.p.Add(m.LineOf(key), "%s %q of a network: a letter, then letters, digits, _ and -, at most 64", key, name)
		}
	}
	if n.NameLower == ControlPlane {
		r.p.Add(m.Line, "network %s: %s always exists and is not listed here", n.Name, ControlPlane)
	}
	if n.DNSDomain != "" && (!domainForm.MatchString(n.DNSDomain) || len(n.DNSDomain) > 255) {
		r.p.Add(m.LineOf("dns_domain"), "dns_domain of network %s is %q; it must be a domain name", n.Name, n.DNSDomain)
	}
	r.subnets(m, &n)
	for _, s := range n.Subnets {
		if n.VLAN == 0 {
			n.VLAN = s.VLAN
		}
	}
	return n
}

// subnets reads what stands at the network itself, then the map of subnets.
func (r *reader) subnets(m *schema.Map, n *Network) {
	own := m.Has("ip_subnet") || m.Has("ipv6_subnet")
	sub := m.Map("subnets", "subnets of network "+n.Name)
	for _, k := range addressKeys {
		if sub != nil && !own && m.Has(k) {
			r.p.Add(m.LineOf(k), "network %s: %s belongs into a subnet, as the network has subnets", n.Name, k)
		}
	}
	s := r.addresses(m, "network "+n.Name)
	s.Name, s.Enabled = n.NameLower+"_subnet", true
	s.ExternalSubnet, s.ExternalSegment = n.External.Subnet, n.External.Segment
	if own {
		n.Subnets = append(n.Subnets, s)
	} else if sub == nil {
		n.VLAN = s.VLAN
	}
	if sub == nil {
		return
	}
	if len(sub.Keys()) == 0 && !own && n.External.Network == "" {
		r.p.Add(sub.Line, "network %s has no subnet", n.Name)
	}
	for _, name := range sub.Keys() {
		if !nameForm.MatchString(name) {
			r.p.Add(sub.LineOf(name), "subnet %q of network %s: a letter, then letters, digits, _ and -, at most 64", name, n.Name)
		}
		what := "subnet " + name + " of network " + n.Name
		if sub.Node(name) == nil {
			r.p.Add(sub.LineOf(name), "%s is empty; it needs ip_subnet or ipv6_subnet", what)
		} else if e := sub.Map(name, what, slices.Concat(addressKeys, subnetKeys)...); e != nil {
			n.Subnets = append(n.Subnets, r.subnet(e, name, what, sub.LineOf(name)))
		}
	}
}
