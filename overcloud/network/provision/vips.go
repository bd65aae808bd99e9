package provision

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/internal/schema"
	"trefoil/overcloud/network"
)

const vipTag = "tripleo_vip_net="

// VIPs makes the virtual addresses of a stack, brings those that exist into
// their shape and deletes those of the stack that are not asked for any more.
// That networks, subnets and addresses fit is known before anything is done.
func (c *Client) VIPs(ctx context.Context, stack string, vips []network.VIP) error {
	w, err := c.world(ctx)
	if err != nil {
		return err
	}
	if err := w.checkVIPs(vips); err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, v := range vips {
		id, err := c.vip(ctx, w, stack, v)
		if err != nil {
			return fmt.Errorf("virtual IP of network %s: %w", v.Network, err)
		}
		keep[id] = true
	}
	all, err := c.vipPorts(ctx, stack)
	if err != nil {
		return err
	}
	for _, p := range all {
		if !keep[p.ID] {
			if err := c.remove(ctx, "port", p.ID); err != nil {
				return fmt.Errorf("delete virtual IP %s: %w", label(p), err)
			}
		}
	}
	return nil
}

// checkVIPs holds the addresses that are asked for against the networks that are there.
func (w *world) checkVIPs(vips []network.VIP) error {
	if len(vips) == 0 {
		return nil
	}
	p := schema.New(vips[0].File)
	for _, v := range vips {
		row := w.net(v.Network)
		if row == nil {
			p.Add(v.Line, "Network %s for Virtual IP not found%s", v.Network, nearest.Hint(v.Network, w.names()))
			continue
		}
		if _, problem := w.fixed(row, v.IP, v.Subnet, "Virtual IP"); problem != "" {
			p.Add(v.Line, "%s", problem)
		}
	}
	if err := p.Err(); err != nil {
		return errs.Wrap(errs.Invalid, err, "virtual IPs").WithHint("openstack overcloud network provision makes networks; openstack network list shows them")
	}
	return nil
}

// fixed says what a port is to ask for: an address, or any of a subnet. problem
// says why neither is possible, in TripleO's words.
func (w *world) fixed(row *netRow, ip network.Address, subnet, what string) (want fixedIP, problem string) {
	subnets := w.of(row.ID)
	var names []string
	for _, s := range subnets {
		names = append(names, s.Name)
	}
	at := slices.Index(names, subnet)
	switch {
	case subnet != "" && at < 0:
		return want, fmt.Sprintf("Subnet %s for %s not found on network %s%s", subnet, what, row.Name, nearest.Hint(subnet, names))
	case len(subnets) == 0:
		return want, fmt.Sprintf("network %s has no subnet", row.Name)
	case ip.IsValid() && !slices.ContainsFunc(subnets, func(s subnetRow) bool { return contains(s.CIDR, ip) }):
		return want, fmt.Sprintf("%s %s is in no subnet of network %s", what, ip, row.Name)
	case ip.IsValid():
		return fixedIP{IPAddress: ip.String()}, ""
	case subnet != "":
		return fixedIP{SubnetID: subnets[at].ID}, ""
	case len(slices.Compact(names)) > 1: // IPv4 and IPv6 of one subnet have one name; IPv4 comes first
		return want, fmt.Sprintf("Network %s has multiple subnets, please add a subnet or an ip_address for the %s on this network.", row.Name, strings.ToLower(what))
	}
	return fixedIP{SubnetID: subnets[0].ID}, ""
}

func contains(cidr string, ip network.Address) bool {
	p, err := network.ParsePrefix(cidr)
	return err == nil && p.Contains(ip)
}

// met tells whether a port has what is asked for.
func (f fixedIP) met(have []fixedIP) bool {
	return len(have) > 0 && (f.IPAddress == "" || have[0].IPAddress == f.IPAddress) && (f.SubnetID == "" || have[0].SubnetID == f.SubnetID)
}

func (c *Client) vip(ctx context.Context, w *world, stack string, v network.VIP) (string, error) {
	row := w.net(v.Network)
	want, _ := w.fixed(row, v.IP, v.Subnet, "Virtual IP") // checked before
	tags := []string{stackTag(stack), vipTag + v.Network}
	port, err := c.find(ctx, row.ID, v.PortName(), tags)
	if err != nil {
		return "", err
	}
	if port == nil {
		port, err = create[portRow](ctx, c, "port", map[string]any{"network_id": row.ID, "name": v.PortName(), "dns_name": v.DNSName, "fixed_ips": []fixedIP{want}})
		if err != nil {
			return "", err
		}
	} else {
		attrs := differing(map[string]any{"name": port.Name, "dns_name": port.DNSName}, map[string]any{"name": v.PortName(), "dns_name": v.DNSName})
		if !want.met(port.FixedIPs) {
			attrs["fixed_ips"] = []fixedIP{want}
		}
		if err := c.update(ctx, "port", port.ID, attrs); err != nil {
			return "", err
		}
	}
	return port.ID, c.tag(ctx, "port", port.ID, port.Tags, tags)
}

// find looks for a port by its tags, or for one of that name which was made and
// not tagged, because the maker was killed in between.
func (c *Client) find(ctx context.Context, netID, name string, tags []string) (*portRow, error) {
	all, err := list[portRow](ctx, c, "ports", url.Values{"network_id": {netID}})
	if err != nil {
		return nil, err
	}
	var untagged *portRow
	for i, p := range all {
		has := 0
		for _, t := range tags {
			if slices.Contains(p.Tags, t) {
				has++
			}
		}
		if has == len(tags) {
			return &all[i], nil
		}
		if p.Name == name && len(p.Tags) == 0 && p.DeviceID == "" {
			untagged = &all[i]
		}
	}
	return untagged, nil
}

// vipPorts are the ports of a stack's virtual addresses.
func (c *Client) vipPorts(ctx context.Context, stack string) ([]portRow, error) {
	all, err := list[portRow](ctx, c, "ports", url.Values{"tags": {stackTag(stack)}})
	return slices.DeleteFunc(all, func(p portRow) bool {
		return !slices.ContainsFunc(p.Tags, func(t string) bool { return strings.HasPrefix(t, vipTag) })
	}), err
}

// VIPEnvironment is the environment file of a stack's virtual addresses, read from the network service.
func (c *Client) VIPEnvironment(ctx context.Context, stack string, vips []network.VIP, templates string) (map[string]any, error) {
	w, err := c.world(ctx)
	if err != nil {
		return nil, err
	}
	all, err := c.vipPorts(ctx, stack)
	if err != nil {
		return nil, err
	}
	registry, ports, control := map[string]any{}, map[string]any{}, map[string]any{}
	for _, v := range vips {
		at := slices.IndexFunc(all, func(p portRow) bool { return slices.Contains(p.Tags, vipTag+v.Network) && len(p.FixedIPs) > 0 })
		if at < 0 {
			return nil, errs.New(errs.NotFound, "Neutron port for Virtual IP on network %s of stack %s not found", v.Network, stack)
		}
		port := all[at]
		net, sub := w.netByID(port.NetworkID), w.subnetByID(port.FixedIPs[0].SubnetID)
		if net == nil || sub == nil {
			return nil, errs.New(errs.NotFound, "network or subnet of port %s not found", label(port))
		}
		registry["OS::TripleO::Network::Ports::"+net.capital()+"VipPort"] = join(templates, "network/ports/deployed_vip_"+v.Network+".yaml")
		if v.Network != network.ControlPlane {
			ports[v.Network] = addressView(port.FixedIPs[0].IPAddress, sub.CIDR)
			continue
		}
		ips := []any{}
		for _, f := range port.FixedIPs {
			ips = append(ips, map[string]any{"ip_address": f.IPAddress})
		}
		control = map[string]any{"name": port.Name, "fixed_ips": ips, "network": map[string]any{"tags": anys(net.Tags)},
			"subnets": []any{map[string]any{"ip_version": sub.IPVersion}}}
	}
	return map[string]any{"resource_registry": registry,
		"parameter_defaults": map[string]any{"VipPortMap": ports, "ControlPlaneVipData": control}}, nil
}

func addressView(ip, cidr string) map[string]any {
	uri := ip
	if strings.Contains(ip, ":") {
		uri = "[" + ip + "]"
	}
	_, bits, _ := strings.Cut(cidr, "/")
	return map[string]any{"ip_address": ip, "ip_address_uri": uri, "ip_subnet": ip + "/" + bits}
}

// ExtractVIPs writes down a stack's virtual addresses as a vip_data file.
func (c *Client) ExtractVIPs(ctx context.Context, stack string) ([]map[string]any, error) {
	w, err := c.world(ctx)
	if err != nil {
		return nil, err
	}
	all, err := c.vipPorts(ctx, stack)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, p := range all {
		e := map[string]any{"name": p.Name}
		if n := w.netByID(p.NetworkID); n != nil {
			e["network"] = n.Name
		}
		if p.DNSName != "" {
			e["dns_name"] = p.DNSName
		}
		if len(p.FixedIPs) > 0 {
			e["ip_address"] = p.FixedIPs[0].IPAddress
			if s := w.subnetByID(p.FixedIPs[0].SubnetID); s != nil {
				e["subnet"] = s.Name
			}
		}
		out = append(out, e)
	}
	return out, nil
}
