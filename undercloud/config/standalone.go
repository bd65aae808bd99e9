package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/ini.v1"

	"trefoil/internal/errs"
)

// Ways of asking who a client is: auth_strategy of a standalone service.
const (
	AuthNone     = "none"
	AuthBasic    = "http_basic"
	AuthKeystone = "keystone"
)

// Standalone is the configuration of the bare-metal API alone. It is an INI file,
// as undercloud.conf and ironic.conf are; options that Ironic has, too, have Ironic's
// names and values.
type Standalone struct {
	Path  string // the file
	lines map[string]int

	Listen              netip.AddrPort // the bare-metal API
	IntrospectionListen netip.AddrPort
	Auth                string // AuthNone, AuthBasic or AuthKeystone
	AllowAnybody        bool   // AuthNone beyond loopback was asked for
	UserFile            string // htpasswd
	TLSCert, TLSKey     string // both or none

	StateDir       string
	Host           string // the conductor's name
	HardwareTypes  []string
	DeployKernel   string // path or URL; may be empty
	DeployRamdisk  string
	KernelParams   []string
	AutomatedClean bool
	Debug          bool

	DiscoveryDriver string // hardware type of unknown machines that send an inventory; empty: they are refused
	BuiltInRules    string // file of inspection rules; may be empty
	PCIAliases      string // JSON objects, one after another

	FilePaths    []string       // where file:// URLs of clients may point
	LoopbackURLs bool           // whether http URLs may point at loopback
	MaxImage     int            // GiB
	AgentNets    []netip.Prefix // where agents may call from

	Audit Audit
	Conductor
	Netboot  *Netboot  // nil: off
	Keystone *Keystone // nil unless Auth is AuthKeystone
}

// Netboot is the section [netboot]: the network that machines boot from.
type Netboot struct {
	Interface  string
	Address    netip.Prefix // this machine's on it
	Port       int          // of HTTP, and of what agents call
	DHCP       bool         // false: another DHCP server sends machines to boot.ipxe
	Start, End netip.Addr
	Gateway    netip.Addr // may be the zero value
	DNS        []netip.Addr
	MTU        int // 0: not told
}

// LoadStandalone reads the file. Its error is a *multierror.Error with every mistake,
// each with file, line and option. addresses returns those of a network interface;
// it is asked for that of [netboot] only.
func LoadStandalone(path string, addresses func(string) ([]netip.Prefix, error)) (*Standalone, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "configuration file %s does not exist", path).WithHint("copy examples/baremetal.conf there")
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	file, lines, err := readINI(path, data)
	if err != nil {
		return nil, err
	}
	p := &standaloneParser{parser: parser{file: file, lines: lines, name: path}, s: &Standalone{Path: path, lines: lines}, addresses: addresses}
	p.sections = []sectionKeys{{ini.DefaultSection, names(p.options())}, {"audit", names(p.s.Audit.options())}, {"netboot", names(new(Netboot).options())}, {keystoneSection, names(new(Keystone).options())}}
	p.sections = append(p.sections, p.conductorKeys()...)
	p.twice(data)
	p.read(ini.DefaultSection, p.options())
	p.read("audit", p.s.Audit.options())
	if p.has("netboot") {
		p.s.Netboot = &Netboot{}
		p.read("netboot", p.s.Netboot.options())
		p.netboot(p.s.Netboot)
	}
	p.conductor()
	p.keystone()
	p.noOthers()
	p.check()
	if p.errs != nil {
		p.errs.ErrorFormat = plainList
		return nil, p.errs
	}
	return p.s, nil
}

// Place is where an option of [DEFAULT] stands, as "file:line"; the file alone where
// it does not say the option.
func (s *Standalone) Place(option string) string {
	return place(s.Path, s.lines, ini.DefaultSection, option)
}

// PlaceIn is Place for an option of another section.
func (s *Standalone) PlaceIn(section, option string) string {
	return place(s.Path, s.lines, section, option)
}

// noOthers refuses sections that the service does not have.
func (p *standaloneParser) noOthers() {
	var known []string
	for _, s := range p.sections {
		known = append(known, s.name)
	}
	for _, name := range p.file.SectionStrings() {
		if !slices.Contains(known, name) {
			hint := ""
			if m := meant(name, known); m != "" {
				hint = "; did you mean [" + m + "]?"
			}
			p.problem(name, "", "unknown section%s; expected [%s]%s", sectionShown(name), strings.Join(known, "], ["), hint)
		}
	}
}

type standaloneParser struct {
	parser
	s         *Standalone
	addresses func(string) ([]netip.Prefix, error)
}

func (p *standaloneParser) has(section string) bool {
	_, err := p.file.GetSection(section)
	return err == nil
}

func (p *standaloneParser) options() []entry {
	s := p.s
	use := func(set setter) func(string) error { return func(v string) error { return set(nil, v) } }
	return []entry{
		{"listen", "127.0.0.1:6385", addrPortInto(&s.Listen)},
		{"introspection_listen", "", addrPortInto(&s.IntrospectionListen)},
		{"auth_strategy", AuthNone, func(v string) error {
			if v == "noauth" {
				v = AuthNone // Ironic's name for it
			}
			if v != AuthNone && v != AuthBasic && v != AuthKeystone {
				return fmt.Errorf("expected %s, %s or %s", AuthNone, AuthBasic, AuthKeystone)
			}
			s.Auth = v
			return nil
		}},
		{"allow_unauthenticated", "false", use(truth(&s.AllowAnybody))},
		{"http_basic_auth_user_file", "", pathInto(&s.UserFile)},
		{"tls_certificate_file", "", pathInto(&s.TLSCert)},
		{"tls_key_file", "", pathInto(&s.TLSKey)},
		{"state_dir", "/var/lib/undercloud-baremetal", pathInto(&s.StateDir)},
		{"host", "", use(text(&s.Host))},
		{"enabled_hardware_types", "ipmi,fake-hardware", use(list(&s.HardwareTypes))},
		{"deploy_kernel", "", bootFileInto(&s.DeployKernel)},
		{"deploy_ramdisk", "", bootFileInto(&s.DeployRamdisk)},
		{"kernel_append_params", "", func(v string) error { s.KernelParams = strings.Fields(v); return nil }},
		{"automated_clean", "true", use(truth(&s.AutomatedClean))},
		{"debug", "false", use(truth(&s.Debug))},
		{"discovery_driver", "", use(text(&s.DiscoveryDriver))},
		{"built_in_rules", "", pathInto(&s.BuiltInRules)},
		{"pci_device_alias", "", use(text(&s.PCIAliases))},
		{"file_url_allowed_paths", "/boot,/opt,/srv,/usr/local/share,/usr/share", func(v string) error { return paths(&s.FilePaths, v) }},
		{"allow_loopback_urls", "false", use(truth(&s.LoopbackURLs))},
		{"max_image_gib", "64", use(number(&s.MaxImage, 1))},
		{"agent_networks", "", networksInto(&s.AgentNets)},
	}
}

func (n *Netboot) options() []entry {
	use := func(set setter) func(string) error { return func(v string) error { return set(nil, v) } }
	return []entry{
		{"interface", "", use(text(&n.Interface))},
		{"address", "", use(prefixInto(&n.Address))},
		{"port", "8088", use(number(&n.Port, 1))},
		{"dhcp", "true", use(truth(&n.DHCP))},
		{"range", "", func(v string) error {
			a, b, ok := strings.Cut(v, ",")
			if !ok {
				return errors.New("expected a range such as 192.0.2.100,192.0.2.200")
			}
			if err := addrInto(&n.Start)(strings.TrimSpace(a)); err != nil {
				return err
			}
			return addrInto(&n.End)(strings.TrimSpace(b))
		}},
		{"gateway", "", addrInto(&n.Gateway)},
		{"dns_nameservers", "", use(addresses(&n.DNS))},
		{"mtu", "0", use(number(&n.MTU, 0))},
	}
}

func addrPortInto(dst *netip.AddrPort) func(string) error {
	return func(v string) error {
		a, err := netip.ParseAddrPort(v)
		if err != nil {
			return errors.New("expected an IP address with a port, such as 127.0.0.1:6385 or [::1]:6385")
		}
		*dst = a
		return nil
	}
}

func pathInto(dst *string) func(string) error {
	return func(v string) error {
		if !filepath.IsAbs(v) {
			return errors.New("expected an absolute path, such as /etc/trefoil/file")
		}
		*dst = filepath.Clean(v)
		return nil
	}
}

func paths(dst *[]string, v string) error {
	*dst = []string{}
	for _, one := range split(v) {
		var path string
		if err := pathInto(&path)(one); err != nil {
			return err
		}
		*dst = append(*dst, path)
	}
	return nil
}

// bootFileInto takes a path of this machine, or a URL.
func bootFileInto(dst *string) func(string) error {
	return func(v string) error {
		u, err := url.Parse(v)
		ok := err == nil && ((u.Scheme == "http" || u.Scheme == "https") && u.Host != "" || u.Scheme == "file" && u.Host == "" && filepath.IsAbs(u.Path))
		if !ok && !filepath.IsAbs(v) {
			return errors.New("expected an absolute path, or an http://, https:// or file:/// URL")
		}
		*dst = v
		return nil
	}
}

func networksInto(dst *[]netip.Prefix) func(string) error {
	return func(v string) error {
		for _, one := range split(v) {
			n, err := netip.ParsePrefix(one)
			if err != nil {
				return errors.New("expected networks such as 192.0.2.0/24, with commas between them")
			}
			*dst = append(*dst, n.Masked())
		}
		return nil
	}
}

// check looks at values together.
func (p *standaloneParser) check() {
	s := p.s
	wrong := func(key, format string, args ...any) { p.problem(ini.DefaultSection, key, format, args...) }
	p.listeners()
	switch {
	case p.wrong(ini.DefaultSection, "http_basic_auth_user_file"):
	case s.Auth == AuthBasic && s.UserFile == "":
		wrong("auth_strategy", "auth_strategy %s needs http_basic_auth_user_file, a file made by htpasswd -cB", AuthBasic)
	case s.Auth == AuthNone && s.UserFile != "":
		wrong("http_basic_auth_user_file", "http_basic_auth_user_file is given, and auth_strategy %s asks nobody for a password; set auth_strategy = %s, or leave the file out", AuthNone, AuthBasic)
	case s.Auth == AuthKeystone && s.UserFile != "":
		wrong("http_basic_auth_user_file", "http_basic_auth_user_file is given, and with auth_strategy %s users are Keystone's; leave the file out, or set auth_strategy = %s", AuthKeystone, AuthBasic)
	}
	if (s.TLSCert == "") != (s.TLSKey == "") && !p.wrong(ini.DefaultSection, "tls_certificate_file", "tls_key_file") {
		key := "tls_certificate_file"
		if s.TLSCert == "" {
			key = "tls_key_file"
		}
		wrong(key, "tls_certificate_file and tls_key_file come together, and only %s is given", key)
	}
	if (s.DeployKernel == "") != (s.DeployRamdisk == "") && !p.wrong(ini.DefaultSection, "deploy_kernel", "deploy_ramdisk") {
		key := "deploy_kernel"
		if s.DeployKernel == "" {
			key = "deploy_ramdisk"
		}
		wrong(key, "deploy_kernel and deploy_ramdisk come together, and only %s is given", key)
	}
	if len(s.HardwareTypes) == 0 {
		wrong("enabled_hardware_types", "enabled_hardware_types names none")
	}
	if len(s.AgentNets) > 0 {
		return
	}
	s.AgentNets = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	if s.Netboot != nil && s.Netboot.Address.IsValid() {
		s.AgentNets = []netip.Prefix{s.Netboot.Address.Masked()}
	}
}

// listeners lets nobody offer machines to strangers by mistake.
func (p *standaloneParser) listeners() {
	s := p.s
	if p.wrong(ini.DefaultSection, "allow_unauthenticated") {
		return
	}
	given := s.IntrospectionListen.IsValid()
	if !given && s.Listen.IsValid() {
		s.IntrospectionListen = netip.AddrPortFrom(s.Listen.Addr(), 5050)
	}
	open := func(key string, a netip.AddrPort) {
		if s.Auth == AuthNone && !s.AllowAnybody && a.IsValid() && !a.Addr().Unmap().IsLoopback() {
			p.problem(ini.DefaultSection, key, "%s is %s, and with auth_strategy %s whoever reaches it owns the machines; listen on 127.0.0.1, or set auth_strategy = %s or %s, or say that this is meant: allow_unauthenticated = true",
				key, a, AuthNone, AuthBasic, AuthKeystone)
		}
	}
	open("listen", s.Listen)
	if given {
		open("introspection_listen", s.IntrospectionListen)
	}
}

// netboot looks at the section [netboot] and finds this machine's address.
func (p *standaloneParser) netboot(n *Netboot) {
	wrong := func(key, format string, args ...any) { p.problem("netboot", key, format, args...) }
	if n.Port > 65535 {
		wrong("port", "port %d is more than 65535", n.Port)
	}
	if n.Interface == "" {
		wrong("", "[netboot] needs interface, the network interface that machines boot from")
		return
	}
	if p.wrong("netboot", "address", "dhcp", "range") {
		return
	}
	if p.address(n); !n.Address.IsValid() {
		return
	}
	if !n.DHCP {
		if n.Start.IsValid() {
			wrong("range", "range is given, and with dhcp = false no address is handed out")
		}
		return
	}
	if !n.Start.IsValid() || !n.End.IsValid() {
		wrong("", "[netboot] needs range, the addresses that machines get while they boot, such as 192.0.2.100,192.0.2.200; or dhcp = false where another DHCP server sends them to http://%s/boot.ipxe",
			netip.AddrPortFrom(n.Address.Addr(), uint16(n.Port)))
		return
	}
	for _, a := range []netip.Addr{n.Start, n.End} {
		if !n.Address.Masked().Contains(a) {
			wrong("range", "%s of range is not in the network %s of %s", a, n.Address.Masked(), n.Interface)
		}
	}
	if n.End.Less(n.Start) {
		wrong("range", "range %s,%s does not come in order", n.Start, n.End)
	}
	if between(n.Address.Addr(), n.Start, n.End) || between(n.Gateway, n.Start, n.End) {
		wrong("range", "range %s,%s holds the address of this machine or of the gateway: a node would get the same", n.Start, n.End)
	}
}

// address finds the interface's IPv4 address, or looks whether it has the one given.
func (p *standaloneParser) address(n *Netboot) {
	given := n.Address
	n.Address = netip.Prefix{}
	all, err := p.addresses(n.Interface)
	if err != nil {
		p.problem("netboot", "interface", "interface %s: %v", n.Interface, err)
		return
	}
	var words []string
	var found []netip.Prefix
	for _, a := range all {
		if a.Addr().Is4() && (!given.IsValid() || a == given) {
			found = append(found, a)
		}
		words = append(words, strconv.Quote(a.String()))
	}
	switch {
	case len(found) == 1:
		n.Address = found[0]
	case given.IsValid():
		p.problem("netboot", "address", "interface %s does not have the IPv4 address %s; it has [%s]", n.Interface, given, strings.Join(words, " "))
	default:
		p.problem("netboot", "interface", "interface %s has %d IPv4 addresses, expected one; choose with address: [%s]", n.Interface, len(found), strings.Join(words, " "))
	}
}
