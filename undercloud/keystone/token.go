package keystone

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/undercloud/identity"
)

// answer is what Keystone says about a token, as far as it matters here.
type answer struct {
	Token struct {
		ExpiresAt      time.Time `json:"expires_at"`
		IsAdminProject bool      `json:"is_admin_project"`
		User           named     `json:"user"`
		Project        *named    `json:"project"`
		System         struct {
			All bool `json:"all"`
		} `json:"system"`
		Roles      []named `json:"roles"`
		Credential struct {
			Rules *[]accessRule `json:"access_rules"`
		} `json:"application_credential"`
	} `json:"token"`
}

type named struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Domain struct {
		ID string `json:"id"`
	} `json:"domain"`
}

// accessRule is a request that an application credential may be used for.
type accessRule struct {
	Service string `json:"service"`
	Method  string `json:"method"`
	Path    string `json:"path"` // * is a part of it, ** many, {name} a part
}

// token is a valid token. It never changes.
type token struct {
	who     identity.Identity
	expires time.Time
	scoped  bool          // for a project or the system
	rules   *[]accessRule // nil: all requests
}

// Bounds of what access rules, which users make for themselves, may cost.
const (
	maxRules    = 100     // of a token; those behind admit nothing
	maxRulePath = 4 << 10 // bytes of a request's path
)

// token reads the answer. Its errors tell what Keystone should have said.
func (a *answer) token() (*token, error) {
	t := a.Token
	switch {
	case t.User.ID == "":
		return nil, errors.New("the answer has no token.user.id")
	case t.ExpiresAt.IsZero():
		return nil, errors.New("the answer has no token.expires_at")
	case t.Project != nil && t.Project.ID == "":
		return nil, errors.New("the answer has a token.project without an id")
	}
	who := identity.Identity{UserID: t.User.ID, UserName: t.User.Name, UserDomainID: t.User.Domain.ID, System: t.System.All}
	for _, r := range t.Roles {
		who.Roles = append(who.Roles, strings.ToLower(r.Name)) // policies of OpenStack do not look at case
	}
	if t.Project != nil {
		who.ProjectID, who.ProjectName, who.ProjectDomainID = t.Project.ID, t.Project.Name, t.Project.Domain.ID
		// The project that Keystone's own configuration names: its admin is the cloud's.
		who.Admin = t.IsAdminProject && slices.Contains(who.Roles, identity.RoleAdmin)
	}
	if rules := t.Credential.Rules; rules != nil && len(*rules) > maxRules {
		*rules = slices.Clone((*rules)[:maxRules])
	}
	return &token{who: who, expires: t.ExpiresAt, scoped: t.Project != nil || t.System.All, rules: t.Credential.Rules}, nil
}

// admits tells whether a token is good for a request.
func (t *token) admits(serviceType string, r *http.Request) error {
	if !t.scoped {
		return errs.New(errs.Forbidden, "The token is for no project and not for the system; log in with OS_PROJECT_NAME, or with OS_SYSTEM_SCOPE=all.")
	}
	if t.rules == nil {
		return nil
	}
	path := r.URL.EscapedPath()
	for _, rule := range *t.rules {
		if rule.Service == serviceType && rule.Method == r.Method && len(path) <= maxRulePath && rule.matches(path) {
			return nil
		}
	}
	return errs.New(errs.Unauthorized, "The access rules of the application credential do not allow %s of this path of the service %s.", r.Method, serviceType)
}

func (a accessRule) matches(path string) bool {
	var b strings.Builder
	b.WriteString(`\A`)
	for rest := a.Path; rest != ""; {
		switch end := strings.IndexByte(rest, '}'); {
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			rest = rest[2:]
		case rest[0] == '*':
			b.WriteString(`[^/]+`)
			rest = rest[1:]
		case rest[0] == '{' && end > 0:
			b.WriteString(`[^/]+`)
			rest = rest[end+1:]
		default:
			b.WriteString(regexp.QuoteMeta(rest[:1]))
			rest = rest[1:]
		}
	}
	re, err := regexp.Compile(b.String() + `\z`)
	return err == nil && re.MatchString(path) // bytes that are no UTF-8 match nothing
}
