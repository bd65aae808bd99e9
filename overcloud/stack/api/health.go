package api

import (
	"net/http"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// health is ours: how every service of every machine is, by looking at them now.
func (v *view) health(w http.ResponseWriter, _ []string) error {
	if err := v.root("looked at"); err != nil {
		return err
	}
	if v.Health == nil {
		return errs.New(errs.NotFound, "this service does not reach machines")
	}
	rows, err := v.Health(v.r.Context(), v.s)
	if err != nil {
		return err
	}
	if rows == nil {
		rows = []stack.ServiceHealth{} // [] in JSON
	}
	reply(w, http.StatusOK, map[string]any{"health": rows})
	return nil
}
