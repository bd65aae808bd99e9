package manager

import (
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/vbmc/domain/virt"
	"trefoil/vbmc/ipmi"
	"trefoil/vbmc/ipmi/wire"
)

// Defaults of `vbmc add`.
const (
	DefaultUsername   = "admin"
	DefaultPassword   = "password"
	DefaultPort       = 623
	DefaultAddress    = "::"
	DefaultLibvirtURI = "qemu:///system"
)

// Config is one virtual BMC. It holds nothing but text and numbers, so that two can
// be compared with ==.
type Config struct {
	Domain       string `json:"domain_name"`
	Username     string `json:"username"`
	Password     string `json:"password"`
	Port         int    `json:"port"`
	Address      string `json:"address"`
	LibvirtURI   string `json:"libvirt_uri"`
	SASLUsername string `json:"libvirt_sasl_username"`
	SASLPassword string `json:"libvirt_sasl_password"`
	Active       bool   `json:"active"`

	// What follows virtualbmc does not know and passes over.
	KG           string `json:"kg,omitempty"`            // BMC key: text, or hexadecimal after 0x
	CipherSuites string `json:"cipher_suites,omitempty"` // such as "17,3"
	Console      string `json:"console,omitempty"`       // always, ondemand or off

	BootMAC       string `json:"boot_mac,omitempty"`        // network card of PXE; "": the first in the domain's order
	EFI           string `json:"efi,omitempty"`             // record or refuse: an EFI override on a domain with BIOS
	LiveBootOrder string `json:"live_boot_order,omitempty"` // qmp, restart or off: see virt.LiveOrder

	// Lines of the file that are kept when it is written: keys that we do not know, and
	// port and active where they cannot be read.
	extra, badPort, badActive string
}

// maxKG is the length of the BMC key K_G (IPMI 2.0 table 22-34).
const maxKG = 20

// text finds the field of a key of the file; nil for those that are no text, or unknown.
func (c *Config) text(key string) *string {
	switch key {
	case "domain_name":
		return &c.Domain
	case "username":
		return &c.Username
	case "password":
		return &c.Password
	case "address":
		return &c.Address
	case "libvirt_uri":
		return &c.LibvirtURI
	case "libvirt_sasl_username":
		return &c.SASLUsername
	case "libvirt_sasl_password":
		return &c.SASLPassword
	case "kg":
		return &c.KG
	case "cipher_suites":
		return &c.CipherSuites
	case "console":
		return &c.Console
	case "boot_mac":
		return &c.BootMAC
	case "efi":
		return &c.EFI
	case "live_boot_order":
		return &c.LiveBootOrder
	}
	return nil
}

// Set changes one key as `vbmc edit` does: all but the domain's name and `active`.
func (c *Config) Set(key, value string) error {
	if key == "port" && value == "auto" {
		c.Port, c.badPort = AutoPort, ""
		return nil
	}
	if key == "port" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 { // one below 0 is how auto is kept
			return wrong("port", strconv.Quote(value), "expected a number or auto")
		}
		c.Port, c.badPort = n, ""
		return nil
	}
	f := c.text(key)
	if f == nil || key == "domain_name" {
		return errs.New(errs.Invalid, "%q cannot be edited", key)
	}
	*f = value
	return nil
}

// setActive is Set of the key that start and stop write.
func (c *Config) setActive(to bool) { c.Active, c.badActive = to, "" }

// credentialKeys are the keys of what Credentials gives.
func credentialKeys() []string { return []string{"username", "password", "kg", "cipher_suites"} }

// Credentials are what a running BMC takes without a restart.
func (c Config) Credentials() (ipmi.Credentials, error) {
	out := ipmi.Credentials{Username: c.Username, Password: c.Password}
	var err error
	if out.KG, err = parseKG(c.KG); err != nil {
		return out, err
	}
	out.Suites, err = parseSuites(c.CipherSuites)
	return out, err
}

// parseKG reads a BMC key as FreeIPMI does: 0x begins hexadecimal, all else is text.
func parseKG(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	key := []byte(s)
	if digits, isHex := strings.CutPrefix(s, "0x"); isHex {
		var err error
		if key, err = hex.DecodeString(digits); err != nil {
			return nil, wrong("kg", "", "after 0x come hexadecimal digits, two a byte")
		}
	}
	if len(key) == 0 || len(key) > maxKG {
		return nil, wrong("kg", "", "BMC keys have 1 to %d bytes", maxKG)
	}
	return key, nil
}

// parseSuites reads a list of cipher suites, the preferred one first. Suite 0,
// which asks for no password, is never served.
func parseSuites(list string) ([]wire.Suite, error) {
	if strings.TrimSpace(list) == "" {
		return nil, nil
	}
	var out []wire.Suite
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		id, err := strconv.ParseUint(word, 10, 8)
		s, known := wire.SuiteByID(byte(id))
		if err != nil || !known {
			return nil, wrong("cipher_suites", "", "%q is not a cipher suite that can be served", word).WithHint("for example 17,3")
		}
		out = append(out, s)
	}
	return out, nil
}

// Masked hides what must not be shown. SASL's is hidden even when it is not set, as
// virtualbmc does.
func (c Config) Masked() Config {
	c.Password, c.SASLPassword, c.extra = "***", "***", ""
	if c.KG != "" {
		c.KG = "***"
	}
	return c
}

// ConsoleOrDefault is Console, or what holds where it says nothing.
func (c Config) ConsoleOrDefault() string {
	switch {
	case c.Console != "":
		return c.Console
	case isRemote(c.LibvirtURI): // each console that is held open would be an ssh process of its own
		return "ondemand"
	}
	return "always"
}

func (c Config) consoleMode() (ipmi.ConsoleMode, error) {
	switch c.ConsoleOrDefault() {
	case "always":
		return ipmi.ConsoleAlways, nil
	case "ondemand":
		return ipmi.ConsoleOnDemand, nil
	case "off":
		return ipmi.ConsoleOff, nil
	}
	return 0, wrong("console", strconv.Quote(c.Console), "expected always, ondemand or off")
}

// bootOptions are how the machine of a libvirt domain boots.
func (c Config) bootOptions() (o virt.Options, err error) {
	if o.BootMAC, err = c.bootMAC(); err != nil {
		return o, err
	}
	if o.RefuseEFI, err = c.refuseEFI(); err != nil {
		return o, err
	}
	o.LiveOrder, err = c.liveOrder()
	return o, err
}

func (c Config) bootMAC() (string, error) {
	if c.BootMAC == "" {
		return "", nil
	}
	mac, err := net.ParseMAC(c.BootMAC)
	if err != nil || len(mac) != 6 {
		return "", wrong("boot_mac", strconv.Quote(c.BootMAC), "expected a MAC address such as 52:54:00:12:34:56")
	}
	return mac.String(), nil
}

func (c Config) refuseEFI() (bool, error) {
	switch c.EFI {
	case "", "record":
		return false, nil
	case "refuse":
		return true, nil
	}
	return false, wrong("efi", strconv.Quote(c.EFI), "expected record or refuse")
}

func (c Config) liveOrder() (o virt.LiveOrder, err error) {
	switch c.LiveBootOrder {
	case "", "qmp":
		return o, nil
	case "restart":
		return virt.LiveOrderRestart, nil
	case "off":
		return virt.LiveOrderOff, nil
	}
	return o, wrong("live_boot_order", strconv.Quote(c.LiveBootOrder), "expected qmp, restart or off")
}

// needsRestart tells whether a running BMC must be made anew to follow an edit;
// all else it takes with its sessions open.
func (c Config) needsRestart(edited Config) bool {
	c.Username, c.Password, c.KG, c.CipherSuites, c.extra = edited.Username, edited.Password, edited.KG, edited.CipherSuites, edited.extra
	return c != edited
}

// validName keeps a domain's directory inside the configuration directory.
func validName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00\n") {
		return errs.New(errs.Invalid, "%q is not a domain name", name)
	}
	return nil
}

// Reachable is where this host reaches the BMC, ADDRESS:PORT; "::" is two families.
func (c Config) Reachable() []string {
	hosts := []string{c.Address}
	switch ip, _ := netip.ParseAddr(c.Address); ip {
	case netip.IPv6Unspecified():
		hosts = []string{"127.0.0.1"}
		if _, err := os.Stat("/proc/net/if_inet6"); err == nil {
			hosts = append(hosts, "::1")
		}
	case netip.IPv4Unspecified():
		hosts = []string{"127.0.0.1"}
	}
	for i := range hosts {
		hosts[i] = net.JoinHostPort(hosts[i], strconv.Itoa(c.Port))
	}
	return hosts
}

// endpoint is where the BMC listens, for people.
func (c Config) endpoint() string { return net.JoinHostPort(c.Address, strconv.Itoa(c.Port)) }

// overlaps reports whether two BMCs cannot listen at the same time.
func (c Config) overlaps(o Config) bool {
	if c.Port != o.Port {
		return false
	}
	a, errA := netip.ParseAddr(c.Address)
	b, errB := netip.ParseAddr(o.Address)
	if errA != nil || errB != nil {
		return c.Address == o.Address
	}
	a, b = a.Unmap(), b.Unmap()
	// "::" also takes IPv4; "0.0.0.0" takes IPv4 only.
	covers := func(x, y netip.Addr) bool {
		return x == netip.IPv6Unspecified() || x == netip.IPv4Unspecified() && y.Is4()
	}
	return a == b || covers(a, b) || covers(b, a)
}
