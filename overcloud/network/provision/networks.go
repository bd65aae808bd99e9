package provision

import (
	"context"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/schema"
	"trefoil/overcloud/network"
)

// defaultDomain is the overcloud's domain when ctlplane names none.
const defaultDomain = "localdomain."

// defaultVLAN is the VLAN that a subnet without one is tagged with, as TripleO does.
const defaultVLAN = "1"

// Networks makes the networks of a file, with their subnets, or brings those
// that exist into their shape. What cannot be changed is told, all at once and
// before anything is done. Networks that are not enabled are left out.
func (c *Client) Networks(ctx context.Context, file string, nets []network.Network) error {
	if err := network.CheckProvision(file, nets); err != nil {
		return err
	}
	w, err := c.world(ctx)
	if err != nil {
		return err
	}
	if err := w.changeable(file, nets); err != nil {
		return err
	}
	domain := defaultDomain
	if ctl := w.net(network.ControlPlane); ctl != nil && ctl.DNSDomain != "" {
		_, domain, _ = strings.Cut(ctl.DNSDomain, ".")
	}
	for i, n := range nets {
		if !n.Enabled || n.External.Network != "" {
			continue
		}
		if n.DNSDomain == "" {
			n.DNSDomain = strings.ToLower(n.Name) + "." + domain
		}
		row, err := c.network(ctx, w, n, i)
		if err != nil {
			return fmt.Errorf("network %s: %w", n.Name, err)
		}
		for _, s := range n.Subnets {
			for _, want := range specs(s) {
				if err := c.subnet(ctx, w, row.ID, want); err != nil {
					return fmt.Errorf("network %s, subnet %s: %w", n.Name, s.Name, err)
				}
			}
		}
	}
	return nil
}

// changeable tells what stands in the way of the networks that are wanted.
func (w *world) changeable(file string, nets []network.Network) error {
	p := schema.New(file)
	for _, n := range nets {
		row := w.net(n.NameLower)
		switch {
		case n.External.Network != "" && w.netByID(n.External.Network) == nil:
			p.Add(n.Line, "network %s: there is no network with the id %s", n.Name, n.External.Network)
		case row == nil || !n.Enabled:
		default:
			w.sameRange(p, row, n)
		}
	}
	return p.Err()
}

func (w *world) sameRange(p *schema.Problems, row *netRow, n network.Network) {
	for _, s := range n.Subnets {
		for _, want := range specs(s) {
			if have := w.subnet(row.ID, want); have != nil && have.CIDR != want.CIDR {
				p.Add(s.Line, "network %s, subnet %s: Cannot update cidr in existing subnet: it is %s, not %s", n.Name, s.Name, have.CIDR, want.CIDR)
			}
		}
	}
}

func (c *Client) network(ctx context.Context, w *world, n network.Network, index int) (*netRow, error) {
	tags := []string{"tripleo_network_name=" + n.Name, "tripleo_net_idx=" + strconv.Itoa(index)}
	if n.ServiceNetMapReplace != "" {
		tags = append(tags, "tripleo_service_net_map_replace="+n.ServiceNetMapReplace)
	}
	if n.VIP {
		tags = append(tags, "tripleo_vip=true")
	}
	want := map[string]any{"admin_state_up": n.AdminStateUp, "dns_domain": n.DNSDomain, "mtu": n.MTU, "shared": n.Shared}
	row := w.net(n.NameLower)
	if row == nil {
		want["name"], want["provider:physical_network"], want["provider:network_type"] = n.NameLower, n.NameLower, "flat"
		var err error
		if row, err = create[netRow](ctx, c, "network", want); err != nil {
			return nil, err
		}
	} else {
		have := map[string]any{"admin_state_up": row.AdminStateUp, "dns_domain": row.DNSDomain, "mtu": row.MTU, "shared": row.Shared}
		if err := c.update(ctx, "network", row.ID, differing(have, want)); err != nil {
			return nil, err
		}
	}
	return row, c.tag(ctx, "network", row.ID, row.Tags, tags)
}

// differing are the attributes that are not yet as wanted.
func differing(have, want map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range want {
		if !reflect.DeepEqual(have[k], v) {
			out[k] = v
		}
	}
	return out
}

// specs are the rows of one subnet: IPv4, IPv6 or both.
func specs(s network.Subnet) []subnetRow {
	if !s.Enabled || s.ExternalSubnet != "" {
		return nil
	}
	vlan := defaultVLAN
	if s.VLAN > 0 {
		vlan = strconv.Itoa(s.VLAN)
	}
	base := subnetRow{Name: s.Name, EnableDHCP: s.EnableDHCP, Tags: []string{"tripleo_vlan_id=" + vlan}}
	if s.PhysicalNetwork != "" { // TripleO keeps it in a segment
		base.Tags = append(base.Tags, "tripleo_physical_network="+s.PhysicalNetwork)
	}
	var out []subnetRow
	if s.CIDR.IsValid() {
		four := base
		four.IPVersion = 4
		four.fill(s.CIDR, s.Gateway, s.Pools, s.Routes)
		out = append(out, four)
	}
	if s.CIDR6.IsValid() {
		six := base
		six.IPVersion = 6
		six.fill(s.CIDR6, s.Gateway6, s.Pools6, s.Routes6)
		if s.IPv6AddressMode != "" {
			six.IPv6AddressMode = &s.IPv6AddressMode
		}
		if s.IPv6RAMode != "" {
			six.IPv6RAMode = &s.IPv6RAMode
		}
		out = append(out, six)
	}
	return out
}

func (r *subnetRow) fill(cidr network.Prefix, gateway network.Address, pools []network.Pool, routes []network.Route) {
	r.CIDR, r.AllocationPools, r.HostRoutes = cidr.String(), []poolRow{}, []routeRow{}
	if gateway.IsValid() {
		g := gateway.String()
		r.GatewayIP = &g
	}
	for _, p := range pools {
		r.AllocationPools = append(r.AllocationPools, poolRow{p.Start.String(), p.End.String()})
	}
	for _, rt := range routes {
		r.HostRoutes = append(r.HostRoutes, routeRow{rt.Destination.String(), rt.Nexthop.String()})
	}
}

// attrs are what an update may change.
func (r subnetRow) attrs() map[string]any {
	out := map[string]any{"enable_dhcp": r.EnableDHCP, "gateway_ip": nil, "host_routes": r.HostRoutes}
	if r.GatewayIP != nil {
		out["gateway_ip"] = *r.GatewayIP
	}
	if len(r.AllocationPools) > 0 { // none given: the service chose them
		out["allocation_pools"] = r.AllocationPools
	}
	return out
}

// subnet finds the row of that name and IP version on a network, or nil.
func (w *world) subnet(netID string, want subnetRow) *subnetRow {
	for i, s := range w.subnets {
		if s.NetworkID == netID && s.Name == want.Name && s.IPVersion == want.IPVersion {
			return &w.subnets[i]
		}
	}
	return nil
}

func (c *Client) subnet(ctx context.Context, w *world, netID string, want subnetRow) error {
	have := w.subnet(netID, want)
	if have != nil {
		if err := c.update(ctx, "subnet", have.ID, differing(have.attrs(), want.attrs())); err != nil {
			return err
		}
		return c.tag(ctx, "subnet", have.ID, have.Tags, want.Tags)
	}
	attrs := want.attrs()
	attrs["name"], attrs["network_id"], attrs["cidr"], attrs["ip_version"] = want.Name, netID, want.CIDR, want.IPVersion
	if want.IPv6AddressMode != nil {
		attrs["ipv6_address_mode"] = *want.IPv6AddressMode
	}
	if want.IPv6RAMode != nil {
		attrs["ipv6_ra_mode"] = *want.IPv6RAMode
	}
	made, err := create[subnetRow](ctx, c, "subnet", attrs)
	if err != nil {
		return err
	}
	return c.tag(ctx, "subnet", made.ID, made.Tags, want.Tags)
}

// Unprovision deletes the networks of a file with their subnets. A network that
// ports still use stops it before anything is deleted. Networks that are not
// there, or that the file only borrows (external_resource_network_id), are passed over.
func (c *Client) Unprovision(ctx context.Context, file string, nets []network.Network) error {
	w, err := c.world(ctx)
	if err != nil {
		return err
	}
	p := schema.New(file)
	var rows []*netRow
	for _, n := range nets {
		row := w.made(n)
		if row == nil {
			continue
		}
		ports, err := list[portRow](ctx, c, "ports", url.Values{"network_id": {row.ID}})
		if err != nil {
			return err
		}
		if len(ports) > 0 {
			p.Add(n.Line, "network %s is in use by %d port(s), the first is %s", n.Name, len(ports), label(ports[0]))
		}
		rows = append(rows, row)
	}
	if err := p.Err(); err != nil {
		return errs.Wrap(errs.Conflict, err, "no network was deleted").
			WithHint("give the machines back first (openstack overcloud node unprovision) and delete virtual IPs (openstack port delete)")
	}
	for _, row := range rows {
		for _, s := range w.of(row.ID) {
			if err := c.remove(ctx, "subnet", s.ID); err != nil {
				return fmt.Errorf("delete subnet %s: %w", s.Name, err)
			}
		}
		if err := c.remove(ctx, "network", row.ID); err != nil {
			return fmt.Errorf("delete network %s: %w", row.Name, err)
		}
	}
	return nil
}

// Present are the names of those networks of a file that Unprovision would delete.
func (c *Client) Present(ctx context.Context, nets []network.Network) ([]string, error) {
	w, err := c.world(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range nets {
		if w.made(n) != nil {
			out = append(out, n.Name)
		}
	}
	return out, nil
}

// made is the network that Networks has made of a file's, or nil.
func (w *world) made(n network.Network) *netRow {
	if n.External.Network != "" {
		return nil
	}
	return w.net(n.NameLower)
}

func label(p portRow) string {
	if p.Name != "" {
		return p.Name
	}
	return p.ID
}
