package provision

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/internal/schema"
	"trefoil/overcloud/baremetal"
	"trefoil/overcloud/network"
)

// Machine is an instance that is deployed.
type Machine struct {
	baremetal.Instance
	UUID string // of the instance: its ports carry it, so that they go when it goes
}

// CheckPorts tells, all at once, which networks and subnets the instances of a
// file ask for and are not there.
func (c *Client) CheckPorts(ctx context.Context, file string, instances []baremetal.Instance) error {
	w, err := c.world(ctx)
	if err != nil {
		return err
	}
	p := schema.New(file)
	for _, in := range instances {
		for _, n := range in.Networks() {
			row := w.net(n.Network)
			if row == nil {
				p.Add(in.Line, "Network %s for instance %s not found%s", n.Network, in.Hostname, nearest.Hint(n.Network, w.names()))
				continue
			}
			if _, problem := w.wanted(row, n); problem != "" && n.Port == "" {
				p.Add(in.Line, "instance %s: %s", in.Hostname, problem)
			}
			if n.Port != "" {
				p.Add(in.Line, "instance %s: network %s names the port %s; ports that exist already cannot be used yet", in.Hostname, n.Network, n.Port)
			}
		}
	}
	if err := p.Err(); err != nil {
		return errs.Wrap(errs.Invalid, err, "networks of the instances").WithHint("openstack overcloud network provision makes networks; openstack network list shows them")
	}
	return nil
}

// wanted is fixed for a network of an instance. On ctlplane any address will do.
func (w *world) wanted(row *netRow, n baremetal.NetworkPort) (fixedIP, string) {
	ip, err := netip.ParseAddr(n.FixedIP)
	if n.FixedIP != "" && err != nil {
		return fixedIP{}, fmt.Sprintf("%q is not an IP address", n.FixedIP)
	}
	subnet := n.Subnet
	if subnets := w.of(row.ID); row.Name == network.ControlPlane && subnet == "" && !ip.IsValid() && len(subnets) > 0 {
		subnet = subnets[0].Name
	}
	return w.fixed(row, ip, subnet, "port")
}

// Ports gives the machines of a stack their ports on all networks that they ask
// for and takes those away that they ask for no more. The port on ctlplane is
// the deployer's; it is only marked. It returns all addresses, and the name of
// each network as templates spell it.
func (c *Client) Ports(ctx context.Context, stack string, machines []Machine) (baremetal.Ports, map[string]string, error) {
	w, err := c.world(ctx)
	if err != nil {
		return nil, nil, err
	}
	capitals := map[string]string{}
	for _, n := range w.nets {
		capitals[n.Name] = n.capital()
	}
	all, err := list[portRow](ctx, c, "ports", nil)
	if err != nil {
		return nil, nil, err
	}
	out := baremetal.Ports{}
	for _, m := range machines {
		own := slices.DeleteFunc(slices.Clone(all), func(p portRow) bool { return p.DeviceID != m.UUID })
		out[m.Hostname] = map[string]baremetal.Address{}
		for _, n := range m.Networks() {
			p, err := c.port(ctx, w, stack, m, n, own)
			if err != nil {
				return nil, nil, fmt.Errorf("port of %s on network %s: %w", m.Hostname, n.Network, err)
			}
			if sub := w.subnetByID(p.FixedIPs[0].SubnetID); sub != nil {
				out[m.Hostname][n.Network] = baremetal.Address{IP: p.FixedIPs[0].IPAddress, CIDR: sub.CIDR}
			}
		}
		if err := c.dropOthers(ctx, w, m, own); err != nil {
			return nil, nil, err
		}
	}
	return out, capitals, nil
}

func (c *Client) port(ctx context.Context, w *world, stack string, m Machine, n baremetal.NetworkPort, own []portRow) (*portRow, error) {
	row := w.net(n.Network)
	if row == nil {
		return nil, errs.New(errs.NotFound, "there is no network %s", n.Network)
	}
	want, problem := w.wanted(row, n)
	if problem != "" {
		return nil, errs.New(errs.Invalid, "%s", problem)
	}
	tags := []string{stackTag(stack), "tripleo_role=" + m.Role}
	if n.Network == network.ControlPlane {
		tags = append(tags, "tripleo_ironic_vif_port=true")
	}
	if slices.Contains(m.DefaultRoutes(), n.Network) {
		tags = append(tags, "tripleo_default_route=true")
	}
	dns := strings.ToLower(m.Hostname)
	at := slices.IndexFunc(own, func(p portRow) bool { return p.NetworkID == row.ID })
	switch {
	case at < 0 && n.Network == network.ControlPlane:
		return nil, errs.New(errs.NotFound, "the machine has no port there")
	case at < 0:
		p, err := create[portRow](ctx, c, "port", map[string]any{"network_id": row.ID, "name": m.Hostname + "_" + row.capital(), "dns_name": dns,
			"device_id": m.UUID, "device_owner": "baremetal:none", "fixed_ips": []fixedIP{want}})
		if err != nil {
			return nil, err
		}
		return usable(p, c.tag(ctx, "port", p.ID, p.Tags, tags))
	}
	p := own[at]
	attrs := differing(map[string]any{"dns_name": p.DNSName}, map[string]any{"dns_name": dns})
	if n.Network != network.ControlPlane && !want.met(p.FixedIPs) {
		attrs["fixed_ips"] = []fixedIP{want}
	}
	if err := c.update(ctx, "port", p.ID, attrs); err != nil {
		return nil, err
	}
	if attrs["fixed_ips"] != nil {
		now, err := c.reread(ctx, p.ID)
		if err != nil {
			return nil, err
		}
		p = *now
	}
	return usable(&p, c.tag(ctx, "port", p.ID, p.Tags, tags))
}

func usable(p *portRow, err error) (*portRow, error) {
	if err == nil && len(p.FixedIPs) == 0 {
		err = errs.New(errs.Conflict, "port %s has no address", label(*p))
	}
	return p, err
}

func (c *Client) reread(ctx context.Context, id string) (*portRow, error) {
	all, err := list[portRow](ctx, c, "ports", map[string][]string{"id": {id}})
	if err == nil && len(all) != 1 {
		err = errs.New(errs.NotFound, "port %s is gone", id)
	}
	if err != nil {
		return nil, err
	}
	return &all[0], nil
}

// dropOthers deletes a machine's ports on networks that it does not ask for.
func (c *Client) dropOthers(ctx context.Context, w *world, m Machine, own []portRow) error {
	for _, p := range own {
		net := w.netByID(p.NetworkID)
		if net == nil || net.Name == network.ControlPlane ||
			slices.ContainsFunc(m.Networks(), func(n baremetal.NetworkPort) bool { return n.Network == net.Name }) {
			continue
		}
		if err := c.remove(ctx, "port", p.ID); err != nil {
			return fmt.Errorf("delete port %s: %w", label(p), err)
		}
	}
	return nil
}

// Attachment is one port of a machine, by the names of things.
type Attachment struct{ Network, Subnet, IP string }

// Attachments are the ports of all machines, by the UUID of the instance, ctlplane first.
func (c *Client) Attachments(ctx context.Context) (map[string][]Attachment, error) {
	w, err := c.world(ctx)
	if err != nil {
		return nil, err
	}
	all, err := list[portRow](ctx, c, "ports", nil)
	if err != nil {
		return nil, err
	}
	out := map[string][]Attachment{}
	for _, p := range all {
		net := w.netByID(p.NetworkID)
		if p.DeviceID == "" || net == nil || len(p.FixedIPs) == 0 {
			continue
		}
		a := Attachment{Network: net.Name, IP: p.FixedIPs[0].IPAddress}
		if s := w.subnetByID(p.FixedIPs[0].SubnetID); s != nil {
			a.Subnet = s.Name
		}
		out[p.DeviceID] = append(out[p.DeviceID], a)
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b Attachment) int {
			if (a.Network == network.ControlPlane) != (b.Network == network.ControlPlane) {
				return map[bool]int{true: -1, false: 1}[a.Network == network.ControlPlane]
			}
			return strings.Compare(a.Network, b.Network)
		})
	}
	return out, nil
}
