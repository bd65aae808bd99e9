package network

import (
	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/internal/schema"
	"trefoil/internal/yaml"
)

// DefaultDNSName is the dns_name of a virtual address that names none.
const DefaultDNSName = "overcloud"

// VIP is one virtual address that is asked for.
type VIP struct {
	Network string  // name_lower, or ctlplane
	Name    string  // of the port; "": <network>_virtual_ip
	DNSName string  // default overcloud
	IP      Address // zero: any
	Subnet  string  // "": the only one, or the one that IP lies in
	File    string
	Line    int
}

// PortName is the name of the Neutron port: the given one, or the network's
// with a suffix; that of ctlplane is control_virtual_ip.
func (v VIP) PortName() string {
	switch {
	case v.Name != "":
		return v.Name
	case v.Network == ControlPlane:
		return "control_virtual_ip"
	}
	return v.Network + "_virtual_ip"
}

// ParseVIPs reads a vip_data file; file is its name, for errors. Whether the
// networks exist is not judged: see CheckVIPs.
func ParseVIPs(file string, data []byte) ([]VIP, error) {
	root, err := yaml.Parse(file, data)
	if err != nil {
		return nil, err
	}
	r := &reader{p: schema.New(file)}
	seen := map[string]int{}
	var out []VIP
	for _, n := range r.p.List(root, "a list of virtual IPs, each with a network") {
		m := r.p.Map(n, "a virtual IP", "network", "dns_name", "name", "ip_address", "subnet")
		if m == nil {
			continue
		}
		m.Need("network")
		v := VIP{Network: m.Text("network"), Name: m.Text("name"), DNSName: m.Text("dns_name"), Subnet: m.Text("subnet"), File: file, Line: m.Line}
		v.IP = r.address(m.Text("ip_address"), m.LineOf("ip_address"), "virtual IP of "+v.Network, "ip_address")
		if v.DNSName == "" {
			v.DNSName = DefaultDNSName
		}
		if line, twice := seen[v.Network]; twice && v.Network != "" {
			r.p.Add(m.Line, "network %s has a virtual IP in line %d already", v.Network, line)
		}
		seen[v.Network] = m.Line
		out = append(out, v)
	}
	if err := r.p.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

// CheckVIPs holds the virtual addresses against the networks: each network
// exists, each subnet is one of its, each address is inside. ctlplane, which
// is in no file, is taken as it is. The messages are tripleo-ansible's, with
// the place. The error is an errs.Invalid that lists every problem.
func CheckVIPs(vips []VIP, networks []Network) error {
	if len(vips) == 0 {
		return nil
	}
	known := map[string]Network{}
	names := []string{ControlPlane}
	for _, n := range networks {
		known[n.NameLower] = n
		names = append(names, n.NameLower)
	}
	p := schema.New(vips[0].File)
	for _, v := range vips {
		n, ok := known[v.Network]
		switch {
		case v.Network == ControlPlane:
		case !ok:
			p.Add(v.Line, "Network %s for Virtual IP not found%s", v.Network, nearest.Hint(v.Network, names))
		case !n.Enabled:
			p.Add(v.Line, "network %s is not enabled and can have no virtual IP", v.Network)
		default:
			checkVIP(p, v, n)
		}
	}
	if err := p.Err(); err != nil {
		return errs.Wrap(errs.Invalid, err, "virtual IPs").WithHint("the networks are those of network_data; ctlplane always exists")
	}
	return nil
}

func checkVIP(p *schema.Problems, v VIP, n Network) {
	var names []string
	inside, found := false, false
	for _, s := range n.Subnets {
		names = append(names, s.Name)
		if v.Subnet != "" && v.Subnet != s.Name {
			continue
		}
		found = true
		inside = inside || s.CIDR.IsValid() && s.CIDR.Contains(v.IP) || s.CIDR6.IsValid() && s.CIDR6.Contains(v.IP)
	}
	switch {
	case v.Subnet != "" && !found:
		p.Add(v.Line, "Subnet %s for Virtual IP not found on network %s%s", v.Subnet, v.Network, nearest.Hint(v.Subnet, names))
	case v.IP.IsValid() && !inside && len(n.Subnets) > 0:
		p.Add(v.Line, "virtual IP %s is in no subnet of network %s", v.IP, v.Network)
	case !v.IP.IsValid() && v.Subnet == "" && len(n.Subnets) > 1:
		p.Add(v.Line, "Network %s has multiple subnets, please add a subnet or an ip_address for the vip on this network.", v.Network)
	}
}
