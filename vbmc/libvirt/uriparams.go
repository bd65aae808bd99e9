package libvirt

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
)

// known are the parameters that a transport has, of those that libvirt's own library
// takes (https://libvirt.org/uri.html). no_tty changes nothing: ssh never asks here.
func known(transport string) []string {
	switch transport {
	case "unix":
		return []string{"name", "socket"}
	case "ssh":
		return []string{"keyfile", "name", "no_tty", "no_verify", "socket"}
	case "tls":
		return []string{"name", "no_verify", "pkipath"}
	}
	return []string{"name"}
}

// parameters reads what stands behind the question mark. What is not known is refused: a
// mistyped socket would be another hypervisor.
func parameters(raw, query, transport string) (url.Values, error) {
	refused := func(format string, args ...any) *errs.Error {
		return errs.New(errs.Invalid, "libvirt URI %q: "+format, append([]any{Shown(raw)}, args...)...)
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, refused("the parameters cannot be read: %v", err).WithHint("expected NAME=VALUE, with & between them")
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(known(transport), name) {
			return nil, refused("the parameter %q is unknown", name).
				WithHint("the transport %s has %s%s", transport, strings.Join(known(transport), ", "), nearest.Hint(name, known(transport)))
		}
		if v := q.Get(name); strings.HasPrefix(name, "no_") && v != "0" && v != "1" {
			return nil, refused("%s is %q", name, v).WithHint("expected 0 or 1")
		}
	}
	return q, nil
}
