package api

import (
	"net/http"

	"trefoil/internal/errs"
	"trefoil/overcloud/configdownload"
	"trefoil/overcloud/plan"
)

// underclouds are the variables of the inventory that the client tells of itself.
func underclouds() []string { return []string{"auth_url", "username", "project_name", "cacert"} }

// config is ours: the files of `overcloud config download`, tar and gzip, secrets
// included. They are made from the plan of the stack and the machines it has.
func (v *view) config(w http.ResponseWriter, _ []string) error {
	if err := v.root("downloaded"); err != nil {
		return err
	}
	if v.Plan == nil {
		return errs.New(errs.NotFound, "this service keeps no templates")
	}
	there, err := v.Store.StackNodes(v.r.Context(), v.s.ID)
	if err != nil {
		return err
	}
	var nodes []plan.Node
	for _, n := range there {
		nodes = append(nodes, n.Node)
	}
	p, err := v.Plan(v.r.Context(), v.s.Whole(), nodes...)
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	o := configdownload.Options{Types: q["config_type"], Created: v.s.CreatedAt, Undercloud: map[string]any{}}
	for _, k := range underclouds() {
		if q.Get(k) != "" {
			o.Undercloud[k] = q.Get(k)
		}
	}
	files, err := configdownload.Make(p, nodes, o)
	if err != nil {
		return err
	}
	packed, err := configdownload.Pack(files)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/gzip")
	w.Header().Set("Cache-Control", "no-store") // passwords are in it
	_, _ = w.Write(packed)                      // the client is gone if this fails
	return nil
}
