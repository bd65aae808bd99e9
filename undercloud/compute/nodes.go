package compute

import (
	"context"
	"fmt"

	"trefoil/ironic"
	"trefoil/undercloud/network"
)

// Nodes makes servers from the bare-metal nodes that hold an instance. It reads
// instance_info: display_name, flavor (a name) and image_source; addresses are
// those of the network ports whose device_id is the instance.
type Nodes struct {
	Store   ironic.Store
	Network *network.Service
	Images  ImageNames // may be nil: image_source is then shown as it is
}

// ImageNames turns what instance_info names into an image id.
type ImageNames interface {
	// ImageID returns the id of the image that ref (id, name, file or URL) means, or "".
	ImageID(ctx context.Context, ref string) string
}

var _ ServerSource = (*Nodes)(nil)

// Servers implements ServerSource.
func (n *Nodes) Servers(ctx context.Context) ([]Server, error) {
	yes := true
	nodes, err := n.Store.Nodes(ctx, ironic.NodeFilter{Associated: &yes})
	if err != nil {
		return nil, fmt.Errorf("list nodes with an instance: %w", err)
	}
	nets, err := n.Network.Networks(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, net := range nets {
		names[net.ID] = net.Name
	}
	ports, err := n.Network.Ports(ctx, network.PortFilter{})
	if err != nil {
		return nil, err
	}
	addresses := map[string]map[string][]Address{}
	for _, p := range ports {
		for _, f := range p.FixedIPs {
			if p.DeviceID == "" {
				continue
			}
			if addresses[p.DeviceID] == nil {
				addresses[p.DeviceID] = map[string][]Address{}
			}
			net := names[p.NetworkID]
			addresses[p.DeviceID][net] = append(addresses[p.DeviceID][net], Address{f.Address, p.MACAddress})
		}
	}
	var out []Server
	for _, node := range nodes {
		if node.InstanceUUID == "" {
			continue
		}
		s := n.server(ctx, node)
		s.Addresses = addresses[s.ID]
		out = append(out, s)
	}
	return out, nil
}

func (n *Nodes) server(ctx context.Context, node *ironic.Node) Server {
	s := Server{ID: node.InstanceUUID, NodeUUID: node.UUID, CreatedAt: node.CreatedAt, UpdatedAt: node.CreatedAt,
		Name: text(node.InstanceInfo, "display_name"), FlavorName: text(node.InstanceInfo, "flavor"),
		ImageID: text(node.InstanceInfo, "image_source"), KeyName: text(node.InstanceInfo, "key_name")}
	if s.Name == "" {
		s.Name = node.Name
	}
	if node.UpdatedAt != nil {
		s.UpdatedAt = *node.UpdatedAt
	}
	if node.ProvisionUpdatedAt != nil {
		s.UpdatedAt = *node.ProvisionUpdatedAt
	}
	if n.Images != nil {
		if id := n.Images.ImageID(ctx, s.ImageID); id != "" {
			s.ImageID = id
		}
	}
	s.Status, s.TaskState = status(node.ProvisionState, node.PowerState)
	if s.Status == "ERROR" {
		s.Fault = node.LastError
	}
	switch node.PowerState {
	case ironic.PowerOn, ironic.Rebooting:
		s.PowerState = 1
	case ironic.PowerOff:
		s.PowerState = 4
	}
	return s
}

// status translates Ironic's provision state as Nova's Ironic driver does.
func status(provision, power string) (status, task string) {
	switch provision {
	case "active", "rescue", "servicing":
		if power == ironic.PowerOff {
			return "SHUTOFF", ""
		}
		return "ACTIVE", ""
	case "deploying", "wait call-back", "available", "rebuild":
		return "BUILD", "spawning"
	case "deploy failed", "error", "clean failed", "rescue failed", "service failed":
		return "ERROR", ""
	case "deleting", "cleaning", "clean wait":
		return "ACTIVE", "deleting"
	}
	return "BUILD", "scheduling"
}

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}
