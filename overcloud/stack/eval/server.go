package eval

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"

	"trefoil/overcloud/hot"
)

// planPort plans the addresses of an OS::Neutron::Port.
func planPort(r *Resource) error {
	r.stack.personal()
	name := hot.String(r.Properties["network"])
	if name == "" {
		name = hot.String(r.Properties["network_id"])
	}
	n := r.stack.ev.net.find(name)
	fixed, _ := r.Properties["fixed_ips"].([]any)
	if n == nil {
		r.stack.ev.warn(r.propertyOrigin("network"), "port %s is on network %q, which is not in the plan; its address is known only after deployment", r.Name, name)
		n = &network{name: name, id: name}
	}
	if len(fixed) == 0 {
		fixed = []any{nil}
	}
	ips, subnets := []any{}, []any{}
	for i, f := range fixed {
		m, _ := f.(map[string]any)
		ip, s, err := r.stack.ev.net.place(r.key(n.name, i), n, m)
		if err != nil {
			r.unaddressed("fixed_ips", "port "+r.Path(), err)
			continue
		}
		entry := map[string]any{"ip_address": ip, "subnet_id": ""}
		if s != nil {
			entry["subnet_id"] = s.id
			subnets = append(subnets, s.body())
		}
		ips = append(ips, entry)
	}
	r.state = map[string]any{"fixed_ips": ips, "subnets": subnets, "network": n.body(), "network_id": n.id, "mac_address": mac(r.Path()),
		"name": hot.String(r.Properties["name"]), "status": "DOWN", "admin_state_up": true, "device_id": "", "device_owner": ""}
	return nil
}

// unaddressed tells why a port or a server has no address, unless that was told of another.
func (r *Resource) unaddressed(property, who string, err error) {
	if !errors.Is(err, errTold) {
		r.stack.ev.problems.add(r.propertyOrigin(property), "%s: %v", who, err)
	}
}

// key is what an address is remembered by.
func (r *Resource) key(network string, i int) string {
	if i == 0 {
		return r.Path() + "/" + network
	}
	return fmt.Sprintf("%s/%s/%d", r.Path(), network, i)
}

// place finds the subnet that a fixed IP asks for and an address in it.
func (p *planner) place(key string, n *network, want map[string]any) (string, *subnet, error) {
	ip := hot.String(want["ip_address"])
	name := hot.String(want["subnet"])
	if name == "" {
		name = hot.String(want["subnet_id"])
	}
	var s *subnet
	switch {
	case name != "" && n.find(name) != nil:
		s = n.find(name)
	case ip != "":
		a, err := netip.ParseAddr(ip)
		if err != nil {
			return "", nil, fmt.Errorf("%q is not an IP address", ip)
		}
		for _, x := range n.subnets {
			if x.prefix.Contains(a) {
				s = x
			}
		}
	case len(n.subnets) > 0:
		s = n.subnets[0]
	}
	ip, err := p.address(key, s, ip)
	return ip, s, err
}

// body is a subnet as the attribute subnets of a port shows it.
func (s *subnet) body() map[string]any {
	version := 4
	if s.prefix.Addr().Is6() {
		version = 6
	}
	dns := make([]any, len(s.DNS))
	for i, d := range s.DNS {
		dns[i] = d
	}
	var gateway any
	if s.Gateway != "" {
		gateway = s.Gateway
	}
	out := map[string]any{"id": s.id, "name": s.Name, "cidr": s.CIDR, "gateway_ip": gateway, "ip_version": version, "dns_nameservers": dns,
		"host_routes": []any{}, "enable_dhcp": true, "tags": []any{}}
	for _, k := range []string{"dns_nameservers", "host_routes", "enable_dhcp", "tags"} {
		if v, ok := s.props[k]; ok && v != nil {
			out[k] = v
		}
	}
	return out
}

// body is a network as the attribute network of a port shows it.
func (n *network) body() map[string]any {
	mtu := 1500
	ids, cidrs := []any{}, []any{}
	for _, s := range n.subnets {
		cidrs = append(cidrs, s.CIDR)
		ids = append(ids, s.id)
		if s.MTU > 0 {
			mtu = s.MTU
		}
	}
	tags := orEmpty(n.properties["tags"])
	if n.path == "" {
		tags = cidrs // TripleO's undercloud tags ctlplane so, and Wallaby's templates read it
	}
	return map[string]any{"id": n.id, "name": n.name, "mtu": mtu, "subnets": ids, "tags": tags, "admin_state_up": true, "shared": false}
}

// mac makes a locally administered address that follows from a path.
func mac(path string) string {
	h := sha256.Sum256([]byte(path))
	return fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", h[0], h[1], h[2])
}

// planServer plans the name and the addresses of an OS::Nova::Server.
func planServer(r *Resource) error {
	r.stack.personal()
	name := hot.String(r.Properties["name"])
	if name == "" {
		name = r.Path()
	}
	networks, addresses := map[string]any{}, map[string]any{}
	first := ""
	list, _ := r.Properties["networks"].([]any)
	for i, v := range list {
		m, _ := v.(map[string]any)
		n := r.serverNetwork(m)
		ip, s, err := r.stack.ev.net.place(r.key(n.name, i), n, map[string]any{"ip_address": m["fixed_ip"], "subnet": m["subnet"]})
		if err != nil {
			r.unaddressed("networks", "server "+name, err)
			continue
		}
		ips, _ := networks[n.name].([]any)
		networks[n.name] = append(ips, ip)
		entry := map[string]any{"addr": ip, "version": 4, "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": mac(r.Path()), "subnets": []any{}}
		if s != nil {
			entry["subnets"] = []any{s.body()}
			entry["version"] = s.body()["ip_version"]
		}
		all, _ := addresses[n.name].([]any)
		addresses[n.name] = append(all, entry)
		if first == "" {
			first = ip
		}
	}
	r.state = map[string]any{"name": name, "networks": networks, "addresses": addresses, "first_address": first, "accessIPv4": first, "instance_name": name}
	return nil
}

// serverNetwork finds the network that one of a server's networks names, by name or
// by uuid, as Heat takes both; what is not in the plan is warned of.
func (r *Resource) serverNetwork(entry map[string]any) *network {
	name := hot.String(entry["network"])
	if name == "" {
		name = hot.String(entry["uuid"])
	}
	if n := r.stack.ev.net.find(name); n != nil {
		return n
	}
	where := fmt.Sprintf("network %q, which is not in the plan", name)
	switch port := hot.String(entry["port"]); {
	case name != "":
	case port != "":
		where = fmt.Sprintf("port %q", port)
	default:
		where = "a network without a name"
	}
	r.stack.ev.warn(r.propertyOrigin("networks"), "server %s is on %s; its address is known only after deployment", r.Name, where)
	return &network{name: name, id: name}
}

// planDeployedServer is a server that somebody else made: only its name is known.
func planDeployedServer(r *Resource) error {
	r.stack.personal()
	name := hot.String(r.Properties["name"])
	if name == "" {
		name = r.Path()
	}
	r.state = map[string]any{"name": name, "networks": map[string]any{}, "addresses": map[string]any{}}
	return nil
}
