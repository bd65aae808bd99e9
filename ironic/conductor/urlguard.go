package conductor

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
)

// URLGuard says what a URL that a client gives (image_source, deploy_kernel, a
// file of checksums) may point at. What the service fetches it fetches with its
// own eyes: without a guard, a client would read through it what only it can
// reach. A nil guard refuses files that are private, and nothing else. Safe for
// concurrent use.
type URLGuard struct {
	// Ports are the TCP ports that this service listens on: at this machine's
	// addresses they are refused.
	Ports []uint16
	// Loopback lets URLs name this machine's loopback, for image servers of test rigs.
	Loopback bool
	// Files are the directories that file:// URLs and paths may name; nil: all
	// whose files everybody may read.
	Files []string
	// Private are directories whose files are never handed out, whatever Files says.
	Private []string
	// Addresses returns this machine's addresses; nil asks the kernel.
	Addresses func() ([]netip.Addr, error)
}

// metadata are the addresses, other than link-local ones, at which clouds tell a
// machine its credentials.
func metadata() []string { return []string{"fd00:ec2::254", "100.100.100.200", "168.63.129.16"} }

// closed are directories that hold no images: Ironic's list, without /boot, where
// a distribution's kernel is.
func closed() []string { return []string{"/dev", "/etc", "/proc", "/root/.ssh", "/run", "/sys"} }

// Check refuses a URL that is no http or https address, or whose host is an
// address that CheckAddr refuses. A name is looked at when it is connected to.
// The error is Invalid and shows neither password nor query.
func (g *URLGuard) Check(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return errs.New(errs.Invalid, "%q is not an http or https URL", shownURL(raw))
	}
	if g == nil {
		return nil
	}
	port, err := portOf(u)
	if err != nil {
		return err
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return nil // a name
	}
	if err := g.CheckAddr(netip.AddrPortFrom(addr, port)); err != nil {
		return errs.Wrap(errs.Invalid, err, "%s is refused", shownURL(raw))
	}
	return nil
}

func portOf(u *url.URL) (uint16, error) {
	if u.Port() == "" {
		return map[string]uint16{"http": 80, "https": 443}[u.Scheme], nil
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || n == 0 {
		return 0, errs.New(errs.Invalid, "%q has no port from 1 to 65535", shownURL(u.String()))
	}
	return uint16(n), nil
}

// CheckAddr refuses an address that nothing may be fetched from: the service
// itself, loopback, link-local addresses and others where clouds keep credentials,
// and what is no machine's address. It is asked behind DNS and for each redirect.
func (g *URLGuard) CheckAddr(a netip.AddrPort) error {
	if g == nil {
		return nil
	}
	ip := a.Addr().Unmap().WithZone("")
	refuse := func(why string) *errs.Error { return errs.New(errs.Invalid, "address %s %s", ip, why) }
	switch {
	case !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return refuse("is no machine's address")
	case ip.IsLinkLocalUnicast() || slices.Contains(metadata(), ip.String()):
		return refuse("is link-local or a cloud's metadata service, where machines get credentials")
	}
	own, err := g.own(ip)
	switch {
	case err != nil:
		return err
	case own && slices.Contains(g.Ports, a.Port()):
		return refuse(fmt.Sprintf("with port %d is this service itself", a.Port()))
	case ip.IsLoopback() && !g.Loopback:
		return refuse("is this machine's loopback").WithHint("put the file on another web server; for test rigs a standalone service has allow_loopback_urls = true")
	}
	return nil
}

// own tells whether this machine has the address.
func (g *URLGuard) own(ip netip.Addr) (bool, error) {
	if ip.IsLoopback() {
		return true, nil
	}
	list := g.Addresses
	if list == nil {
		list = localAddrs
	}
	all, err := list()
	if err != nil {
		return false, fmt.Errorf("list this machine's addresses: %w", err)
	}
	return slices.Contains(all, ip), nil
}

func localAddrs() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, ip.Unmap())
			}
		}
	}
	return out, nil
}

// File returns the path of a file that a client named, with all links resolved:
// files of nodes' ramdisks and images are handed to whoever asks for them over the
// network, and a node's driver_info must not get the service's keys or /etc/shadow
// there. A file that is missing is no error: whoever opens it tells. what names
// the field in errors, which are Invalid.
func (g *URLGuard) File(what, path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", errs.New(errs.Invalid, "%s %q is no absolute path; expected file:///directory/file", what, path)
	}
	at, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		at, err = filepath.Clean(path), nil
	}
	if err != nil {
		return "", errs.Wrap(errs.Invalid, err, "%s %s cannot be used", what, path)
	}
	if err := g.place(what, at); err != nil {
		return "", err
	}
	st, err := os.Stat(at)
	if err == nil && (!st.Mode().IsRegular() || st.Mode().Perm()&0o004 == 0) {
		return "", errs.New(errs.Invalid, "%s %s is no file that everybody may read, and would be served to everybody", what, path).
			WithHint("chmod o+r %s, if it really is a kernel, ramdisk or image", path)
	}
	return at, nil
}

// place looks at the directory of a file.
func (g *URLGuard) place(what, at string) error {
	under := func(dir string) bool { return at == dir || strings.HasPrefix(at, strings.TrimSuffix(dir, "/")+"/") }
	if slices.ContainsFunc(closed(), under) || g != nil && slices.ContainsFunc(resolved(g.Private), under) {
		return errs.New(errs.Invalid, "%s %s lies where the system or this service keeps its own files, which are not handed out", what, at)
	}
	if g != nil && g.Files != nil && !slices.ContainsFunc(resolved(g.Files), under) {
		return errs.New(errs.Invalid, "%s %s is in none of the directories that files may come from", what, at).
			WithHint("file_url_allowed_paths names them: %s", strings.Join(g.Files, ", "))
	}
	return nil
}

// resolved follows links in directories' names, so that they can be compared.
func resolved(dirs []string) []string {
	out := make([]string, len(dirs))
	for i, d := range dirs {
		out[i] = filepath.Clean(d)
		if at, err := filepath.EvalSymlinks(d); err == nil {
			out[i] = at
		}
	}
	return out
}

// filePath returns the path of a file:// URL; false when ref is none.
func filePath(ref string) (string, bool) {
	u, err := url.Parse(ref)
	if err != nil || u.Scheme != "file" {
		return "", false
	}
	if u.Host != "" && u.Host != "localhost" {
		return u.Host + u.Path, true // file://directory/x lacks a slash: no absolute path
	}
	return u.Path, true
}

func isURL(s string) bool { return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") }

// isRemote tells a URL from the id or name of an image.
func isRemote(s string) bool { return isURL(s) || strings.HasPrefix(s, "file:") }

// shownURL is a URL as messages may show it: passwords and queries, which sign
// for downloads, are left out.
func shownURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(not a URL)"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
