package identity

import (
	"encoding/json"
	"net/http"
	"slices"

	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
)

// peopleRoutes are those of users, projects and roles. All but a user's own password
// and record is for administrators of the undercloud.
func (s *Service) peopleRoutes(mux *http.ServeMux) {
	admins := func(pattern, action string, h handle) {
		s.route(mux, pattern, func(w http.ResponseWriter, r *http.Request, c session) error {
			if !s.admin(c) {
				return forbidden("identity:" + action)
			}
			return h(w, r, c)
		})
	}
	admins("GET /v3/users", "list_users", s.list(s.userRows))
	s.route(mux, "GET /v3/users/{id}", func(w http.ResponseWriter, r *http.Request, c session) error {
		if r.PathValue("id") != c.User && !s.admin(c) {
			return forbidden("identity:get_user")
		}
		return s.show(s.userRows)(w, r, c)
	})
	admins("POST /v3/users", "create_user", s.createUser)
	admins("PATCH /v3/users/{id}", "update_user", s.updateUser)
	admins("DELETE /v3/users/{id}", "delete_user", s.deleteUser)
	s.route(mux, "POST /v3/users/{id}/password", s.changePassword)

	admins("GET /v3/projects", "list_projects", s.list(s.projectRows))
	s.route(mux, "GET /v3/projects/{id}", func(w http.ResponseWriter, r *http.Request, c session) error {
		if len(c.user.roles[r.PathValue("id")]) == 0 && !s.admin(c) {
			return forbidden("identity:get_project")
		}
		return s.show(s.projectRows)(w, r, c)
	})
	admins("POST /v3/projects", "create_project", s.createProject)
	admins("PATCH /v3/projects/{id}", "update_project", s.updateProject)
	admins("DELETE /v3/projects/{id}", "delete_project", s.deleteProject)

	admins("GET /v3/role_assignments", "list_role_assignments", s.list(s.assignmentRows))
	for _, where := range []string{"/v3/projects/{project}", "/v3/system"} {
		admins("GET "+where+"/users/{user}/roles", "list_grants", s.listGrants)
		admins("GET "+where+"/users/{user}/roles/{role}", "check_grant", s.checkGrant)
		admins("PUT "+where+"/users/{user}/roles/{role}", "create_grant", s.createGrant)
		admins("DELETE "+where+"/users/{user}/roles/{role}", "revoke_grant", s.revokeGrant)
	}
}

// body reads the member of a request that describes a thing; what is known is taken,
// the rest is left alone, as Keystone does.
func body(w http.ResponseWriter, r *http.Request, name string, into any) error {
	var outer map[string]json.RawMessage
	err := jsonbody.Object(r, maxBody, &outer)
	if errs.Is(err, errs.TooLarge) {
		return err
	}
	if err != nil || outer[name] == nil || string(outer[name]) == "null" {
		return errs.New(errs.Invalid, "Expecting to find %s in request body.", name)
	}
	if err := json.Unmarshal(outer[name], into); err != nil { // its text could repeat a password
		return errs.New(errs.Invalid, "Invalid input for %s: a field has not the type that was expected.", name)
	}
	return nil
}

// userArg is a user as a request describes it; nil: the field is not there.
type userArg struct {
	Name        *string `json:"name"`
	Password    *string `json:"password"`
	Original    *string `json:"original_password"`
	Email       *string `json:"email"`
	Description *string `json:"description"`
	Project     *string `json:"default_project_id"`
	Domain      *string `json:"domain_id"`
	Enabled     *bool   `json:"enabled"`
}

// into writes what is there into a record.
func (a *userArg) into(s *Service, u *UserRecord) error {
	set := func(to *string, from *string) {
		if from != nil {
			*to = *from
		}
	}
	set(&u.Name, a.Name)
	set(&u.Email, a.Email)
	set(&u.Description, a.Description)
	set(&u.Project, a.Project)
	if a.Enabled != nil {
		u.Disabled = !*a.Enabled
	}
	if a.Password != nil || u.Disabled { // older tokens are over
		u.Since = max(s.cfg.Now().Unix(), u.Since) + 1
	}
	if a.Password == nil {
		return nil
	}
	var err error
	u.Hash, err = hashed(*a.Password)
	return err
}

func checkDomain(id *string) error {
	if id != nil && *id != DomainID {
		return errs.New(errs.NotFound, "Could not find domain: %s.", *id)
	}
	return nil
}

// checkName refuses an empty, too long or taken name; self is the thing's own id.
func checkName(kind, name, self string, taken []named) error {
	if name == "" || len([]rune(name)) > 255 {
		return errs.New(errs.Invalid, "Invalid input for field 'name' of a %s: expected from 1 to 255 characters.", kind)
	}
	for _, t := range taken {
		if t.Name == name && t.ID != self {
			return errs.New(errs.Conflict, "Conflict occurred attempting to store %s - Duplicate entry found with name %s at domain ID %s.", kind, name, DomainID)
		}
	}
	return nil
}

// userNames are those of all users, with the records that are to be.
func (s *Service) userNames(r *Records) []named {
	var out []named
	for _, u := range s.own.users {
		out = append(out, u.named)
	}
	for _, u := range r.Users {
		out = append(out, named{u.ID, u.Name})
	}
	return out
}

func (s *Service) createUser(w http.ResponseWriter, r *http.Request, _ session) error {
	var arg userArg
	if err := body(w, r, "user", &arg); err != nil {
		return err
	}
	if err := checkDomain(arg.Domain); err != nil {
		return err
	}
	id, err := s.newID()
	if err != nil {
		return err
	}
	u := UserRecord{ID: id}
	if err := arg.into(s, &u); err != nil {
		return err
	}
	if err := s.change(func(rec *Records) error {
		rec.Users = append(rec.Users, u)
		return checkName("user", u.Name, id, s.userNames(rec))
	}); err != nil {
		return err
	}
	s.cfg.Log.Info("user made", "user", u.Name, "user_id", id)
	return s.sendUser(w, http.StatusCreated, id)
}

func (s *Service) sendUser(w http.ResponseWriter, status int, id string) error {
	u := s.state.Load().user(id)
	if u == nil {
		return notFound("user", id)
	}
	writeJSON(w, status, map[string]any{"user": u.row()})
	return nil
}

func notFound(kind, id string) error {
	return errs.New(errs.NotFound, "Could not find %s: %s.", kind, id)
}

// editUser lets edit change one record.
func (s *Service) editUser(id string, edit func(*Records, *UserRecord) error) error {
	if u := s.own.user(id); u != nil {
		return errs.New(errs.Forbidden, "The user %s is the configuration's and cannot be changed here.", u.Name)
	}
	return s.change(func(rec *Records) error {
		i := slices.IndexFunc(rec.Users, func(u UserRecord) bool { return u.ID == id })
		if i < 0 {
			return notFound("user", id)
		}
		return edit(rec, &rec.Users[i])
	})
}

func (s *Service) updateUser(w http.ResponseWriter, r *http.Request, _ session) error {
	var arg userArg
	if err := body(w, r, "user", &arg); err != nil {
		return err
	}
	if err := checkDomain(arg.Domain); err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := s.editUser(id, func(rec *Records, u *UserRecord) error {
		if err := arg.into(s, u); err != nil {
			return err
		}
		return checkName("user", u.Name, id, s.userNames(rec))
	}); err != nil {
		return err
	}
	return s.sendUser(w, http.StatusOK, id)
}

func (s *Service) deleteUser(w http.ResponseWriter, r *http.Request, _ session) error {
	id := r.PathValue("id")
	if err := s.editUser(id, func(rec *Records, _ *UserRecord) error {
		rec.Users = slices.DeleteFunc(rec.Users, func(u UserRecord) bool { return u.ID == id })
		rec.Grants = slices.DeleteFunc(rec.Grants, func(g Grant) bool { return g.User == id })
		return nil
	}); err != nil {
		return err
	}
	s.cfg.Log.Info("user removed", "user_id", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// changePassword is for the user alone, who must know the old password.
func (s *Service) changePassword(w http.ResponseWriter, r *http.Request, c session) error {
	var arg userArg
	if err := body(w, r, "user", &arg); err != nil {
		return err
	}
	if arg.Password == nil || arg.Original == nil {
		return errs.New(errs.Invalid, "Expecting to find password and original_password in user.")
	}
	if r.PathValue("id") != c.User {
		return forbidden("identity:change_password")
	}
	bucket := "password//" + c.User
	right, err := s.right(r.Context(), bucket, c.user, *arg.Original)
	if err != nil {
		return err
	}
	if !right {
		return unauthorized()
	}
	password := userArg{Password: arg.Password}
	if err := s.editUser(c.User, func(_ *Records, u *UserRecord) error { return password.into(s, u) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// row is the user as the API shows it.
func (u *user) row() map[string]any {
	out := map[string]any{"id": u.ID, "name": u.Name, "domain_id": DomainID, "enabled": !u.disabled,
		"email": u.email, "options": map[string]any{}, "password_expires_at": nil}
	if u.description != "" {
		out["description"] = u.description
	}
	if u.project != "" {
		out["default_project_id"] = u.project
	}
	return out
}

func (s *Service) userRows(*http.Request) (string, []map[string]any) {
	var out []map[string]any
	for _, u := range s.state.Load().users {
		out = append(out, u.row())
	}
	return "users", out
}
