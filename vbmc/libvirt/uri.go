package libvirt

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
)

// target is a parsed connection URI: where to dial and what to ask for there.
type target struct {
	transport string   // unix, tcp, tls, ssh
	sockets   []string // unix, ssh: paths to try in this order
	helper    string   // ssh: the URI that libvirt's own program there is asked for; "": a socket is named, which it cannot take
	host      string
	port      string
	user      string // ssh
	keyfile   string // ssh, from ?keyfile=
	noVerify  bool   // tls and ssh, from ?no_verify=1
	pkipath   string // tls, from ?pkipath=
	remote    string // URI the daemon is asked to open, for example qemu:///system
}

// environment is what the meaning of a URI depends on besides itself.
type environment struct {
	getenv func(string) string
	home   string
}

func systemEnvironment() environment {
	home, _ := os.UserHomeDir()
	return environment{
		getenv: os.Getenv,
		home:   home,
	}
}

// parseURI understands DRIVER[+TRANSPORT]://[USER@][HOST][:PORT]/PATH[?socket=…&name=…]
// (https://libvirt.org/uri.html). Without a transport a host means TLS, none means
// the local socket.
func parseURI(raw string, env environment) (target, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return target{}, errs.New(errs.Invalid, "libvirt URI %q is not a URI", Shown(raw)).
			WithHint("use for example qemu:///system, qemu:///session or qemu+tcp://HOST/system")
	}
	if err := knownScheme(raw, u.Scheme); err != nil {
		return target{}, err
	}
	driver, transport, _ := strings.Cut(u.Scheme, "+")
	if err := knownPath(raw, driver, u); err != nil {
		return target{}, err
	}
	if transport == "" {
		transport = "unix"
		if u.Host != "" {
			transport = "tls"
		}
	}
	q, err := parameters(raw, u.RawQuery, transport)
	if err != nil {
		return target{}, err
	}
	t := target{
		transport: transport,
		host:      u.Hostname(),
		port:      u.Port(),
		user:      u.User.Username(),
		keyfile:   q.Get("keyfile"),
		noVerify:  q.Get("no_verify") == "1",
		pkipath:   q.Get("pkipath"),
		remote:    (&url.URL{Scheme: driver, Path: u.Path}).String(),
	}
	if u.Path == "" || u.Host == "" {
		t.remote = driver + "://" + orDefault(u.Path, "/")
	}
	if name := q.Get("name"); name != "" {
		t.remote = name
	}
	switch transport {
	case "unix", "ssh":
		t.sockets = socketPaths(q.Get("socket"), strings.HasSuffix(u.Path, "/session"), transport == "ssh", env)
		if transport == "ssh" && !q.Has("socket") {
			t.helper = t.remote
		}
	case "tcp":
		t.port = orDefault(t.port, "16509")
	case "tls":
		t.port = orDefault(t.port, "16514")
	}
	if transport != "unix" && t.host == "" {
		return target{}, errs.New(errs.Invalid, "libvirt URI %q: transport %q needs a host", Shown(raw), transport)
	}
	return t, nil
}

// drivers of libvirt whose machines a daemon has, and transports that lead to one.
func drivers() []string    { return []string{"qemu", "xen", "lxc", "bhyve", "ch", "vbox", "vz", "test"} }
func transports() []string { return []string{"unix", "tcp", "tls", "ssh"} }

// knownScheme refuses what would be dialled in vain: a host behind a scheme that is none
// means TLS, and the first thing missing would be a certificate.
func knownScheme(raw, scheme string) error {
	driver, transport, given := strings.Cut(scheme, "+")
	unknown := func(format string, args ...any) error {
		return errs.New(errs.Invalid, "libvirt URI %q: the scheme %q is unknown", Shown(raw), scheme).WithHint(format, args...)
	}
	switch {
	case !slices.Contains(drivers(), driver):
		return unknown("the hypervisors are %s%s; with +unix, +tcp, +tls or +ssh behind, as in qemu:///system or qemu+ssh://root@HOST/system",
			strings.Join(drivers(), ", "), meant(driver, drivers()))
	case given && !slices.Contains(transports(), transport):
		return unknown("the schemes are %[1]s, %[1]s+%[2]s%[3]s", driver, strings.Join(transports(), ", "+driver+"+"), meant(transport, transports()))
	}
	return nil
}

// knownPath refuses what QEMU's driver refuses when it is asked (libvirt's
// virConnectValidateURIPath), unless another URI is to be opened there.
func knownPath(raw, driver string, u *url.URL) error {
	paths := []string{"/system", "/session"}
	if driver != "qemu" || u.Query().Has("name") || slices.Contains(paths, u.Path) {
		return nil
	}
	return errs.New(errs.Invalid, "libvirt URI %q: the path %q is unknown", Shown(raw), u.Path).
		WithHint("QEMU's are %s%s", strings.Join(paths, " and "), nearest.Hint(u.Path, paths))
}

// meant is nearest.Hint for names that are so short that two letters make another one: a
// letter of three is all that may differ.
func meant(written string, known []string) string {
	if best := nearest.Name(written, known); nearest.Distance(written, best) <= max(1, len(written)/3) {
		return nearest.Hint(written, known)
	}
	return ""
}

// CheckURI refuses a URI that can lead nowhere, without asking anybody.
func CheckURI(uri string) error {
	_, err := parseURI(uri, systemEnvironment())
	return err
}

// Shown is a URI for people: a password in it is left out, also one with a / or # in it
// and in what is no URI. So all goes from a colon that is before the first @ to the last @.
func Shown(uri string) string {
	scheme, rest, ok := strings.Cut(uri, "//")
	if scheme += "//"; !ok {
		scheme, rest = "", uri
	}
	colon, first := strings.IndexByte(rest, ':'), strings.IndexByte(rest, '@')
	if colon < 0 || first < colon || strings.HasPrefix(rest, "[") { // no user, or one without a password
		return uri
	}
	return scheme + rest[:colon] + ":***" + rest[strings.LastIndexByte(rest, '@'):]
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

// socketPaths lists the sockets a URI may mean: the monolithic daemon's first, then
// that of the modular virtqemud. Those without a directory are below the far user's.
func socketPaths(explicit string, session, remote bool, env environment) []string {
	if explicit != "" {
		return []string{explicit}
	}
	switch {
	case !session:
		return []string{"/var/run/libvirt/libvirt-sock", "/var/run/libvirt/virtqemud-sock"}
	case remote:
		return []string{"libvirt-sock", "virtqemud-sock"} // where, only that user's shell knows
	}
	var dirs []string
	if d := env.getenv("XDG_RUNTIME_DIR"); d != "" {
		dirs = append(dirs, filepath.Join(d, "libvirt"))
	}
	// Without XDG_RUNTIME_DIR libvirt puts its session socket below the cache directory.
	dirs = append(dirs, filepath.Join(orDefault(env.getenv("XDG_CACHE_HOME"), filepath.Join(env.home, ".cache")), "libvirt"))
	var paths []string
	for _, d := range dirs {
		paths = append(paths, filepath.Join(d, "libvirt-sock"), filepath.Join(d, "virtqemud-sock"))
	}
	return paths
}

func (t target) address() string { return net.JoinHostPort(t.host, t.port) }
