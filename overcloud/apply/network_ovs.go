package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trefoil/overcloud/apply/networkd"
)

// ovsState is what Open vSwitch had before: the ports of its bridges.
type ovsState map[string][]string

// ovsBefore looks at the bridges that are wanted; nothing is asked where there are none.
func (s *step) ovsBefore(ctx context.Context, want *networkd.Result) (ovsState, error) {
	out := ovsState{}
	if len(want.Bridges) == 0 {
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

// ovsUp makes bridges and ports, in one transaction a bridge.
func (s *step) ovsUp(ctx context.Context, bridges []networkd.Bridge) error {
	for _, b := range bridges {
		args := []string{"--may-exist", "add-br", b.Name}
		if b.MAC != "" {
			args = append(args, "--", "set", "Bridge", b.Name, `other-config:hwaddr="`+b.MAC+`"`)
		}
		for _, p := range b.Ports {
			args = append(args, "--")
			switch {
			case len(p.Members) > 0:
				args = append(append(append(args, "--may-exist", "add-bond", b.Name, p.Name), p.Members...), p.Options...)
			case p.Tag > 0:
				args = append(args, "--may-exist", "add-port", b.Name, p.Name, fmt.Sprintf("tag=%d", p.Tag), "--", "set", "Interface", p.Name, "type=internal")
			default:
				args = append(args, "--may-exist", "add-port", b.Name, p.Name)
			}
		}
		if _, err := s.vsctl(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// ovsBack takes away what ovsUp made and was not there before.
func (s *step) ovsBack(ctx context.Context, bridges []networkd.Bridge, before ovsState) error {
	var all error
	for _, b := range bridges {
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
