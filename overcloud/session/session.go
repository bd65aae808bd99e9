// Package session opens the OpenStack APIs that commands and the deployer talk
// to, from environment variables or clouds.yaml, and turns their error bodies
// into one sentence.
package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"trefoil/internal/errs"
)

// BaremetalVersion is the microversion our clients speak.
const BaremetalVersion = "1.81"

// Services that may have a URL of their own.
const (
	baremetalService     = "baremetal"
	introspectionService = "baremetal-introspection"
)

// Session is a login. Safe for concurrent use; it logs in again when its token ends.
type Session struct {
	provider *gophercloud.ProviderClient
	endpoint gophercloud.EndpointOpts
	alone    bool              // there is no catalog
	urls     map[string]string // roots of services that are not where the catalog says
	headers  map[string]string // what each request to them carries
}

// Options choose the cloud.
type Options struct {
	Cloud string // --os-cloud; empty: OS_CLOUD, then OS_AUTH_URL and friends
	// AuthType is none, http_basic, password or v3applicationcredential, Endpoint the service's URL of the first two;
	// empty: OS_AUTH_TYPE, OS_ENDPOINT, OS_USERNAME, OS_PASSWORD, OS_CACERT.
	AuthType, Endpoint, Username, Password, CACert string

	Timeout time.Duration // of one request; default 60 s
	Silent  string        // hint where a service does not answer: whose it is, the caller knows; empty: none
	Debug   func(method, url string, status int, took time.Duration)
}

// FromEnv logs in as the environment says.
func FromEnv(ctx context.Context, o Options) (*Session, error) {
	kind, err := o.authType()
	if err != nil {
		return nil, err
	}
	isFixed := func() bool { return kind == authNone || kind == authHTTPBasic }
	name := o.cloud()
	var own *entry
	if name != "" && (!isFixed() || o.ownEndpoint() == "") {
		if own, err = readEntry(name); err != nil {
			return nil, err
		}
	}
	if own != nil && o.AuthType == "" {
		kind = first(own.kind(), kind)
	}
	if isFixed() && own != nil && o.Endpoint != "" {
		return nil, own.wrong("it is a service without Keystone, and so may another at --os-endpoint be: nothing of the cloud is sent there").
			WithHint("give --os-auth-type none or http_basic too, or leave --os-endpoint out")
	}
	if isFixed() {
		to, err := o.standing(kind, own)
		if err != nil {
			return nil, err
		}
		return fixed(kind, to, o)
	}
	if o.Endpoint != "" {
		return nil, errs.New(errs.Invalid, "--os-endpoint is for a service that stands alone; with Keystone the catalog says where services are").
			WithHint("add --os-auth-type none or http_basic, or leave it out")
	}
	if name == "" {
		return fromVariables(ctx, kind, o)
	}
	return fromCloud(ctx, kind, name, own, o)
}

// standing is how a service without Keystone is reached: as the cloud says, or the variables.
func (o Options) standing(kind string, own *entry) (standing, error) {
	if own != nil {
		return own.standing(kind, o)
	}
	return standingByEnv(kind, o)
}

// fromCloud logs in to the Keystone of a cloud. own is nil where no file has it.
func fromCloud(ctx context.Context, kind, name string, own *entry, o Options) (*Session, error) {
	if own != nil && own.auth == nil && own.keys["profile"] == nil && own.keys["cloud"] == nil { // of which gophercloud would panic
		return nil, own.wrong("it has no section auth").WithHint("with auth_url, username, password …; or auth_type: none and endpoint for a standalone service")
	}
	auth, ep, tlsCfg, err := clouds.Parse(clouds.WithCloudName(name))
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "cloud %q", name).
			WithHint("known clouds stand in ./clouds.yaml, ~/.config/openstack/clouds.yaml, /etc/openstack/clouds.yaml")
	}
	auth.Username, auth.Password = first(o.Username, auth.Username), first(o.Password, auth.Password)
	if o.Username != "" {
		auth.UserID = ""
	}
	if missing := lacking(kind, auth, keys()); len(missing) > 0 {
		return nil, errs.New(errs.Unauthorized, "cloud %q has no %s", name, strings.Join(missing, ", no ")).
			WithHint("they stand in its auth section of clouds.yaml, secrets in secure.yaml, too")
	}
	if o.CACert != "" {
		if tlsCfg, err = authority(o); err != nil {
			return nil, err
		}
	}
	s, err := Open(ctx, auth, ep, tlsCfg, o)
	if err == nil && own != nil {
		s.urls, err = own.overrides()
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Open logs in with what is given.
func Open(ctx context.Context, auth gophercloud.AuthOptions, ep gophercloud.EndpointOpts, tlsCfg *tls.Config, o Options) (*Session, error) {
	auth.AllowReauth = true
	// Queens' overcloudrc ends the URL in "//v3", which only a lenient server takes.
	if i := strings.Index(auth.IdentityEndpoint, "://"); i > 0 {
		auth.IdentityEndpoint = auth.IdentityEndpoint[:i+3] + strings.ReplaceAll(auth.IdentityEndpoint[i+3:], "//", "/")
	}
	p, err := config.NewProviderClient(ctx, auth, config.WithHTTPClient(o.client(tlsCfg)))
	if err != nil {
		return nil, o.loginFailed(auth, Explain(err))
	}
	o.finish(p)
	return &Session{provider: p, endpoint: ep}, nil
}

// loginFailed says which login, and what to do where the reason does not say that itself.
func (o Options) loginFailed(auth gophercloud.AuthOptions, err error) error {
	if errs.Is(err, errs.Unauthorized) {
		who, hint := first(auth.Username, auth.UserID), "source the rc file again; was the password changed?"
		if c := first(auth.ApplicationCredentialName, auth.ApplicationCredentialID); c != "" {
			who, hint = "application credential "+c, "was it deleted, has it expired, is its secret right?"
		}
		return errs.Wrap(errs.Unauthorized, err, "log in to %s as %s", auth.IdentityEndpoint, who).WithHint("%s", hint)
	}
	code := errs.Unavailable
	if errs.Is(err, errs.Invalid) {
		code = errs.Invalid
	}
	e := errs.Wrap(code, err, "log in to %s", auth.IdentityEndpoint)
	switch {
	case errs.HintOf(err) != "":
		return e
	case errs.Is(err, errs.NotFound):
		return e.WithHint("is that Keystone? Its URL (OS_AUTH_URL, auth_url of clouds.yaml) ends in /v3, such as http://HOST:5000/v3")
	case errs.Is(err, errs.Unavailable):
		return e.WithHint("%s", o.Silent)
	}
	return e
}

// finish says what all requests have in common.
func (o Options) finish(p *gophercloud.ProviderClient) {
	p.RetryFunc = func(_ context.Context, _, _ string, _ *gophercloud.RequestOpts, err error, _ uint) error {
		return o.silence(err) // nothing is made again; this is where a request that failed passes
	}
	p.UserAgent.Prepend("trefoil")
}

type debugTransport struct {
	next http.RoundTripper
	tell func(method, url string, status int, took time.Duration)
}

// RoundTrip reports each request's line. Headers and bodies hold secrets and are never shown.
func (d debugTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := d.next.RoundTrip(req)
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	d.tell(req.Method, req.URL.Redacted(), status, time.Since(began))
	return resp, err
}

// Baremetal is Ironic's API v1.
func (s *Session) Baremetal() (*gophercloud.ServiceClient, error) {
	if c, ok, err := s.service(baremetalService, BaremetalVersion); ok || err != nil {
		return c, err
	}
	c, err := openstack.NewBareMetalV1(s.provider, s.endpoint)
	if err != nil {
		return nil, noEndpoint("baremetal", err)
	}
	c.Microversion = BaremetalVersion
	return c, nil
}

// Introspection is the inspector's API v1.
func (s *Session) Introspection() (*gophercloud.ServiceClient, error) {
	if c, ok, err := s.service(introspectionService, ""); ok || err != nil {
		return c, err
	}
	c, err := wrap("baremetal-introspection")(openstack.NewBareMetalIntrospectionV1(s.provider, s.endpoint))
	// The catalog may have the service without its version, which gophercloud does not add here.
	if err == nil && !strings.HasSuffix(strings.TrimSuffix(c.Endpoint, "/"), "v1") {
		c.ResourceBase = c.Endpoint + "v1/"
	}
	return c, err
}

// Network is Neutron's API v2.0.
func (s *Session) Network() (*gophercloud.ServiceClient, error) {
	return s.catalogued("network", openstack.NewNetworkV2)
}

// Compute is Nova's API v2.1.
func (s *Session) Compute() (*gophercloud.ServiceClient, error) {
	return s.catalogued("compute", openstack.NewComputeV2)
}

// Image is Glance's API v2.
func (s *Session) Image() (*gophercloud.ServiceClient, error) {
	return s.catalogued("image", openstack.NewImageV2)
}

// Orchestration is Heat's API v1.
func (s *Session) Orchestration() (*gophercloud.ServiceClient, error) {
	return s.catalogued("orchestration", openstack.NewOrchestrationV1)
}

// BlockStorage is Cinder's API v3.
func (s *Session) BlockStorage() (*gophercloud.ServiceClient, error) {
	return s.catalogued("block-storage", openstack.NewBlockStorageV3)
}

// Placement is Placement's API v1.
func (s *Session) Placement() (*gophercloud.ServiceClient, error) {
	return s.catalogued("placement", openstack.NewPlacementV1)
}

// Identity is Keystone's API v3.
func (s *Session) Identity() (*gophercloud.ServiceClient, error) {
	return s.catalogued("identity", openstack.NewIdentityV3)
}

// catalogued is an API that only a cloud with a catalog has.
func (s *Session) catalogued(service string, open func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)) (*gophercloud.ServiceClient, error) {
	if s.alone {
		return nil, errs.New(errs.NotFound, "no endpoint for service %s: auth types none and http_basic reach the bare-metal service of --os-endpoint alone", service)
	}
	return wrap(service)(open(s.provider, s.endpoint))
}

func wrap(service string) func(*gophercloud.ServiceClient, error) (*gophercloud.ServiceClient, error) {
	return func(c *gophercloud.ServiceClient, err error) (*gophercloud.ServiceClient, error) {
		if err != nil {
			return nil, noEndpoint(service, err)
		}
		return c, nil
	}
}

// noEndpoint is NotFound where the catalog lacks the service. One that is there and
// could not be asked for its version is something else.
func noEndpoint(service string, err error) error {
	var missing *gophercloud.ErrEndpointNotFound
	if !errors.As(err, &missing) {
		return fmt.Errorf("ask service %s for its version: %w", service, Explain(err))
	}
	return errs.Wrap(errs.NotFound, err, "no endpoint for service %s in this cloud", service).
		WithHint("is this the right cloud? stackrc is the undercloud, overcloudrc the overcloud; openstack catalog list")
}

// Token is what `openstack token issue` shows.
type Token struct {
	ID, ProjectID, UserID string
	Expires               time.Time
}

// Token returns the session's token with what the identity service says of it.
func (s *Session) Token(context.Context) (*Token, error) {
	r, ok := s.provider.GetAuthResult().(tokens.CreateResult)
	if !ok {
		return nil, errs.New(errs.Unauthorized, "this login has no token")
	}
	t, err := r.ExtractToken()
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	out := &Token{ID: t.ID, Expires: t.ExpiresAt}
	if p, err := r.ExtractProject(); err == nil && p != nil {
		out.ProjectID = p.ID
	}
	if u, err := r.ExtractUser(); err == nil && u != nil {
		out.UserID = u.ID
	}
	return out, nil
}
