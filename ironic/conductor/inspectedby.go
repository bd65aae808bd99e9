package conductor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/fsm"
	"trefoil/ironic/inspect"
)

// findInspected finds the node that waits for an inventory: by the MAC addresses
// of its ports, else by the address of its BMC, and says by what. The error says what matched what; it is
// Invalid where the inventory has no address to go by.
func (c *Conductor) findInspected(ctx context.Context, d *agentapi.InspectionData) (*ironic.Node, string, error) {
	macs := inspect.MACs(d)
	n, why, _, err := c.findByMACs(ctx, macs, "")
	if err != nil {
		return nil, "", err
	}
	if n != nil {
		// Anybody may send inventories: no BMC's name is looked up for one that nobody waits for.
		if s := fsm.State(n.ProvisionState); s != fsm.InspectWait && !(s == fsm.Inspecting && n.DriverInternalInfo[keyJobID] != nil) {
			return nil, "", errs.New(errs.NotFound, "the inventory belongs to node %s, which is in state %q and waits for none", title(n), n.ProvisionState)
		}
		if why, err = c.agree(ctx, n, why, d); err != nil {
			return nil, "", err
		}
		return n, why, nil
	}
	n, byBMC, err := c.findByBMC(ctx, d)
	switch fault := inspect.NoMAC(d); {
	case err != nil:
		return nil, "", err
	case n != nil:
		return n, byBMC + "; " + why, nil
	case fault != "": // what is wrong is in what the ramdisk sent, and it may know
		return nil, "", errs.New(errs.Invalid, "the inventory has no usable MAC address: %s; %s", fault, byBMC).
			WithHint("expected interfaces with a mac_address such as 52:54:00:12:34:56")
	}
	return nil, "", errs.New(errs.NotFound, "no node fits the inventory with addresses %s: %s; %s", strings.Join(macs, ", "), why, byBMC).
		WithHint("openstack baremetal port list shows the addresses that are known")
}

// agree refuses an inventory whose MAC addresses are of one node and whose BMC is of
// another: cards were moved, or a port is the wrong node's, and somebody must say which. A BMC
// that no node has is no contradiction: the node may know it by another address, behind a
// forwarder; nor is a name that does not resolve in time. What a discovered node says is only what
// somebody sent, without a password: it does not keep the inventory from a node that people
// made, whose port is known, and is but told. Returned is what speaks for n, in words.
func (c *Conductor) agree(ctx context.Context, n *ironic.Node, byMAC string, d *agentapi.InspectionData) (string, error) {
	addrs := bmcAddresses(d)
	if len(addrs) == 0 {
		return byMAC + "; the ramdisk saw no BMC", nil
	}
	names, cancel := context.WithTimeout(ctx, c.NamesTimeout)
	defer cancel()
	if addr := bmcOf(names, n, addrs); addr != "" {
		return byMAC + " and the BMC address " + addr, nil
	}
	words := "; its BMC is at " + strings.Join(addrs, ", ") + ", which no node has"
	err := ironic.Walk(ctx, c.Store, ironic.NodeFilter{}, func(other *ironic.Node) error {
		if other.UUID == n.UUID {
			return nil
		}
		addr := bmcOf(names, other, addrs)
		switch {
		case addr != "" && discovered(other) && !discovered(n):
			words += " but " + title(other) + ", which discovery made"
		case addr != "":
			return errs.New(errs.NotFound, "the inventory is of node %s by its %s, and of node %s by its BMC address %s: it is filed under neither",
				title(n), byMAC, title(other), addr).
				WithHint("openstack baremetal port delete, if the card was moved, or set the BMC's address of the one that is wrong")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return byMAC + words, nil
}

// findByBMC finds the one waiting node with the BMC that the ramdisk saw, with words of what led
// to it; nil with the reason in words if there is none.
func (c *Conductor) findByBMC(ctx context.Context, d *agentapi.InspectionData) (*ironic.Node, string, error) {
	addrs := bmcAddresses(d)
	if len(addrs) == 0 {
		return nil, "the ramdisk saw no BMC", nil
	}
	var fit []*ironic.Node
	err := ironic.Walk(ctx, c.Store, ironic.NodeFilter{ProvisionState: string(fsm.InspectWait)}, func(n *ironic.Node) error {
		if bmcOf(ctx, n, addrs) != "" {
			fit = append(fit, n)
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	words := strings.Join(addrs, ", ")
	switch len(fit) {
	case 0:
		return nil, "no waiting node has the BMC address " + words, nil
	case 1:
		return fit[0], "BMC address " + words, nil
	}
	return nil, fmt.Sprintf("%d waiting nodes share the BMC address %s", len(fit), words), nil
}

// bmcOf is the one of addrs at which n has its BMC, which the node may know by name; "": none.
func bmcOf(ctx context.Context, n *ironic.Node, addrs []string) string {
	for _, key := range []string{"ipmi_address", "redfish_address"} {
		host := text(n.DriverInfo, key)
		if u, err := url.Parse(host); err == nil && u.Host != "" { // Redfish has URLs, too
			host = u.Hostname()
		}
		ips := hostAddresses(ctx, host)
		for _, addr := range addrs {
			if slices.Contains(ips, addr) {
				return addr
			}
		}
	}
	return ""
}

// hostAddresses are the addresses of a host; none where nobody knows them, as of a name once ctx is over.
func hostAddresses(ctx context.Context, host string) []string {
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return []string{ip.String()}
	}
	if host == "" || ctx.Err() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	ips, _ := net.DefaultResolver.LookupHost(ctx, host)
	return ips
}
