package install

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// transit is what is on its way between interface and bridge. It is written down
// before the first address moves: with its last address an interface loses its
// routes, and a run that is killed then would leave nobody who knows them.
type transit struct {
	BootID    string   `json:"boot_id"` // after a reboot the machine has its own again
	Addresses []string `json:"addresses,omitempty"`
	Routes    []route  `json:"routes,omitempty"`
}

// route is one that leads through a gateway; the kernel makes the others from the addresses.
type route struct {
	To       netip.Prefix `json:"to"` // zero: everywhere
	Via      netip.Addr   `json:"via"`
	Source   netip.Addr   `json:"source,omitzero"`
	Metric   int          `json:"metric,omitempty"`
	Table    int          `json:"table,omitempty"`
	Protocol int          `json:"protocol,omitempty"`
	MTU      int          `json:"mtu,omitempty"`
	OnLink   bool         `json:"on_link,omitempty"`
}

// newRoute describes a route that leads through a gateway; ok is false for others.
func newRoute(r *netlink.Route) (out route, ok bool) {
	via, ok := netip.AddrFromSlice(r.Gw)
	if !ok {
		return route{}, false
	}
	out = route{Via: via.Unmap(), Metric: r.Priority, Table: r.Table, Protocol: int(r.Protocol), MTU: r.MTU, OnLink: r.Flags&unix.RTNH_F_ONLINK != 0}
	if r.Dst != nil {
		addr, _ := netip.AddrFromSlice(r.Dst.IP)
		bits, _ := r.Dst.Mask.Size()
		out.To = netip.PrefixFrom(addr.Unmap(), bits)
	}
	if src, ok := netip.AddrFromSlice(r.Src); ok {
		out.Source = src.Unmap()
	}
	return out, true
}

// on is the route for the kernel, through an interface.
func (r route) on(index int) *netlink.Route {
	out := &netlink.Route{LinkIndex: index, Gw: r.Via.AsSlice(), Priority: r.Metric, Table: r.Table, Protocol: netlink.RouteProtocol(r.Protocol), MTU: r.MTU}
	if r.To.IsValid() {
		out.Dst = &net.IPNet{IP: r.To.Addr().AsSlice(), Mask: net.CIDRMask(r.To.Bits(), r.To.Addr().BitLen())}
	}
	if r.Source.IsValid() {
		out.Src = r.Source.AsSlice()
	}
	if r.OnLink {
		out.Flags = unix.RTNH_F_ONLINK
	}
	return out
}

func gatewayRoutes(l netlink.Link) ([]route, error) {
	list, err := netlink.RouteList(l, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list routes of %s: %w", l.Attrs().Name, err)
	}
	var out []route
	for i := range list {
		if r, ok := newRoute(&list[i]); ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// take returns what is on its way: what a run that was cut off left, and more.
func (r *netRecord) take(boot string, addresses []string, routes []route) *transit {
	t := &transit{BootID: boot}
	if r.Transit != nil && r.Transit.BootID == boot {
		t.Addresses, t.Routes = slices.Clone(r.Transit.Addresses), slices.Clone(r.Transit.Routes)
	}
	for _, a := range addresses {
		if !slices.Contains(t.Addresses, a) {
			t.Addresses = append(t.Addresses, a)
		}
	}
	for _, x := range routes {
		if !slices.Contains(t.Routes, x) {
			t.Routes = append(t.Routes, x)
		}
	}
	return t
}

// moveAddresses carries what the interface has over to the bridge: the machine
// stays reachable, with the routes that hang on its addresses.
func moveAddresses(rec *netRecord, stateDir string, member, bridge netlink.Link) error {
	addrs, err := globalAddresses(member)
	if err != nil {
		return err
	}
	var names []string
	for _, a := range addrs {
		names = append(names, a.IPNet.String())
	}
	var routes []route
	if len(addrs) > 0 {
		if routes, err = gatewayRoutes(member); err != nil {
			return err
		}
	}
	boot, err := bootID()
	if err != nil {
		return fmt.Errorf("read boot id: %w", err)
	}
	moving := rec.take(boot, names, routes)
	if len(moving.Addresses) == 0 {
		return nil
	}
	rec.Transit = moving
	if err := rec.save(stateDir); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("set %s up: %w", bridge.Attrs().Name, err)
	}
	if err := moving.arrive(member, bridge); err != nil {
		return err
	}
	rec.Transit = nil
	return rec.save(stateDir)
}

// arrive puts everything on link and takes it from the one that had it.
func (t *transit) arrive(from, link netlink.Link) error {
	name := link.Attrs().Name
	for _, a := range t.Addresses {
		if err := netlink.AddrReplace(link, address(a)); err != nil {
			return fmt.Errorf("add %s to %s: %w", a, name, err)
		}
		if from == nil {
			continue
		}
		if err := netlink.AddrDel(from, address(a)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("take %s from %s: %w", a, from.Attrs().Name, err)
		}
	}
	for _, r := range t.Routes {
		if err := netlink.RouteReplace(r.on(link.Attrs().Index)); err != nil {
			return fmt.Errorf("move route via %s to %s: %w", r.Via, name, err)
		}
	}
	return nil
}
