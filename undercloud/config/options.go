package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// option is one key of [DEFAULT]: what it is called, what it is without a word
// in the file, and where its value goes.
type option struct {
	name  string
	def   string
	old   []string // former names
	set   func(c *Config, value string) error
	inert string // why it changes nothing here; then set is nil
}

func (c *Config) options() []option {
	return []option{
		{name: "undercloud_hostname", set: text(&c.Hostname)},
		{name: "local_ip", def: "192.168.24.1/24", set: prefixInto(&c.LocalIP)},
		{name: "local_interface", def: "eth1", set: text(&c.LocalInterface)},
		{name: "local_mtu", def: "1500", set: number(&c.LocalMTU, 68)},
		{name: "undercloud_public_host", def: "192.168.24.2", old: []string{"undercloud_public_vip"}, set: text(&c.PublicHost)},
		{name: "undercloud_admin_host", def: "192.168.24.3", old: []string{"undercloud_admin_vip"}, set: text(&c.AdminHost)},
		{name: "undercloud_nameservers", set: addresses(&c.Nameservers)},
		{name: "undercloud_ntp_servers", set: list(&c.NTPServers)},
		{name: "overcloud_domain_name", def: "localdomain", set: text(&c.OvercloudDomain)},
		{name: "generate_service_certificate", def: "false", set: truth(&c.GenerateServiceCertificate)},
		{name: "undercloud_service_certificate", set: text(&c.ServiceCertificate)},
		{name: "subnets", def: "ctlplane-subnet", set: func(c *Config, v string) error {
			c.Subnets = nil
			for _, n := range split(v) {
				c.Subnets = append(c.Subnets, Subnet{Name: n})
			}
			return nil
		}},
		{name: "local_subnet", def: "ctlplane-subnet", set: text(&c.LocalSubnet)},
		{name: "enable_routed_networks", def: "false", set: truth(&c.RoutedNetworks)},
		{name: "inspection_interface", def: "br-ctlplane", old: []string{"discovery_interface"}, set: text(&c.InspectionInterface)},
		{name: "inspection_extras", def: "true", set: truth(&c.InspectionExtras)},
		{name: "inspection_runbench", def: "false", old: []string{"discovery_runbench"}, set: truth(&c.InspectionRunbench)},
		{name: "inspection_enable_uefi", def: "true", set: truth(&c.InspectionUEFI)},
		{name: "enable_node_discovery", def: "false", set: truth(&c.NodeDiscovery)},
		{name: "discovery_default_driver", def: "ipmi", set: text(&c.DiscoveryDefaultDriver)},
		{name: "scheduler_max_attempts", def: "30", set: number(&c.SchedulerMaxAttempts, 1)},
		{name: "clean_nodes", def: "false", set: truth(&c.CleanNodes)},
		{name: "enabled_hardware_types", def: "ipmi,redfish,ilo,idrac", set: list(&c.HardwareTypes)},
		{name: "ipxe_enabled", def: "true", old: []string{"ipxe_deploy"}, set: truth(&c.IPXE)},
		{name: "masquerade_network", set: network(&c.MasqueradeNetwork)},
		{name: "undercloud_debug", def: "true", set: truth(&c.Debug)},
		{name: "additional_architectures", set: list(&c.Architectures)},
		{name: "auth_token_lifetime", def: "14400", set: number(&c.TokenLifetime, 60)},
	}
}

// sections of undercloud.conf with their options.
func (c *Config) sections() []sectionKeys {
	out := []sectionKeys{{"DEFAULT", nil}, {"auth", AuthKeys()}, {"audit", nil}, {defaultSubnet, subnetKeys()}}
	for _, o := range c.options() {
		out[0].keys = append(out[0].keys, o.name)
	}
	out[2].keys = names(new(Audit).options())
	return out
}

// inert names options that TripleO knows and that mean nothing to this undercloud.
func inert() map[string]string {
	const (
		containers = "there are no containers"
		puppet     = "nothing is configured by Puppet or Heat"
		absent     = "that service is not part of the undercloud"
	)
	out := map[string]string{
		"undercloud_update_packages": "packages are left alone", "ipa_otp": "certificates are not asked from IPA",
		"certificate_generation_ca": "certificates are not asked from certmonger", "service_principal": "certificates are not asked from certmonger",
		"enabled_drivers": "classic drivers became hardware types; use enabled_hardware_types",
		"masquerade":      "", "undercloud_timezone": "the clock is left alone", "undercloud_enable_selinux": "SELinux is left alone",
		"undercloud_log_file": "the log is ~/.instack/install-undercloud.log", "output_dir": puppet, "cleanup": puppet,
		"deployment_user": "it is the user who runs the command", "ipv6_address_mode": "IPv6 nodes get their address by DHCPv6",
		"ironic_enabled_network_interfaces": "it is flat", "ironic_default_network_interface": "it is flat",
		"net_config_override": "the bridge is made as undercloud.conf says", "enable_swift_encryption": absent,
	}
	for _, k := range []string{"docker_registry_mirror", "docker_insecure_registries", "container_registry_mirror", "container_insecure_registries",
		"heat_container_image", "container_images_file", "container_cli", "container_healthcheck_disabled", "enable_container_images_build"} {
		out[k] = containers
	}
	for _, k := range []string{"hieradata_override", "templates", "roles_file", "networks_file", "heat_native", "custom_env_files"} {
		out[k] = puppet
	}
	for _, k := range []string{"tempest", "ui", "validations", "telemetry", "cinder", "novajoin", "frr", "ironic", "ironic_inspector",
		"nova", "swift", "neutron", "heat"} {
		out["enable_"+k] = absent
	}
	delete(out, "masquerade") // a subnet key in disguise
	return out
}

// setter takes a value, or says what it expected. Its error never shows the value: it may be a password that stands
// at the wrong option, and file, line and option tell where to look.
type setter = func(c *Config, value string) error

func text(dst *string) setter {
	return func(_ *Config, v string) error { *dst = v; return nil }
}

func truth(dst *bool) setter {
	return func(_ *Config, v string) (err error) { *dst, err = parseBool(v); return err }
}

func parseBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, errors.New("expected true or false")
}

func number(dst *int, least int) setter {
	return func(_ *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil {
			return errors.New("expected a whole number")
		}
		if n < least {
			return fmt.Errorf("expected %d or more", least)
		}
		*dst = n
		return nil
	}
}

func split(v string) []string {
	var out []string
	for _, s := range strings.Split(v, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func list(dst *[]string) setter {
	return func(_ *Config, v string) error { *dst = split(v); return nil }
}

func addresses(dst *[]netip.Addr) setter {
	return func(_ *Config, v string) error {
		*dst = nil
		for _, s := range split(v) {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return errors.New("expected IP addresses with commas between them")
			}
			*dst = append(*dst, a)
		}
		return nil
	}
}

func prefixInto(dst *netip.Prefix) setter {
	return func(_ *Config, v string) error {
		p, err := netip.ParsePrefix(v)
		if err != nil {
			return errors.New("expected an address with a prefix length, such as 192.168.24.1/24")
		}
		*dst = p
		return nil
	}
}

func network(dst *string) setter {
	return func(_ *Config, v string) error {
		if v != "" {
			if _, err := netip.ParsePrefix(v); err != nil {
				return errors.New("expected a network such as 192.168.24.0/24")
			}
		}
		*dst = v
		return nil
	}
}
