// Package cloud reaches the undercloud's services for the deployer, over their
// public APIs with gophercloud: it works against upstream services as well.
package cloud

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"
	bmports "github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"trefoil/internal/dpkg"
	"trefoil/internal/errs"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/session"
)

var _ deploy.Cloud = (*Cloud)(nil)

// Network is the provisioning network's name.
const Network = "ctlplane"

// Cloud implements deploy.Cloud. Open is called when a session is first needed,
// so that a deployer may start before the services it talks to.
type Cloud struct {
	Open func(ctx context.Context) (*session.Session, error)
	Poll time.Duration // between two looks, where one must wait; default 1 s

	mu sync.Mutex
	s  *session.Session
}

func (c *Cloud) session(ctx context.Context) (*session.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s == nil {
		s, err := c.Open(ctx)
		if err != nil {
			return nil, err
		}
		c.s = s
	}
	return c.s, nil
}

// Nodes implements deploy.Cloud.
func (c *Cloud) Nodes(ctx context.Context) ([]placement.Node, error) {
	s, err := c.session(ctx)
	if err != nil {
		return nil, err
	}
	return List(ctx, s)
}

// List reads all bare-metal nodes as placement sees them.
func List(ctx context.Context, s *session.Session) ([]placement.Node, error) {
	bm, err := s.Baremetal()
	if err != nil {
		return nil, err
	}
	all, err := session.All[nodes.Node](ctx, bm, "nodes", url.Values{"fields": {
		"uuid,name,provision_state,power_state,maintenance,resource_class,instance_uuid,properties,conductor_group,traits"}})
	if err != nil {
		return nil, err
	}
	out := make([]placement.Node, len(all))
	for i, n := range all {
		caps, _ := n.Properties["capabilities"].(string)
		out[i] = placement.Node{UUID: n.UUID, Name: n.Name, State: n.ProvisionState, PowerState: n.PowerState, Maintenance: n.Maintenance,
			ResourceClass: n.ResourceClass, InstanceUUID: n.InstanceUUID, Capabilities: placement.ParseCapabilities(caps),
			LocalGB: number(n.Properties["local_gb"]), MemoryMB: number(n.Properties["memory_mb"]), ConductorGroup: n.ConductorGroup, Traits: n.Traits}
	}
	return out, nil
}

// SetProfile tags a node to a profile; its other capabilities stay.
func SetProfile(ctx context.Context, s *session.Session, n placement.Node, profile string) error {
	bm, err := s.Baremetal()
	if err != nil {
		return err
	}
	caps := maps.Clone(n.Capabilities)
	caps["profile"] = profile
	var text []string
	for _, k := range slices.Sorted(maps.Keys(caps)) {
		text = append(text, k+":"+caps[k])
	}
	patch := nodes.UpdateOpts{nodes.UpdateOperation{Op: nodes.AddOp, Path: "/properties/capabilities", Value: strings.Join(text, ",")}}
	return session.Ask(ctx, time.Second, func() error { return nodes.Update(ctx, bm, n.UUID, patch).Err })
}

func number(v any) int {
	n, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil {
		return 0
	}
	return int(n)
}

// Flavor implements deploy.Cloud.
func (c *Cloud) Flavor(ctx context.Context, name string) (profile, class string, err error) {
	s, err := c.session(ctx)
	if err != nil {
		return "", "", err
	}
	return Flavor(ctx, s, name)
}

// Flavor reads what a flavor asks of a node.
func Flavor(ctx context.Context, s *session.Session, name string) (profile, class string, err error) {
	cp, err := s.Compute()
	if err != nil {
		return "", "", err
	}
	pages, err := flavors.ListDetail(cp, flavors.ListOpts{}).AllPages(ctx)
	if err != nil {
		return "", "", session.Explain(err)
	}
	all, err := flavors.ExtractFlavors(pages)
	if err != nil {
		return "", "", err
	}
	for _, f := range all {
		if f.Name != name && f.ID != name {
			continue
		}
		specs, err := flavors.ListExtraSpecs(ctx, cp, f.ID).Extract()
		if err != nil {
			return "", "", session.Explain(err)
		}
		for k := range specs {
			// resources:CUSTOM_BAREMETAL=1 asks for resource class "baremetal".
			if rc, ok := strings.CutPrefix(k, "resources:CUSTOM_"); ok {
				class = strings.ToLower(rc)
			}
		}
		return specs["capabilities:profile"], class, nil
	}
	return "", "", errs.New(errs.NotFound, "flavor %q does not exist", name).WithHint("openstack flavor list")
}

// Image implements deploy.Cloud.
func (c *Cloud) Image(ctx context.Context, name string) (deploy.Image, error) {
	s, err := c.session(ctx)
	if err != nil {
		return deploy.Image{}, err
	}
	ic, err := s.Image()
	if err != nil {
		return deploy.Image{}, err
	}
	pages, err := images.List(ic, images.ListOpts{Name: name, Status: images.ImageStatusActive}).AllPages(ctx)
	if err != nil {
		return deploy.Image{}, session.Explain(err)
	}
	all, err := images.ExtractImages(pages)
	if err != nil {
		return deploy.Image{}, err
	}
	switch len(all) {
	case 0:
		return deploy.Image{}, errs.New(errs.NotFound, "no image with the name %q found", name).WithHint("openstack overcloud image upload --image-path ~/images/")
	case 1:
		disk := all[0].MinDiskGigabytes
		if v := all[0].VirtualSize; disk == 0 && v > 0 {
			disk = int(math.Ceil(float64(v) / (1 << 30)))
		}
		packages, _ := all[0].Properties[dpkg.ImageProperty].(string)
		names := strings.Fields(packages)
		slices.Sort(names)
		return deploy.Image{ID: all[0].ID, MinDiskGB: disk, Packages: names}, nil
	}
	return deploy.Image{}, errs.New(errs.Conflict, "there are %d images named %q", len(all), name).WithHint("openstack image delete <id> of all but one")
}

// EnsurePort implements deploy.Cloud.
func (c *Cloud) EnsurePort(ctx context.Context, nodeUUID, server, instance, ip string) (deploy.Address, error) {
	s, err := c.session(ctx)
	if err != nil {
		return deploy.Address{}, err
	}
	bm, err := s.Baremetal()
	if err != nil {
		return deploy.Address{}, err
	}
	nw, err := s.Network()
	if err != nil {
		return deploy.Address{}, err
	}
	mac, err := firstMAC(ctx, bm, nodeUUID)
	if err != nil {
		return deploy.Address{}, err
	}
	net, err := network(ctx, nw)
	if err != nil {
		return deploy.Address{}, err
	}
	port, err := findOrCreate(ctx, nw, net.ID, mac, server, instance, ip)
	if err != nil {
		return deploy.Address{}, err
	}
	if len(port.FixedIPs) == 0 {
		return deploy.Address{}, errs.New(errs.Internal, "port %s has no address", port.ID)
	}
	sub, err := subnets.Get(ctx, nw, port.FixedIPs[0].SubnetID).Extract()
	if err != nil {
		return deploy.Address{}, session.Explain(err)
	}
	return deploy.Address{PortID: port.ID, MAC: mac, IP: port.FixedIPs[0].IPAddress, CIDR: sub.CIDR, Gateway: sub.GatewayIP,
		Nameservers: sub.DNSNameservers, MTU: net.MTU}, nil
}

// netInfo is what is needed of a network; gophercloud keeps mtu in an extension.
type netInfo struct {
	ID  string `json:"id"`
	MTU int    `json:"mtu"`
}

func network(ctx context.Context, nw *client) (*netInfo, error) {
	pages, err := networks.List(nw, networks.ListOpts{Name: Network}).AllPages(ctx)
	if err != nil {
		return nil, session.Explain(err)
	}
	var all []netInfo
	if err := networks.ExtractNetworksInto(pages, &all); err != nil {
		return nil, fmt.Errorf("decode networks: %w", err)
	}
	if len(all) != 1 {
		return nil, errs.New(errs.NotFound, "%d networks named %s, expected 1", len(all), Network).WithHint("openstack undercloud install")
	}
	return &all[0], nil
}

func firstMAC(ctx context.Context, bm *client, nodeUUID string) (string, error) {
	all, err := session.All[bmports.Port](ctx, bm, "ports", url.Values{"node": {nodeUUID}, "fields": {"address,pxe_enabled"}})
	if err != nil {
		return "", err
	}
	for _, p := range all {
		if p.PXEEnabled {
			return p.Address, nil
		}
	}
	return "", errs.New(errs.Conflict, "node %s has no port with PXE", nodeUUID).WithHint("openstack baremetal port create <MAC> --node %s", nodeUUID)
}

func findOrCreate(ctx context.Context, nw *client, netID, mac, server, instance, ip string) (*ports.Port, error) {
	pages, err := ports.List(nw, ports.ListOpts{DeviceID: instance, NetworkID: netID}).AllPages(ctx)
	if err != nil {
		return nil, session.Explain(err)
	}
	all, err := ports.ExtractPorts(pages)
	if err != nil {
		return nil, err
	}
	if len(all) > 0 {
		return &all[0], nil
	}
	o := ports.CreateOpts{NetworkID: netID, Name: server + "-ctlplane", MACAddress: mac, DeviceID: instance, DeviceOwner: "baremetal:none"}
	if ip != "" {
		o.FixedIPs = []ports.IP{{IPAddress: ip}}
	}
	p, err := ports.Create(ctx, nw, o).Extract()
	return p, session.Explain(err)
}

// DeletePorts implements deploy.Cloud.
func (c *Cloud) DeletePorts(ctx context.Context, instance string) error {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	nw, err := s.Network()
	if err != nil {
		return err
	}
	pages, err := ports.List(nw, ports.ListOpts{DeviceID: instance}).AllPages(ctx)
	if err != nil {
		return session.Explain(err)
	}
	all, err := ports.ExtractPorts(pages)
	if err != nil {
		return err
	}
	for _, p := range all {
		if err := session.Explain(ports.Delete(ctx, nw, p.ID).ExtractErr()); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	return nil
}
