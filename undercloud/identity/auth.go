package identity

import (
	"net"
	"net/http"

	"trefoil/internal/errs"
)

// authRequest is the body of POST /v3/auth/tokens.
type authRequest struct {
	Auth struct {
		Identity struct {
			Methods  []string `json:"methods"`
			Password *struct {
				User struct {
					ID       string     `json:"id"`
					Name     string     `json:"name"`
					Domain   *domainArg `json:"domain"`
					Password string     `json:"password"`
				} `json:"user"`
			} `json:"password"`
			Token *struct {
				ID string `json:"id"`
			} `json:"token"`
		} `json:"identity"`
		Scope scope `json:"scope"`
	} `json:"auth"`
}

type domainArg struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// is tells whether the argument means our only domain.
func (d *domainArg) is() bool {
	return d != nil && (d.ID == DomainID || d.ID == "" && d.Name == DomainName)
}

func unauthorized() error {
	return errs.New(errs.Unauthorized, "The request you have made requires authentication.")
}

// issue authenticates the request and returns what a new token says.
func (s *Service) issue(r *http.Request, req *authRequest) (session, error) {
	c, err := s.authenticated(r, req)
	if err != nil {
		return session{}, err
	}
	if u := s.state.Load().user(c.User); u != nil {
		c.IssuedAt = max(c.IssuedAt, u.since) // a password that was set within this second
	}
	if c.Audit, err = s.audit(); err != nil {
		return session{}, err
	}
	if err := s.scope(&c, req.Auth.Scope); err != nil {
		return session{}, err
	}
	out, ok := s.resolve(c)
	if !ok {
		return session{}, unauthorized()
	}
	return out, nil
}

// authenticated finds out who the user is.
func (s *Service) authenticated(r *http.Request, req *authRequest) (claims, error) {
	var c claims
	id := req.Auth.Identity
	now := s.cfg.Now()
	c.IssuedAt, c.Expires, c.Methods = now.Unix(), now.Add(s.cfg.TTL).Unix(), id.Methods
	switch {
	case len(id.Methods) == 1 && id.Methods[0] == "password" && id.Password != nil:
		u, err := s.login(r, req)
		if err != nil {
			return c, err
		}
		c.User = u.ID
	case len(id.Methods) == 1 && id.Methods[0] == "token" && id.Token != nil:
		old, err := s.check(r.Context(), id.Token.ID)
		if err != nil {
			return c, err
		}
		// A token got with a token lives no longer than the first one.
		c.User, c.Expires, c.Methods = old.User, old.Expires, []string{"token", "password"}
	case len(id.Methods) == 0:
		return c, errs.New(errs.Invalid, "auth.identity.methods is missing; expected [\"password\"] or [\"token\"]")
	default:
		return c, errs.New(errs.Unauthorized, "Attempted to authenticate with an unsupported method.")
	}
	return c, nil
}

// login checks a password. An unknown user costs as much time as a wrong password.
func (s *Service) login(r *http.Request, req *authRequest) (*user, error) {
	arg := req.Auth.Identity.Password.User
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr
	}
	bucket := source + "/" + arg.Name
	if arg.ID != "" { // the name counts for nothing then, so it must not open another bucket
		bucket = source + "//" + arg.ID
	}
	var found *user
	for _, u := range s.state.Load().users {
		if arg.ID != "" && u.ID == arg.ID || arg.ID == "" && u.Name == arg.Name && arg.Domain.is() {
			found = u
		}
	}
	right, err := s.right(r.Context(), bucket, found, arg.Password)
	if err != nil {
		return nil, err
	}
	if !right {
		s.cfg.Log.Warn("login refused", "user", arg.Name, "from", source)
		return nil, unauthorized()
	}
	return found, nil
}

// scope fills in what the token is for. Whether the user has a role there is asked
// by resolve.
func (s *Service) scope(c *claims, sc scope) error {
	people := s.state.Load()
	switch {
	case sc.Project != nil:
		for _, p := range people.projects {
			a := sc.Project
			if a.ID == p.ID || a.ID == "" && a.Name == p.Name && a.Domain.is() {
				c.Project = p.ID
				return nil
			}
		}
		return unauthorized()
	case sc.Domain != nil:
		if !sc.Domain.is() {
			return unauthorized()
		}
		c.Domain = DomainID
	case sc.System != nil:
		c.System = true
	case !sc.unscoped:
		if u := people.user(c.User); u != nil && len(u.roles[u.project]) > 0 {
			c.Project = u.project
		}
	}
	return nil
}
