package api

import (
	"net/http"
)

// preview serves POST stacks/preview: what a deployment of that name would do.
// The body is that of a create.
func (a *api) preview(w http.ResponseWriter, r *http.Request) error {
	var req Request
	if err := decode(r, &req); err != nil {
		return err
	}
	return a.difference(w, r, req.Name, req)
}

// preview serves PUT stacks/NAME/ID/preview: what an update would do.
func (v *view) preview(w http.ResponseWriter, _ []string) error {
	var req Request
	if err := decode(v.r, &req); err != nil {
		return err
	}
	if err := v.root("updated"); err != nil {
		return err
	}
	return v.difference(w, v.r, v.s.Name, req)
}

func (a *api) difference(w http.ResponseWriter, r *http.Request, name string, req Request) error {
	if req.Input == nil {
		return noTemplate()
	}
	d, err := a.Service.Preview(r.Context(), name, *req.Input)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, map[string]any{"diff": d})
	return nil
}
