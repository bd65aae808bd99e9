// Package config reads undercloud.conf: TripleO's options, today's and the old
// names of them, with every mistake found in one go. It reads nothing but the
// file; what needs the machine (names of interfaces) is asked through a function.
package config

import (
	"net/netip"
	"slices"
)

// Subnet is one provisioning subnet: a section of its own, named in subnets.
type Subnet struct {
	Name            string       `json:"name"`
	CIDR            netip.Prefix `json:"cidr"`
	DHCPStart       netip.Addr   `json:"dhcp_start"`
	DHCPEnd         netip.Addr   `json:"dhcp_end"`
	InspectionStart netip.Addr   `json:"inspection_start"`
	InspectionEnd   netip.Addr   `json:"inspection_end"`
	Gateway         netip.Addr   `json:"gateway"`
	Masquerade      bool         `json:"masquerade"`
	DNSNameservers  []netip.Addr `json:"dns_nameservers"` // empty: undercloud_nameservers
	HostRoutes      []Route      `json:"host_routes"`
}

// Route is a static route given to nodes.
type Route struct {
	Destination netip.Prefix `json:"destination"`
	NextHop     netip.Addr   `json:"nexthop"`
}

// Config is an undercloud.conf with all defaults filled in.
type Config struct {
	Path string `json:"-"` // the file; empty when there was none

	Hostname        string       `json:"undercloud_hostname"`
	LocalIP         netip.Prefix `json:"local_ip"` // address with its prefix length
	LocalInterface  string       `json:"local_interface"`
	LocalMTU        int          `json:"local_mtu"`
	PublicHost      string       `json:"undercloud_public_host"` // an address, or a name
	AdminHost       string       `json:"undercloud_admin_host"`
	Nameservers     []netip.Addr `json:"undercloud_nameservers"`
	NTPServers      []string     `json:"undercloud_ntp_servers"`
	OvercloudDomain string       `json:"overcloud_domain_name"`

	GenerateServiceCertificate bool   `json:"generate_service_certificate"`
	ServiceCertificate         string `json:"undercloud_service_certificate"`

	Subnets        []Subnet `json:"subnets"`
	LocalSubnet    string   `json:"local_subnet"`
	RoutedNetworks bool     `json:"enable_routed_networks"`

	InspectionInterface    string   `json:"inspection_interface"`
	InspectionExtras       bool     `json:"inspection_extras"`
	InspectionRunbench     bool     `json:"inspection_runbench"`
	InspectionUEFI         bool     `json:"inspection_enable_uefi"`
	NodeDiscovery          bool     `json:"enable_node_discovery"`
	DiscoveryDefaultDriver string   `json:"discovery_default_driver"`
	SchedulerMaxAttempts   int      `json:"scheduler_max_attempts"`
	CleanNodes             bool     `json:"clean_nodes"`
	HardwareTypes          []string `json:"enabled_hardware_types"`
	IPXE                   bool     `json:"ipxe_enabled"`
	MasqueradeNetwork      string   `json:"masquerade_network"` // CIDR to NAT; empty: none
	Debug                  bool     `json:"undercloud_debug"`
	Architectures          []string `json:"additional_architectures"`
	TokenLifetime          int      `json:"auth_token_lifetime"` // seconds

	// Auth holds the passwords that [auth] gives, without the prefix undercloud_; the rest is generated.
	Auth  map[string]string `json:"-"`
	Audit Audit             `json:"audit,omitzero"`
	// Ignored names options that TripleO knows and that change nothing here, as "key: why".
	Ignored []string `json:"ignored,omitempty"`

	given map[string]bool // keys that the file sets
	lines map[string]int
}

// Local returns the subnet that the undercloud itself is on.
func (c *Config) Local() *Subnet {
	for i := range c.Subnets {
		if c.Subnets[i].Name == c.LocalSubnet {
			return &c.Subnets[i]
		}
	}
	return nil
}

// MasqueradeNetworks returns the networks whose packets leave under the
// undercloud's own address: masquerade_network and every subnet that says so.
func (c *Config) MasqueradeNetworks() []netip.Prefix {
	var out []netip.Prefix
	seen := map[netip.Prefix]bool{}
	add := func(p netip.Prefix) {
		if p.IsValid() && !seen[p.Masked()] {
			seen[p.Masked()] = true
			out = append(out, p.Masked())
		}
	}
	if p, err := netip.ParsePrefix(c.MasqueradeNetwork); err == nil {
		add(p)
	}
	for _, s := range c.Subnets {
		if s.Masquerade {
			add(s.CIDR)
		}
	}
	return out
}

// TLS tells whether the public endpoints have a certificate.
func (c *Config) TLS() bool { return c.GenerateServiceCertificate || c.ServiceCertificate != "" }

// TLSHosts are the names and addresses that a certificate of our own is for.
func (c *Config) TLSHosts() []string {
	out := []string{c.PublicHost}
	for _, h := range []string{c.LocalIP.Addr().String(), c.Hostname} {
		if h != "" && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

// VirtualHosts returns the public and the admin address as far as they are
// addresses of the local subnet and not local_ip itself.
func (c *Config) VirtualHosts() []netip.Addr {
	var out []netip.Addr
	for _, h := range []string{c.PublicHost, c.AdminHost} {
		a, err := netip.ParseAddr(h)
		if err == nil && a != c.LocalIP.Addr() && c.LocalIP.Masked().Contains(a) && (len(out) == 0 || out[0] != a) {
			out = append(out, a)
		}
	}
	return out
}
