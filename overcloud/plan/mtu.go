package plan

import (
	"cmp"

	"trefoil/overcloud/hot"
	"trefoil/overcloud/network"
	"trefoil/overcloud/resource"
)

// packetSizes are the bytes of a packet by network: what an environment tells the nic configs
// (TenantMtu, ControlPlaneMtu), else what network provision made, else network_data. That of
// ctlplane is else the undercloud's.
func (b *builder) packetSizes() (map[string]int, error) {
	nets, err := network.Parse(b.networksFile.Name, b.networksFile.Data)
	if err != nil {
		return nil, err
	}
	var all problems
	out := map[string]int{network.ControlPlane: cmp.Or(b.givenSize(&all, "ControlPlane"), b.ctlplane().MTU)}
	for _, n := range nets {
		if n.Enabled {
			out[n.NameLower] = cmp.Or(b.givenSize(&all, n.Name), b.provisionedSize(n.NameLower), n.MTU)
		}
	}
	return out, all.err()
}

// givenSize is what an environment says for the nic configs of a network; 0 where it says
// nothing, or none of them reads it. One that no interface takes is told here, where its line
// is known: a nic config makes an interface of it that tells only of itself.
func (b *builder) givenSize(all *problems, name string) int {
	key := name + "Mtu"
	v := b.env.Defaults[key]
	if v == nil || !b.ev.Used(key) {
		return 0
	}
	size, whole := wholeNumber(v)
	if from := b.env.Origins[key]; !whole || size != 0 && (size < resource.MinMTU || size > resource.MaxMTU) {
		all.add(from.File, from.Line, "%s is %s; expected %d to %d bytes of a packet, a whole number", key, hot.String(v), resource.MinMTU, resource.MaxMTU)
	}
	return size
}

// provisionedSize is what network provision wrote down of a network; 0 where it made none.
func (b *builder) provisionedSize(lower string) int {
	v := b.env.Defaults["DeployedNetworkEnvironment"]
	for _, key := range []string{"net_attributes_map", lower, "network", "mtu"} {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	size, _ := wholeNumber(v)
	return size
}

// packetSize is what machines that run a service can send to one another on its network, in
// bytes. Those that are not on it speak from ctlplane, so that of both the smaller counts.
func (c *configurer) packetSize(service string, nodes []*Node) int {
	least := 0
	for _, n := range nodes {
		net := network.ControlPlane
		if c.addressFor(service, n) != n.Address {
			net = c.networks[service]
		}
		if size := c.p.MTU[net]; least == 0 || size < least {
			least = size
		}
	}
	return least
}
