package keystone

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"trefoil/internal/errs"
)

const (
	renewBefore  = 30 * time.Second // the service's own token is made anew so long before it ends
	pauseAway    = time.Second      // Keystone did not answer: no login for so long
	pauseRefused = 10 * time.Second // it refused the service user, whom it may lock out
)

// service is the service user's side: it logs in, and asks about tokens.
type service struct {
	cfg  Config
	base string
	http http.Client

	mu      sync.Mutex // held during a login, so that there is one at a time
	client  *gophercloud.ProviderClient
	expires time.Time
	proved  bool      // client was let ask about tokens
	paused  time.Time // no login before

	saying sync.Mutex
	said   map[string]time.Time // what was warned of, and when
}

func newService(cfg Config) (*service, error) {
	base, err := cfg.base()
	if err != nil {
		return nil, err
	}
	return &service{cfg: cfg, base: base, http: newHTTPClient(cfg), said: map[string]time.Time{}}, nil
}

// session returns a client that is logged in. stale is one whose token Keystone refused.
// The reason of a failure is logged; the error is what clients may see.
func (s *service) session(ctx context.Context, stale *gophercloud.ProviderClient) (*gophercloud.ProviderClient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	if s.client != nil && s.client != stale && now.Before(s.expires.Add(-renewBefore)) {
		return s.client, nil
	}
	// Its own token near its end is good still, while no new one is to be had.
	good := s.client != nil && s.client != stale && now.Before(s.expires)
	if now.Before(s.paused) {
		if good {
			return s.client, nil
		}
		return nil, away()
	}
	client, expires, err := s.login(ctx)
	if err != nil {
		pause, what := pauseAway, "Keystone cannot be asked about tokens: the login of the service user did not succeed"
		if gophercloud.ResponseCodeIs(err, http.StatusUnauthorized) {
			pause, what = pauseRefused, "Keystone refuses the service user: see username, password, project and domains in [keystone_authtoken]"
		}
		s.paused = s.cfg.Now().Add(pause)
		s.warn(what, err)
		if good {
			return s.client, nil
		}
		return nil, away()
	}
	s.client, s.expires, s.proved = client, expires, false
	return client, nil
}

func (s *service) login(ctx context.Context) (*gophercloud.ProviderClient, time.Time, error) {
	password, err := s.cfg.Password()
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read the service user's password: %w", err)
	}
	client, err := openstack.NewClient(s.base + "v3/")
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("auth_url: %w", err)
	}
	// Web servers of OpenStack end a kept connection without a word, and a login is not repeated.
	s.http.CloseIdleConnections()
	client.HTTPClient = s.http
	client.UserAgent.Prepend("trefoil")
	scope := &gophercloud.AuthScope{System: s.cfg.SystemScope}
	if !s.cfg.SystemScope {
		scope = &gophercloud.AuthScope{ProjectName: s.cfg.ProjectName, DomainID: s.cfg.ProjectDomainID, DomainName: s.cfg.ProjectDomainName}
	}
	err = openstack.AuthenticateV3(ctx, client, &gophercloud.AuthOptions{Username: s.cfg.Username, Password: password,
		DomainID: s.cfg.UserDomainID, DomainName: s.cfg.UserDomainName, Scope: scope}, gophercloud.EndpointOpts{})
	if err != nil {
		return nil, time.Time{}, err
	}
	made, ok := client.GetAuthResult().(tokens.CreateResult)
	if !ok {
		return nil, time.Time{}, errors.New("the answer to the login is no token")
	}
	own, err := made.ExtractToken()
	if err != nil {
		return nil, time.Time{}, err
	}
	return client, own.ExpiresAt, nil
}

// validate asks about a token. Its errors are Unauthorized or Unavailable.
func (s *service) validate(ctx context.Context, text string) (*token, error) {
	client, err := s.session(ctx, nil)
	if err != nil {
		return nil, err
	}
	t, err := s.get(ctx, client, text)
	if gophercloud.ResponseCodeIs(err, http.StatusUnauthorized) {
		if client, err = s.session(ctx, client); err != nil { // its own token is over, or was revoked
			return nil, err
		}
		t, err = s.get(ctx, client, text)
	}
	switch {
	case err == nil && !s.cfg.Now().Before(t.expires), gophercloud.ResponseCodeIs(err, http.StatusNotFound):
		return nil, unauthorized()
	case err == nil:
		s.prove(client)
		return t, nil
	case gophercloud.ResponseCodeIs(err, http.StatusForbidden) && s.isProved(client):
		return nil, unauthorized() // it is the token that is not right: Keystone says so of a trust whose giver has lost his role
	case gophercloud.ResponseCodeIs(err, http.StatusUnauthorized):
		s.pause(pauseRefused)
		s.warn("Keystone refuses a token that it has just given to the service user", err)
	case gophercloud.ResponseCodeIs(err, http.StatusForbidden):
		s.warn("Keystone does not let the service user ask about tokens: give it the role service in its project", err)
	default:
		s.warn("Keystone cannot be asked about a token", err)
	}
	return nil, away()
}

func (s *service) get(ctx context.Context, client *gophercloud.ProviderClient, text string) (*token, error) {
	var a answer
	// Without the header Keystone hides tokens that have access rules; see token.admits.
	_, err := client.Request(ctx, http.MethodGet, s.base+"v3/auth/tokens?nocatalog", &gophercloud.RequestOpts{JSONResponse: &a,
		OkCodes: []int{http.StatusOK, http.StatusNonAuthoritativeInfo}, MoreHeaders: map[string]string{"X-Subject-Token": text, "OpenStack-Identity-Access-Rules": "1"}})
	if err != nil {
		return nil, err
	}
	return a.token()
}

func (s *service) prove(client *gophercloud.ProviderClient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proved = s.proved || s.client == client
}

func (s *service) isProved(client *gophercloud.ProviderClient) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proved && s.client == client
}

func (s *service) pause(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = s.cfg.Now().Add(d)
}

// warn says the same once in a while: strangers decide how often there is something to ask.
func (s *service) warn(what string, err error) {
	s.saying.Lock()
	defer s.saying.Unlock()
	now := s.cfg.Now()
	if last, ok := s.said[what]; ok && now.Before(last.Add(pauseRefused)) {
		return
	}
	s.said[what] = now
	s.cfg.Log.Warn(what, "auth_url", s.cfg.AuthURL, "username", s.cfg.Username, "error", reason(err))
}

// reason is an error without what Keystone, or whatever answers in its place, wrote: it
// may repeat a password or a token.
func reason(err error) string {
	var code gophercloud.ErrUnexpectedResponseCode
	var transport *url.Error
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var when *time.ParseError
	var hint *errs.Error
	switch {
	case errors.As(err, &code):
		out := fmt.Sprintf("status %d to %s /v3/auth/tokens", code.Actual, code.Method)
		if code.Method == http.MethodPost && (code.Actual < 400 || code.Actual == http.StatusNotFound || code.Actual == http.StatusMethodNotAllowed) {
			out += "; expected 201 from Keystone's API v3: is auth_url Keystone's?"
		}
		return out
	case errors.As(err, &syntax), errors.As(err, &kind), errors.As(err, &when):
		return "the answer is not Keystone's: it is not the JSON that was expected"
	case errors.As(err, &transport):
		var network *net.OpError
		var cert *tls.CertificateVerificationError
		if errors.As(err, &network) || errors.As(err, &cert) || transport.Timeout() {
			return transport.Err.Error()
		}
		return "what answers does not speak HTTP as it should" // in words that may repeat what was sent
	case errors.As(err, &hint) && hint.Hint != "":
		return hint.Error() + " (" + hint.Hint + ")"
	}
	return err.Error()
}
