// Package identity is the part of Keystone v3 that OpenStack's clients need to
// talk to the undercloud: passwords become signed tokens, tokens carry the
// catalog, and a middleware guards the other services.
//
// Tokens are stateless: they hold what they say under a signature, so that they
// outlive a restart. Only revoked ones are remembered, until they expire.
package identity

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"time"

	"trefoil/undercloud/secret"
)

// DefaultTTL is how long a token lives: TripleO's auth_token_lifetime.
const DefaultTTL = 4 * time.Hour

// The one domain and the role that matter here.
const (
	DomainID   = "default"
	DomainName = "Default"
	RoleAdmin  = "admin"
)

// Config is what a Service is made from. Key, AuthURL and Users are required.
type Config struct {
	Key         secret.Key  // signs tokens and names things; one per undercloud
	AuthURL     string      // http://192.168.24.1:5000, for WWW-Authenticate
	Region      string      // default regionOne
	Catalog     []Endpoint  // see DefaultCatalog
	Users       []User      // who may log in
	Projects    []string    // default admin, service
	Revocations Revocations // default: memory only
	TTL         time.Duration
	Now         func() time.Time
	Rand        io.Reader
	Log         *slog.Logger
}

// User may log in. Every user is an administrator of the projects it names and of the system.
type User struct {
	Name     string
	Password string
	Email    string
	Projects []string // where it has the role admin
}

// Endpoint is one service of the catalog. URL may hold %(project_id)s.
type Endpoint struct {
	Type string // baremetal
	Name string // ironic
	URL  string
}

// Revocations remembers revoked tokens. Safe for concurrent use.
type Revocations interface {
	// Revoke remembers a token's id until it expires. Repeating it is no error.
	Revoke(ctx context.Context, id string, expires time.Time) error
	Revoked(ctx context.Context, id string) (bool, error)
}

// Service answers the identity API and checks tokens for the others. Safe for concurrent use.
type Service struct {
	cfg      Config
	signing  secret.Key
	password secret.Key
	users    []*user
	projects []*project
	roles    []named
	fails    *limiter
	catalog  []service
}

type named struct {
	ID, Name string
}

type user struct {
	named
	email    string
	proof    []byte // MAC of the password: the password itself is not kept
	projects map[string]bool
}

type project struct{ named }

type service struct {
	named // ID, Name
	typ   string
	url   string
}

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.Region == "" {
		cfg.Region = "regionOne"
	}
	if cfg.TTL == 0 {
		cfg.TTL = DefaultTTL
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Projects) == 0 {
		cfg.Projects = []string{"admin", "service"}
	}
	if cfg.Revocations == nil {
		cfg.Revocations = newMemory(cfg.Now)
	}
	s := &Service{cfg: cfg, signing: cfg.Key.Derive("token"), password: cfg.Key.Derive("password"),
		fails: newLimiter(cfg.Now)}
	for _, n := range cfg.Projects {
		s.projects = append(s.projects, &project{named{s.id("project", n), n}})
	}
	for _, n := range []string{RoleAdmin, "member", "reader"} {
		s.roles = append(s.roles, named{s.id("role", n), n})
	}
	for _, u := range cfg.Users {
		s.users = append(s.users, s.user(u))
	}
	for _, e := range cfg.Catalog {
		s.catalog = append(s.catalog, service{named{s.id("service", e.Type), e.Name}, e.Type, e.URL})
	}
	s.cfg.Users = nil // passwords are not needed any more
	return s
}

func (s *Service) user(u User) *user {
	out := &user{named: named{s.id("user", u.Name), u.Name}, email: u.Email,
		proof: s.password.MAC([]byte(u.Password)), projects: map[string]bool{}}
	for _, p := range u.Projects {
		out.projects[s.id("project", p)] = true
	}
	return out
}

// id gives a thing the same identifier after every restart, and another one on another undercloud.
func (s *Service) id(kind, name string) string {
	return hex.EncodeToString(s.cfg.Key.Derive("id").MAC([]byte(kind + "/" + name))[:16])
}

// ProjectID returns the id of a project, or "" when there is none of that name.
func (s *Service) ProjectID(name string) string {
	for _, p := range s.projects {
		if p.Name == name {
			return p.ID
		}
	}
	return ""
}

// DefaultCatalog returns the undercloud's services, each on its own port of host.
func DefaultCatalog(host string) []Endpoint {
	at := func(port string) string { return "http://" + net.JoinHostPort(host, port) }
	return []Endpoint{
		{"identity", "keystone", at("5000")},
		{"baremetal", "ironic", at("6385")},
		{"baremetal-introspection", "ironic-inspector", at("5050")},
		{"image", "glance", at("9292")},
		{"network", "neutron", at("9696")},
		{"compute", "nova", at("8774") + "/v2.1"},
		{"orchestration", "heat", at("8004") + "/v1/%(project_id)s"},
	}
}
