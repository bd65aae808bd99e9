package identity

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// Identity is who sent a request, as its token says.
type Identity struct {
	UserID, UserName       string
	ProjectID, ProjectName string // empty: the token is for a domain or the system
	System                 bool   // the token is for the whole system
	Admin                  bool   // an administrator of the undercloud, or of an external Keystone's admin project: may do everything
	Roles                  []string

	UserDomainID, ProjectDomainID string // of an external Keystone; there is one domain here
}

type contextKey struct{}

// FromContext returns who sent the request; false when the path was open.
func FromContext(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(contextKey{}).(Identity)
	return id, ok
}

// WithIdentity returns a context that FromContext reads; for tests and for calls inside the service.
func WithIdentity(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, contextKey{}, id)
}

// Middleware lets only administrators of the undercloud through: requests with a
// valid token for the system or for the project admin and with the role admin. Paths in
// open need none: "/v1/lookup" means that path alone, "/v1/heartbeat/*" all below it.
func (s *Service) Middleware(next http.Handler, open ...string) http.Handler {
	admins := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who, ok := FromContext(r.Context()); ok && !who.Admin {
			s.fail(w, r, errs.New(errs.Forbidden, "You are not authorized to perform the requested action: this service is for administrators of the undercloud."))
			return
		}
		next.ServeHTTP(w, r)
	})
	return s.Authenticated(admins, open...)
}

// Authenticated lets every valid, scoped token through, for services with rules of
// their own; see Middleware for open.
func (s *Service) Authenticated(next http.Handler, open ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isOpen(r.URL.Path, open) {
			next.ServeHTTP(w, r)
			return
		}
		c, err := s.check(r.Context(), r.Header.Get("X-Auth-Token"))
		if errs.Is(err, errs.Unauthorized) {
			s.challenge(w, r)
		}
		if err == nil && c.roles == nil {
			err = errs.New(errs.Forbidden, "The token is not scoped to a project; log in with OS_PROJECT_NAME.")
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(WithIdentity(r.Context(), s.identity(c))))
	})
}

// challenge names where to log in, by the way that the client came: a password goes there, and must not
// leave TLS; and who came from outside may not reach the plain address at all.
func (s *Service) challenge(w http.ResponseWriter, r *http.Request) {
	uri := s.cfg.AuthURL
	if r.TLS != nil && s.cfg.PublicURL != "" {
		uri = s.cfg.PublicURL
	}
	w.Header().Set("WWW-Authenticate", `Keystone uri="`+uri+`"`)
}

func (s *Service) identity(c session) Identity {
	id := Identity{UserID: c.user.ID, UserName: c.user.Name, System: c.System, Admin: s.admin(c), Roles: c.roles}
	if c.project != nil {
		id.ProjectID, id.ProjectName = c.project.ID, c.project.Name
	}
	return id
}

// admin tells whether the token is an administrator's of the undercloud.
func (s *Service) admin(c session) bool {
	there := c.System || c.project != nil && c.project.own && c.project.Name == adminProject
	return c.roles != nil && (c.user.own || there && slices.Contains(c.roles, RoleAdmin))
}

func isOpen(path string, open []string) bool {
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return slices.ContainsFunc(open, func(o string) bool {
		if prefix, ok := strings.CutSuffix(o, "*"); ok {
			return strings.HasPrefix(path, prefix)
		}
		return path == o
	})
}
