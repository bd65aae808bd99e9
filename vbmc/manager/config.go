package manager

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/vbmc/ipmi"
)

// Defaults of `vbmc add`.
const (
	DefaultUsername   = "admin"
	DefaultPassword   = "password"
	DefaultPort       = 623
	DefaultAddress    = "::"
	DefaultLibvirtURI = "qemu:///system"
)

// Config is one virtual BMC.
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
}

// Validate refuses what can never work, with the option's name.
func (c Config) Validate() error {
	if err := validName(c.Domain); err != nil {
		return err
	}
	switch {
	case c.Port < 1 || c.Port > 65535:
		return errs.New(errs.Invalid, "--port %d: expected 1 to 65535", c.Port)
	case c.Username == "" || len(c.Username) > ipmi.MaxNameLen:
		return errs.New(errs.Invalid, "--username: IPMI user names have 1 to %d bytes", ipmi.MaxNameLen)
	case len(c.Password) > ipmi.MaxPasswordLen:
		return errs.New(errs.Invalid, "--password: IPMI passwords have at most %d bytes", ipmi.MaxPasswordLen)
	case strings.ContainsAny(c.Username+c.Password+c.LibvirtURI, "\r\n"):
		return errs.New(errs.Invalid, "line breaks are not allowed in user name, password and URI")
	case (c.SASLUsername == "") != (c.SASLPassword == ""):
		return errs.New(errs.Invalid, "A password and username are required to use Libvirt's SASL authentication")
	case c.SASLUsername != "":
		return errs.New(errs.Invalid, "SASL authentication to libvirt is not supported").
			WithHint("use a local socket, TLS certificates or qemu+ssh")
	}
	if _, err := netip.ParseAddr(c.Address); err != nil {
		return errs.New(errs.Invalid, "--address %q: expected an IPv4 or IPv6 address", c.Address)
	}
	return nil
}

// validName keeps a domain's directory inside the configuration directory.
func validName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00\n") {
		return errs.New(errs.Invalid, "%q is not a domain name", name)
	}
	return nil
}

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

// dirStore is the directory of all domains' configurations.
type dirStore struct{ root string }

func (d dirStore) dir(name string) string  { return filepath.Join(d.root, name) }
func (d dirStore) file(name string) string { return filepath.Join(d.root, name, "config") }

// state is where the machine's boot state is kept.
func (d dirStore) state(name string) string { return filepath.Join(d.root, name, "state.json") }

// clear removes what lies in a domain's directory beside its configuration: boot
// state, and files whose writer was killed. What is not ours stays.
func (d dirStore) clear(name string) error {
	entries, err := os.ReadDir(d.dir(name))
	for _, e := range entries {
		n := e.Name()
		if n == "state.json" || strings.HasPrefix(n, ".new-") || strings.HasPrefix(n, ".state-") {
			err = errors.Join(err, os.Remove(filepath.Join(d.dir(name), n)))
		}
	}
	if err != nil {
		return fmt.Errorf("clear directory of domain %s: %w", name, err)
	}
	return nil
}

// remove removes a domain's directory; one without configuration, left by a killed
// add or delete, only when nothing foreign lies in it.
func (d dirStore) remove(name string) error {
	if _, err := os.Lstat(d.file(name)); err == nil {
		if err := os.RemoveAll(d.dir(name)); err != nil {
			return fmt.Errorf("remove configuration of domain %s: %w", name, err)
		}
		return nil
	}
	if err := d.clear(name); err != nil {
		return err
	}
	if err := os.Remove(d.dir(name)); err != nil {
		return fmt.Errorf("remove directory of domain %s: %w", name, err)
	}
	return nil
}

// names lists the domains that have a configuration.
func (d dirStore) names() ([]string, error) {
	entries, err := os.ReadDir(d.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list configurations: %w", err)
	}
	var out []string
	for _, e := range entries { // sorted by name
		if _, err := os.Stat(d.file(e.Name())); err == nil {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// load reads one configuration. Missing keys have the defaults of `vbmc add`,
// except port and domain_name, without which virtualbmc too refuses the file.
func (d dirStore) load(name string) (Config, error) {
	path := d.file(name)
	raw, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	ini, err := parseINI(path, string(raw))
	if err != nil {
		return Config{}, err
	}
	s, ok := ini["VirtualBMC"]
	if !ok {
		return Config{}, fmt.Errorf("%s: no section [VirtualBMC]", path)
	}
	get := func(key, def string) string {
		if v, ok := s[key]; ok {
			return v
		}
		return def
	}
	c := Config{
		Domain: get("domain_name", name), Username: get("username", DefaultUsername), Password: get("password", DefaultPassword),
		Address: get("address", DefaultAddress), LibvirtURI: get("libvirt_uri", DefaultLibvirtURI),
		SASLUsername: s["libvirt_sasl_username"], SASLPassword: s["libvirt_sasl_password"],
	}
	if c.Port, err = strconv.Atoi(s["port"]); err != nil {
		return c, fmt.Errorf("%s: port = %q: expected a number", path, s["port"])
	}
	c.Active, err = boolean(path, "active", s["active"])
	return c, err
}

// save writes a configuration atomically, readable for its owner only, with the
// keys in virtualbmc's order.
func (d dirStore) save(c Config) error {
	var b strings.Builder
	b.WriteString("[VirtualBMC]\n")
	put := func(k, v string) { fmt.Fprintf(&b, "%s = %s\n", k, escapeINI(v)) }
	put("domain_name", c.Domain)
	put("username", c.Username)
	put("password", c.Password)
	put("port", strconv.Itoa(c.Port))
	put("address", c.Address)
	put("libvirt_uri", c.LibvirtURI)
	if c.SASLUsername != "" {
		put("libvirt_sasl_username", c.SASLUsername)
		put("libvirt_sasl_password", c.SASLPassword)
	}
	put("active", map[bool]string{true: "True", false: "False"}[c.Active])
	b.WriteString("\n")
	return writeFile(d.file(c.Domain), []byte(b.String()))
}

// writeFile replaces a file atomically with mode 0600.
func writeFile(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
