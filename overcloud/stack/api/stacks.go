package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// list serves `stack list`: newest first, as Heat does.
func (a *api) list(w http.ResponseWriter, r *http.Request) error {
	all, err := a.Store.Stacks(r.Context())
	if err != nil {
		return err
	}
	q := r.URL.Query()
	nested := truth(q.Get("show_nested"))
	var views []*view
	for _, s := range all {
		v := &view{api: a, r: r, s: s, at: &stack.Level{ID: s.ID, Name: s.Name, Status: s.Status(), Reason: s.Reason}}
		if !nested {
			views = append(views, v)
			continue
		}
		if v.tree, err = a.tree(r.Context(), s); err != nil {
			return err
		}
		for _, l := range v.tree.Levels() {
			views = append(views, &view{a, r, s, v.tree, l})
		}
	}
	if q.Get("tags") != "" || q.Get("tags_any") != "" {
		views = nil // nothing here has tags
	}
	if views, err = page(r, views); err != nil {
		return err
	}
	out := []any{}
	for _, v := range views {
		out = append(out, v.summary())
	}
	reply(w, http.StatusOK, map[string]any{"stacks": out, "count": len(out)})
	return nil
}

// page filters, sorts and cuts a list of stacks as the query says.
func page(r *http.Request, views []*view) ([]*view, error) {
	q := r.URL.Query()
	probe := &view{r: r}
	f := probe.filters("id", "name", "stack_name", "status", "stack_status", "action", "stack_action", "username", "stack_owner", "owner_id", "parent")
	kept := slices.DeleteFunc(slices.Clone(views), func(v *view) bool {
		parent := ""
		if v.at.Parent != nil {
			parent = v.at.Parent.ID
		}
		return !f.pass(map[string]string{"id": v.at.ID, "name": v.at.Name, "stack_name": v.at.Name, "status": v.at.Status, "stack_status": v.at.Status,
			"action": action(v.at.Status), "stack_action": action(v.at.Status), "username": owner, "stack_owner": owner, "owner_id": parent, "parent": parent})
	})
	keys := q["sort_keys"]
	desc := q.Get("sort_dir") == "desc" || len(keys) == 0 && q.Get("sort_dir") == ""
	key := func(v *view) string {
		for _, k := range keys {
			switch k {
			case "stack_name", "name":
				return v.at.Name
			case "stack_status", "status":
				return v.at.Status
			case "updated_time", "updated_at":
				return stamp(v.at.Updated)
			}
		}
		return v.s.CreatedAt.UTC().Format(time.RFC3339Nano)
	}
	sort.SliceStable(kept, func(i, j int) bool {
		if x, y := key(kept[i]), key(kept[j]); x != y {
			return (x < y) != desc
		}
		return false
	})
	if m := q.Get("marker"); m != "" {
		if i := slices.IndexFunc(kept, func(v *view) bool { return v.at.ID == m }); i >= 0 {
			kept = kept[i+1:]
		}
	}
	limit, err := probe.count("limit")
	if err == nil && limit > 0 && limit < len(kept) {
		kept = kept[:limit]
	}
	return kept, err
}

func truth(s string) bool {
	return slices.Contains([]string{"true", "1", "yes", "t"}, strings.ToLower(s))
}

// owner is the one user of this service.
const owner = "admin"

// summary is a stack in a list.
func (v *view) summary() map[string]any {
	var updated, parent any
	if v.at.Parent != nil {
		parent = v.at.Parent.ID
		updated = stamp(v.at.Updated)
	} else if v.s.UpdatedAt != nil {
		updated = stamp(*v.s.UpdatedAt)
	}
	return map[string]any{
		"id": v.at.ID, "stack_name": v.at.Name, "description": "", "stack_status": v.at.Status, "stack_status_reason": v.at.Reason,
		"creation_time": stamp(v.s.CreatedAt), "updated_time": updated, "deletion_time": nil, "project": v.r.PathValue("project"),
		"stack_owner": owner, "parent": parent, "stack_user_project_id": nil, "tags": nil, "links": []any{link("self", v.href(v.at))},
	}
}

// show serves `stack show`. Secret outputs are not in it.
func (v *view) show(w http.ResponseWriter, _ []string) error {
	body := v.summary()
	delete(body, "project")
	params := map[string]any{"OS::stack_id": v.at.ID, "OS::stack_name": v.at.Name, "OS::project_id": v.r.PathValue("project")}
	description := ""
	if d := v.described.of(v.r.Context(), v.s); d != nil && v.at.Parent == nil {
		for name, text := range d.Parameters {
			params[name] = text
		}
		description, _ = d.Template["description"].(string)
	}
	for k, x := range map[string]any{"parameters": params, "description": description, "template_description": description, "capabilities": []any{},
		"notification_topics": []any{}, "timeout_mins": v.s.TimeoutMins, "disable_rollback": true} {
		body[k] = x
	}
	if q := v.r.URL.Query(); q.Get("resolve_outputs") == "" || truth(q.Get("resolve_outputs")) {
		outputs := []any{}
		for _, k := range v.outputNames() {
			if !v.s.SecretOutput(k) {
				outputs = append(outputs, v.output(k))
			}
		}
		body["outputs"] = outputs
	}
	reply(w, http.StatusOK, map[string]any{"stack": body})
	return nil
}

// noTemplate is the answer to clients that bring a template of their own.
func noTemplate() error {
	return errs.New(errs.Invalid, "a stack is made by a deployment, not from a single template").
		WithHint("openstack overcloud deploy --templates …; to see what a template needs: openstack orchestration template validate")
}

func (a *api) create(w http.ResponseWriter, r *http.Request) error {
	var req Request
	if err := decode(r, &req); err != nil {
		return err
	}
	if req.Input == nil {
		return noTemplate()
	}
	s, err := a.Service.Create(r.Context(), req.Name, req.TimeoutMins, *req.Input)
	if err != nil {
		return err
	}
	v := &view{api: a, r: r, s: s}
	reply(w, http.StatusCreated, map[string]any{"stack": map[string]any{"id": s.ID, "links": []any{link("self", v.hrefOf(s.Name, s.ID))}}})
	return nil
}

func (v *view) update(w http.ResponseWriter, _ []string) error {
	var req Request
	if err := decode(v.r, &req); err != nil {
		return err
	}
	if err := v.root("updated"); err != nil {
		return err
	}
	if req.Input == nil {
		return noTemplate()
	}
	if err := v.Service.Update(v.r.Context(), v.s.ID, req.TimeoutMins, *req.Input); err != nil {
		return err
	}
	reply(w, http.StatusAccepted, map[string]any{})
	return nil
}

func (v *view) remove(w http.ResponseWriter, _ []string) error {
	if err := v.root("deleted"); err != nil {
		return err
	}
	if err := v.Service.Delete(v.r.Context(), v.s.ID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// actions serves `stack cancel`, and says why nothing else is done.
func (v *view) actions(w http.ResponseWriter, _ []string) error {
	var body map[string]json.RawMessage
	if err := decode(v.r, &body); err != nil {
		return err
	}
	for what, instead := range map[string]string{"suspend": "to switch machines off: openstack baremetal node power off",
		"resume": "to switch machines on: openstack baremetal node power on", "check": "run the same openstack overcloud deploy again: it changes only what differs"} {
		if _, ok := body[what]; ok {
			return v.refuse("stack "+what, instead)(w, nil)
		}
	}
	_, a := body["cancel_update"]
	_, b := body["cancel_without_rollback"]
	if !a && !b {
		return errs.New(errs.Invalid, "unknown action; expected cancel_update or cancel_without_rollback")
	}
	if err := v.root("cancelled"); err != nil {
		return err
	}
	if err := v.Service.Cancel(v.r.Context(), v.s.ID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// outcome is ours: what the last action did, and why it failed.
func (v *view) outcome(w http.ResponseWriter, _ []string) error {
	reply(w, http.StatusOK, map[string]any{"outcome": map[string]any{"failures": v.s.Failures, "summary": v.s.Summary}})
	return nil
}

// nodes is ours: which machine is what, where, and with which SSH host key.
func (v *view) nodes(w http.ResponseWriter, _ []string) error {
	ns, err := v.Store.StackNodes(v.r.Context(), v.s.ID)
	if err != nil {
		return err
	}
	out := []any{}
	for _, n := range ns {
		out = append(out, map[string]any{"name": n.Name, "role": n.Role, "index": n.Index, "address": n.Address, "node_uuid": n.UUID,
			"instance_uuid": n.InstanceUUID, "host_key": n.HostKey, "flavor": n.Flavor})
	}
	reply(w, http.StatusOK, map[string]any{"nodes": out})
	return nil
}
