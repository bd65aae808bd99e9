package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-multierror"

	"trefoil/internal/errs"
)

func ethernet() ([]string, error) { return []string{"lo", "eth0", "eth1"}, nil }

func TestTheArticlesFile(t *testing.T) {
	c, err := Load(filepath.Join("testdata", "article.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(ethernet); err != nil {
		t.Fatal(err)
	}
	s := c.Local()
	if s == nil {
		t.Fatal("no local subnet")
	}
	got := strings.Join([]string{c.Hostname, c.LocalIP.String(), c.LocalInterface, c.PublicHost, c.AdminHost, s.Name, s.CIDR.String(),
		s.Gateway.String(), s.DHCPStart.String(), s.DHCPEnd.String(), s.InspectionStart.String(), s.InspectionEnd.String()}, " ")
	want := "undercloud.openstack.rnd 192.168.255.1/24 eth0 192.168.255.2 192.168.255.3 ctlplane-subnet 192.168.255.0/24 " +
		"192.168.255.1 192.168.255.11 192.168.255.50 192.168.255.51 192.168.255.100"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if c.LocalMTU != 1450 || c.SchedulerMaxAttempts != 10 || !s.Masquerade {
		t.Errorf("mtu %d, attempts %d, masquerade %v", c.LocalMTU, c.SchedulerMaxAttempts, s.Masquerade)
	}
	if nets := c.MasqueradeNetworks(); len(nets) != 1 || nets[0].String() != "192.168.255.0/24" {
		t.Errorf("masquerade networks: %v", nets)
	}
	if hosts := c.VirtualHosts(); len(hosts) != 2 || hosts[0] != netip.MustParseAddr("192.168.255.2") {
		t.Errorf("virtual hosts: %v", hosts)
	}
}

func TestTheExampleIsGood(t *testing.T) {
	c, err := Load(filepath.Join("..", "..", "examples", "undercloud.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(nil); err != nil {
		t.Error(err)
	}
}

func TestAnEmptyFileGivesTheDefaults(t *testing.T) {
	c, err := Parse("undercloud.conf", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(ethernet); err != nil {
		t.Fatal(err)
	}
	s := c.Local()
	if c.LocalIP.String() != "192.168.24.1/24" || s.DHCPStart.String() != "192.168.24.5" || s.InspectionEnd.String() != "192.168.24.120" ||
		c.SchedulerMaxAttempts != 30 || c.TokenLifetime != 14400 || len(c.HardwareTypes) != 4 || c.CleanNodes {
		t.Errorf("defaults: %+v", c)
	}
}

func TestASectionWinsOverTheOldOptions(t *testing.T) {
	c, err := Parse("undercloud.conf", []byte("[DEFAULT]\ndhcp_start = 192.168.24.7\nundercloud_public_vip = 192.168.24.200\n"+
		"[ctlplane-subnet]\ndhcp_start = 192.168.24.9\nmasquerade = yes\nhost_routes = [{destination: 10.0.0.0/8, nexthop: 192.168.24.254}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := c.Local()
	if s.DHCPStart.String() != "192.168.24.9" || c.PublicHost != "192.168.24.200" || !s.Masquerade {
		t.Errorf("start %s, public %s, masquerade %v", s.DHCPStart, c.PublicHost, s.Masquerade)
	}
	if len(s.HostRoutes) != 1 || s.HostRoutes[0].NextHop.String() != "192.168.24.254" {
		t.Errorf("routes %v", s.HostRoutes)
	}
}

func TestOptionsWithoutEffectAreNamed(t *testing.T) {
	c, err := Parse("undercloud.conf", []byte("[DEFAULT]\ncontainer_cli = podman\nenable_ui = true\n[auth]\nundercloud_admin_password = s3cret\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Ignored) != 2 || !strings.HasPrefix(c.Ignored[0], "container_cli: ") || c.Auth["undercloud_admin_password"] != "s3cret" {
		t.Errorf("ignored %q, auth %v", c.Ignored, c.Auth)
	}
}

// TestMistakes holds each mistake to the sentence that tells of it.
func TestMistakes(t *testing.T) {
	article, err := os.ReadFile(filepath.Join("testdata", "article.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ old, new, want string }{
		"unknown key with its line":       {"local_mtu = 1450", "local_mtuu = 1450", `u.conf:10: unknown option local_mtuu in [DEFAULT]; did you mean local_mtu?`},
		"unknown section":                 {"[DEFAULT]", "[DEFAULT]\n[ctlplane-subnte]\n[DEFAULT]", `u.conf:2: unknown section [ctlplane-subnte]; a subnet's section must be named in subnets; did you mean [ctlplane-subnet]?`},
		"a number that is none":           {"1450", "large", "u.conf:10: local_mtu: expected a whole number"},
		"too few attempts":                {"scheduler_max_attempts = 10", "scheduler_max_attempts = 0", "scheduler_max_attempts: expected 1 or more"},
		"an option that is there twice":   {"dhcp_end = 192.168.255.50", "dhcp_end = 192.168.255.50\ndhcp_end = 192.168.255.60", "u.conf:16: dhcp_end stands here and in line 15; leave one of them out"},
		"an address that is none":         {"dhcp_end = 192.168.255.50", "dhcp_end = 192.168.255.500", "u.conf:15: dhcp_end of subnet ctlplane-subnet: expected an IP address"},
		"a nameserver that is none":       {"undercloud_nameservers = 192.168.255.253", "undercloud_nameservers = dns", "undercloud_nameservers: expected IP addresses with commas between them"},
		"a truth that is none":            {"masquerade = true", "masquerade = perhaps", "masquerade of subnet ctlplane-subnet: expected true or false"},
		"hostname not qualified":          {"undercloud.openstack.rnd", "undercloud", `Hostname "undercloud" is not fully qualified. (undercloud_hostname of [DEFAULT], u.conf:2)`},
		"interface missing":               {"eth0", "eth7", `Invalid local_interface specified. eth7 is not available.`},
		"ranges overlap":                  {"192.168.255.51,", "192.168.255.40,", `Inspection DHCP range "192.168.255.40-192.168.255.100" overlaps provisioning DHCP range "192.168.255.11-192.168.255.50".`},
		"gateway outside":                 {"network_gateway = 192.168.255.1", "network_gateway = 192.168.254.1", `network_gateway "192.168.254.1" not in defined CIDR "192.168.255.0/24" (gateway of [ctlplane-subnet], u.conf:4)`},
		"dhcp_start outside":              {"dhcp_start = 192.168.255.11", "dhcp_start = 192.168.25.11", `dhcp_start "192.168.25.11" not in defined CIDR "192.168.255.0/24"`},
		"dhcp range backwards":            {"dhcp_end = 192.168.255.50", "dhcp_end = 192.168.255.5", `Invalid dhcp range specified, dhcp_start "192.168.255.11" does not come before dhcp_end "192.168.255.5"`},
		"inspection range backwards":      {"192.168.255.51,192.168.255.100", "192.168.255.100,192.168.255.51", `Invalid inspection range specified`},
		"local_ip outside":                {"local_ip = 192.168.255.1/24", "local_ip = 192.168.24.1/24", `local_ip "192.168.24.1" not in defined CIDR "192.168.255.0/24"`},
		"local_ip in a range":             {"local_ip = 192.168.255.1/24", "local_ip = 192.168.255.20/24", `local_ip "192.168.255.20" is inside a DHCP range`},
		"public host in a range":          {"undercloud_public_host = 192.168.255.2", "undercloud_public_host = 192.168.255.12", `undercloud_public_host "192.168.255.12" is inside a DHCP range`},
		"TLS elsewhere":                   {"undercloud_public_host = 192.168.255.2", "undercloud_public_host = 10.0.0.2\nundercloud_service_certificate = /etc/pki/u.pem", `undercloud_public_host "10.0.0.2" is neither a name nor an address of local_ip's network 192.168.255.0/24: with a certificate the endpoints answer there (undercloud_public_host of [DEFAULT], u.conf:5)`},
		"two certificates":                {"generate_service_certificate = false", "generate_service_certificate = true\nundercloud_service_certificate = /etc/pki/u.pem", `generate_service_certificate and undercloud_service_certificate are both set; expected one of them`},
		"a certificate somewhere":         {"generate_service_certificate = false", "undercloud_service_certificate = u.pem", `undercloud_service_certificate "u.pem" is not an absolute path of a PEM file with the certificate and its key (undercloud_service_certificate of [DEFAULT], u.conf:8)`},
		"a subnet without its options":    {"[DEFAULT]", "[DEFAULT]\nsubnets = ctlplane-subnet,leaf1\nenable_routed_networks = true", `subnet leaf1. Missing option(s): ['cidr', 'dhcp_start', 'dhcp_end', 'gateway', 'inspection_iprange']`},
		"NAT of IPv6":                     {"masquerade_network = 192.168.255.0/24", "masquerade_network = 2001:db8::/64", `masquerade is for IPv4 networks only, and 2001:db8::/64 is not one`},
		"two subnets without routing":     {"[DEFAULT]", "[leaf1]\ncidr=10.1.0.0/24\ndhcp_start=10.1.0.5\ndhcp_end=10.1.0.9\ngateway=10.1.0.1\ninspection_iprange=10.1.0.20,10.1.0.30\n[DEFAULT]\nsubnets = ctlplane-subnet,leaf1", `Multiple subnets specified: ctlplane-subnet,leaf1 but routed networks are not enabled. (subnets of [DEFAULT], u.conf:8)`},
		"a value that a section lacks":    {"network_gateway = 192.168.255.1\n", "", `network_gateway "192.168.24.1" not in defined CIDR "192.168.255.0/24" (gateway of [ctlplane-subnet] is not set in u.conf)`},
		"an option of another section":    {"[DEFAULT]", "[ctlplane-subnet]\nlocal_ip = 192.168.255.1/24\n[DEFAULT]", `u.conf:2: unknown option local_ip in [ctlplane-subnet]; it is one of [DEFAULT]`},
		"a line that is none":             {"[DEFAULT]", "[DEFAULT]\nlocal_mtu 1450", `u.conf:2: expected key = value, found a line without =`},
		"a key that [auth] does not have": {"[DEFAULT]", "[auth]\nundercloud_admin_pasword = x\n[DEFAULT]", `u.conf:2: unknown option undercloud_admin_pasword in [auth]; did you mean undercloud_admin_password?`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(string(article), tc.old, tc.new, 1)
			if text == string(article) {
				t.Fatal("the row changes nothing")
			}
			c, err := Parse("u.conf", []byte(text))
			if err == nil {
				err = c.Validate(ethernet)
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := Parse("u.conf", []byte("[DEFAULT]\nlocal_mtu = x\nfoo = 1\ndhcp_start = y\n[other]\na=b\n"))
	var many *multierror.Error
	if !errors.As(err, &many) || len(many.Errors) != 4 {
		t.Errorf("got %v, want 4 mistakes", err)
	}
}

func TestAMissingFileSaysWhatToDo(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "undercloud.conf"))
	if !errs.Is(err, errs.NotFound) || errs.HintOf(err) == "" {
		t.Errorf("got %v, hint %q", err, errs.HintOf(err))
	}
}

func TestServiceFileSurvivesARoundTrip(t *testing.T) {
	c, err := Load(filepath.Join("testdata", "article.conf"))
	if err != nil {
		t.Fatal(err)
	}
	path := ServicePath(t.TempDir())
	s := &Service{Config: *c, StateDir: "/x", AdminPassword: "p", Ports: DefaultPorts()}
	if changed, err := s.Save(path); err != nil || !changed {
		t.Fatalf("first save: changed %v, %v", changed, err)
	}
	got, err := LoadService(path)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := got.Save(path); err != nil || changed {
		t.Errorf("saving what was loaded: changed %v, %v", changed, err)
	}
	if got.AuthURL() != "http://192.168.255.1:5000" || got.Local().DHCPEnd.String() != "192.168.255.50" {
		t.Errorf("auth %s, end %s", got.AuthURL(), got.Local().DHCPEnd)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func FuzzParse(f *testing.F) {
	article, err := os.ReadFile(filepath.Join("testdata", "article.conf"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(article)
	f.Add([]byte("[DEFAULT]\nsubnets=a,a,\n[a]\ncidr=::/0\nhost_routes=[{]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("u.conf", data)
		if err == nil {
			_ = c.Validate(ethernet) // must not panic
		}
	})
}
