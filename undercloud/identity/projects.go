package identity

import (
	"net/http"
	"slices"

	"trefoil/internal/errs"
)

// projectArg is a project as a request describes it; nil: the field is not there.
type projectArg struct {
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Domain      *string `json:"domain_id"`
	Parent      *string `json:"parent_id"`
	Enabled     *bool   `json:"enabled"`
}

func (a *projectArg) into(p *ProjectRecord) {
	if a.Name != nil {
		p.Name = *a.Name
	}
	if a.Description != nil {
		p.Description = *a.Description
	}
	if a.Enabled != nil {
		p.Disabled = !*a.Enabled
	}
}

func (s *Service) projectNames(r *Records) []named {
	var out []named
	for _, p := range s.own.projects {
		out = append(out, p.named)
	}
	for _, p := range r.Projects {
		out = append(out, named{p.ID, p.Name})
	}
	return out
}

func (s *Service) createProject(w http.ResponseWriter, r *http.Request, _ session) error {
	var arg projectArg
	if err := body(w, r, "project", &arg); err != nil {
		return err
	}
	if err := checkDomain(arg.Domain); err != nil {
		return err
	}
	if arg.Parent != nil && *arg.Parent != DomainID {
		return errs.New(errs.Invalid, "Projects within projects are not supported: leave parent_id out.")
	}
	id, err := s.newID()
	if err != nil {
		return err
	}
	p := ProjectRecord{ID: id}
	arg.into(&p)
	if err := s.change(func(rec *Records) error {
		rec.Projects = append(rec.Projects, p)
		return checkName("project", p.Name, id, s.projectNames(rec))
	}); err != nil {
		return err
	}
	s.cfg.Log.Info("project made", "project", p.Name, "project_id", id)
	return s.sendProject(w, http.StatusCreated, id)
}

func (s *Service) sendProject(w http.ResponseWriter, status int, id string) error {
	p := s.state.Load().project(id)
	if p == nil {
		return notFound("project", id)
	}
	writeJSON(w, status, map[string]any{"project": p.row()})
	return nil
}

// editProject lets edit change one record.
func (s *Service) editProject(id string, edit func(*Records, *ProjectRecord) error) error {
	if p := s.own.project(id); p != nil {
		return errs.New(errs.Forbidden, "The project %s is the undercloud's own and cannot be changed here.", p.Name)
	}
	return s.change(func(rec *Records) error {
		i := slices.IndexFunc(rec.Projects, func(p ProjectRecord) bool { return p.ID == id })
		if i < 0 {
			return notFound("project", id)
		}
		return edit(rec, &rec.Projects[i])
	})
}

func (s *Service) updateProject(w http.ResponseWriter, r *http.Request, _ session) error {
	var arg projectArg
	if err := body(w, r, "project", &arg); err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := s.editProject(id, func(rec *Records, p *ProjectRecord) error {
		arg.into(p)
		return checkName("project", p.Name, id, s.projectNames(rec))
	}); err != nil {
		return err
	}
	return s.sendProject(w, http.StatusOK, id)
}

// deleteProject takes the roles in it along. What it owned stays, as in OpenStack: an
// administrator gives it to somebody else.
func (s *Service) deleteProject(w http.ResponseWriter, r *http.Request, _ session) error {
	id := r.PathValue("id")
	if err := s.editProject(id, func(rec *Records, _ *ProjectRecord) error {
		rec.Projects = slices.DeleteFunc(rec.Projects, func(p ProjectRecord) bool { return p.ID == id })
		rec.Grants = slices.DeleteFunc(rec.Grants, func(g Grant) bool { return g.Project == id })
		return nil
	}); err != nil {
		return err
	}
	s.cfg.Log.Info("project removed", "project_id", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// row is the project as the API shows it.
func (p *project) row() map[string]any {
	return map[string]any{"id": p.ID, "name": p.Name, "domain_id": DomainID, "parent_id": DomainID,
		"enabled": !p.disabled, "is_domain": false, "description": p.description, "tags": []string{}, "options": map[string]any{}}
}

func (s *Service) projectRows(*http.Request) (string, []map[string]any) {
	var out []map[string]any
	for _, p := range s.state.Load().projects {
		out = append(out, p.row())
	}
	return "projects", out
}
