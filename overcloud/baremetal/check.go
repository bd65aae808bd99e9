package baremetal

import "strings"

// check holds instances against each other, in tripleo-ansible's words.
func (x *expansion) check(list []Instance) {
	hostnames, nodes, addresses := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, in := range list {
		if hostnames[in.Hostname] {
			x.p.Add(in.Line, "Hostname %s is used more than once", in.Hostname)
		}
		hostnames[in.Hostname] = true
		if node := in.Node(); node != "" {
			if nodes[node] {
				x.p.Add(in.Line, "Node %s is requested more than once", node)
			}
			nodes[node] = true
		}
		var own, twice []string
		for _, n := range in.Networks() {
			if n.FixedIP == "" {
				continue
			}
			own = append(own, n.FixedIP)
			if addresses[n.FixedIP] {
				twice = append(twice, n.FixedIP)
			}
			addresses[n.FixedIP] = true
		}
		if len(twice) > 0 {
			x.p.Add(in.Line, "One or more IP address %s for Node %s is requested more than once", strings.Join(twice, ", "), in.Hostname)
		}
		if !in.Managed() && len(own) == 0 && in.ManagementIP() == "" {
			x.p.Add(in.Line, "Node %s that is managed: false requires either a fixed IP address, or a management ip address", in.Hostname)
		}
		x.checkDeployNetwork(in)
	}
}

// checkDeployNetwork: a machine that Trefoil deploys is deployed on ctlplane.
func (x *expansion) checkDeployNetwork(in Instance) {
	for _, n := range in.Networks() {
		if n.VIF && n.Network != ControlPlane {
			x.p.Add(in.Line, "instance %s: network %s has vif: true; machines are deployed on %s only", in.Hostname, n.Network, ControlPlane)
		}
	}
}
