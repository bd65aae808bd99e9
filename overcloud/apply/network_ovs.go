package apply

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"trefoil/overcloud/apply/networkd"
)

// ovsState is what Open vSwitch had before: the ports of its bridges.
type ovsState map[string][]string

// ovsBefore looks at the bridges that are there; nothing is asked where none is or was wanted.
func (s *step) ovsBefore(ctx context.Context, kept, want []networkd.Bridge) (ovsState, error) {
	out := ovsState{}
	if len(kept)+len(want) == 0 {
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

// ovsChange makes bridges and ports in one transaction. What was asked for before (had) and is
// not any more goes; what is to be another one is made anew, since a port that is there keeps
// what it was made with. A bridge stays: Neutron's ports may be in it.
func (s *step) ovsChange(ctx context.Context, had, want []networkd.Bridge) error {
	var args []string
	add := func(words ...string) {
		if len(args) > 0 {
			args = append(args, "--")
		}
		args = append(args, words...)
	}
	for _, b := range had {
		for _, p := range ovsGone(b.Ports, portsOf(want, b.Name)) {
			add("--if-exists", "del-port", p)
		}
	}
	for _, b := range want {
		add("--may-exist", "add-br", b.Name)
		if b.MAC != "" {
			add("set", "Bridge", b.Name, `other-config:hwaddr="`+b.MAC+`"`)
		}
		for _, p := range b.Ports {
			// How a bond was made that nobody wrote down cannot be known.
			if len(p.Members) > 0 && portsOf(had, b.Name) == nil {
				add("--if-exists", "del-port", p.Name)
			}
			add(ovsPortArgs(b.Name, p)...)
		}
	}
	if len(args) == 0 {
		return nil
	}
	_, err := s.vsctl(ctx, args...)
	return err
}

func portsOf(bridges []networkd.Bridge, name string) []networkd.Port {
	i := slices.IndexFunc(bridges, func(b networkd.Bridge) bool { return b.Name == name })
	if i < 0 {
		return nil
	}
	return bridges[i].Ports
}

// ovsGone are the ports that must go: those that are not wanted, or not so.
func ovsGone(had, want []networkd.Port) []string {
	var out []string
	for _, p := range had {
		if !slices.ContainsFunc(want, func(w networkd.Port) bool { return reflect.DeepEqual(w, p) }) {
			out = append(out, p.Name)
		}
	}
	return out
}

func ovsPortArgs(bridge string, p networkd.Port) []string {
	switch {
	case len(p.Members) > 0:
		return append(append([]string{"--may-exist", "add-bond", bridge, p.Name}, p.Members...), p.Options...)
	case p.Tag > 0:
		return []string{"--may-exist", "add-port", bridge, p.Name, fmt.Sprintf("tag=%d", p.Tag), "--", "set", "Interface", p.Name, "type=internal"}
	}
	return []string{"--may-exist", "add-port", bridge, p.Name}
}

// ovsBack makes again what was asked for before, and takes away what was not there. A bond
// that nobody wrote down keeps the new options: the old ones are not known.
func (s *step) ovsBack(ctx context.Context, want, kept []networkd.Bridge, before ovsState) error {
	known := slices.DeleteFunc(slices.Clone(want), func(b networkd.Bridge) bool { return portsOf(kept, b.Name) == nil })
	all := s.ovsChange(ctx, known, kept)
	for _, b := range want {
		ports, had := before[b.Name]
		if !had {
			_, err := s.vsctl(ctx, "--if-exists", "del-br", b.Name)
			all = errors.Join(all, err)
			continue
		}
		for _, p := range b.Ports {
			if !slices.Contains(ports, p.Name) {
				_, err := s.vsctl(ctx, "--if-exists", "del-port", b.Name, p.Name)
				all = errors.Join(all, err)
			}
		}
	}
	return all
}
