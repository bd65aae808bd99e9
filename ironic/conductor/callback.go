package conductor

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// foreign says why a heartbeat's callback_url is not where the node's agent can be,
// nil if it may be: on one of AgentNets, or at an address that the node's inventory
// has. The conductor would send its commands there, and images' addresses with them.
func (c *Conductor) foreign(ctx context.Context, nodeUUID, callback string) error {
	if len(c.AgentNets) == 0 {
		return nil
	}
	u, err := url.Parse(callback)
	if err != nil || u.Host == "" {
		return nil // checkHeartbeat tells
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return errs.New(errs.Invalid, "callback_url %q names its host; expected an IP address.", shownURL(callback))
	}
	ip = ip.Unmap().WithZone("")
	port, err := portOf(u)
	if err != nil {
		return err
	}
	if g := c.URLs; g != nil && slices.Contains(g.Ports, port) {
		own, err := g.own(ip)
		if err != nil {
			return err
		}
		if own {
			return errs.New(errs.Invalid, "callback_url %q is this service itself.", shownURL(callback))
		}
	}
	if slices.ContainsFunc(c.AgentNets, func(n netip.Prefix) bool { return n.Contains(ip) }) {
		return nil
	}
	known, err := c.inventoryAddrs(ctx, nodeUUID)
	if err != nil || slices.Contains(known, ip) {
		return err
	}
	return errs.New(errs.Invalid, "callback_url %q is neither on the provisioning network (%s) nor an address of the node's own.",
		shownURL(callback), netsText(c.AgentNets)).WithHint("a service of its own has agent_networks in its configuration for routed networks")
}

func netsText(nets []netip.Prefix) string {
	words := make([]string, len(nets))
	for i, n := range nets {
		words[i] = n.String()
	}
	return strings.Join(words, ", ")
}

// inventoryAddrs are the addresses that the node had when it was inspected.
func (c *Conductor) inventoryAddrs(ctx context.Context, nodeUUID string) ([]netip.Addr, error) {
	inv, err := c.Store.Inventory(ctx, nodeUUID)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	list, _ := inv.Inventory["interfaces"].([]any)
	for _, i := range list {
		nic, _ := i.(map[string]any)
		for _, key := range []string{"ipv4_address", "ipv6_address"} {
			if a, err := netip.ParseAddr(text(nic, key)); err == nil && a.IsGlobalUnicast() {
				out = append(out, a.Unmap())
			}
		}
	}
	return out, nil
}
