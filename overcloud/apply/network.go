package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/apply/networkd"
	"trefoil/overcloud/resource"
)

const (
	// keptNetwork is where a configuration that was tried lies; tryNetwork where one
	// is tried: below /run, so that a machine that goes down meanwhile boots with what
	// it had, and named to be read first. Of Open vSwitch's ports that does not hold: they
	// are in its own database, and stay as they were tried until the next run.
	keptNetwork = networkd.Kept
	tryNetwork  = "run/systemd/network/04-overcloud-"

	linkWait    = 5 * time.Second  // for a carrier after an interface is switched on
	addressWait = 60 * time.Second // for the addresses to be there
	answerWait  = 30 * time.Second // for the provisioning network to answer again
)

// network makes a machine's network so. First boot's files stay: where there is
// nothing of ours, they hold again.
func (s *step) network(n *resource.NetworkConfig) handler {
	same := func() (bool, error) {
		want, err := s.rendered(n)
		return err == nil && maps.Equal(want.Files, s.networkFiles(keptNetwork)) && len(s.networkFiles(tryNetwork)) == 0, err
	}
	return handler{
		slow:  true,
		cheap: same,
		ok: func(ctx context.Context) (bool, error) {
			if err := s.linksUp(ctx); err != nil {
				return false, err
			}
			ok, err := same()
			if err != nil || !ok {
				return false, err
			}
			want, err := s.rendered(n)
			if err != nil {
				return false, err
			}
			missing, err := s.missing(ctx, want.Addresses)
			return err == nil && len(missing) == 0, err
		},
		set: func(ctx context.Context) error {
			before, err := networkd.NICs(s.networkFiles(keptNetwork))
			if err != nil {
				return err
			}
			if err := s.tryOut(ctx, n); err != nil {
				return err
			}
			now, err := networkd.NICs(s.networkFiles(keptNetwork))
			for _, text := range networkd.Replaced(before, now) {
				s.tell("network_config:node", text)
			}
			return err
		},
	}
}

// rendered is what the machine is to have. Its cards have the numbers that were kept for them.
func (s *step) rendered(n *resource.NetworkConfig) (*networkd.Result, error) {
	cards, err := s.nics()
	if err != nil {
		return nil, err
	}
	kept := s.networkFiles(keptNetwork)
	numbered, err := networkd.NICs(kept)
	if err != nil {
		return nil, err
	}
	if len(numbered) == 0 {
		numbered = networkd.First(n.Objects, kept, cards)
	} else {
		numbered = networkd.Number(numbered, cards)
	}
	return networkd.Render(n.Objects, numbered)
}

// nics are the interfaces of real hardware. A virtual function is its card's, and has another
// address each time that it is made.
func (s *step) nics() ([]networkd.NIC, error) {
	dir := s.path("sys/class/net")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var out []networkd.NIC
	for _, e := range entries {
		at := filepath.Join(dir, e.Name())
		if _, err := os.Stat(filepath.Join(at, "device")); err != nil {
			continue // VLANs, bridges, tunnels and the loopback have none
		}
		if _, err := os.Stat(filepath.Join(at, "device/physfn")); err == nil {
			continue
		}
		mac, err := os.ReadFile(filepath.Join(at, "bonding_slave/perm_hwaddr")) // in a bond of the kernel its address is the bond's
		if err != nil {
			mac, err = os.ReadFile(filepath.Join(at, "address"))
		}
		if err != nil {
			return nil, fmt.Errorf("list interfaces: %w", err)
		}
		carrier, err := os.ReadFile(filepath.Join(at, "carrier")) // an error: it is switched off
		link := err == nil && strings.TrimSpace(string(carrier)) == "1"
		if mac := strings.ToLower(strings.TrimSpace(string(mac))); mac != "" { // without one it is no Ethernet card
			out = append(out, networkd.NIC{Name: e.Name(), MAC: mac, Link: link})
		}
	}
	return out, nil
}

// linksUp switches all interfaces on: whether there is a link shows only then, and
// those that have one are numbered.
func (s *step) linksUp(ctx context.Context) error {
	nics, err := s.nics()
	if err != nil {
		return err
	}
	off := 0
	for _, n := range nics {
		if n.Link {
			continue
		}
		off++
		if _, err := s.System.Run(ctx, Command{Args: []string{"ip", "link", "set", "dev", n.Name, "up"}, Timeout: 10 * time.Second}); err != nil {
			return fmt.Errorf("switch %s on: %w", n.Name, err)
		}
	}
	for began := s.Now(); off > 0 && s.Now().Sub(began) < linkWait; {
		if nics, err = s.nics(); err != nil {
			return err
		}
		off = 0
		for _, n := range nics {
			if !n.Link {
				off++
			}
		}
		if err := sleep(ctx, s.poll()); err != nil {
			return err
		}
	}
	return nil
}

// networkFiles are the files below a prefix, by the rest of their names.
func (s *step) networkFiles(prefix string) map[string]string {
	out := map[string]string{}
	list, _ := filepath.Glob(s.path(prefix) + "*") // the pattern is a constant
	for _, f := range list {
		if b, err := os.ReadFile(f); err == nil {
			out[strings.TrimPrefix(f, s.path(prefix))] = string(b)
		}
	}
	return out
}

// setNetworkFiles makes exactly these files be below a prefix.
func (s *step) setNetworkFiles(prefix string, files map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := writeAtomic(s.path(prefix+name), []byte(files[name]), 0o644, -1, -1); err != nil {
			return err
		}
	}
	for name := range s.networkFiles(prefix) { // at last: a full disk leaves what was there
		if _, wanted := files[name]; !wanted {
			if err := os.Remove(s.path(prefix + name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// tryOut brings the configuration up, looks, and keeps it or goes back.
func (s *step) tryOut(ctx context.Context, n *resource.NetworkConfig) error {
	c := &networkChange{kept: s.networkFiles(keptNetwork), tried: s.networkFiles(tryNetwork)}
	c.bridges, c.triedBridges = networkd.Bridges(c.kept), networkd.Bridges(c.tried)
	var err error
	if c.want, err = s.rendered(n); err != nil {
		return err
	}
	if recorded, err := s.onlyRecords(ctx, c); err != nil {
		return err
	} else if recorded {
		return s.setNetworkFiles(keptNetwork, c.want.Files)
	}
	if c.before, err = s.ovsBefore(ctx, slices.Concat(c.bridges, c.triedBridges), c.want.Bridges); err != nil {
		return err
	}
	c.answered = s.answering(ctx, n.Check)
	err = s.bringUp(ctx, c)
	if err == nil {
		return s.keep(ctx, c)
	}
	ctx = context.WithoutCancel(ctx) // whoever stopped the run wants to reach the machine again
	if back := s.goBack(ctx, c); back != nil {
		return errs.Wrap(errs.Unavailable, errors.Join(err, back), "the new network was taken back, and the old one does not answer either").
			WithHint("look at the machine's console: networkctl status; /etc/systemd/network has what it booted with")
	}
	return errs.Wrap(errs.Unavailable, err, "the new network does not work and was taken back; the machine has the one before").
		WithHint("hold the role's nic config against the wires: are VLANs on this port, is nic1 the provisioning network, is the router of ctlplane %s?%s", strings.Join(n.Check, ", "), c.linkless())
}

// reload has networkd read its files and configure the links that they changed for.
func (s *step) reload(ctx context.Context) error {
	_, err := s.System.Run(ctx, Command{Args: []string{"networkctl", "reload"}, Timeout: time.Minute})
	return err
}

// missing are the addresses that no interface has.
func (s *step) missing(ctx context.Context, want []string) ([]string, error) {
	out, err := s.System.Run(ctx, Command{Args: []string{"ip", "-json", "address", "show"}, Timeout: 10 * time.Second})
	if err != nil {
		return nil, err
	}
	var links []struct {
		AddrInfo []struct {
			Local  string `json:"local"`
			Prefix int    `json:"prefixlen"`
		} `json:"addr_info"`
	}
	if err := json.Unmarshal([]byte(out), &links); err != nil {
		return nil, fmt.Errorf("ip -json address show: %w", err)
	}
	have := map[string]bool{}
	for _, l := range links {
		for _, a := range l.AddrInfo {
			have[fmt.Sprintf("%s/%d", a.Local, a.Prefix)] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(want), func(a string) bool { return have[a] }), nil
}

// answering are those of the addresses that answer: a refused connection is an answer.
func (s *step) answering(ctx context.Context, addresses []string) []string {
	var out []string
	for _, a := range addresses {
		err := s.System.Probe(ctx, resource.Wait{TCP: net.JoinHostPort(a, "22")})
		if err == nil || errors.Is(err, syscall.ECONNREFUSED) {
			out = append(out, a)
		}
	}
	return out
}

func (s *step) answerAgain(ctx context.Context, addresses []string) error {
	return s.until(ctx, answerWait, "an answer of", func() (string, error) {
		silent := slices.Clone(addresses)
		for _, a := range s.answering(ctx, addresses) {
			silent = slices.DeleteFunc(silent, func(x string) bool { return x == a })
		}
		return strings.Join(silent, ", "), nil
	})
}

// until looks again and again until nothing is missing.
func (s *step) until(ctx context.Context, patience time.Duration, what string, look func() (missing string, err error)) error {
	for began := s.Now(); ; {
		missing, err := look()
		if err != nil || missing == "" {
			return err
		}
		if s.Now().Sub(began) >= patience {
			return errs.New(errs.Unavailable, "waited %s for %s %s", patience, what, missing)
		}
		if err := sleep(ctx, s.poll()); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
