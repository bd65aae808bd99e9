package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"trefoil/overcloud/hot"
	"trefoil/overcloud/jinja"
	"trefoil/overcloud/network"
	"trefoil/overcloud/resource"
)

// labels are the networks of a plan by name_lower, as host names have them:
// InternalApi is internalapi, as TripleO writes /etc/hosts.
func (b *builder) labels() map[string]string {
	out := map[string]string{}
	for _, n := range b.networks.Items {
		d, ok := n.(*jinja.Dict)
		if !ok || !isEnabled(d) {
			continue
		}
		lower, _ := d.Get("name_lower")
		name, _ := d.Get("name")
		out[hot.String(lower)] = strings.ToLower(hot.String(name))
	}
	return out
}

// addressesOf are a machine's addresses by network, ctlplane included. A network
// that is not isolated has the machine's address on ctlplane: the real one, which
// may be another than the planned one.
func (c *configurer) addressesOf(n *Node) map[string]string {
	out := map[string]string{network.ControlPlane: n.Address}
	var planned map[string]string
	if s := c.servers[memberOf{n.Role, n.Index}]; s != nil {
		planned = s.Networks
	}
	for net := range c.p.NetworkLabels {
		out[net] = n.Address
	}
	for net, ip := range planned {
		if net != network.ControlPlane && ip != planned[network.ControlPlane] {
			out[net] = ip
		}
	}
	return out
}

// addressFor is where a service is asked on a machine: its address on the service's network.
func (c *configurer) addressFor(service string, n *Node) string {
	if net := c.networks[service]; net != "" && net != network.ControlPlane {
		return cmp.Or(c.addressesOf(n)[net], n.Address)
	}
	return n.Address
}

// allAddresses are those that a machine may speak from, the one on ctlplane first.
func (c *configurer) allAddresses(n *Node) []string {
	out := []string{n.Address}
	all := c.addressesOf(n)
	for _, net := range sortedKeys(all) {
		if !slices.Contains(out, all[net]) {
			out = append(out, all[net])
		}
	}
	return out
}

// networkConfigService names the resource in errors and events.
const networkConfigService = resource.NetworkConfigService

// networkConfig is the network that the role's nic config gives a machine: none, or
// one resource. A machine that the plan does not know has none.
func (c *configurer) networkConfig(n *Node) ([]resource.Resource, error) {
	s := c.servers[memberOf{n.Role, n.Index}]
	if s == nil {
		return nil, nil
	}
	objects, _ := s.Outputs["network_config"].([]any)
	if len(objects) == 0 {
		return nil, nil
	}
	check := []any{}
	for _, net := range c.p.Networks {
		if net.Name == network.ControlPlane && len(net.Subnets) > 0 && net.Subnets[0].Gateway != "" {
			check = append(check, net.Subnets[0].Gateway)
		}
	}
	r, err := decodeResource(map[string]any{"type": "network_config", "network_config": map[string]any{"network_config": objects, "check": check}}, networkConfigService)
	if err != nil {
		return nil, fmt.Errorf("OS::TripleO::%s::Net::SoftwareConfig (%s): %w", n.Role, c.p.Registry["OS::TripleO::"+n.Role+"::Net::SoftwareConfig"], err)
	}
	return []resource.Resource{r}, nil
}

// memberOf is a machine's place in the plan.
type memberOf struct {
	role  string
	index int
}

// hostLines are the lines of /etc/hosts of one machine: its own name with ctlplane,
// and a line for each network on which it has an address of its own.
func (c *configurer) hostLines(n *Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %s.ctlplane.%s %s.ctlplane\n", n.Address, c.fqdn(n), n.Name, n.Name, c.p.CloudDomain, n.Name)
	all := c.addressesOf(n)
	for _, net := range sortedKeys(all) {
		if ip, label := all[net], c.p.NetworkLabels[net]; ip != n.Address && label != "" {
			fmt.Fprintf(&b, "%s %s.%s.%s %s.%s\n", ip, n.Name, label, c.p.CloudDomain, n.Name, label)
		}
	}
	return b.String()
}

// knownHost is the line of /etc/ssh/ssh_known_hosts of one machine: every name and address that
// it has in /etc/hosts, and the key that the deployer knows it by (sshd(8), SSH_KNOWN_HOSTS FILE
// FORMAT); nothing for a machine whose key is not made yet.
func (c *configurer) knownHost(n *Node) string {
	key := strings.Fields(n.HostKey) // kind, key, comment
	if len(key) < 2 {
		return ""
	}
	return strings.Join(strings.Fields(c.hostLines(n)), ",") + " " + key[0] + " " + key[1] + "\n"
}

// Isolated are the planned addresses on networks beside ctlplane, where the undercloud
// keeps those of machines, and the virtual one in front of several controllers. Given to
// the next plan they are kept, whatever machine leaves in between.
func (p *Plan) Isolated() map[string]string {
	out := maps.Clone(p.Addresses)
	maps.DeleteFunc(out, func(key, _ string) bool {
		return strings.HasSuffix(key, "/"+network.ControlPlane) && key != VirtualKey(p.Stack)
	})
	return out
}
