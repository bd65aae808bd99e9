package netenv

import (
	"fmt"
	"net/netip"
	"strings"

	"trefoil/overcloud/hot"
)

// The endings of parameters that have addresses, and those that are of the provisioning
// network, whose subnet is not in an environment.
const (
	virtualSuffix  = "VirtualFixedIPs"
	routeSuffix    = "InterfaceDefaultRoute"
	controlVirtual = "ControlFixedIPs"
)

// subnetOf is the subnet of a network by the name that parameters begin with; false where
// the environment has none, or what is told already.
func (c *checker) subnetOf(net string) (netip.Prefix, bool) {
	v, given := c.env.Defaults[net+"NetCidr"]
	p, why := prefix(v)
	return p, given && why == ""
}

// within checks that an address lies in the subnet of its network.
func (c *checker) within(param string, a netip.Addr, net string) {
	if subnet, known := c.subnetOf(net); known && !subnet.Contains(a) {
		c.fail(param, "Address %s (%s) outside of subnet %sNetCidr: %s", a, param, net, subnet)
	}
}

// virtual checks the addresses that stand in front of several machines: each lies in its
// network and is one of its own.
func (c *checker) virtual() {
	seen := map[netip.Addr]string{}
	names := c.params(virtualSuffix)
	if v := c.env.Defaults[controlVirtual]; v != nil {
		names = append(names, controlVirtual)
	}
	for _, param := range names {
		list, ok := c.env.Defaults[param].([]any)
		if _, text := c.env.Defaults[param].(string); text { // JSON, which Heat reads
			continue
		}
		if !ok {
			c.fail(param, "Invalid virtual address: %s: expected [{ip_address: ADDRESS}]", param)
			continue
		}
		net := strings.TrimSuffix(param, virtualSuffix)
		if net == "Public" { // as TripleO calls what answers on External
			net = "External"
		}
		for _, item := range list {
			m, _ := item.(map[string]any)
			if m != nil && m["ip_address"] == nil && m["subnet"] != nil {
				continue // any address of a subnet
			}
			a, err := netip.ParseAddr(hot.String(m["ip_address"]))
			if err != nil || a.Zone() != "" {
				c.fail(param, "Invalid address: %s: expected [{ip_address: ADDRESS}] in %s", hot.String(item), param)
				continue
			}
			if other, used := seen[a]; used {
				c.fail(param, "Address %s (%s) already exists in %s", a, param, other)
			}
			seen[a] = param
			if param != controlVirtual {
				c.within(param, a, net)
			}
		}
	}
}

// routes checks that routers lie in their networks and that no machine can be given their
// addresses.
func (c *checker) routes() {
	for _, param := range c.params(routeSuffix) {
		net := strings.TrimSuffix(param, routeSuffix)
		a, ok := c.router(param)
		if !ok {
			continue
		}
		c.within(param, a, net)
		for _, pool := range c.ranges(net + "AllocationPools") {
			if pool.has(a) {
				c.fail(param, "Address %s (%s) lies in allocation pool %sAllocationPools %s: a machine could be given it", a, param, net, pool)
			}
		}
	}
	if c.env.Defaults["ControlPlaneDefaultRoute"] != nil {
		c.router("ControlPlaneDefaultRoute")
	}
}

// router reads the address of a router.
func (c *checker) router(param string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(hot.String(c.env.Defaults[param]))
	if err != nil || a.Zone() != "" {
		c.fail(param, "Invalid address: %s (%s): expected an address like 172.16.2.254", hot.String(c.env.Defaults[param]), param)
	}
	return a, err == nil && a.Zone() == ""
}

// addressRange is one allocation pool.
type addressRange struct{ start, end netip.Addr }

func (r addressRange) has(a netip.Addr) bool {
	return a.BitLen() == r.start.BitLen() && !a.Less(r.start) && !r.end.Less(a)
}

func (r addressRange) String() string { return fmt.Sprintf("%s-%s", r.start, r.end) }

// ranges are the pools of a parameter that can be read; what cannot is told elsewhere.
func (c *checker) ranges(param string) []addressRange {
	var out []addressRange
	list, _ := c.env.Defaults[param].([]any)
	for _, item := range list {
		m, _ := item.(map[string]any)
		start, err := netip.ParseAddr(hot.String(m["start"]))
		end, other := netip.ParseAddr(hot.String(m["end"]))
		if err == nil && other == nil && start.BitLen() == end.BitLen() && !end.Less(start) {
			out = append(out, addressRange{start, end})
		}
	}
	return out
}

// twice checks that no address is in two pools of a network.
func (c *checker) twice() {
	for _, param := range c.params("AllocationPools") {
		all := c.ranges(param)
		for i, a := range all {
			for _, b := range all[i+1:] {
				if a.has(b.start) || b.has(a.start) {
					c.fail(param, "Overlapping allocation pools detected %s %s (%s)", a, b, param)
				}
			}
		}
	}
}

// nothing tells whether the environment has nothing that is checked: who gives another
// file must not take silence for consent.
func (c *checker) nothing() bool {
	for _, suffix := range []string{"NetCidr", "AllocationPools", "NetworkVlanID", virtualSuffix, routeSuffix} {
		if len(c.params(suffix)) > 0 {
			return false
		}
	}
	for _, m := range c.env.Registry {
		if strings.HasSuffix(m.Pattern, "Net::SoftwareConfig") {
			return false
		}
	}
	return c.env.Defaults[controlVirtual] == nil && c.env.Defaults["ControlPlaneDefaultRoute"] == nil
}
