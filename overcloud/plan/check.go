package plan

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/network"
)

// check holds what was asked for against itself: what no single template can see.
func (b *builder) check(p *Plan) error {
	for _, f := range []func(*Plan) error{b.clocks, b.hostnames, b.names, b.overlaps, b.fixed} {
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

// clocks: several controllers share a database and tokens, which need one time.
// Of the services that keep it those are looked at that tell their servers.
func (b *builder) clocks(p *Plan) error {
	controllers := 0
	for _, r := range p.Roles {
		if slices.Contains(r.Tags, "controller") {
			controllers += r.Count
		}
	}
	for _, r := range p.Roles {
		if controllers < 2 || r.Count == 0 || !slices.Contains(r.Tags, "controller") {
			continue
		}
		for _, d := range r.Data {
			servers, tells := d.Settings["ntp::servers"].([]any)
			named := slices.ContainsFunc(servers, func(s any) bool { return strings.TrimSpace(hot.String(s)) != "" })
			if !tells || named {
				continue
			}
			return errs.New(errs.Invalid, "Specify --ntp-server as parameter or NtpServer in environments when using multiple controllers (with HA): role %s is of %d controllers, and NtpServer and NtpPool of %s are empty", r.Name, controllers, d.Template).
				WithHint("write into an environment (-e) under parameter_defaults: NtpServer: [ntp.example.com], or NtpPool; or deploy with --ntp-server ntp.example.com")
		}
	}
	return nil
}

// hostLabel is a host name without its domain (RFC 1123).
var hostLabel = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// names: what the formats and HostnameMap make are host names, each of one machine.
func (b *builder) names(p *Plan) error {
	byName := map[string]Server{}
	for _, s := range p.Servers {
		if !hostLabel.MatchString(s.Name) {
			format := s.Role + "HostnameFormat"
			return errs.New(errs.Invalid, "%smachine %d of role %s would be called %q, which is no host name: letters, digits and -, at most 63", b.setBy(format), s.Index, s.Role, s.Name).
				WithHint("change %s, the role's HostnameFormatDefault or the stack's name", format)
		}
		if o, twice := byName[s.Name]; twice {
			return errs.New(errs.Invalid, "machine %d of role %s and machine %d of role %s would both be called %s", o.Index, o.Role, s.Index, s.Role, s.Name).
				WithHint("change %s", b.whatNames(o.Role, s.Role))
		}
		byName[s.Name] = s
	}
	return nil
}

// whatNames are the parameters that two machines of these roles are called by.
func (b *builder) whatNames(one, other string) string {
	out := one + "HostnameFormat"
	if other != one {
		out += " or " + other + "HostnameFormat"
	}
	if from, given := b.env.Origins[hostnameMap]; given {
		out += ", or HostnameMap (" + from.String() + ")"
	}
	return out
}

// outside tells why an address cannot be of a network with these subnets; nothing
// is said of a network that has none.
func outside(c claim, ip netip.Addr, subnets []subnetOf) (out problems) {
	var ranges []string
	for _, s := range subnets {
		if s.cidr.Contains(ip) {
			if ip == s.gateway {
				out.add(c.from.File, c.from.Line, "%s: %s is the gateway of network %s", c.what, ip, c.network)
			}
			if network.Reserved(s.cidr, ip) {
				out.add(c.from.File, c.from.Line, "%s: %s is no machine's: it is the first or the last address of network %s (%s)", c.what, ip, c.network, s.cidr)
			}
			return out
		}
		ranges = append(ranges, s.cidr.String())
	}
	if len(ranges) > 0 {
		out.add(c.from.File, c.from.Line, "%s: %s is not in network %s (%s)", c.what, ip, c.network, strings.Join(ranges, ", "))
	}
	return out
}

// subnetOf is where addresses of a network may lie.
type subnetOf struct {
	cidr    netip.Prefix
	gateway netip.Addr
}

// subnets are those of the networks that the templates make, and of network_data
// for networks that they do not.
func (b *builder) subnets() (map[string][]subnetOf, error) {
	out := map[string][]subnetOf{}
	for _, n := range b.ev.Networks() {
		for _, s := range n.Subnets {
			if cidr, err := netip.ParsePrefix(s.CIDR); err == nil {
				gateway, _ := netip.ParseAddr(s.Gateway) // one may have none
				out[n.Name] = append(out[n.Name], subnetOf{cidr, gateway})
			}
		}
	}
	nets, err := network.Parse(b.networksFile.Name, b.networksFile.Data)
	if err != nil {
		return nil, err
	}
	for _, n := range nets {
		if _, made := out[n.NameLower]; made || !n.Enabled {
			continue
		}
		for _, s := range n.Subnets {
			for _, f := range []subnetOf{{s.CIDR, s.Gateway}, {s.CIDR6, s.Gateway6}} {
				if f.cidr.IsValid() {
					out[n.NameLower] = append(out[n.NameLower], f)
				}
			}
		}
	}
	return out, nil
}
