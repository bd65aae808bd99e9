package manager

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/vbmc/ipmi"
	"trefoil/vbmc/libvirt"
)

// Validate refuses what can never work, with the option's name. It tells the first of
// many; a configuration that it takes may still fail for what is outside, such as a port
// that somebody else has.
func (c Config) Validate() error {
	if all := c.refusals(); len(all) > 0 {
		return all[0]
	}
	return nil
}

// refusal is why the values of some keys can never work: of one, or of two that do not
// go together.
type refusal struct {
	keys []string
	err  error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// refusals are all that Validate refuses, in its order.
func (c Config) refusals() []*refusal {
	var out []*refusal
	check := func(err error, keys ...string) {
		if err != nil {
			out = append(out, &refusal{keys, err})
		}
	}
	check(validName(c.Domain), "domain_name")
	check(c.checkPort(), "port")
	check(c.checkUsername(), "username")
	check(c.checkPassword(), "password")
	check(c.checkSASL(), "libvirt_sasl_username", "libvirt_sasl_password")
	for _, key := range []string{"username", "password", "kg", "libvirt_uri"} {
		check(c.checkText(key), key)
	}
	check(c.checkURI(), "libvirt_uri")
	check(c.checkAddress(), "address")
	_, err := parseKG(c.KG)
	check(err, "kg")
	_, err = parseSuites(c.CipherSuites)
	check(err, "cipher_suites")
	_, err = c.consoleMode()
	check(err, "console")
	_, err = c.bootMAC()
	check(err, "boot_mac")
	_, err = c.refuseEFI()
	check(err, "efi")
	_, err = c.liveOrder()
	check(err, "live_boot_order")
	return out
}

// refusalOf is the first refusal that has to do with one of some keys.
func (c Config) refusalOf(keys ...string) error {
	for _, r := range c.refusals() {
		for _, key := range r.keys {
			if slices.Contains(keys, key) {
				return r
			}
		}
	}
	return nil
}

func (c Config) checkPort() error {
	if c.Port < 1 || c.Port > 65535 {
		return wrong("port", strconv.Itoa(c.Port), "expected 1 to 65535")
	}
	return nil
}

func (c Config) checkUsername() error {
	if c.Username == "" || len(c.Username) > ipmi.MaxNameLen {
		return wrong("username", "", "IPMI user names have 1 to %d bytes", ipmi.MaxNameLen)
	}
	return nil
}

func (c Config) checkPassword() error {
	if len(c.Password) > ipmi.MaxPasswordLen {
		return wrong("password", "", "IPMI passwords have at most %d bytes", ipmi.MaxPasswordLen)
	}
	return nil
}

func (c Config) checkSASL() error {
	switch {
	case (c.SASLUsername == "") != (c.SASLPassword == ""):
		return errs.New(errs.Invalid, "A password and username are required to use Libvirt's SASL authentication").
			WithHint("give neither; vbmc edit with --libvirt-sasl-username '' --libvirt-sasl-password '' takes both away")
	case c.SASLUsername != "":
		return wrong("libvirt_sasl_username", "", "SASL authentication to libvirt is not supported").WithHint("%s", insteadOfSASL)
	}
	return nil
}

// checkText refuses what an INI file does not give back as it was written.
func (c Config) checkText(key string) error {
	switch v := *c.text(key); {
	case strings.ContainsAny(v, "\r\n"):
		return wrong(key, "", "line breaks are not allowed")
	case strings.TrimSpace(v) != v:
		return wrong(key, "", "blanks around it would be lost in the configuration file")
	}
	return nil
}

func (c Config) checkURI() error {
	if err := libvirt.CheckURI(c.LibvirtURI); err != nil {
		return wrong("libvirt_uri", "", "%v", err).WithHint("%s", errs.HintOf(err))
	}
	return nil
}

func (c Config) checkAddress() error {
	if _, err := netip.ParseAddr(c.Address); err != nil {
		return wrong("address", strconv.Quote(c.Address), "expected an IPv4 or IPv6 address")
	}
	return nil
}
