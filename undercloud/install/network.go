package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
	"trefoil/undercloud/config"
	"trefoil/undercloud/secret"
)

// netRecord is what was changed on the machine's network, to be given back.
type netRecord struct {
	Interface string   `json:"interface"`
	MTU       int      `json:"mtu"`       // of the interface, before
	Addresses []string `json:"addresses"` // that the interface had, moved to the bridge
	Virtual   []string `json:"virtual"`   // /32 and /128 that we added
	Forward   string   `json:"forward"`   // net.ipv4.ip_forward before, when we changed it
	Transit   *transit `json:"transit,omitempty"`
}

func recordPath(stateDir string) string { return filepath.Join(stateDir, "network.json") }

func loadRecord(stateDir string) (*netRecord, error) {
	r := &netRecord{}
	data, err := os.ReadFile(recordPath(stateDir))
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(data, r)
	}
	if err != nil {
		return nil, fmt.Errorf("read network record: %w", err)
	}
	return r, nil
}

func (r *netRecord) save(stateDir string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return secret.WriteFile(recordPath(stateDir), append(data, '\n'), 0o600)
}

// EnsureNetwork makes br-ctlplane, its addresses, forwarding and NAT as svc says,
// whatever of it is there already. The service calls it when it starts, too: none
// of this survives a reboot. It needs root. root prefixes /etc.
func EnsureNetwork(ctx context.Context, svc *config.Service, root string) error {
	rec, err := loadRecord(svc.StateDir)
	if err != nil {
		return err
	}
	member, err := netlink.LinkByName(svc.LocalInterface)
	if err != nil {
		return errs.Wrap(errs.NotFound, err, "find local_interface %s", svc.LocalInterface)
	}
	if member.Type() == "bridge" {
		return errs.New(errs.Invalid, "local_interface %s is a bridge, and a bridge cannot be part of %s", svc.LocalInterface, svc.Bridge).
			WithHint("give a port of it: ip link add NAME type veth peer name PEER, put PEER on the bridge, and set local_interface = NAME")
	}
	if err := rememberInterface(rec, member, svc.StateDir); err != nil {
		return err
	}
	bridge, err := ensureBridge(svc, member)
	if err != nil {
		return err
	}
	if err := moveAddresses(rec, svc.StateDir, member, bridge); err != nil {
		return err
	}
	if err := enslave(svc, member, bridge); err != nil {
		return err
	}
	if err := ensureAddresses(svc, rec, bridge); err != nil {
		return err
	}
	return ensureForwarding(ctx, svc, rec, root)
}

// rememberInterface notes, before anything changes, what the interface had.
func rememberInterface(rec *netRecord, member netlink.Link, stateDir string) error {
	if rec.Interface == member.Attrs().Name {
		return nil
	}
	if rec.Interface != "" {
		return errs.New(errs.Conflict, "local_interface was %s and is now %s", rec.Interface, member.Attrs().Name).
			WithHint("uninstall the undercloud first, so that %s gets its addresses back", rec.Interface)
	}
	addrs, err := globalAddresses(member)
	if err != nil {
		return err
	}
	rec.Interface, rec.MTU = member.Attrs().Name, member.Attrs().MTU
	for _, a := range addrs {
		rec.Addresses = append(rec.Addresses, a.IPNet.String())
	}
	return rec.save(stateDir)
}

func globalAddresses(l netlink.Link) ([]netlink.Addr, error) {
	all, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses of %s: %w", l.Attrs().Name, err)
	}
	return slices.DeleteFunc(all, func(a netlink.Addr) bool { return a.Scope != unix.RT_SCOPE_UNIVERSE }), nil
}

// ensureBridge returns br-ctlplane with the member's MAC address, so that it
// keeps one when other ports come and go.
func ensureBridge(svc *config.Service, member netlink.Link) (netlink.Link, error) {
	l, err := netlink.LinkByName(svc.Bridge)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.HardwareAddr = svc.Bridge, member.Attrs().HardwareAddr
		off := false
		err = netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &off})
		if err == nil {
			l, err = netlink.LinkByName(svc.Bridge)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("make bridge %s: %w", svc.Bridge, err)
	}
	if l.Type() != "bridge" {
		return nil, errs.New(errs.Conflict, "%s is there already and is a %s, not a bridge", svc.Bridge, l.Type())
	}
	return l, nil
}

func enslave(svc *config.Service, member, bridge netlink.Link) error {
	master := member.Attrs().MasterIndex
	if master != 0 && master != bridge.Attrs().Index {
		return errs.New(errs.Conflict, "local_interface %s is part of another bridge or bond already", svc.LocalInterface)
	}
	return errors.Join(
		action("set MTU of "+svc.LocalInterface, netlink.LinkSetMTU(member, svc.LocalMTU)),
		action("put "+svc.LocalInterface+" on "+svc.Bridge, netlink.LinkSetMaster(member, bridge)),
		action("set MTU of "+svc.Bridge, netlink.LinkSetMTU(bridge, svc.LocalMTU)),
		action("set "+svc.LocalInterface+" up", netlink.LinkSetUp(member)),
		action("set "+svc.Bridge+" up", netlink.LinkSetUp(bridge)))
}

func action(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// ensureAddresses gives the bridge local_ip and the public and admin address, and
// takes away such addresses of an earlier configuration.
func ensureAddresses(svc *config.Service, rec *netRecord, bridge netlink.Link) error {
	var virtual []string
	for _, a := range svc.VirtualHosts() {
		virtual = append(virtual, netip.PrefixFrom(a, a.BitLen()).String())
	}
	for _, old := range rec.Virtual {
		if !slices.Contains(virtual, old) {
			if err := netlink.AddrDel(bridge, address(old)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
				return fmt.Errorf("take %s from %s: %w", old, svc.Bridge, err)
			}
		}
	}
	rec.Virtual = virtual
	if err := rec.save(svc.StateDir); err != nil {
		return err
	}
	for _, want := range append([]string{svc.LocalIP.String()}, virtual...) {
		if err := netlink.AddrReplace(bridge, address(want)); err != nil {
			return fmt.Errorf("add %s to %s: %w", want, svc.Bridge, err)
		}
	}
	for _, s := range svc.Subnets { // routed subnets are behind the gateway
		if s.Name == svc.LocalSubnet || svc.Local() == nil {
			continue
		}
		_, dst, err := net.ParseCIDR(s.CIDR.String())
		if err == nil {
			err = netlink.RouteReplace(&netlink.Route{LinkIndex: bridge.Attrs().Index, Dst: dst, Gw: svc.Local().Gateway.AsSlice()})
		}
		if err != nil {
			return fmt.Errorf("add route to %s: %w", s.CIDR, err)
		}
	}
	return nil
}

func address(text string) *netlink.Addr {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return &netlink.Addr{}
	}
	return &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
}

const natTable = "trefoil_undercloud"

// ensureForwarding lets nodes out through the undercloud where masquerade is wanted.
func ensureForwarding(ctx context.Context, svc *config.Service, rec *netRecord, root string) error {
	nets := svc.MasqueradeNetworks()
	if len(nets) == 0 {
		return dropNAT(ctx)
	}
	if err := forward(svc.StateDir, rec, root); err != nil {
		return err
	}
	return nft(ctx, natRules(nets))
}

const forwardPath = "/proc/sys/net/ipv4/ip_forward"

func forward(stateDir string, rec *netRecord, root string) error {
	old, err := os.ReadFile(forwardPath)
	if err != nil {
		return fmt.Errorf("read ip_forward: %w", err)
	}
	if was := strings.TrimSpace(string(old)); was != "1" {
		rec.Forward = was
		if err := rec.save(stateDir); err != nil {
			return err
		}
		if err := os.WriteFile(forwardPath, []byte("1\n"), 0o644); err != nil {
			return fmt.Errorf("switch ip_forward on: %w", err)
		}
	}
	dir := filepath.Join(root, "etc", "sysctl.d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	return secret.WriteFile(filepath.Join(dir, sysctlFile), []byte("net.ipv4.ip_forward = 1\n"), 0o644)
}

const sysctlFile = "90-undercloud.conf"

// natRules replaces our table in one transaction and touches no other. IPv6
// networks are never translated; the configuration refuses to ask for it.
func natRules(nets []netip.Prefix) string {
	var b strings.Builder
	fmt.Fprintf(&b, "add table ip %s\ndelete table ip %s\n", natTable, natTable)
	if len(nets) == 0 {
		return b.String()
	}
	fmt.Fprintf(&b, "table ip %s {\n  chain postrouting {\n    type nat hook postrouting priority 100; policy accept;\n", natTable)
	for _, n := range nets {
		// Broadcasts stay as they are: where br_netfilter is loaded, bridged DHCP
		// answers pass here too, and would be dropped.
		fmt.Fprintf(&b, "    ip saddr %s ip daddr != { %s, 224.0.0.0/4, 255.255.255.255 } masquerade\n", n, n)
	}
	b.WriteString("  }\n}\n")
	return b.String()
}

func nft(ctx context.Context, script string) error {
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("load nftables rules: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func dropNAT(ctx context.Context) error {
	if _, err := exec.LookPath("nft"); errors.Is(err, exec.ErrNotFound) {
		return nil // then there is no table of ours either
	}
	return nft(ctx, natRules(nil))
}
