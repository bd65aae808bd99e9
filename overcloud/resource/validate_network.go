package resource

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	MinMTU  = 576 // IPv4's least; RFC 791
	MaxMTU  = 65535
	MaxVLAN = 4094 // IEEE 802.1Q
)

// optionForm is one key=value of bonding_options and ovs_options.
var optionForm = regexp.MustCompile(`^[A-Za-z0-9_:-]+=[A-Za-z0-9_.+:/-]+$`)

// netTypes are the objects that are made here, and those that may be members of each.
var netTypes = map[string][]string{
	"interface":    nil,
	"vlan":         nil,
	"linux_bond":   {"interface"},
	"ovs_bond":     {"interface"},
	"linux_bridge": {"interface", "linux_bond", "vlan"},
	"ovs_bridge":   {"interface", "linux_bond", "ovs_bond", "vlan"},
}

func (c *checker) network(n *NetworkConfig) {
	names := map[string]bool{}
	for i := range n.Objects {
		c.object(fmt.Sprintf("network_config[%d]", i), &n.Objects[i], "", names)
	}
	for i, a := range n.Check {
		_, err := netip.ParseAddr(a)
		c.want(err == nil, "check[%d]: %q is not an IP address", i, a)
	}
}

// object checks one object that is a member of a parent of that type, "" for none.
// names are those seen so far.
func (c *checker) object(at string, o *NetObject, parent string, names map[string]bool) {
	members, known := netTypes[o.Type]
	if !known {
		c.want(false, "%s.type: %q is not one of interface, vlan, linux_bond, linux_bridge, ovs_bridge, ovs_bond", at, o.Type)
		return
	}
	c.want(parent == "" && o.Type != "ovs_bond" || slices.Contains(netTypes[parent], o.Type), "%s: %s cannot stand here (%s)", at, o.Type, strings.TrimSpace("member of "+parent))
	name := o.DeviceName()
	c.want(ovsName.MatchString(name), "%s.name: %q is not a device name of at most 15 characters", at, name)
	c.want(!names[name], "%s: %s stands twice", at, name)
	names[name] = true
	if o.Type == "vlan" {
		c.want(o.VLANID >= 1 && o.VLANID <= MaxVLAN, "%s.vlan_id: %d is not one of 1 to %d", at, o.VLANID, MaxVLAN)
		number, numbered := strings.CutPrefix(o.Name, "vlan")
		id, err := strconv.Atoi(number)
		c.want(!numbered || err != nil || id == o.VLANID, "%s.name: %s says another number than vlan_id, %d: leave it out, and the VLAN is called vlan%d", at, o.Name, o.VLANID, o.VLANID)
		c.want(o.Device != "" || parent == "ovs_bridge", "%s.device: missing: the interface, bond or bridge that VLAN %d lies on", at, o.VLANID)
	}
	c.want(o.MTU == 0 || o.MTU >= MinMTU && o.MTU <= MaxMTU, "%s.mtu: %d is not one of %d to %d", at, o.MTU, MinMTU, MaxMTU)
	c.want(members != nil || len(o.Members) == 0, "%s.members: %s has none", at, o.Type)
	c.want(o.Type != "linux_bond" && o.Type != "ovs_bond" || len(o.Members) > 0, "%s.members: a bond needs one", at)
	for _, opt := range strings.Fields(o.BondingOptions + " " + o.OVSOptions) {
		c.want(optionForm.MatchString(opt), "%s: option %q is not KEY=VALUE", at, opt)
	}
	c.layer3(at, o)
	for i := range o.Members {
		c.object(fmt.Sprintf("%s.members[%d]", at, i), &o.Members[i], o.Type, names)
	}
}

func (c *checker) layer3(at string, o *NetObject) {
	for i, a := range o.Addresses {
		_, err := netip.ParsePrefix(a.IPNetmask)
		c.want(err == nil, "%s.addresses[%d].ip_netmask: %q is not an address with a prefix, like 192.168.24.5/24", at, i, a.IPNetmask)
	}
	for i, r := range o.Routes {
		if !r.Default {
			_, err := netip.ParsePrefix(r.To())
			c.want(err == nil, "%s.routes[%d].ip_netmask: %q is not a subnet", at, i, r.To())
		}
		_, err := netip.ParseAddr(r.Via())
		c.want(err == nil, "%s.routes[%d].next_hop: %q is not an IP address", at, i, r.Via())
	}
	for i, d := range o.DNSServers {
		_, err := netip.ParseAddr(d)
		c.want(err == nil, "%s.dns_servers[%d]: %q is not an IP address", at, i, d)
	}
}

// DeviceName is the name of the device that an object becomes: a VLAN without a
// name is called after its number, as os-net-config does.
func (o *NetObject) DeviceName() string {
	if o.Type == "vlan" && o.Name == "" {
		return fmt.Sprintf("vlan%d", o.VLANID)
	}
	return o.Name
}

// To is a route's destination, in the router's family for a default route.
func (r NetRoute) To() string {
	switch {
	case r.Default && strings.Contains(r.Via(), ":"):
		return "::/0"
	case r.Default:
		return "0.0.0.0/0"
	case r.IPNetmask != "":
		return r.IPNetmask
	}
	return r.Destination
}

// Via is a route's router.
func (r NetRoute) Via() string {
	if r.NextHop != "" {
		return r.NextHop
	}
	return r.Nexthop
}
