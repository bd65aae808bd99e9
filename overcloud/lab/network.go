package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
)

// namespaceDir is where iproute2 binds named network namespaces.
const namespaceDir = "/run/netns"

// namespaceGrace is how long a namespace may stay half made before it is made anew.
const namespaceGrace = time.Second

func (s *State) namespacePath() string { return filepath.Join(namespaceDir, s.Config.Namespace) }

// mark is the alias of a lab's interfaces: delete touches nothing without it.
func (s *State) mark() string { return "trefoil-lab:" + s.Config.Name }

// ip runs iproute2 on the lab's network.
func (m *Manager) ip(ctx context.Context, s *State, args ...string) (string, error) {
	if s.Config.Private() {
		args = append([]string{"-n", s.Config.Namespace}, args...)
	}
	return m.Run.Run(ctx, nil, "ip", args...)
}

// inside runs a program in the lab's network namespace.
func (m *Manager) inside(ctx context.Context, s *State, env []string, args ...string) (string, error) {
	args = s.insideArgs(args...)
	return m.Run.Run(ctx, env, args[0], args[1:]...)
}

// insideArgs is the command line that runs args in the lab's network namespace.
func (s *State) insideArgs(args ...string) []string {
	if !s.Config.Private() {
		return args
	}
	return append([]string{"ip", "netns", "exec", s.Config.Namespace}, args...)
}

// makeNetwork joins the machines and the undercloud: a bridge with the host's
// address and a pair of interfaces whose one end is in it. The address has the
// prefix /32, because the undercloud gives br-ctlplane the same network in the
// same namespace. Everything that is there already stays.
func (m *Manager) makeNetwork(ctx context.Context, s *State) error {
	n := &s.Config.Network
	if s.Config.Private() {
		if err := m.makeNamespace(ctx, s); err != nil {
			return err
		}
		if _, err := m.ip(ctx, s, "link", "set", "lo", "up"); err != nil {
			return fmt.Errorf("bring up lo: %w", err)
		}
		if err := m.quietARP(ctx, s); err != nil {
			return err
		}
	}
	mtu := strconv.Itoa(n.MTU)
	if err := m.ensureLink(ctx, s, n.Bridge, "type", "bridge"); err != nil {
		return err
	}
	if err := m.ensureLink(ctx, s, n.Interface, "type", "veth", "peer", "name", n.peer()); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"link", "set", n.peer(), "alias", s.mark()},
		// A fixed address, or the bridge takes that of whichever machine starts first.
		{"link", "set", n.Bridge, "address", stableMAC(s.Config.Name, "bridge"), "mtu", mtu, "up"},
		{"link", "set", n.peer(), "mtu", mtu, "master", n.Bridge, "up"},
		{"link", "set", n.Interface, "mtu", mtu, "up"},
		{"address", "replace", n.HostAddress + "/32", "dev", n.Bridge},
	} {
		if _, err := m.ip(ctx, s, args...); err != nil {
			return fmt.Errorf("set up the lab's network: ip %s: %w", strings.Join(args, " "), err)
		}
	}
	return nil
}

// makeNamespace makes the lab's network namespace, unless it is there. `ip netns add` makes an
// empty file first and puts the namespace on it then; killed in between, it leaves a name that
// nothing can enter, which is taken away.
func (m *Manager) makeNamespace(ctx context.Context, s *State) error {
	path := s.namespacePath()
	begun := func() bool {
		_, err := os.Stat(path)
		return err == nil && !isNamespace(path)
	}
	// The `ip` of a command that was killed may still be at it.
	for until := time.Now().Add(namespaceGrace); begun() && time.Now().Before(until); {
		time.Sleep(10 * time.Millisecond)
	}
	if begun() {
		if _, err := m.Run.Run(ctx, nil, "ip", "netns", "delete", s.Config.Namespace); err != nil {
			return fmt.Errorf("remove network namespace %s, which was left half made: %w", s.Config.Namespace, err)
		}
	}
	if isNamespace(path) {
		return nil
	}
	if _, err := m.Run.Run(ctx, nil, "ip", "netns", "add", s.Config.Namespace); err != nil {
		return fmt.Errorf("make network namespace %s: %w", s.Config.Namespace, err)
	}
	return nil
}

// isNamespace is whether a file is one that a namespace is bound to.
func isNamespace(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Type == unix.NSFS_MAGIC
}

// quietARP makes an interface answer only for its own addresses. Otherwise the
// bridge would answer for the undercloud's address too, with the wrong MAC, and
// half of a machine's packets would come in by the wrong interface.
func (m *Manager) quietARP(ctx context.Context, s *State) error {
	const script = `for k in all default; do echo 1 >/proc/sys/net/ipv4/conf/$k/arp_ignore; echo 0 >/proc/sys/net/ipv4/conf/$k/rp_filter; done`
	if _, err := m.inside(ctx, s, nil, "sh", "-ec", script); err != nil {
		return fmt.Errorf("set up ARP in the namespace: %w", err)
	}
	return nil
}

// ensureLink makes an interface and marks it as the lab's, unless it is there.
func (m *Manager) ensureLink(ctx context.Context, s *State, name string, kind ...string) error {
	out, err := m.ip(ctx, s, "-o", "link", "show", "dev", name)
	if err != nil {
		if _, err := m.ip(ctx, s, append([]string{"link", "add", name}, kind...)...); err != nil {
			return fmt.Errorf("make interface %s: %w", name, err)
		}
	} else if !s.Config.Private() && !strings.Contains(out, s.mark()) {
		return errs.New(errs.Conflict, "interface %s is already there and does not belong to lab %s", name, s.Config.Name).
			WithHint("choose another name under network, or give the lab a namespace of its own")
	}
	if _, err := m.ip(ctx, s, "link", "set", name, "alias", s.mark()); err != nil {
		return fmt.Errorf("mark interface %s: %w", name, err)
	}
	return nil
}

// removeNetwork takes the namespace with everything in it, or the marked interfaces.
func (m *Manager) removeNetwork(ctx context.Context, s *State) error {
	if s.Config.Private() {
		if _, err := os.Stat(s.namespacePath()); os.IsNotExist(err) {
			return nil
		}
		if _, err := m.Run.Run(ctx, nil, "ip", "netns", "delete", s.Config.Namespace); err != nil {
			return fmt.Errorf("remove network namespace %s: %w", s.Config.Namespace, err)
		}
		return nil
	}
	for _, name := range []string{s.Config.Network.Interface, s.Config.Network.peer(), s.Config.Network.Bridge} {
		out, err := m.ip(ctx, s, "-o", "link", "show", "dev", name)
		if err != nil || !strings.Contains(out, s.mark()) {
			continue // not there, or not ours
		}
		if _, err := m.ip(ctx, s, "link", "delete", name); err != nil {
			return fmt.Errorf("remove interface %s: %w", name, err)
		}
	}
	return nil
}

// checkNetwork refuses a lab whose names or addresses somebody else uses.
func (m *Manager) checkNetwork(ctx context.Context, s *State) error {
	if s.Config.Private() {
		if _, err := os.Stat(s.namespacePath()); err == nil {
			return errs.New(errs.Conflict, "network namespace %s is already there and belongs to no lab in %s", s.Config.Namespace, m.Root).
				WithHint("choose another namespace, or remove it: ip netns delete %s", s.Config.Namespace)
		}
		return nil
	}
	cidr, err := netip.ParsePrefix(s.Config.Network.CIDR)
	if err != nil {
		return fmt.Errorf("parse the lab's network: %w", err)
	}
	out, err := m.Run.Run(ctx, nil, "ip", "-4", "-o", "address", "show")
	if err != nil {
		return fmt.Errorf("list the host's addresses: %w", err)
	}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		if p, err := netip.ParsePrefix(f[3]); err == nil && p.Overlaps(cidr) {
			return errs.New(errs.Conflict, "the lab's network %s overlaps with %s on %s", cidr, p, f[1]).
				WithHint("choose another network.cidr, or give the lab a namespace of its own")
		}
	}
	return nil
}
