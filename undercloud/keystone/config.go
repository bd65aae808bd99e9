package keystone

import (
	"crypto/x509"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"trefoil/internal/errs"
)

// Config of a Validator. AuthURL, Username and Password are required, and one of
// ProjectName and SystemScope.
type Config struct {
	AuthURL   string // where this service finds Keystone, with or without /v3
	PublicURL string // where clients find it, for WWW-Authenticate; empty: AuthURL

	// The service user. Keystone lets users with the role service or admin in a project,
	// or reader for the system, ask about tokens.
	Username                           string
	Password                           func() (string, error) // asked at each login
	UserDomainID, UserDomainName       string
	ProjectName                        string
	ProjectDomainID, ProjectDomainName string
	SystemScope                        bool

	CA       *x509.CertPool // nil: the machine's
	Insecure bool           // do not look at Keystone's certificate

	CacheTime time.Duration // how long a good token is remembered, up to MaxCacheTime; 0: not at all
	Timeout   time.Duration // of one answer to a client, with all requests to Keystone that it needs; 0: 10 s
	Now       func() time.Time
	Log       *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.PublicURL == "" {
		c.PublicURL = c.AuthURL
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	c.CacheTime = min(max(c.CacheTime, 0), MaxCacheTime)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = discard()
	}
	return c
}

// base is auth_url without its version.
func (c Config) base() (string, error) {
	u, err := url.Parse(c.AuthURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return "", errs.New(errs.Invalid, "auth_url is no http:// or https:// URL of a Keystone without a user in it")
	}
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/v3")
	u.RawPath, u.RawQuery, u.Fragment = "", "", ""
	return strings.TrimRight(u.String(), "/") + "/", nil
}
