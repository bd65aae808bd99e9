// Package identity is the part of Keystone v3 that OpenStack's clients need to
// talk to the undercloud: passwords become signed tokens, tokens carry the
// catalog, and a middleware guards the other services.
//
// Tokens are stateless: they hold what they say under a signature, so that they
// outlive a restart. Only revoked ones are remembered, until they expire. Which
// roles a token has is asked anew each time: who loses a role has lost it.
//
// Beside the administrator of undercloud.conf there are the users and projects that
// administrators make over the API (people.go), which a file keeps.
package identity

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"trefoil/undercloud/secret"
)

// DefaultTTL is how long a token lives: TripleO's auth_token_lifetime.
const DefaultTTL = 4 * time.Hour

// The one domain, the role of administrators and their project.
const (
	DomainID     = "default"
	DomainName   = "Default"
	RoleAdmin    = "admin"
	adminProject = "admin"
)

// Config is what a Service is made from. Key, AuthURL and Users are required.
type Config struct {
	Key         secret.Key  // signs tokens and names things; one per undercloud
	AuthURL     string      // http://192.168.24.1:5000, for WWW-Authenticate
	PublicURL   string      // the same over TLS, for clients that came over TLS; empty: AuthURL
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

// User may log in. Users of the configuration are administrators of the projects they
// name and of the system, and cannot be changed over the API.
type User struct {
	Name     string
	Password string
	Email    string
	Projects []string // where it has the role admin
}

// Endpoint is one service of the catalog. URLs may hold %(project_id)s.
type Endpoint struct {
	Type   string // baremetal
	Name   string // ironic
	URL    string
	Public string // of the interface public; empty: URL
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
	roles    []named
	fails    *limiter
	catalog  []service
	slots    chan struct{} // hashes that are made at a time: strangers must not take all processors

	own   people                 // of the configuration
	state atomic.Pointer[people] // own and those that were made; what it points to never changes
	mu    sync.Mutex             // one change at a time
	file  string                 // where they are kept; "": nobody can be made
	kept  Records
}

type named struct {
	ID, Name string
}

type service struct {
	named  // ID, Name
	typ    string
	url    string
	public string
}

// at is the service's URL by an interface.
func (s service) at(iface string) string {
	if iface == public {
		return s.public
	}
	return s.url
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
		fails: newLimiter(cfg.Now), slots: make(chan struct{}, 2)}
	for _, n := range cfg.Projects {
		s.own.projects = append(s.own.projects, &project{named: named{s.id("project", n), n}, own: true})
	}
	for _, n := range append(roleChain(), "service") {
		s.roles = append(s.roles, named{s.id("role", n), n})
	}
	for _, u := range cfg.Users {
		s.own.users = append(s.own.users, s.user(u))
	}
	s.state.Store(s.own.with(Records{}))
	for _, e := range cfg.Catalog {
		s.catalog = append(s.catalog, service{named{s.id("service", e.Type), e.Name}, e.Type, e.URL, cmp.Or(e.Public, e.URL)})
	}
	s.cfg.Users = nil // passwords are not needed any more
	return s
}

func (s *Service) user(u User) *user {
	out := &user{named: named{s.id("user", u.Name), u.Name}, email: u.Email, own: true,
		proof: s.password.MAC([]byte(u.Password)), roles: map[string][]string{system: {RoleAdmin}}}
	for _, p := range u.Projects {
		out.roles[s.id("project", p)] = []string{RoleAdmin}
	}
	return out
}

// id gives a thing the same identifier after every restart, and another one on another undercloud.
func (s *Service) id(kind, name string) string {
	return hex.EncodeToString(s.cfg.Key.Derive("id").MAC([]byte(kind + "/" + name))[:16])
}

// ProjectID returns the id of a project, or "" when there is none of that name.
func (s *Service) ProjectID(name string) string {
	for _, p := range s.state.Load().projects {
		if p.Name == name {
			return p.ID
		}
	}
	return ""
}

// DefaultCatalog returns the undercloud's services. internal gives the root of each by the
// name that config.DefaultPorts has for it; so does public of those that clients are sent
// to, nil: the same.
func DefaultCatalog(internal, public func(service string) string) []Endpoint {
	if public == nil {
		public = internal
	}
	at := func(typ, name, service, path string) Endpoint {
		return Endpoint{Type: typ, Name: name, URL: internal(service) + path, Public: public(service) + path}
	}
	return []Endpoint{
		at("identity", "keystone", "identity", ""),
		at("baremetal", "ironic", "baremetal", ""),
		at("baremetal-introspection", "ironic-inspector", "introspection", ""),
		at("image", "glance", "image", ""),
		at("network", "neutron", "network", ""),
		at("compute", "nova", "compute", "/v2.1"),
		at("orchestration", "heat", "orchestration", "/v1/%(project_id)s"),
	}
}
