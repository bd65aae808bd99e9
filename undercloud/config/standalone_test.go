package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
)

func nics(name string) ([]netip.Prefix, error) {
	switch name {
	case "eth1":
		return []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("fe80::1/64")}, nil
	case "eth2":
		return []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("198.51.100.1/24")}, nil
	}
	return nil, errors.New("there is no such network interface on this machine")
}

func loadText(t *testing.T, text string) (*Standalone, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "baremetal.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := LoadStandalone(path, nics)
	return s, path, err
}

func TestAnEmptyFileIsASafeService(t *testing.T) {
	s, _, err := loadText(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if s.Listen.String() != "127.0.0.1:6385" || s.IntrospectionListen.String() != "127.0.0.1:5050" || s.Auth != AuthNone || s.Netboot != nil ||
		!s.AutomatedClean || s.LoopbackURLs || s.MaxImage != 64 || len(s.HardwareTypes) != 2 || len(s.FilePaths) == 0 || len(s.AgentNets) != 2 {
		t.Errorf("%+v", s)
	}
}

func TestTheStandaloneExampleIsGood(t *testing.T) {
	s, err := LoadStandalone(filepath.Join("..", "..", "examples", "baremetal.conf"), nics)
	if err != nil {
		t.Fatal(err)
	}
	if s.Netboot != nil || s.Auth != AuthNone {
		t.Errorf("what is not asked for is on: %+v", s)
	}
}

func TestAWholeStandaloneFile(t *testing.T) {
	s, _, err := loadText(t, `[DEFAULT]
listen = 198.51.100.1:443
introspection_listen = [::1]:5051
auth_strategy = http_basic
http_basic_auth_user_file = /etc/trefoil/htpasswd
tls_certificate_file = /etc/trefoil/cert.pem
tls_key_file = /etc/trefoil/key.pem
state_dir = /srv/state
host = one
enabled_hardware_types = fake-hardware
deploy_kernel = https://images.example.org/k
deploy_ramdisk = /srv/ramdisk
kernel_append_params = console=ttyS0 nofb
automated_clean = no
discovery_driver = fake-hardware
built_in_rules = /etc/trefoil/rules.yaml
file_url_allowed_paths = /srv/images, /data
max_image_gib = 8
[netboot]
interface = eth1
range = 192.0.2.100,192.0.2.200
gateway = 192.0.2.254
dns_nameservers = 192.0.2.53
port = 8089
`)
	if err != nil {
		t.Fatal(err)
	}
	n := s.Netboot
	if s.Listen.Port() != 443 || !s.IntrospectionListen.Addr().Is6() || s.Auth != AuthBasic || s.TLSKey != "/etc/trefoil/key.pem" || s.AutomatedClean ||
		s.DiscoveryDriver != "fake-hardware" || s.BuiltInRules != "/etc/trefoil/rules.yaml" ||
		strings.Join(s.KernelParams, " ") != "console=ttyS0 nofb" || strings.Join(s.FilePaths, " ") != "/srv/images /data" || s.MaxImage != 8 ||
		len(s.AgentNets) != 1 || s.AgentNets[0].String() != "192.0.2.0/24" {
		t.Errorf("%+v", s)
	}
	if n == nil || n.Address.String() != "192.0.2.1/24" || n.Port != 8089 || !n.DHCP || n.Start.String() != "192.0.2.100" || n.Gateway.String() != "192.0.2.254" || len(n.DNS) != 1 {
		t.Errorf("%+v", n)
	}
}

func TestStandaloneMistakesNameFileLineAndOption(t *testing.T) {
	const basic = "auth_strategy = http_basic\nhttp_basic_auth_user_file = /f\n"
	for name, c := range map[string]struct{ text, words string }{
		"strangers":                       {"listen = 192.0.2.1:6385\n", ":1: listen is 192.0.2.1:6385, and with auth_strategy none whoever reaches it owns the machines; listen on 127.0.0.1, or set auth_strategy = http_basic or keystone, or say that this is meant: allow_unauthenticated = true"},
		"everywhere":                      {"listen = [::]:6385\n", ":1: listen is [::]:6385"},
		"introspection":                   {"introspection_listen = 0.0.0.0:5050\n", ":1: introspection_listen is 0.0.0.0:5050"},
		"no address":                      {"\nlisten = localhost:6385\n", ":2: listen: expected an IP address with a port, such as 127.0.0.1:6385"},
		"unknown strategy":                {"auth_strategy = ldap\n", ":1: auth_strategy: expected none, http_basic or keystone"},
		"no users":                        {"auth_strategy = http_basic\n", ":1: auth_strategy http_basic needs http_basic_auth_user_file"},
		"users for nobody":                {"http_basic_auth_user_file = /f\n", ":1: http_basic_auth_user_file is given, and auth_strategy none"},
		"relative file":                   {basic + "state_dir = state\n", ":3: state_dir: expected an absolute path"},
		"half a certificate":              {"tls_key_file = /k\n", ":1: tls_certificate_file and tls_key_file come together, and only tls_key_file is given"},
		"half a ramdisk":                  {"deploy_kernel = /k\n", ":1: deploy_kernel and deploy_ramdisk come together"},
		"a kernel's name":                 {"deploy_kernel = bm-deploy-kernel\ndeploy_ramdisk = /r\n", ":1: deploy_kernel: expected an absolute path, or an http://"},
		"typing":                          {"automated_claen = true\n", ":1: unknown option automated_claen in [DEFAULT]; did you mean automated_clean?"},
		"section":                         {"[netbot]\n", `:1: unknown section [netbot]; expected [DEFAULT], [audit], [netboot], [keystone_authtoken], [conductor], [deploy], [inspector], [ipmi], [console], [fake]; did you mean [netboot]?`},
		"small letters":                   {"[default]\n", `:1: unknown section [default]; expected [DEFAULT], [audit], [netboot], [keystone_authtoken], [conductor], [deploy], [inspector], [ipmi], [console], [fake]; did you mean [DEFAULT]?`},
		"twice":                           {"debug = true\n\ndebug = false\n", ":3: debug stands here and in line 1; leave one of them out"},
		"twice in two parts":              {"[netboot]\nport = 1\n[DEFAULT]\n[netboot]\nport = 2\n", ":5: port stands here and in line 2"},
		"far from all":                    {"[netboot]\nzzzzzzzz = 1\n", ":2: unknown option zzzzzzzz in [netboot]; expected some of interface, address, port"},
		"wrong section":                   {"[DEFAULT]\ninterface = eth1\n", ":2: unknown option interface in [DEFAULT]; it is one of [netboot]"},
		"no INI":                          {"[DEFAULT]\n\nsecret words\nlisten = 1\n", ":3: expected key = value, found a line without ="},
		"no key":                          {"debug = true\n= secret\n", ":2: expected a key before the ="},
		"half a header":                   {"debug = true\n[netboot\n", ":2: expected [section], found a header without a name or without ]"},
		"no name":                         {"[]\n", ":1: expected [section], found a header"},
		"behind a value of several lines": {"debug = \"\"\"a\nb\nc\"\"\"\nbad line\n", ":4: expected key = value, found a line without ="},
		"open quote":                      {"debug = true\nhost = \"\"\"secret\nlisten = 1\n", ":2: a quote is opened and never closed"},
		"behind an indent":                {"\ufeffhost = a\n  b = c\n\n  automated_claen = 1\n", ":4: unknown option automated_claen"},
		"no interface":                    {"[netboot]\nport = 1\n", ":1: [netboot] needs interface"},
		"unknown interface":               {"[netboot]\ninterface = eth9\nrange = 192.0.2.5,192.0.2.6\n", ":2: interface eth9: there is no such network interface"},
		"two addresses":                   {"[netboot]\ninterface = eth2\nrange = 192.0.2.5,192.0.2.6\n", ":2: interface eth2 has 2 IPv4 addresses"},
		"foreign address":                 {"[netboot]\ninterface = eth1\naddress = 192.0.2.9/24\nrange = 192.0.2.5,192.0.2.6\n", ":3: interface eth1 does not have the IPv4 address 192.0.2.9/24"},
		"no range":                        {"[netboot]\ninterface = eth1\n", ":1: [netboot] needs range"},
		"range elsewhere":                 {"[netboot]\ninterface = eth1\nrange = 10.0.0.1,10.0.0.9\n", ":3: 10.0.0.1 of range is not in the network 192.0.2.0/24 of eth1"},
		"range backwards":                 {"[netboot]\ninterface = eth1\nrange = 192.0.2.9,192.0.2.5\n", ":3: range 192.0.2.9,192.0.2.5 does not come in order"},
		"own address":                     {"[netboot]\ninterface = eth1\nrange = 192.0.2.1,192.0.2.5\n", ":3: range 192.0.2.1,192.0.2.5 holds the address of this machine"},
		"range without DHCP":              {"[netboot]\ninterface = eth1\ndhcp = no\nrange = 192.0.2.4,192.0.2.5\n", ":4: range is given, and with dhcp = false"},
		"port":                            {"[netboot]\ninterface = eth1\nrange = 192.0.2.4,192.0.2.5\nport = 70000\n", ":4: port 70000 is more than 65535"},
		"network":                         {"agent_networks = 192.0.2.1\n", ":1: agent_networks: expected networks such as 192.0.2.0/24"},
		"mistake of numbers":              {"max_image_gib = much\n", ":1: max_image_gib: expected a whole number"},
	} {
		_, path, err := loadText(t, c.text)
		if err == nil || !strings.Contains(err.Error(), c.words) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: a line is shown, which may hold a password: %v", name, err)
		}
	}
	for _, text := range []string{"listen = 192.0.2.1:6385\nallow_unauthenticated = true\n", "listen = 192.0.2.1:6385\n" + basic, "auth_strategy = noauth\n",
		"[netboot]\ninterface = eth2\naddress = 198.51.100.1/24\ndhcp = false\n"} {
		if _, _, err := loadText(t, text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := LoadStandalone(filepath.Join(t.TempDir(), "none"), nics); !errs.Is(err, errs.NotFound) || errs.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}
