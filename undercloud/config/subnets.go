package config

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"gopkg.in/ini.v1"

	"trefoil/internal/yaml"
)

const defaultSubnet = "ctlplane-subnet"

// legacyKeys maps the options of [DEFAULT] from before there were subnet
// sections to what they are called in such a section.
func legacyKeys() map[string]string {
	return map[string]string{"network_cidr": "cidr", "network_gateway": "gateway", "dhcp_start": "dhcp_start", "dhcp_end": "dhcp_end",
		"inspection_iprange": "inspection_iprange", "discovery_iprange": "inspection_iprange", "masquerade": "masquerade"}
}

// subnetDefaults are those of the default subnet; another subnet has none.
func subnetDefaults() map[string]string {
	return map[string]string{"cidr": "192.168.24.0/24", "dhcp_start": "192.168.24.5", "dhcp_end": "192.168.24.24",
		"inspection_iprange": "192.168.24.100,192.168.24.120", "gateway": "192.168.24.1", "masquerade": "false"}
}

func subnetKeys() []string {
	return []string{"cidr", "dhcp_start", "dhcp_end", "inspection_iprange", "gateway", "masquerade", "dns_nameservers", "host_routes", "dhcp_exclude"}
}

// legacy moves old options of [DEFAULT] into the section of the local subnet;
// an option that is in both keeps the section's value.
func (p *parser) legacy() {
	name := p.c.LocalSubnet
	sec, err := p.file.GetSection(name)
	if err != nil {
		if sec, err = p.file.NewSection(name); err != nil {
			return // an empty name: Validate speaks of it
		}
	}
	for old, key := range legacyKeys() {
		v, _, ok := p.value(ini.DefaultSection, old)
		if !ok || v == "" || sec.HasKey(key) {
			continue
		}
		if _, err := sec.NewKey(key, v); err == nil {
			p.lines[name+"/"+key] = p.lines[ini.DefaultSection+"/"+old]
		}
	}
}

func (p *parser) subnets() {
	for i := range p.c.Subnets {
		s := &p.c.Subnets[i]
		p.subnet(s)
	}
	if sec, err := p.file.GetSection(defaultSubnet); err == nil {
		p.checkKeys(sec)
	}
}

func (p *parser) checkKeys(sec *ini.Section) {
	for _, k := range sec.KeyStrings() {
		if !slices.Contains(subnetKeys(), k) {
			p.unknown(sec.Name(), k, subnetKeys())
		}
	}
}

func (p *parser) subnet(s *Subnet) {
	sec, err := p.file.GetSection(s.Name)
	if err != nil {
		sec = ini.Empty().Section("")
	} else if s.Name != defaultSubnet {
		p.checkKeys(sec)
	}
	defaults := map[string]string{"masquerade": "false"}
	if s.Name == defaultSubnet {
		defaults = subnetDefaults()
	}
	var missing []string
	get := func(key string) string {
		if v := strings.TrimSpace(sec.Key(key).Value()); v != "" {
			return v
		}
		if defaults[key] == "" {
			missing = append(missing, "'"+key+"'")
		}
		return defaults[key]
	}
	p.assign(s, "cidr", get("cidr"), func(v string) error { return prefixInto(&s.CIDR)(nil, v) })
	p.assign(s, "dhcp_start", get("dhcp_start"), addrInto(&s.DHCPStart))
	p.assign(s, "dhcp_end", get("dhcp_end"), addrInto(&s.DHCPEnd))
	p.assign(s, "gateway", get("gateway"), addrInto(&s.Gateway))
	p.assign(s, "inspection_iprange", get("inspection_iprange"), func(v string) error {
		a, b, ok := strings.Cut(v, ",")
		if !ok {
			return errors.New("expected a range such as 192.168.24.100,192.168.24.120")
		}
		if err := addrInto(&s.InspectionStart)(strings.TrimSpace(a)); err != nil {
			return err
		}
		return addrInto(&s.InspectionEnd)(strings.TrimSpace(b))
	})
	p.assign(s, "masquerade", get("masquerade"), func(v string) (err error) { s.Masquerade, err = parseBool(v); return err })
	p.assign(s, "dns_nameservers", sec.Key("dns_nameservers").Value(), func(v string) error { return addresses(&s.DNSNameservers)(nil, v) })
	p.assign(s, "host_routes", sec.Key("host_routes").Value(), s.setRoutes)
	if sec.Key("dhcp_exclude").Value() != "" {
		p.problem(s.Name, "dhcp_exclude", "dhcp_exclude is not supported; make the range from dhcp_start to dhcp_end smaller")
	}
	if len(missing) > 0 {
		p.problem(s.Name, "", "subnet %s. Missing option(s): [%s]", s.Name, strings.Join(missing, ", "))
	}
}

func (p *parser) assign(s *Subnet, key, value string, set func(string) error) {
	if value = strings.TrimSpace(value); value == "" {
		return
	}
	if err := set(value); err != nil {
		p.problem(s.Name, key, "%s of subnet %s: %v", key, s.Name, err)
	}
}

func addrInto(dst *netip.Addr) func(string) error {
	return func(v string) error {
		a, err := netip.ParseAddr(v)
		if err != nil {
			return errors.New("expected an IP address")
		}
		*dst = a
		return nil
	}
}

// setRoutes reads Wallaby's form: [{destination: 10.0.0.0/8, nexthop: 192.0.2.1}].
func (s *Subnet) setRoutes(v string) error {
	var list []struct {
		Destination string `yaml:"destination"`
		NextHop     string `yaml:"nexthop"`
	}
	if err := yaml.Decode("host_routes", []byte(v), &list); err != nil {
		return errors.New("expected a list of {destination: CIDR, nexthop: ADDRESS}")
	}
	for _, r := range list {
		dst, err := netip.ParsePrefix(r.Destination)
		if err != nil {
			return errors.New("expected a network as each destination")
		}
		hop, err := netip.ParseAddr(r.NextHop)
		if err != nil {
			return errors.New("expected an address as each nexthop")
		}
		s.HostRoutes = append(s.HostRoutes, Route{dst, hop})
	}
	return nil
}

// AuthKeys names the passwords of [auth], in TripleO's order.
func AuthKeys() []string {
	var out []string
	for _, k := range []string{"db_password", "admin_token", "admin_password", "glance_password", "heat_encryption_key",
		"heat_password", "heat_cfn_password", "neutron_password", "nova_password", "ironic_password", "aodh_password",
		"gnocchi_password", "ceilometer_password", "panko_password", "ceilometer_metering_secret", "ceilometer_snmpd_user",
		"ceilometer_snmpd_password", "swift_password", "mistral_password", "rabbit_cookie", "rabbit_password", "rabbit_username",
		"heat_stack_domain_admin_password", "swift_hash_suffix", "haproxy_stats_password", "zaqar_password", "horizon_secret_key",
		"cinder_password", "novajoin_password"} {
		out = append(out, "undercloud_"+k)
	}
	return out
}
