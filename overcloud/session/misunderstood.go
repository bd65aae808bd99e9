package session

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
)

// misunderstood explains why two ends that reach one another do not talk: certificates,
// TLS at one end alone. It is Invalid, for asking again does not help; nil: something else.
func misunderstood(u *url.Error) *errs.Error {
	where := origin(u.URL)
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(u, &unknown):
		return errs.New(errs.Invalid, "the certificate of %s is of an authority that is not known here", where).
			WithHint("--os-cacert FILE or OS_CACERT: the PEM file of the authority's certificate, or of a self-signed one that itself")
	case errors.As(u, &host):
		return errs.New(errs.Invalid, "the certificate of %s is for %s", where, first(strings.Join(subjects(host.Certificate), ", "), "no host: it has no subjectAltName")).
			WithHint("call the service by a name that its certificate has")
	case errors.As(u, &invalid) && invalid.Reason == x509.Expired:
		return errs.New(errs.Invalid, "the certificate of %s is valid from %s to %s", where, invalid.Cert.NotBefore.UTC().Format("2006-01-02 15:04 MST"),
			invalid.Cert.NotAfter.UTC().Format("2006-01-02 15:04 MST")).WithHint("is this machine's clock right? date")
	case errors.As(u, &invalid):
		return errs.Wrap(errs.Invalid, invalid, "the certificate of %s does not hold", where)
	case errors.Is(u, http.ErrSchemeMismatch) || errors.As(u, &record):
		return errs.New(errs.Invalid, "%s speaks no TLS", where).WithHint("%s", useScheme(u.URL, "http"))
	case strings.Contains(u.Error(), `malformed HTTP response "\x15\x03`): // a TLS alert
		return errs.New(errs.Invalid, "%s speaks TLS alone", where).WithHint("%s", useScheme(u.URL, "https"))
	}
	return nil
}

// subjects are the names and addresses that a certificate is for.
func subjects(c *x509.Certificate) []string {
	out := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	return out
}

// wantsTLS tells the pages of web servers that got plain HTTP at a port for TLS: Go's,
// nginx's and Apache's.
func wantsTLS(body []byte) bool {
	s := string(body)
	return strings.Contains(s, "HTTP request to an HTTPS server") || strings.Contains(s, "plain HTTP request was sent to HTTPS port") ||
		strings.Contains(s, "speaking plain HTTP to an SSL-enabled server port")
}

func useScheme(asked, scheme string) string {
	_, rest, _ := strings.Cut(origin(asked), "://")
	return "use " + scheme + "://" + rest
}

// origin is an URL without what is behind the host.
func origin(asked string) string {
	p, err := url.Parse(asked)
	if err != nil {
		return asked
	}
	return p.Scheme + "://" + p.Host
}

// advised is an answer as it came, and what the session knows to be done about it.
type advised struct {
	error
	hint string
}

// Unwrap returns the answer.
func (a advised) Unwrap() error { return a.error }

// astray adds to a 404 of a service that stands alone at base what may be wrong with the
// endpoint: nothing when the service itself says that it has no such node or rule.
func astray(base, asked string, err error) error {
	var code gophercloud.ErrUnexpectedResponseCode
	u, perr := url.Parse(base)
	if perr != nil || !errors.As(err, &code) || code.Actual != http.StatusNotFound {
		return err
	}
	f, _, ironic := fault(code.Body)
	kind, _, _ := strings.Cut(strings.TrimPrefix(asked, base+"v1/"), "/")
	port := "6385"
	if kind == "introspection" || kind == "rules" {
		port = "5050"
		var inspector struct{ Error *struct{ Message string } }
		if json.Unmarshal(code.Body, &inspector) == nil && inspector.Error != nil {
			return err
		}
		if ironic {
			return advised{err, "that is the bare-metal API; introspection has a port of its own: --os-endpoint " + u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port)}
		}
	}
	if f.Faultstring != "" {
		return err
	}
	return advised{err, "is " + base + " the right endpoint? It is the API's root, such as " + u.Scheme + "://HOST:" + port + ", to which /v1 is added"}
}
