package check

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/provider"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// The two private networks. They exist only inside the check's router.
const (
	firstCIDR  = "10.213.1.0/24"
	secondCIDR = "10.213.2.0/24"
)

// externalNetwork finds the network that floating IPs come from, or makes a flat one as the flags say.
func (k *Check) externalNetwork(ctx context.Context) (string, error) {
	all, err := listed[struct {
		ID, Name string
		Subnets  []string
		External bool `json:"router:external"`
	}](ctx, k.network, "networks", "networks")
	if err != nil {
		return "", err
	}
	for _, n := range all {
		if n.External && len(n.Subnets) > 0 {
			k.external = n.ID
			return n.Name + " is there", nil
		}
	}
	if !k.External.CIDR.IsValid() {
		return "", skipped{"no external network; give --external-cidr, --external-gateway and --external-pool"}
	}
	yes, no := true, false
	gateway := k.External.Gateway.String()
	id, err := k.makeNetwork(ctx, "external", external.CreateOptsExt{External: &yes, CreateOptsBuilder: provider.CreateOptsExt{
		CreateOptsBuilder: networks.CreateOpts{Name: k.name("external")},
		Segments:          []provider.Segment{{PhysicalNetwork: k.External.PhysicalNetwork, NetworkType: "flat"}},
	}}, subnets.CreateOpts{CIDR: k.External.CIDR.String(), GatewayIP: &gateway, EnableDHCP: &no,
		AllocationPools: []subnets.AllocationPool{{Start: k.External.First.String(), End: k.External.Last.String()}}})
	if err != nil {
		return "", err
	}
	k.external = id
	return fmt.Sprintf("%s made on %s", k.External.CIDR, k.External.PhysicalNetwork), nil
}

// makeNetwork makes a network with one subnet.
func (k *Check) makeNetwork(ctx context.Context, what string, n networks.CreateOptsBuilder, s subnets.CreateOpts) (string, error) {
	net, err := made(ctx, k, "create network "+k.name(what), func(ctx context.Context) (*networks.Network, error) {
		return networks.Create(ctx, k.network, n).Extract()
	})
	if err != nil {
		return "", err
	}
	s.NetworkID, s.Name, s.IPVersion = net.ID, k.name(what), gophercloud.IPv4
	_, err = made(ctx, k, fmt.Sprintf("create subnet %s of network %s", s.CIDR, k.name(what)), func(ctx context.Context) (*subnets.Subnet, error) {
		return subnets.Create(ctx, k.network, s).Extract()
	})
	return net.ID, err
}

// makeNetworks makes two networks, the router between them and outward, what lets ping and HTTP in, and the ports,
// so that every guest can be told the others' addresses before it boots.
func (k *Check) makeNetworks(ctx context.Context) (string, error) {
	opts := routers.CreateOpts{Name: k.name("router")}
	if k.external != "" {
		opts.GatewayInfo = &routers.GatewayInfo{NetworkID: k.external}
	}
	router, err := made(ctx, k, "create router "+k.name("router"), func(ctx context.Context) (*routers.Router, error) {
		return routers.Create(ctx, k.network, opts).Extract()
	})
	if err != nil {
		return "", err
	}
	for i, cidr := range []string{firstCIDR, secondCIDR} {
		what := fmt.Sprintf("net%d", i+1)
		if k.nets[i], err = k.makeNetwork(ctx, what, networks.CreateOpts{Name: k.name(what)}, subnets.CreateOpts{CIDR: cidr}); err != nil {
			return "", err
		}
		if err := k.plugRouter(ctx, router.ID, k.nets[i]); err != nil {
			return "", err
		}
	}
	if err := k.makeSecurityGroup(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s and %s", firstCIDR, secondCIDR), k.makePorts(ctx)
}

func (k *Check) plugRouter(ctx context.Context, router, network string) error {
	n, err := networks.Get(ctx, k.network, network).Extract()
	if err != nil {
		return fmt.Errorf("show network: %w", explain(err))
	}
	if len(n.Subnets) == 0 {
		return fmt.Errorf("network %s has no subnet", n.Name)
	}
	_, err = made(ctx, k, fmt.Sprintf("connect router %s with %s", k.name("router"), n.Name), func(ctx context.Context) (*routers.InterfaceInfo, error) {
		return routers.AddInterface(ctx, k.network, router, routers.AddInterfaceOpts{SubnetID: n.Subnets[0]}).Extract()
	})
	return err
}

func (k *Check) makeSecurityGroup(ctx context.Context) error {
	g, err := made(ctx, k, "create security group "+k.name("group"), func(ctx context.Context) (*groups.SecGroup, error) {
		return groups.Create(ctx, k.network, groups.CreateOpts{Name: k.name("group"), Description: "openstack overcloud check"}).Extract()
	})
	if err != nil {
		return err
	}
	k.secgroup = g.ID
	for _, r := range []rules.CreateOpts{{Protocol: rules.ProtocolICMP}, {Protocol: rules.ProtocolTCP, PortRangeMin: 80, PortRangeMax: 80}} {
		r.SecGroupID, r.Direction, r.EtherType = g.ID, rules.DirIngress, rules.EtherType4
		_, err := made(ctx, k, fmt.Sprintf("allow %s in security group %s", r.Protocol, k.name("group")), func(ctx context.Context) (*rules.SecGroupRule, error) {
			return rules.Create(ctx, k.network, r).Extract()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// makePorts gives a one port, in the first network, and b one in each. What b gets from the second
// network it answers there (guest/lease), so that both ways lead through the router.
func (k *Check) makePorts(ctx context.Context) error {
	k.a, k.b = server{name: k.name("a")}, server{name: k.name("b")}
	for _, p := range []struct {
		s   *server
		net int
	}{{&k.a, 0}, {&k.b, 0}, {&k.b, 1}} {
		name := fmt.Sprintf("%s-%d", p.s.name, p.net+1)
		port, err := made(ctx, k, "create port "+name, func(ctx context.Context) (*ports.Port, error) {
			return ports.Create(ctx, k.network, ports.CreateOpts{Name: name, NetworkID: k.nets[p.net], SecurityGroups: &[]string{k.secgroup}}).Extract()
		})
		if err != nil {
			return err
		}
		if len(port.FixedIPs) == 0 {
			return fmt.Errorf("create port %s: Neutron gave it no address", name)
		}
		p.s.ports = append(p.s.ports, port.ID)
		p.s.addresses = append(p.s.addresses, port.FixedIPs[0].IPAddress)
	}
	return nil
}
