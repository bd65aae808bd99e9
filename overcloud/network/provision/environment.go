package provision

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/network"
)

// TemplatesPath is where environments look for TripleO's templates by default.
const TemplatesPath = "/usr/share/openstack-tripleo-heat-templates"

// Environment is the environment file of the networks of a file, read from the network service.
func (c *Client) Environment(ctx context.Context, nets []network.Network, templates string) (map[string]any, error) {
	w, err := c.world(ctx)
	if err != nil {
		return nil, err
	}
	versions, cidrs, attributes := map[string]any{}, map[string]any{}, map[string]any{}
	for _, n := range nets {
		if !n.Enabled {
			continue
		}
		row := w.net(n.NameLower)
		if n.External.Network != "" {
			row = w.netByID(n.External.Network)
		}
		if row == nil {
			return nil, errs.New(errs.NotFound, "Failed crating deployed network environment. Network %s not found", n.Name) // TripleO's words
		}
		subnets := w.of(row.ID)
		version := versionOf(subnets, n.IPv6)
		list, byName := []any{}, map[string]any{}
		for _, s := range subnets {
			if s.IPVersion == version {
				list = append(list, s.CIDR)
			}
			byName[s.Name] = s.view()
		}
		versions[n.NameLower], cidrs[n.NameLower] = version, list
		attributes[n.NameLower] = map[string]any{"network": row.view(), "subnets": byName}
	}
	return map[string]any{
		"resource_registry": map[string]any{"OS::TripleO::Network": join(templates, "network/deployed_networks.yaml")},
		"parameter_defaults": map[string]any{"DeployedNetworkEnvironment": map[string]any{
			"net_ip_version_map": versions, "net_cidr_map": cidrs, "net_attributes_map": attributes}},
	}, nil
}

// versionOf is the IP version that services use: with both, IPv6 only where the network says so.
func versionOf(subnets []subnetRow, ipv6 bool) int {
	four := slices.ContainsFunc(subnets, func(s subnetRow) bool { return s.IPVersion == 4 })
	six := slices.ContainsFunc(subnets, func(s subnetRow) bool { return s.IPVersion == 6 })
	if six && (ipv6 || !four) {
		return 6
	}
	return 4
}

func (n netRow) view() map[string]any {
	return map[string]any{"name": n.Name, "mtu": n.MTU, "dns_domain": n.DNSDomain, "tags": anys(n.Tags)}
}

func (s subnetRow) view() map[string]any {
	routes := []any{}
	for _, r := range s.HostRoutes {
		routes = append(routes, map[string]any{"destination": r.Destination, "nexthop": r.Nexthop})
	}
	out := map[string]any{"name": s.Name, "cidr": s.CIDR, "gateway_ip": nil, "host_routes": routes,
		"dns_nameservers": anys(s.DNSNameservers), "ip_version": s.IPVersion, "tags": anys(s.Tags)}
	if s.GatewayIP != nil {
		out["gateway_ip"] = *s.GatewayIP
	}
	return out
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func join(templates, file string) string { return strings.TrimSuffix(templates, "/") + "/" + file }

// Extract writes down the networks that the network service has as a
// network_data file of Wallaby's form; only those with TripleO's tags.
func (c *Client) Extract(ctx context.Context) ([]map[string]any, error) {
	w, err := c.world(ctx)
	if err != nil {
		return nil, err
	}
	rows := slices.DeleteFunc(slices.Clone(w.nets), func(n netRow) bool { return tagValue(n.Tags, "tripleo_network_name") == "" })
	slices.SortStableFunc(rows, func(a, b netRow) int { return index(a) - index(b) })
	out := []map[string]any{}
	for _, n := range rows {
		e := map[string]any{"name": n.capital(), "name_lower": n.Name}
		put := func(key string, v any, keep bool) {
			if keep {
				e[key] = v
			}
		}
		put("dns_domain", n.DNSDomain, n.DNSDomain != "")
		put("mtu", n.MTU, n.MTU != 1500)
		put("shared", true, n.Shared)
		put("admin_state_up", true, n.AdminStateUp)
		put("vip", true, strings.EqualFold(tagValue(n.Tags, "tripleo_vip"), "true"))
		replace := tagValue(n.Tags, "tripleo_service_net_map_replace")
		put("service_net_map_replace", replace, replace != "")
		subnets := map[string]any{}
		for _, s := range w.of(n.ID) {
			both, _ := subnets[s.Name].(map[string]any)
			if both == nil {
				both = map[string]any{}
			}
			s.extract(both)
			subnets[s.Name] = both
		}
		e["subnets"] = subnets
		out = append(out, e)
	}
	return out, nil
}

func index(n netRow) int {
	i, err := strconv.Atoi(tagValue(n.Tags, "tripleo_net_idx"))
	if err != nil {
		return 0 // a tag that a person changed: first
	}
	return i
}

// extract adds one IP version of a subnet to its entry.
func (s subnetRow) extract(e map[string]any) {
	keys := [...]string{"ip_subnet", "allocation_pools", "routes", "gateway_ip"}
	if s.IPVersion == 6 {
		keys = [...]string{"ipv6_subnet", "ipv6_allocation_pools", "routes_ipv6", "gateway_ipv6"}
	}
	pools := []any{}
	for _, p := range s.AllocationPools {
		pools = append(pools, map[string]any{"start": p.Start, "end": p.End})
	}
	e[keys[0]], e[keys[1]], e[keys[2]] = s.CIDR, pools, s.view()["host_routes"]
	if s.GatewayIP != nil {
		e[keys[3]] = *s.GatewayIP
	}
	if v := tagValue(s.Tags, "tripleo_vlan_id"); v != "" && v != defaultVLAN {
		if n, err := strconv.Atoi(v); err == nil {
			e["vlan"] = n
		}
	}
	if v := tagValue(s.Tags, "tripleo_physical_network"); v != "" {
		e["physical_network"] = v
	}
	if s.EnableDHCP {
		e["enable_dhcp"] = true
	}
	if s.IPVersion == 6 {
		if v := text(s.IPv6AddressMode); v != "" {
			e["ipv6_address_mode"] = v
		}
		if v := text(s.IPv6RAMode); v != "" {
			e["ipv6_ra_mode"] = v
		}
	}
}
