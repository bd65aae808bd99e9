package session

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
)

// Ways to log in, as the Python client names them (OS_AUTH_TYPE). The first two need
// no Keystone: every request goes to OS_ENDPOINT, as a standalone Ironic wants it.
const (
	authNone          = "none"
	authHTTPBasic     = "http_basic"
	authPassword      = "password"
	authAppCredential = "v3applicationcredential"
)

// authType is how to log in; a cloud of clouds.yaml has it from there.
func (o Options) authType() (string, error) {
	kind := o.AuthType
	if kind == "" && o.cloud() == "" {
		kind = os.Getenv("OS_AUTH_TYPE")
	}
	switch kind {
	case "", authPassword, "v3password":
		return authPassword, nil
	case authNone, "noauth":
		return authNone, nil
	case authHTTPBasic, authAppCredential:
		return kind, nil
	}
	return "", errs.New(errs.Invalid, "The plugin %s could not be found", kind).
		WithHint("auth types (--os-auth-type, OS_AUTH_TYPE) are none, http_basic, password and v3applicationcredential")
}

func (o Options) cloud() string { return first(o.Cloud, os.Getenv("OS_CLOUD")) }

// ownEndpoint is the URL that counts more than a cloud of clouds.yaml, for who says by --os-auth-type how to log
// in: the flag, or OS_ENDPOINT where the cloud is a variable's, too. --os-cloud counts more than any variable.
func (o Options) ownEndpoint() string {
	if o.Endpoint == "" && o.Cloud == "" {
		return os.Getenv("OS_ENDPOINT")
	}
	return o.Endpoint
}

// standing is a service that stands alone, and how it is logged in to.
type standing struct {
	endpoint       string            // of all services that urls has not; may be empty
	urls           map[string]string // by service
	user, password string
	trust          *tls.Config
}

// standingByEnv has it from the options and variables.
func standingByEnv(kind string, o Options) (standing, error) {
	s := standing{endpoint: first(o.Endpoint, os.Getenv("OS_ENDPOINT")), user: first(o.Username, os.Getenv("OS_USERNAME")),
		password: first(o.Password, os.Getenv("OS_PASSWORD"))}
	if s.endpoint == "" {
		return s, errs.New(errs.Invalid, "The Bare Metal API endpoint cannot be detected and was not provided explicitly").
			WithHint("auth type %s needs --os-endpoint or OS_ENDPOINT, such as http://127.0.0.1:6385", kind)
	}
	if kind == authHTTPBasic && (s.user == "" || s.password == "") {
		return s, errs.New(errs.Unauthorized, "No user or no password found via --os-username and --os-password, or OS_USERNAME and OS_PASSWORD").
			WithHint("a password in OS_PASSWORD is in no list of processes")
	}
	var err error
	s.trust, err = authority(o)
	return s, err
}

// fixed is a session with a service that stands alone.
func fixed(kind string, to standing, o Options) (*Session, error) {
	if to.endpoint != "" && !isURL(to.endpoint) {
		return nil, errs.New(errs.Invalid, "the endpoint is no http or https URL").WithHint("such as --os-endpoint http://127.0.0.1:6385")
	}
	p := &gophercloud.ProviderClient{HTTPClient: o.client(to.trust)}
	s := &Session{provider: p, alone: true, urls: map[string]string{}}
	for _, service := range []string{baremetalService, introspectionService} {
		if s.urls[service] = to.urls[service]; s.urls[service] == "" && to.endpoint != "" {
			s.urls[service] = root(to.endpoint)
		}
	}
	switch kind {
	case authNone:
		s.headers = map[string]string{"X-Auth-Token": "notused"} // as the Python client
	case authHTTPBasic:
		s.headers = map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(to.user+":"+to.password))}
	}
	o.Silent = "is a service listening there? see its log or systemctl status"
	o.finish(p)
	explain := p.RetryFunc
	p.RetryFunc = func(ctx context.Context, method, url string, opts *gophercloud.RequestOpts, err error, n uint) error {
		return astray(s.baseOf(url), url, explain(ctx, method, url, opts, err, n))
	}
	return s, nil
}

// root is the URL of an API as it was given, without its version.
func root(given string) string {
	return strings.TrimSuffix(strings.TrimRight(given, "/"), "/v1") + "/"
}

// baseOf is the root that a request went to.
func (s *Session) baseOf(asked string) string {
	base := ""
	for _, u := range s.urls {
		if strings.HasPrefix(asked, u) && len(u) > len(base) {
			base = u
		}
	}
	return base
}

// service is an API at a URL of its own. ok is false where the catalog has it.
func (s *Session) service(kind, version string) (c *gophercloud.ServiceClient, ok bool, err error) {
	base := s.urls[kind]
	if base == "" && s.alone {
		return nil, true, errs.New(errs.NotFound, "no endpoint for service %s", kind).
			WithHint("the cloud of clouds.yaml needs %s_endpoint_override, or endpoint in its section auth", strings.ReplaceAll(kind, "-", "_"))
	}
	return &gophercloud.ServiceClient{ProviderClient: s.provider, Endpoint: base, ResourceBase: base + "v1/", Type: kind,
		Microversion: version, MoreHeaders: s.headers}, base != "", nil
}

// client makes requests.
func (o Options) client(tlsCfg *tls.Config) http.Client {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	// Web servers of OpenStack (uwsgi) end a connection behind an answer without having said
	// so: of a kept one the next request, if it may not be repeated, was lost at times.
	var rt http.RoundTripper = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: tlsCfg, DisableKeepAlives: true}
	if o.Debug != nil {
		rt = debugTransport{rt, o.Debug}
	}
	return http.Client{Transport: rt, Timeout: o.Timeout, CheckRedirect: sameServer}
}

// sameServer follows a redirect within one server only: tokens and passwords in headers are
// for it, and not for whom it names. Of another one the client shows the answer itself.
func sameServer(r *http.Request, via []*http.Request) error {
	if first := via[0].URL; r.URL.Scheme != first.Scheme || r.URL.Host != first.Host || len(via) > 10 {
		return http.ErrUseLastResponse
	}
	return nil
}

// authority is the own certificate authority that --os-cacert or OS_CACERT names; nil: none.
func authority(o Options) (*tls.Config, error) {
	path := first(o.CACert, os.Getenv("OS_CACERT"))
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "the certificates of --os-cacert or OS_CACERT cannot be read")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errs.New(errs.Invalid, "%s of --os-cacert or OS_CACERT holds no PEM certificate", path)
	}
	return &tls.Config{RootCAs: pool}, nil
}
