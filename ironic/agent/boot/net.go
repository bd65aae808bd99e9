package boot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/vishvananda/netlink"
)

// Network brings up every hardware interface and gets an address on the one
// that booted (bootMAC; empty means any). It tries until ctx ends and returns
// the interface's name and the lease.
func Network(ctx context.Context, bootMAC string, logf func(string, ...any)) (string, *dhcpv4.DHCPv4, error) {
	var last error
	for try := 1; ; try++ {
		links := hardwareLinks(logf)
		for _, l := range links {
			if bootMAC != "" && l.Attrs().HardwareAddr.String() != bootMAC {
				continue
			}
			ack, err := lease(ctx, l, try)
			if err == nil {
				return l.Attrs().Name, ack, nil
			}
			last = fmt.Errorf("dhcp on %s: %w", l.Attrs().Name, err)
			logf("%v (try %d)", last, try)
		}
		if last == nil {
			last = fmt.Errorf("no network interface has the MAC %q that booted; there are %s", bootMAC, names(links))
			logf("%v (try %d)", last, try)
		}
		select {
		case <-ctx.Done():
			return "", nil, last
		case <-time.After(2 * time.Second):
		}
	}
}

// hardwareLinks sets all hardware interfaces up: link state is part of the inventory.
func hardwareLinks(logf func(string, ...any)) []netlink.Link {
	all, err := netlink.LinkList()
	if err != nil {
		logf("list network interfaces: %v", err)
		return nil
	}
	var out []netlink.Link
	for _, l := range all {
		name := l.Attrs().Name
		if name == "lo" {
			_ = netlink.LinkSetUp(l)
			continue
		}
		if _, err := os.Stat(filepath.Join("/sys/class/net", name, "device")); err != nil {
			continue
		}
		if err := netlink.LinkSetUp(l); err != nil {
			logf("set %s up: %v", name, err)
			continue
		}
		out = append(out, l)
	}
	return out
}

// lease runs the exchange and puts address, MTU, routes and resolvers in place.
func lease(ctx context.Context, l netlink.Link, try int) (*dhcpv4.DHCPv4, error) {
	c, err := nclient4.New(l.Attrs().Name, nclient4.WithTimeout(time.Duration(min(try, 4))*time.Second), nclient4.WithRetry(3))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	got, err := c.Request(ctx, dhcpv4.WithRequestedOptions(dhcpv4.OptionInterfaceMTU, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer))
	if err != nil {
		return nil, err
	}
	return got.ACK, Configure(l, got.ACK)
}

// Configure puts a lease on an interface. Doing it again is no error.
func Configure(l netlink.Link, ack *dhcpv4.DHCPv4) error {
	mask := ack.SubnetMask()
	if mask == nil {
		mask = ack.YourIPAddr.DefaultMask()
	}
	if mtu := ack.Options.Get(dhcpv4.OptionInterfaceMTU); len(mtu) == 2 {
		// A network card that cannot do it keeps its own; the path still works.
		_ = netlink.LinkSetMTU(l, int(mtu[0])<<8|int(mtu[1]))
	}
	if err := netlink.AddrReplace(l, &netlink.Addr{IPNet: &net.IPNet{IP: ack.YourIPAddr, Mask: mask}}); err != nil {
		return fmt.Errorf("set address %s: %w", ack.YourIPAddr, err)
	}
	for _, gw := range ack.Router() {
		err := netlink.RouteReplace(&netlink.Route{LinkIndex: l.Attrs().Index, Gw: gw})
		if err != nil {
			return fmt.Errorf("set default route %s: %w", gw, err)
		}
		break
	}
	var b strings.Builder
	for _, ip := range ack.DNS() {
		fmt.Fprintf(&b, "nameserver %s\n", ip)
	}
	err := os.WriteFile("/etc/resolv.conf", []byte(b.String()), 0o644)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func names(links []netlink.Link) string {
	var out []string
	for _, l := range links {
		out = append(out, l.Attrs().Name+" "+l.Attrs().HardwareAddr.String())
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}
