package identity

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"trefoil/internal/errs"
	"trefoil/undercloud/secret"
)

// Records are the users, projects and roles that administrators made.
type Records struct {
	Users    []UserRecord    `json:"users"`
	Projects []ProjectRecord `json:"projects"`
	Grants   []Grant         `json:"grants"`
}

// UserRecord is a user. Hash is bcrypt's of the password; empty: nobody can log in.
type UserRecord struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Email       string `json:"email,omitempty"`
	Description string `json:"description,omitempty"`
	Project     string `json:"default_project_id,omitempty"`
	Hash        string `json:"hash,omitempty"`
	Disabled    bool   `json:"disabled,omitempty"`
	Since       int64  `json:"since"` // seconds: older tokens are of another password
}

// ProjectRecord is a project.
type ProjectRecord struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Disabled    bool   `json:"disabled,omitempty"`
}

// Grant gives a user a role in a project, or for the whole system where Project is empty.
type Grant struct {
	User    string `json:"user"`
	Project string `json:"project,omitempty"`
	Role    string `json:"role"`
}

// system is the key of roles for the whole system.
const system = ""

// people are all users and projects at one time. They do not change.
type people struct {
	users    []*user
	projects []*project
}

type user struct {
	named
	email, description string
	own                bool   // of the configuration
	proof              []byte // of a password of the configuration: its MAC
	hash               []byte // of another: bcrypt's
	project            string // id of the one that a login without a scope is for
	disabled           bool
	since              int64
	roles              map[string][]string // by project's id
}

type project struct {
	named
	description   string
	own, disabled bool
}

func (p *people) user(id string) *user {
	for _, u := range p.users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

func (p *people) project(id string) *project {
	for _, x := range p.projects {
		if x.ID == id {
			return x
		}
	}
	return nil
}

// with returns p and the people of r together.
func (p *people) with(r Records) *people {
	out := &people{projects: slices.Clone(p.projects)}
	for _, x := range r.Projects {
		out.projects = append(out.projects, &project{named: named{x.ID, x.Name}, description: x.Description, disabled: x.Disabled})
	}
	for _, u := range p.users {
		clone := *u
		clone.roles = map[string][]string{}
		for where, roles := range u.roles {
			clone.roles[where] = slices.Clone(roles)
		}
		out.users = append(out.users, &clone)
	}
	for _, u := range r.Users {
		out.users = append(out.users, &user{named: named{u.ID, u.Name}, email: u.Email, description: u.Description, hash: []byte(u.Hash),
			project: u.Project, disabled: u.Disabled, since: u.Since, roles: map[string][]string{}})
	}
	for _, g := range r.Grants {
		if u := out.user(g.User); u != nil && !slices.Contains(u.roles[g.Project], g.Role) {
			u.roles[g.Project] = append(u.roles[g.Project], g.Role)
		}
	}
	return out
}

// roleChain are the roles of which each implies those behind it.
func roleChain() []string { return []string{RoleAdmin, "manager", "member", "reader"} }

// implied are the roles together with those that they imply.
func implied(roles []string) []string {
	out := []string{}
	for _, r := range roles {
		more := []string{r}
		if i := slices.Index(roleChain(), r); i >= 0 {
			more = roleChain()[i:]
		}
		for _, name := range more {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// session is what a token stands for at this time.
type session struct {
	claims
	user    *user
	project *project // nil: it is for no project
	roles   []string // nil: it is for nothing
}

// resolve looks up what claims stand for; false: nothing any more.
func (s *Service) resolve(c claims) (session, bool) {
	p := s.state.Load()
	out := session{claims: c, user: p.user(c.User)}
	if out.user == nil || out.user.disabled || c.IssuedAt < out.user.since {
		return out, false
	}
	var roles []string
	switch {
	case c.Project != "":
		if out.project = p.project(c.Project); out.project == nil || out.project.disabled {
			return out, false
		}
		roles = out.user.roles[c.Project]
	case c.System, c.Domain != "" && out.user.own: // no role for a domain can be given
		roles = out.user.roles[system]
	case c.Domain == "":
		return out, true // unscoped
	}
	out.roles = implied(roles)
	return out, len(roles) > 0
}

// Open reads the users and projects that were made from the file at path, and keeps
// there those that will be. Without it nobody can be made. Call it before the service
// is used.
func (s *Service) Open(path string) error {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read users and projects: %w", err)
	}
	var r Records
	if err == nil {
		if err := json.Unmarshal(data, &r); err != nil {
			return errs.Wrap(errs.Invalid, err, "%s, which has the users and projects, is damaged", path).
				WithHint("restore it from a backup, or move it away: only the administrator can log in then")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file, s.kept = path, r
	s.state.Store(s.own.with(r))
	return nil
}

// change edits a copy of the records, keeps the result and lets it hold at once. An
// error of edit leaves all as it was and is returned as it is.
func (s *Service) change(edit func(*Records) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == "" {
		return errs.New(errs.Forbidden, "Users, projects and roles cannot be changed here: they are those of the configuration.")
	}
	next := Records{Users: slices.Clone(s.kept.Users), Projects: slices.Clone(s.kept.Projects), Grants: slices.Clone(s.kept.Grants)}
	if err := edit(&next); err != nil {
		return err
	}
	data, err := json.MarshalIndent(next, "", " ")
	if err != nil {
		return fmt.Errorf("encode users and projects: %w", err)
	}
	if err := secret.WriteFile(s.file, append(data, '\n'), 0o600); err != nil {
		return err
	}
	s.kept = next
	s.state.Store(s.own.with(next))
	return nil
}

// newID makes an identifier in Keystone's form.
func (s *Service) newID() (string, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(s.cfg.Rand, b); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// longestPassword is bcrypt's: it would leave out what is behind.
const longestPassword = 72

// hashed makes the hash of a password.
func hashed(password string) (string, error) {
	if password == "" || len(password) > longestPassword {
		return "", errs.New(errs.Invalid, "A password has from 1 to %d bytes.", longestPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return string(hash), nil
}

// right checks a password and counts it for the bucket. Errors: Unauthorized where too many
// were wrong; nobody learns then whether this one is right.
func (s *Service) right(ctx context.Context, bucket string, u *user, password string) (bool, error) {
	if wait := s.fails.blocked(bucket); wait > 0 {
		return false, tooMany(wait)
	}
	right, err := s.compare(ctx, bucket, u, password)
	if err != nil {
		return false, err
	}
	if wait := s.fails.judge(bucket, right); wait > 0 {
		return false, tooMany(wait)
	}
	return right, nil
}

// compare is right without the count. Where somebody was made, an unknown user costs as much time
// as a wrong password of theirs; the names of the configuration are no secret.
func (s *Service) compare(ctx context.Context, bucket string, u *user, password string) (bool, error) {
	if u != nil && u.own {
		return hmac.Equal(s.password.MAC([]byte(password)), u.proof), nil
	}
	if len(s.state.Load().users) == len(s.own.users) {
		return false, nil
	}
	hash := []byte("$2a$10$" + strings.Repeat("x", 53)) // of no password
	known := u != nil && len(u.hash) > 0 && !u.disabled && len(password) <= longestPassword
	if known {
		hash = u.hash
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-s.slots }()
	if wait := s.fails.blocked(bucket); wait > 0 { // by those that were before this one in the row
		return false, tooMany(wait)
	}
	return bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil && known, nil
}
