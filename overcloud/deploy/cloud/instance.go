package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"

	"trefoil/internal/errs"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/session"
)

type client = gophercloud.ServiceClient

// Deploy implements deploy.Cloud.
func (c *Cloud) Deploy(ctx context.Context, nodeUUID string, d deploy.Instance) error {
	bm, err := c.baremetal(ctx)
	if err != nil {
		return err
	}
	n, err := nodes.Get(ctx, bm, nodeUUID).Extract()
	if err != nil {
		return session.Explain(err)
	}
	if n.InstanceUUID != "" && n.InstanceUUID != d.UUID {
		return errs.New(errs.Conflict, "node %s belongs to instance %s", nodeUUID, n.InstanceUUID).WithHint("openstack baremetal node undeploy %s", nodeUUID)
	}
	switch {
	case n.InstanceUUID == d.UUID && (n.ProvisionState == "active" || n.TargetProvisionState == "active" && n.ProvisionState != "deploy failed"):
		return nil // ours already, done or on its way
	case n.ProvisionState != "available" && n.ProvisionState != "deploy failed":
		return errs.New(errs.Conflict, "node %s is %s, not available", nodeUUID, n.ProvisionState)
	}
	drive, err := configDrive(d)
	if err != nil {
		return err
	}
	patch := nodes.UpdateOpts{
		nodes.UpdateOperation{Op: nodes.AddOp, Path: "/instance_uuid", Value: d.UUID},
		nodes.UpdateOperation{Op: nodes.AddOp, Path: "/instance_info", Value: instanceInfo(d)},
	}
	if n.InstanceUUID == d.UUID {
		patch = patch[1:]
	}
	err = session.Ask(ctx, c.poll(), func() error { return nodes.Update(ctx, bm, nodeUUID, patch).Err })
	if err != nil {
		return err
	}
	return c.change(ctx, bm, nodeUUID, nodes.ProvisionStateOpts{Target: nodes.TargetActive, ConfigDrive: drive})
}

// instanceInfo is what the bare-metal service must know of an instance; what was
// not asked for is left out.
func instanceInfo(d deploy.Instance) map[string]any {
	info := map[string]any{"display_name": d.Name, "image_source": d.Image, "capabilities": map[string]string{"boot_option": "local"}}
	if d.Flavor != "" {
		info["flavor"] = d.Flavor
	}
	if d.RootGB > 0 {
		info["root_gb"] = d.RootGB
	}
	if d.SwapMB > 0 {
		info["swap_mb"] = d.SwapMB
	}
	return info
}

// change sends one verb.
func (c *Cloud) change(ctx context.Context, bm *client, nodeUUID string, o nodes.ProvisionStateOpts) error {
	return session.Ask(ctx, c.poll(), func() error { return nodes.ChangeProvisionState(ctx, bm, nodeUUID, o).ExtractErr() })
}

func (c *Cloud) poll() time.Duration {
	if c.Poll > 0 {
		return c.Poll
	}
	return time.Second
}

// State implements deploy.Cloud.
func (c *Cloud) State(ctx context.Context, nodeUUID string) (deploy.NodeState, error) {
	bm, err := c.baremetal(ctx)
	if err != nil {
		return deploy.NodeState{}, err
	}
	n, err := nodes.Get(ctx, bm, nodeUUID).Extract()
	if err != nil {
		return deploy.NodeState{}, session.Explain(err)
	}
	return deploy.NodeState{Provision: n.ProvisionState, Target: n.TargetProvisionState, LastError: n.LastError, InstanceUUID: n.InstanceUUID}, nil
}

// Undeploy implements deploy.Cloud. A machine that is receiving its image cannot
// be stopped in that very moment: Undeploy waits until it can. A machine that
// has nothing of the instance any more is errs.NotFound: there is nothing to wait for.
func (c *Cloud) Undeploy(ctx context.Context, nodeUUID, instance string) error {
	bm, err := c.baremetal(ctx)
	if err != nil {
		return err
	}
	for {
		n, err := nodes.Get(ctx, bm, nodeUUID).Extract()
		if err != nil {
			return session.Explain(err)
		}
		switch st := n.ProvisionState; {
		case n.InstanceUUID == "" && (st == "available" || st == "clean failed" || st == "error" || givingBack(st)):
			return nil // done, on its way or stuck on it: Ironic forgets the instance before it cleans
		case n.InstanceUUID == "" || n.InstanceUUID != instance:
			return errs.New(errs.NotFound, "node %s does not run instance %s: it is %s", nodeUUID, instance, st)
		case givingBack(st):
			return nil
		case st == "available": // chosen, never deployed
			return session.Ask(ctx, c.poll(), func() error {
				return nodes.Update(ctx, bm, nodeUUID, nodes.UpdateOpts{nodes.UpdateOperation{Op: nodes.RemoveOp, Path: "/instance_uuid"}}).Err
			})
		case st != "deploying":
			return c.change(ctx, bm, nodeUUID, nodes.ProvisionStateOpts{Target: nodes.TargetDeleted})
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("node %s is still deploying: %w", nodeUUID, ctx.Err())
		case <-time.After(c.poll()):
		}
	}
}

// givingBack tells the states between a machine's instance and its being available.
func givingBack(state string) bool {
	return state == "deleting" || state == "cleaning" || state == "clean wait"
}

func (c *Cloud) baremetal(ctx context.Context) (*client, error) {
	s, err := c.session(ctx)
	if err != nil {
		return nil, err
	}
	return s.Baremetal()
}

// configDrive is OpenStack's config drive: meta data, network data, and as user
// data the cloud-config with the host key that the deployer has pinned.
func configDrive(d deploy.Instance) (nodes.ConfigDrive, error) {
	keys := map[string]string{}
	for i, k := range d.PublicKeys {
		keys["default"+strings.Repeat("_", i)] = k
	}
	_, cidr, err := net.ParseCIDR(d.Address.CIDR)
	if err != nil {
		return nodes.ConfigDrive{}, errs.Wrap(errs.Invalid, err, "subnet of %s", Network)
	}
	services := []map[string]any{}
	for _, s := range d.Address.Nameservers {
		services = append(services, map[string]any{"type": "dns", "address": s})
	}
	routes := []map[string]any{}
	if d.Address.Gateway != "" {
		routes = append(routes, map[string]any{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": d.Address.Gateway})
	}
	network := map[string]any{
		"links": []map[string]any{{"id": "ctlplane", "type": "phy", "ethernet_mac_address": d.Address.MAC, "mtu": d.Address.MTU}},
		"networks": []map[string]any{{"id": "ctlplane", "type": "ipv4", "link": "ctlplane", "ip_address": d.Address.IP,
			"netmask": net.IP(cidr.Mask).String(), "routes": routes}},
		"services": services,
	}
	config, meta := map[string]any{}, map[string]any{}
	maps.Copy(config, d.CloudConfig) // ours win: without them nobody could log in
	maps.Copy(config, map[string]any{"ssh_deletekeys": true, "ssh_keys": map[string]string{"ed25519_private": d.HostKeyPEM, "ed25519_public": d.HostKey}})
	user, err := json.Marshal(config)
	if err != nil {
		return nodes.ConfigDrive{}, err
	}
	host := d.Name
	if d.Domain != "" {
		host += "." + d.Domain
	}
	maps.Copy(meta, d.MetaData)
	maps.Copy(meta, map[string]any{"uuid": d.UUID, "name": d.Name, "hostname": host, "public_keys": keys})
	return nodes.ConfigDrive{
		MetaData:    meta,
		NetworkData: network,
		// JSON is YAML: one document that cloud-init and our first boot both read.
		UserData: "#cloud-config\n" + string(user) + "\n",
	}, nil
}
