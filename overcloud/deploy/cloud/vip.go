package cloud

import (
	"context"
	"slices"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"trefoil/internal/errs"
	domain "trefoil/overcloud/network"
	"trefoil/overcloud/session"
)

// vipOwner marks a port whose address no machine of the undercloud has.
const vipOwner = "trefoil:vip"

// EnsureVIP implements deploy.Cloud.
func (c *Cloud) EnsureVIP(ctx context.Context, stack, stackID, ip string) (string, error) {
	s, err := c.session(ctx)
	if err != nil {
		return "", err
	}
	nw, err := s.Network()
	if err != nil {
		return "", err
	}
	net, err := network(ctx, nw)
	if err != nil {
		return "", err
	}
	provisioned, err := vipPorts(ctx, nw, ports.ListOpts{NetworkID: net.ID, Tags: "tripleo_stack_name=" + stack + ",tripleo_vip_net=" + Network})
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(provisioned, func(p ports.Port) bool { return ip == "" || p.FixedIPs[0].IPAddress == ip }); i >= 0 {
		return provisioned[i].FixedIPs[0].IPAddress, nil
	}
	own, err := vipPorts(ctx, nw, ports.ListOpts{NetworkID: net.ID, DeviceID: stackID})
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(own, func(p ports.Port) bool { return ip == "" || p.FixedIPs[0].IPAddress == ip }); i >= 0 {
		return own[i].FixedIPs[0].IPAddress, nil
	}
	address, err := newVIP(ctx, nw, ports.CreateOpts{NetworkID: net.ID, Name: domain.VIP{Network: domain.ControlPlane}.PortName(), DeviceID: stackID, DeviceOwner: vipOwner}, ip)
	if err != nil {
		return "", err
	}
	// Only now: an address that cannot be had must not cost the one that there is.
	for _, p := range own {
		if err := session.Explain(ports.Delete(ctx, nw, p.ID).ExtractErr()); err != nil && !errs.Is(err, errs.NotFound) {
			return "", err
		}
	}
	return address, nil
}

// newVIP makes a port and returns its address.
func newVIP(ctx context.Context, nw *client, o ports.CreateOpts, ip string) (string, error) {
	if ip != "" {
		o.FixedIPs = []ports.IP{{IPAddress: ip}}
	}
	p, err := ports.Create(ctx, nw, o).Extract()
	if err != nil {
		return "", session.Explain(err)
	}
	if len(p.FixedIPs) == 0 {
		return "", errs.New(errs.Internal, "port %s has no address", p.ID)
	}
	return p.FixedIPs[0].IPAddress, nil
}

// vipPorts are the ports with an address that o asks for.
func vipPorts(ctx context.Context, nw *client, o ports.ListOpts) ([]ports.Port, error) {
	pages, err := ports.List(nw, o).AllPages(ctx)
	if err != nil {
		return nil, session.Explain(err)
	}
	all, err := ports.ExtractPorts(pages)
	return slices.DeleteFunc(all, func(p ports.Port) bool { return len(p.FixedIPs) == 0 }), err
}
