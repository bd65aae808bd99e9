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
	Roles                  []string
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

// Middleware lets only requests with a valid, scoped token through. Paths in
// open need none: "/v1/lookup" means that path alone, "/v1/heartbeat/*" all below it.
func (s *Service) Middleware(next http.Handler, open ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isOpen(r.URL.Path, open) {
			next.ServeHTTP(w, r)
			return
		}
		c, err := s.check(r.Context(), r.Header.Get("X-Auth-Token"))
		if errs.Is(err, errs.Unauthorized) {
			w.Header().Set("WWW-Authenticate", `Keystone uri="`+s.cfg.AuthURL+`"`)
		}
		if err == nil && c.Project == "" && c.Domain == "" && !c.System {
			err = errs.New(errs.Forbidden, "The token is not scoped to a project; log in with OS_PROJECT_NAME.")
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(WithIdentity(r.Context(), s.identity(c))))
	})
}

func (s *Service) identity(c claims) Identity {
	id := Identity{UserID: c.User, UserName: s.userByID(c.User).Name}
	if p := s.projectByID(c.Project); p != nil {
		id.ProjectID, id.ProjectName = p.ID, p.Name
	}
	for _, r := range s.roles {
		id.Roles = append(id.Roles, r.Name)
	}
	return id
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
