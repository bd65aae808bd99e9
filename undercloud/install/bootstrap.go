package install

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/provider"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"trefoil/undercloud/compute"
	"trefoil/undercloud/config"
)

// Physnet is the name of the provisioning network and of its wire.
const Physnet = "ctlplane"

// metadataRoute is where instances of OpenStack look for their metadata.
const metadataRoute = "169.254.169.254/32"

// bootstrap fills the fresh service, through its own API.
func (in *installer) bootstrap(ctx context.Context) error {
	p, err := openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{IdentityEndpoint: in.svc.AuthURL() + "/v3",
		Username: "admin", Password: in.svc.AdminPassword, DomainName: "Default", TenantName: "admin"})
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	eo := gophercloud.EndpointOpts{Region: "regionOne", Availability: gophercloud.AvailabilityInternal}
	net, err := openstack.NewNetworkV2(p, eo)
	if err != nil {
		return fmt.Errorf("find the network service: %w", err)
	}
	if err := in.ensureCtlplane(ctx, net); err != nil {
		return err
	}
	comp, err := openstack.NewComputeV2(p, eo)
	if err != nil {
		return fmt.Errorf("find the compute service: %w", err)
	}
	if err := ensureFlavors(ctx, comp); err != nil {
		return err
	}
	return ensureKeypair(ctx, comp, in.svc.SSHPublicKey)
}

func (in *installer) ensureCtlplane(ctx context.Context, c *gophercloud.ServiceClient) error {
	page, err := networks.List(c, networks.ListOpts{Name: Physnet}).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	list, err := networks.ExtractNetworks(page)
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	mtu := map[string]any{"mtu": in.conf.LocalMTU}
	var id string
	if len(list) == 0 {
		n, err := networks.Create(ctx, c, networkCreate{provider.CreateOptsExt{
			CreateOptsBuilder: networks.CreateOpts{Name: Physnet},
			Segments:          []provider.Segment{{NetworkType: "flat", PhysicalNetwork: Physnet}}}, mtu}).Extract()
		if err != nil {
			return fmt.Errorf("create network %s: %w", Physnet, err)
		}
		id = n.ID
	} else {
		id = list[0].ID
		if err := networks.Update(ctx, c, id, networkUpdate{mtu}).Err; err != nil {
			return fmt.Errorf("update network %s: %w", Physnet, err)
		}
	}
	for i := range in.conf.Subnets {
		if err := in.ensureSubnet(ctx, c, id, &in.conf.Subnets[i]); err != nil {
			return fmt.Errorf("configure subnet %s: %w", in.conf.Subnets[i].Name, err)
		}
	}
	return nil
}

// networkCreate flattens one segment into provider:… and adds the MTU.
type networkCreate struct {
	provider.CreateOptsExt
	extra map[string]any
}

// ToNetworkCreateMap implements networks.CreateOptsBuilder.
func (o networkCreate) ToNetworkCreateMap() (map[string]any, error) {
	body, err := o.CreateOptsBuilder.ToNetworkCreateMap()
	if err != nil {
		return nil, err
	}
	m, ok := body["network"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("encode network: unexpected shape")
	}
	m["provider:network_type"] = o.Segments[0].NetworkType
	m["provider:physical_network"] = o.Segments[0].PhysicalNetwork
	for k, v := range o.extra {
		m[k] = v
	}
	return body, nil
}

type networkUpdate struct{ attrs map[string]any }

// ToNetworkUpdateMap implements networks.UpdateOptsBuilder.
func (o networkUpdate) ToNetworkUpdateMap() (map[string]any, error) {
	return map[string]any{"network": o.attrs}, nil
}

func (in *installer) ensureSubnet(ctx context.Context, c *gophercloud.ServiceClient, networkID string, s *config.Subnet) error {
	page, err := subnets.List(c, subnets.ListOpts{NetworkID: networkID, Name: s.Name}).AllPages(ctx)
	if err != nil {
		return err
	}
	list, err := subnets.ExtractSubnets(page)
	if err != nil {
		return err
	}
	gateway := s.Gateway.String()
	pools := []subnets.AllocationPool{{Start: s.DHCPStart.String(), End: s.DHCPEnd.String()}}
	dns, hosts := in.nameservers(s), in.hostRoutes(s)
	if len(list) == 0 {
		version := gophercloud.IPv4
		if s.CIDR.Addr().Is6() {
			version = gophercloud.IPv6
		}
		return subnets.Create(ctx, c, subnets.CreateOpts{NetworkID: networkID, Name: s.Name, CIDR: s.CIDR.String(), IPVersion: version,
			GatewayIP: &gateway, AllocationPools: pools, DNSNameservers: dns, HostRoutes: hosts}).Err
	}
	if len(dns) == 0 {
		dns = list[0].DNSNameservers // set by hand, as the article does: keep them
	}
	return subnets.Update(ctx, c, list[0].ID, subnets.UpdateOpts{GatewayIP: &gateway, AllocationPools: pools,
		DNSNameservers: &dns, HostRoutes: &hosts}).Err
}

func (in *installer) nameservers(s *config.Subnet) []string {
	if len(s.DNSNameservers) > 0 {
		return addrStrings(s.DNSNameservers)
	}
	return addrStrings(in.conf.Nameservers)
}

func (in *installer) hostRoutes(s *config.Subnet) []subnets.HostRoute {
	var out []subnets.HostRoute
	if s.CIDR.Addr().Is4() && s.Name == in.conf.LocalSubnet {
		out = append(out, subnets.HostRoute{DestinationCIDR: metadataRoute, NextHop: in.conf.LocalIP.Addr().String()})
	}
	for _, r := range s.HostRoutes {
		out = append(out, subnets.HostRoute{DestinationCIDR: r.Destination.String(), NextHop: r.NextHop.String()})
	}
	return out
}

// ensureFlavors makes the flavors that are missing. Those there are keep what the operator made of them.
func ensureFlavors(ctx context.Context, c *gophercloud.ServiceClient) error {
	page, err := flavors.ListDetail(c, flavors.ListOpts{}).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("list flavors: %w", err)
	}
	list, err := flavors.ExtractFlavors(page)
	if err != nil {
		return fmt.Errorf("list flavors: %w", err)
	}
	for _, want := range compute.DefaultFlavors() {
		at := slices.IndexFunc(list, func(f flavors.Flavor) bool { return f.Name == want.Name })
		var id string
		if at < 0 {
			f, err := flavors.Create(ctx, c, flavors.CreateOpts{Name: want.Name, RAM: want.RAM, VCPUs: want.VCPUs, Disk: &want.Disk}).Extract()
			if err != nil {
				return fmt.Errorf("create flavor %s: %w", want.Name, err)
			}
			id = f.ID
		} else {
			id = list[at].ID
			specs, err := flavors.ListExtraSpecs(ctx, c, id).Extract()
			if err != nil {
				return fmt.Errorf("read flavor %s: %w", want.Name, err)
			}
			if len(specs) > 0 {
				continue // a flavor without any is one that a crash left unfinished
			}
		}
		if _, err := flavors.CreateExtraSpecs(ctx, c, id, flavors.ExtraSpecsOpts(want.ExtraSpecs)).Extract(); err != nil {
			return fmt.Errorf("set the properties of flavor %s: %w", want.Name, err)
		}
	}
	return nil
}

// ensureKeypair keeps the keypair `default` equal to the operator's key.
func ensureKeypair(ctx context.Context, c *gophercloud.ServiceClient, publicKey string) error {
	publicKey = strings.TrimSpace(publicKey)
	old, err := keypairs.Get(ctx, c, "default", nil).Extract()
	switch {
	case err == nil && old.PublicKey == publicKey:
		return nil
	case err == nil:
		if err := keypairs.Delete(ctx, c, "default", nil).ExtractErr(); err != nil {
			return fmt.Errorf("replace keypair default: %w", err)
		}
	case !gophercloud.ResponseCodeIs(err, 404):
		return fmt.Errorf("read keypair default: %w", err)
	}
	if _, err := keypairs.Create(ctx, c, keypairs.CreateOpts{Name: "default", PublicKey: publicKey}).Extract(); err != nil {
		return fmt.Errorf("create keypair default: %w", err)
	}
	return nil
}

// removeIfExists deletes a file; one that is not there is no error.
func removeIfExists(path string) error {
	err := os.Remove(path)
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
