package identity

import (
	"net/http"
	"slices"

	"trefoil/internal/errs"
)

// grantOf finds what a path names: a user, a project (or the system) and, where it
// names one, a role. The role is empty otherwise.
func (s *Service) grantOf(r *http.Request) (Grant, error) {
	g := Grant{User: r.PathValue("user"), Project: r.PathValue("project")}
	p := s.state.Load()
	if p.user(g.User) == nil {
		return g, notFound("user", g.User)
	}
	if g.Project != system && p.project(g.Project) == nil {
		return g, notFound("project", g.Project)
	}
	id := r.PathValue("role")
	if id == "" {
		return g, nil
	}
	i := slices.IndexFunc(s.roles, func(n named) bool { return n.ID == id })
	if i < 0 {
		return g, notFound("role", id)
	}
	g.Role = s.roles[i].Name
	return g, nil
}

func (s *Service) listGrants(w http.ResponseWriter, r *http.Request, c session) error {
	g, err := s.grantOf(r)
	if err != nil {
		return err
	}
	given := s.state.Load().user(g.User)
	if given == nil {
		return notFound("user", g.User)
	}
	return s.list(func(r *http.Request) (string, []map[string]any) {
		kind, all := s.roleRows(r)
		return kind, slices.DeleteFunc(all, func(row map[string]any) bool {
			name, _ := row["name"].(string)
			return !slices.Contains(given.roles[g.Project], name)
		})
	})(w, r, c)
}

// checkGrant answers GET and HEAD.
func (s *Service) checkGrant(w http.ResponseWriter, r *http.Request, _ session) error {
	g, err := s.grantOf(r)
	if err != nil {
		return err
	}
	if u := s.state.Load().user(g.User); u == nil || !slices.Contains(u.roles[g.Project], g.Role) {
		return s.noGrant(g)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Service) noGrant(g Grant) error {
	where := "project " + g.Project
	if g.Project == system {
		where = "the system"
	}
	return errs.New(errs.NotFound, "Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.", s.id("role", g.Role), g.User, where)
}

// createGrant may be repeated.
func (s *Service) createGrant(w http.ResponseWriter, r *http.Request, _ session) error {
	g, err := s.grantOf(r)
	if err != nil {
		return err
	}
	if u := s.state.Load().user(g.User); u == nil || !slices.Contains(u.roles[g.Project], g.Role) {
		err = s.change(func(rec *Records) error {
			if !slices.Contains(rec.Grants, g) { // the same may have been given since the look above
				rec.Grants = append(rec.Grants, g)
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	s.cfg.Log.Info("role given", "role", g.Role, "user_id", g.User, "project_id", g.Project)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Service) revokeGrant(w http.ResponseWriter, r *http.Request, _ session) error {
	g, err := s.grantOf(r)
	if err != nil {
		return err
	}
	if u := s.own.user(g.User); u != nil && slices.Contains(u.roles[g.Project], g.Role) {
		return errs.New(errs.Forbidden, "The role %s of the user %s is the configuration's and cannot be taken away here.", g.Role, u.Name)
	}
	err = s.change(func(rec *Records) error {
		if !slices.Contains(rec.Grants, g) {
			return s.noGrant(g)
		}
		// All of them: an older file may have the same grant twice.
		rec.Grants = slices.DeleteFunc(rec.Grants, func(other Grant) bool { return other == g })
		return nil
	})
	if err != nil {
		return err
	}
	s.cfg.Log.Info("role taken away", "role", g.Role, "user_id", g.User, "project_id", g.Project)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// assignmentRows are all roles that were given, as far as the query asks for them.
func (s *Service) assignmentRows(r *http.Request) (string, []map[string]any) {
	out := []map[string]any{}
	p, q := s.state.Load(), r.URL.Query()
	want := func(key, value string) bool { return !q.Has(key) || q.Get(key) == value }
	add := func(u *user, project *project) {
		scope, where := map[string]any{"system": map[string]any{"all": true}}, system
		if project != nil {
			where = project.ID
			scope = map[string]any{"project": map[string]any{"id": project.ID, "name": project.Name, "domain": domainRef()}}
		}
		if !want("user.id", u.ID) || !want("scope.project.id", where) || q.Has("scope.system") && project != nil {
			return
		}
		for _, name := range u.roles[where] {
			if id := s.id("role", name); want("role.id", id) {
				out = append(out, map[string]any{"user": map[string]any{"id": u.ID, "name": u.Name, "domain": domainRef()}, "scope": scope,
					"role": map[string]any{"id": id, "name": name}, "links": map[string]any{}})
			}
		}
	}
	for _, u := range p.users {
		for _, x := range p.projects {
			add(u, x)
		}
		add(u, nil)
	}
	return "role_assignments", out
}
