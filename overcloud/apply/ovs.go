package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

func (s *step) vsctl(ctx context.Context, args ...string) (string, error) {
	out, err := s.System.Run(ctx, Command{Args: append([]string{"ovs-vsctl", "--timeout=60"}, args...), Timeout: 90 * time.Second})
	if err != nil {
		return "", errs.Wrap(errs.Unavailable, err, "talk to Open vSwitch").
			WithHint("is openvswitch-switch started before this resource?")
	}
	return strings.TrimSpace(out), nil
}

func (s *step) ovsBridge(b *resource.OVSBridge) handler {
	there := false
	return handler{
		slow: true,
		ok: func(ctx context.Context) (bool, error) {
			out, err := s.vsctl(ctx, "list-br")
			if err != nil || !slices.Contains(strings.Fields(out), b.Name) {
				return false, err
			}
			there = true
			if len(b.Ports) == 0 {
				return true, nil
			}
			out, err = s.vsctl(ctx, "list-ports", b.Name)
			if err != nil {
				return false, err
			}
			have := strings.Fields(out)
			return !slices.ContainsFunc(b.Ports, func(p string) bool { return !slices.Contains(have, p) }), nil
		},
		set: func(ctx context.Context) error {
			args := []string{"--may-exist", "add-br", b.Name}
			for _, p := range b.Ports {
				args = append(args, "--", "--may-exist", "add-port", b.Name, p)
			}
			// Neutron's agent makes the bridges that it serves secure; standalone again, they would
			// pass on packets between all ports whenever the agent does not answer.
			if b.FailMode != "" && !there {
				args = append(args, "--", "set-fail-mode", b.Name, b.FailMode)
			}
			_, err := s.vsctl(ctx, args...)
			return err
		},
	}
}

func (s *step) ovsPort(p *resource.OVSPort) handler {
	return handler{
		slow: true,
		ok: func(ctx context.Context) (bool, error) {
			out, err := s.vsctl(ctx, "list-ports", p.Bridge)
			if err != nil || !slices.Contains(strings.Fields(out), p.Name) {
				return false, err
			}
			out, err = s.vsctl(ctx, "get", "interface", p.Name, "type", "options")
			if err != nil {
				return false, err
			}
			kind, options, _ := strings.Cut(out, "\n")
			return strings.Trim(kind, `"`) == p.Type && maps.Equal(parseMap(options), p.Options), nil
		},
		set: func(ctx context.Context) error {
			args := []string{"--may-exist", "add-port", p.Bridge, p.Name, "--", "clear", "interface", p.Name, "options"}
			set := []string{"--", "set", "interface", p.Name}
			if p.Type != "" {
				set = append(set, "type="+p.Type)
			}
			for _, k := range slices.Sorted(maps.Keys(p.Options)) {
				set = append(set, fmt.Sprintf("options:%s=%q", k, p.Options[k]))
			}
			if len(set) > 4 {
				args = append(args, set...)
			}
			_, err := s.vsctl(ctx, args...)
			return err
		},
	}
}

// parseMap reads ovs-vsctl's {key=value, key="value"}; values hold no commas
// here, since Validate refuses quotes.
func parseMap(s string) map[string]string {
	out := map[string]string{}
	for _, f := range strings.Split(strings.Trim(strings.TrimSpace(s), "{}"), ", ") {
		if k, v, ok := strings.Cut(f, "="); ok {
			out[k] = strings.Trim(v, `"`)
		}
	}
	return out
}
