package node

import (
	"context"
	"net/url"
	"strings"

	"trefoil/overcloud/session"
)

// Hosts returns the names of deployed machines by the MACs of their ports, in
// lower case: what the bare-metal API says of nodes that carry an instance.
func Hosts(ctx context.Context, s *session.Session) (map[string]string, error) {
	bm, err := s.Baremetal()
	if err != nil {
		return nil, err
	}
	type instance struct {
		UUID         string         `json:"uuid"`
		InstanceUUID string         `json:"instance_uuid"`
		Info         map[string]any `json:"instance_info"`
	}
	nodes, err := session.All[instance](ctx, bm, "nodes", url.Values{"fields": {"uuid,instance_uuid,instance_info"}})
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, n := range nodes {
		if name, _ := n.Info["display_name"].(string); name != "" && n.InstanceUUID != "" {
			names[n.UUID] = name
		}
	}
	type port struct {
		Address string `json:"address"`
		Node    string `json:"node_uuid"`
	}
	ports, err := session.All[port](ctx, bm, "ports", url.Values{"fields": {"address,node_uuid"}})
	if err != nil {
		return nil, err
	}
	hosts := map[string]string{}
	for _, p := range ports {
		if name := names[p.Node]; name != "" {
			hosts[strings.ToLower(p.Address)] = name
		}
	}
	return hosts, nil
}
