package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"trefoil/overcloud/apply/networkd"
)

// ovsState is what Open vSwitch had before: the ports of its bridges.
type ovsState map[string][]string

// ovsBefore looks at the bridges that are there; nothing is asked where none is or was wanted.
func (s *step) ovsBefore(ctx context.Context, known, want []networkd.Bridge) (ovsState, error) {
	out := ovsState{}
	if len(known)+len(want) == 0 {
		return out, nil
	}
	// The service's template starts it later in this step.
	if _, err := s.systemctl(ctx, "start", "openvswitch-switch.service"); err != nil {
		return nil, fmt.Errorf("network_config has a bridge of Open vSwitch: %w", err)
	}
	bridges, err := s.vsctl(ctx, "list-br")
	if err != nil {
		return nil, err
	}
	for _, b := range strings.Fields(bridges) {
		ports, err := s.vsctl(ctx, "list-ports", b)
		if err != nil {
			return nil, err
		}
		out[b] = strings.Fields(ports)
	}
	return out, nil
}

// ovsUp makes the wanted bridges and ports. What was asked for before and is not any more
// goes; what is to be another one, or of another bridge, is made anew, since a port that is
// there keeps what it was made with. A bridge stays: Neutron's ports may be in it. Of what
// nobody wrote down, made by an older release, nothing is touched that is in its place.
func (s *step) ovsUp(ctx context.Context, c *networkChange) error {
	gone := ovsGone(slices.Concat(c.bridges, c.triedBridges), c.want.Bridges)
	for _, b := range c.want.Bridges {
		for _, p := range b.Ports {
			if at := c.before.bridgeOf(p.Name); at != "" && at != b.Name {
				gone = append(gone, p.Name)
			}
		}
	}
	return s.ovsTransaction(ctx, gone, nil, c.want.Bridges)
}

// ovsBack makes what was there before ovsUp.
func (s *step) ovsBack(ctx context.Context, c *networkChange) error {
	target, drop := slices.Clone(c.bridges), []string{}
	for _, b := range c.want.Bridges {
		if _, was := c.before[b.Name]; !was && portsOf(c.bridges, b.Name) == nil {
			drop = append(drop, b.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.before)) {
		if portsOf(c.bridges, name) != nil {
			continue
		}
		old := networkd.Bridge{Name: name}
		for _, b := range c.want.Bridges {
			for _, p := range b.Ports {
				switch {
				case !slices.Contains(c.before[name], p.Name):
				case b.Name == name:
					old.Ports = append(old.Ports, p) // it was left as it was
				default:
					old.Ports = append(old.Ports, networkd.Port{Name: p.Name})
				}
			}
		}
		if len(old.Ports) > 0 {
			target = append(target, old)
		}
	}
	return s.ovsTransaction(ctx, ovsGone(slices.Concat(c.want.Bridges, c.triedBridges), target), drop, target)
}

// ovsTransaction takes ports and bridges away and makes others, all of it or nothing.
func (s *step) ovsTransaction(ctx context.Context, gone, drop []string, want []networkd.Bridge) error {
	var args []string
	add := func(words ...string) {
		if len(args) > 0 {
			args = append(args, "--")
		}
		args = append(args, words...)
	}
	slices.Sort(gone)
	for _, p := range slices.Compact(gone) {
		add("--if-exists", "del-port", p)
	}
	for _, b := range drop {
		add("--if-exists", "del-br", b)
	}
	for _, b := range want {
		add("--may-exist", "add-br", b.Name)
		if b.MAC != "" {
			add("set", "Bridge", b.Name, `other-config:hwaddr="`+b.MAC+`"`)
		}
		for _, p := range b.Ports {
			switch {
			case len(p.Members) > 0:
				add(slices.Concat([]string{"--may-exist", "add-bond", b.Name, p.Name}, p.Members, p.Options)...)
			case p.Tag > 0:
				add("--may-exist", "add-port", b.Name, p.Name, fmt.Sprintf("tag=%d", p.Tag))
				add("set", "Interface", p.Name, "type=internal")
			default:
				add("--may-exist", "add-port", b.Name, p.Name)
			}
		}
	}
	if len(args) == 0 {
		return nil
	}
	_, err := s.vsctl(ctx, args...)
	return err
}

// ovsGone are the ports of what was asked for that are not wanted, or not so.
func ovsGone(had, want []networkd.Bridge) []string {
	var out []string
	for _, b := range had {
		for _, p := range b.Ports {
			if !slices.ContainsFunc(portsOf(want, b.Name), p.Equal) {
				out = append(out, p.Name)
			}
		}
	}
	return out
}

func portsOf(bridges []networkd.Bridge, name string) []networkd.Port {
	i := slices.IndexFunc(bridges, func(b networkd.Bridge) bool { return b.Name == name })
	if i < 0 {
		return nil
	}
	return bridges[i].Ports
}

// bridgeOf is the bridge with a port; "" where none has it.
func (o ovsState) bridgeOf(port string) string {
	for bridge, ports := range o {
		if slices.Contains(ports, port) {
			return bridge
		}
	}
	return ""
}
