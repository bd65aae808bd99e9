package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"

	"trefoil/internal/errs"
)

// Validate checks the values against each other and against the machine, and
// returns all that is wrong as one *multierror.Error. interfaces names the
// machine's network interfaces; nil skips that check. Messages are TripleO's.
func (c *Config) Validate(interfaces func() ([]string, error)) error {
	v := &validation{c: c}
	if c.Hostname != "" && !strings.Contains(c.Hostname, ".") {
		v.add("undercloud_hostname", "Hostname \"%s\" is not fully qualified.", c.Hostname)
	}
	if !c.LocalIP.IsValid() {
		v.add("local_ip", "local_ip is missing")
	} else if c.LocalIP.Addr().Is6() && c.LocalIP.Bits() != 64 {
		v.add("local_ip", "Prefix must be 64 for IPv6: local_ip is %s", c.LocalIP)
	}
	v.hosts()
	v.subnets()
	for i := range c.Subnets {
		v.subnet(&c.Subnets[i])
	}
	if c.InspectionRunbench && !c.InspectionExtras {
		v.add("inspection_runbench", "inspection_extras must be enabled for inspection_runbench to work")
	}
	if c.TLS() {
		v.tls()
	}
	for _, a := range c.Architectures {
		v.add("additional_architectures", "additional_architectures: %s nodes cannot be deployed; only x86_64 is supported", a)
	}
	for _, n := range c.MasqueradeNetworks() {
		if n.Addr().Is6() {
			v.add("masquerade_network", "masquerade is for IPv4 networks only, and %s is not one: route IPv6 networks instead", n)
		}
	}
	v.networkInterface(interfaces)
	if v.errs != nil {
		v.errs.ErrorFormat = plainList
		return v.errs
	}
	return nil
}

type validation struct {
	c    *Config
	errs *multierror.Error
}

// add notes a mistake of an option of [DEFAULT], and where it stands behind the sentence,
// which scripts know.
func (v *validation) add(key, format string, args ...any) {
	v.at("DEFAULT", key, format, args...)
}

func (v *validation) at(section, key, format string, args ...any) {
	where := fmt.Sprintf("%s of [%s] is not set in %s", key, section, v.c.Path)
	if v.c.lines[section+"/"+key] > 0 {
		where = fmt.Sprintf("%s of [%s], %s", key, section, place(v.c.Path, v.c.lines, section, key))
	}
	v.errs = multierror.Append(v.errs, errs.New(errs.Invalid, "%s (%s)", fmt.Sprintf(format, args...), where))
}

func (v *validation) networkInterface(interfaces func() ([]string, error)) {
	if interfaces == nil {
		return
	}
	names, err := interfaces()
	if err != nil {
		v.errs = multierror.Append(v.errs, fmt.Errorf("list network interfaces: %w", err))
		return
	}
	if !slices.Contains(names, v.c.LocalInterface) {
		v.add("local_interface", "Invalid local_interface specified. %s is not available. The interfaces here are: %s.",
			v.c.LocalInterface, strings.Join(names, ", "))
	}
}

// hosts checks the two virtual addresses as far as they are addresses.
func (v *validation) hosts() {
	for _, h := range [][2]string{{"undercloud_public_host", v.c.PublicHost}, {"undercloud_admin_host", v.c.AdminHost}} {
		key := h[0]
		a, err := netip.ParseAddr(h[1])
		if err != nil || !v.c.given[key] {
			continue
		}
		for i := range v.c.Subnets {
			s := &v.c.Subnets[i]
			if between(a, s.DHCPStart, s.DHCPEnd) || between(a, s.InspectionStart, s.InspectionEnd) {
				v.add(key, "%s \"%s\" is inside a DHCP range of subnet %s: a node would get the same address", key, a, s.Name)
			}
		}
	}
}

// tls checks that the public endpoints have a place, and one certificate.
func (v *validation) tls() {
	c := v.c
	if c.GenerateServiceCertificate && c.ServiceCertificate != "" {
		v.add("undercloud_service_certificate", "generate_service_certificate and undercloud_service_certificate are both set; expected one of them")
	}
	if c.ServiceCertificate != "" && !filepath.IsAbs(c.ServiceCertificate) {
		v.add("undercloud_service_certificate", "undercloud_service_certificate \"%s\" is not an absolute path of a PEM file with the certificate and its key", c.ServiceCertificate)
	}
	a, err := netip.ParseAddr(c.PublicHost)
	switch {
	case err != nil && c.PublicHost != "", err == nil && a == c.LocalIP.Addr(), slices.Contains(c.VirtualHosts(), a):
	default:
		v.add("undercloud_public_host", "undercloud_public_host \"%s\" is neither a name nor an address of local_ip's network %s: with a certificate the endpoints answer there", c.PublicHost, c.LocalIP.Masked())
	}
}

func between(a, start, end netip.Addr) bool {
	return start.IsValid() && end.IsValid() && !a.Less(start) && !end.Less(a)
}

func (v *validation) subnets() {
	c := v.c
	var names []string
	for _, s := range c.Subnets {
		if slices.Contains(names, s.Name) {
			v.add("subnets", "subnets names %s twice", s.Name)
		}
		names = append(names, s.Name)
	}
	if len(names) > 1 && !c.RoutedNetworks {
		v.add("subnets", "Multiple subnets specified: %s but routed networks are not enabled.", strings.Join(names, ","))
	}
	if c.Local() == nil {
		v.add("local_subnet", "local_subnet %s is not one of subnets: %s", c.LocalSubnet, strings.Join(names, ","))
	}
	for i, a := range c.Subnets {
		for _, b := range c.Subnets[:i] {
			if a.CIDR.IsValid() && b.CIDR.IsValid() && a.CIDR.Overlaps(b.CIDR) {
				v.add("subnets", "CIDR of %s, %s, overlaps with another subnet: %s (%s).", a.Name, a.CIDR, b.Name, b.CIDR)
			}
		}
	}
}

func (v *validation) subnet(s *Subnet) {
	inside := func(what, section, key string, a netip.Addr) {
		if a.IsValid() && s.CIDR.IsValid() && !s.CIDR.Contains(a) {
			v.at(section, key, "%s \"%s\" not in defined CIDR \"%s\"", what, a, s.CIDR)
		}
	}
	if s.CIDR.IsValid() && s.CIDR != s.CIDR.Masked() {
		v.at(s.Name, "cidr", "cidr \"%s\" of subnet %s has bits set behind the prefix; expected \"%s\"", s.CIDR, s.Name, s.CIDR.Masked())
	}
	if s.Name == v.c.LocalSubnet && v.c.LocalIP.IsValid() {
		inside("local_ip", "DEFAULT", "local_ip", v.c.LocalIP.Addr())
		if ip := v.c.LocalIP.Addr(); between(ip, s.DHCPStart, s.DHCPEnd) || between(ip, s.InspectionStart, s.InspectionEnd) {
			v.add("local_ip", "local_ip \"%s\" is inside a DHCP range of subnet %s: a node would get the same address", ip, s.Name)
		}
	}
	inside("network_gateway", s.Name, "gateway", s.Gateway)
	inside("dhcp_start", s.Name, "dhcp_start", s.DHCPStart)
	inside("dhcp_end", s.Name, "dhcp_end", s.DHCPEnd)
	inside("inspection_iprange", s.Name, "inspection_iprange", s.InspectionStart)
	inside("inspection_iprange", s.Name, "inspection_iprange", s.InspectionEnd)
	if between(s.Gateway, s.DHCPStart, s.DHCPEnd) || between(s.Gateway, s.InspectionStart, s.InspectionEnd) {
		v.at(s.Name, "gateway", "network_gateway \"%s\" is inside a DHCP range of subnet %s", s.Gateway, s.Name)
	}
	v.ranges(s)
}

func (v *validation) ranges(s *Subnet) {
	if s.DHCPStart.IsValid() && s.DHCPEnd.IsValid() && !s.DHCPStart.Less(s.DHCPEnd) {
		v.at(s.Name, "dhcp_start", "Invalid dhcp range specified, dhcp_start \"%s\" does not come before dhcp_end \"%s\"", s.DHCPStart, s.DHCPEnd)
	}
	if s.InspectionStart.IsValid() && s.InspectionEnd.IsValid() && !s.InspectionStart.Less(s.InspectionEnd) {
		v.at(s.Name, "inspection_iprange", "Invalid inspection range specified, inspection_iprange \"%s,%s\" does not come in order", s.InspectionStart, s.InspectionEnd)
	}
	if s.DHCPStart.IsValid() && s.DHCPEnd.IsValid() && s.InspectionStart.IsValid() && s.InspectionEnd.IsValid() &&
		!s.InspectionEnd.Less(s.DHCPStart) && !s.DHCPEnd.Less(s.InspectionStart) {
		v.at(s.Name, "inspection_iprange", "Inspection DHCP range \"%s-%s\" overlaps provisioning DHCP range \"%s-%s\".",
			s.InspectionStart, s.InspectionEnd, s.DHCPStart, s.DHCPEnd)
	}
}
