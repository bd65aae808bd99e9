package network

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// PortFilter narrows Ports. Zero values do not filter.
type PortFilter struct {
	NetworkID, DeviceID, MACAddress, Name string // MACAddress in any case
}

// Ports lists ports in the order of creation. It is for the service's own parts:
// DHCP and compute ask it.
func (s *Service) Ports(ctx context.Context, f PortFilter) ([]*Port, error) {
	var out []*Port
	err := s.cfg.Store.View(ctx, func(tx Tx) error {
		all, err := tx.Ports()
		out = slices.DeleteFunc(all, func(p *Port) bool {
			return f.NetworkID != "" && p.NetworkID != f.NetworkID || f.DeviceID != "" && p.DeviceID != f.DeviceID ||
				f.MACAddress != "" && p.MACAddress != strings.ToLower(f.MACAddress) || f.Name != "" && p.Name != f.Name
		})
		return err
	})
	return out, err
}

// Networks lists networks, Subnets lists subnets, in the order of creation.
func (s *Service) Networks(ctx context.Context) ([]*Network, error) {
	var out []*Network
	err := s.cfg.Store.View(ctx, func(tx Tx) (err error) { out, err = tx.Networks(); return err })
	return out, err
}

// Subnets lists all subnets.
func (s *Service) Subnets(ctx context.Context) ([]*Subnet, error) {
	var out []*Subnet
	err := s.cfg.Store.View(ctx, func(tx Tx) (err error) { out, err = tx.Subnets(); return err })
	return out, err
}

// createPort stores a port with addresses, all in the caller's transaction.
func (s *Service) createPort(tx Tx, a *portArgs, project string) (*Port, error) {
	net, err := find(tx.Networks, func(n *Network) bool { return n.ID == a.NetworkID.v }, "Network", a.NetworkID.v)
	if err != nil {
		return nil, err
	}
	now := s.now()
	p := &Port{ID: s.cfg.NewID(), NetworkID: net.ID, ProjectID: project, AdminStateUp: true, VNICType: "normal",
		Profile: map[string]any{}, Tags: []string{}, FixedIPs: []FixedIP{}, CreatedAt: now, UpdatedAt: now}
	a.apply(p)
	if p.MACAddress, err = s.mac(tx, a.MACAddress.v, net.ID); err != nil {
		return nil, err
	}
	if p.FixedIPs, err = s.addresses(tx, p, a.FixedIPs); err != nil {
		return nil, err
	}
	return p, tx.PutPort(p)
}

// mac checks a given MAC address or makes one with Neutron's prefix.
func (s *Service) mac(tx Tx, given, networkID string) (string, error) {
	if given == "" {
		b := make([]byte, 3)
		if _, err := io.ReadFull(s.cfg.Rand, b); err != nil {
			return "", fmt.Errorf("make MAC address: %w", err)
		}
		h := hex.EncodeToString(b)
		return "fa:16:3e:" + h[0:2] + ":" + h[2:4] + ":" + h[4:6], nil
	}
	hw, err := net.ParseMAC(given)
	if err != nil || len(hw) != 6 {
		return "", errs.New(errs.Invalid, "Invalid input for mac_address. Reason: '%s' is not a valid MAC address.", given)
	}
	ports, err := tx.Ports()
	if err != nil {
		return "", err
	}
	for _, p := range ports {
		if p.NetworkID == networkID && p.MACAddress == hw.String() {
			return "", errs.New(errs.Conflict, "Unable to complete operation for network %s. The mac address %s is in use.", networkID, hw).
				WithHint("port %s holds it: openstack port show %s", p.ID, p.ID)
		}
	}
	return hw.String(), nil
}

// addresses turns what a request asks for into addresses that the port then
// holds. No list at all means one address of the network's first subnet.
func (s *Service) addresses(tx Tx, p *Port, want opt[[]FixedIP]) ([]FixedIP, error) {
	subnets, err := tx.Subnets()
	if err != nil {
		return nil, err
	}
	subnets = slices.DeleteFunc(subnets, func(n *Subnet) bool { return n.NetworkID != p.NetworkID })
	ports, err := tx.Ports()
	if err != nil {
		return nil, err
	}
	ports = slices.DeleteFunc(ports, func(o *Port) bool { return o.ID == p.ID })
	list := want.v
	if !want.set || want.null {
		list = nil
		if len(subnets) > 0 {
			list = []FixedIP{{SubnetID: subnets[0].ID}}
		}
	}
	out := []FixedIP{}
	for _, f := range list {
		got, err := s.address(f, subnets, append(ports, &Port{FixedIPs: out}), p.NetworkID)
		if err != nil {
			return nil, err
		}
		out = append(out, got)
	}
	return out, nil
}

func (s *Service) address(f FixedIP, subnets []*Subnet, ports []*Port, networkID string) (FixedIP, error) {
	var addr netip.Addr
	if f.Address != "" {
		var err error
		if addr, err = netip.ParseAddr(f.Address); err != nil {
			return f, errs.New(errs.Invalid, "Invalid input for fixed_ips. Reason: '%s' is not a valid IP address.", f.Address)
		}
	}
	at := slices.IndexFunc(subnets, func(n *Subnet) bool {
		return (f.SubnetID == "" || n.ID == f.SubnetID) && (!addr.IsValid() || n.CIDR.Contains(addr))
	})
	if at < 0 {
		return f, errs.New(errs.Invalid, "IP address %s is not a valid IP for any of the subnets on network %s.", f.Address, networkID)
	}
	n := subnets[at]
	used := usedOn(n.ID, ports)
	if addr.IsValid() {
		if used[addr] || s.reserved(addr) || addr == n.GatewayIP {
			return f, errs.New(errs.Conflict, "IP address %s already allocated in subnet %s", addr, n.ID)
		}
		return FixedIP{n.ID, addr.String()}, nil
	}
	for _, r := range s.cfg.Reserved {
		used[r] = true
	}
	addr, err := n.free(used)
	return FixedIP{n.ID, addr.String()}, err
}

func (s *Service) updatePort(tx Tx, id string, a *portArgs) (*Port, error) {
	p, err := find(tx.Ports, func(p *Port) bool { return p.ID == id }, "Port", id)
	if err != nil {
		return nil, err
	}
	a.apply(p)
	if a.MACAddress.set && !strings.EqualFold(a.MACAddress.v, p.MACAddress) {
		if p.MACAddress, err = s.mac(tx, a.MACAddress.v, p.NetworkID); err != nil {
			return nil, err
		}
	}
	if a.FixedIPs.set {
		if p.FixedIPs, err = s.addresses(tx, p, a.FixedIPs); err != nil {
			return nil, err
		}
	}
	p.Revision++
	p.UpdatedAt = s.now()
	return p, tx.PutPort(p)
}

// find returns the first thing that is wanted, or Neutron's NotFound sentence.
func find[T any](list func() ([]*T, error), wanted func(*T) bool, kind, id string) (*T, error) {
	all, err := list()
	if err != nil {
		return nil, err
	}
	if at := slices.IndexFunc(all, wanted); at >= 0 {
		return all[at], nil
	}
	return nil, errs.New(errs.NotFound, "%s %s could not be found.", kind, id)
}
