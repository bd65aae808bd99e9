package api

import (
	"net/http"
	"slices"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// Plans are ours: TripleO kept them in Swift and Mistral. They stand beside Heat's
// API, below /trefoil.

func planBody(p *stack.Plan) map[string]any {
	var updated any
	if p.UpdatedAt != nil {
		updated = stamp(*p.UpdatedAt)
	}
	return map[string]any{"name": p.Name, "version": p.Version, "created_at": stamp(p.CreatedAt), "updated_at": updated}
}

func (a *api) planList(w http.ResponseWriter, r *http.Request) error {
	all, err := a.Store.Plans(r.Context())
	if err != nil {
		return err
	}
	out := []any{}
	for _, p := range all {
		out = append(out, planBody(p))
	}
	reply(w, http.StatusOK, map[string]any{"plans": out})
	return nil
}

// planShow tells what a plan is made of, without values: those may be secret.
func (a *api) planShow(w http.ResponseWriter, r *http.Request) error {
	p, err := a.Service.Plan(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	body := planBody(p)
	names := []string{}
	for k := range p.Input.Parameters {
		names = append(names, k)
	}
	slices.Sort(names)
	body["environments"], body["roles_file"], body["networks_file"] = p.Input.Environments, p.Input.RolesFile, p.Input.NetworksFile
	body["counts"], body["flavors"], body["parameters"] = p.Input.Counts, p.Input.Flavors, names
	reply(w, http.StatusOK, map[string]any{"plan": body})
	return nil
}

func (a *api) planCreate(w http.ResponseWriter, r *http.Request) error {
	var n stack.NewPlan
	if err := decode(r, &n); err != nil {
		return err
	}
	p, warnings, err := a.Service.CreatePlan(r.Context(), n)
	if err != nil {
		return err
	}
	reply(w, http.StatusCreated, map[string]any{"plan": planBody(p), "warnings": list(warnings)})
	return nil
}

func (a *api) planUpdate(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Input *stack.Input `json:"input"`
	}
	if err := decode(r, &req); err != nil {
		return err
	}
	if req.Input == nil {
		return errs.New(errs.Invalid, "the request has no input: what the plan is to be")
	}
	p, warnings, err := a.Service.UpdatePlan(r.Context(), r.PathValue("name"), *req.Input)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, map[string]any{"plan": planBody(p), "warnings": list(warnings)})
	return nil
}

func (a *api) planDelete(w http.ResponseWriter, r *http.Request) error {
	if err := a.Service.DeletePlan(r.Context(), r.PathValue("name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// planParameters takes the text of a file, so that what is wrong is told with its lines.
func (a *api) planParameters(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		File    string `json:"file"`
		Content string `json:"content"`
	}
	if err := decode(r, &req); err != nil {
		return err
	}
	warnings, err := a.Service.SetParameters(r.Context(), r.PathValue("name"), req.File, []byte(req.Content))
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, map[string]any{"warnings": list(warnings)})
	return nil
}

func (a *api) planDeploy(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		TimeoutMins int `json:"timeout_mins"`
	}
	if err := decode(r, &req); err != nil {
		return err
	}
	if req.TimeoutMins < 1 {
		return errs.New(errs.Invalid, "timeout_mins is %d: expected minutes, 1 or more", req.TimeoutMins)
	}
	s, err := a.Service.DeployPlan(r.Context(), r.PathValue("name"), req.TimeoutMins)
	if err != nil {
		return err
	}
	reply(w, http.StatusAccepted, map[string]any{"stack": map[string]any{"id": s.ID}})
	return nil
}

// planExport sends the plan's files with its passwords: the one way, beside
// planPasswords, in which they leave.
func (a *api) planExport(w http.ResponseWriter, r *http.Request) error {
	p, err := a.Service.Plan(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	if a.Documents == nil {
		return errs.New(errs.NotFound, "this service keeps no templates")
	}
	data, err := a.Documents.Export(r.Context(), p)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/gzip")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(data) // the client is gone if this fails
	return nil
}

// planPasswords sends the passwords as they take effect: an environment may set one.
func (a *api) planPasswords(w http.ResponseWriter, r *http.Request) error {
	p, err := a.Service.Plan(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	passwords := p.Passwords
	if a.Documents != nil {
		d, err := a.Documents.Describe(r.Context(), p.Stack())
		if err != nil {
			return err
		}
		passwords = d.Passwords
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, http.StatusOK, map[string]any{"passwords": passwords})
	return nil
}

// planRotate tells the names of what was made anew, never a value.
func (a *api) planRotate(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Names []string `json:"names"`
	}
	if err := decode(r, &req); err != nil {
		return err
	}
	done, err := a.Service.RotatePasswords(r.Context(), r.PathValue("name"), req.Names)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, done)
	return nil
}

// list is never null in JSON.
func list(warnings []string) []string {
	if warnings == nil {
		return []string{}
	}
	return warnings
}
