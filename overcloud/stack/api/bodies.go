package api

import (
	"net/http"
	"sort"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// secretOutput tells which outputs are shown only when asked for by name.
func secretOutput(key string) bool { return key == "AdminPassword" }

func (a *api) stackBody(r *http.Request, s *stack.Stack) map[string]any {
	var updated any
	if s.UpdatedAt != nil {
		updated = stamp(*s.UpdatedAt)
	}
	outputs := []any{}
	for _, k := range outputKeys(s) {
		if !secretOutput(k) {
			outputs = append(outputs, outputBody(s, k))
		}
	}
	return map[string]any{
		"id": s.ID, "stack_name": s.Name, "description": "", "stack_status": s.Status(), "stack_status_reason": s.Reason,
		"creation_time": stamp(s.CreatedAt), "updated_time": updated, "deletion_time": nil, "timeout_mins": s.TimeoutMins,
		"disable_rollback": true, "parameters": map[string]any{"OS::stack_id": s.ID, "OS::stack_name": s.Name},
		"outputs": outputs, "capabilities": []any{}, "notification_topics": []any{}, "tags": nil, "parent": nil,
		"stack_owner": "admin", "stack_user_project_id": nil, "template_description": "", "links": a.links(r, s),
		"trefoil_failures": s.Failures, "trefoil_summary": s.Summary,
	}
}

func outputKeys(s *stack.Stack) []string {
	keys := make([]string, 0, len(s.Outputs))
	for k := range s.Outputs {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func outputBody(s *stack.Stack, key string) map[string]any {
	return map[string]any{"output_key": key, "output_value": s.Outputs[key], "description": ""}
}

func (a *api) outputs(w http.ResponseWriter, s *stack.Stack, rest []string) error {
	if len(rest) > 0 {
		if _, ok := s.Outputs[rest[0]]; !ok {
			return errs.New(errs.NotFound, "output %s of stack %s could not be found", rest[0], s.Name)
		}
		reply(w, http.StatusOK, map[string]any{"output": outputBody(s, rest[0])})
		return nil
	}
	out := []any{}
	for _, k := range outputKeys(s) {
		out = append(out, map[string]any{"output_key": k, "description": ""})
	}
	reply(w, http.StatusOK, map[string]any{"outputs": out})
	return nil
}

// events lists what happened, oldest first; marker is the id of the last event seen.
func (a *api) events(w http.ResponseWriter, r *http.Request, s *stack.Stack) error {
	q := r.URL.Query()
	after := int64(atoi(q.Get("marker"), 0))
	evs, err := a.Store.Events(r.Context(), s.ID, after, atoi(q.Get("limit"), 0))
	if err != nil {
		return err
	}
	if strings.HasPrefix(q.Get("sort_dir"), "desc") {
		for i, j := 0, len(evs)-1; i < j; i, j = i+1, j-1 {
			evs[i], evs[j] = evs[j], evs[i]
		}
	}
	out := []any{}
	for _, e := range evs {
		out = append(out, a.eventBody(r, s, e))
	}
	reply(w, http.StatusOK, map[string]any{"events": out})
	return nil
}

func (a *api) eventBody(r *http.Request, s *stack.Stack, e stack.Event) map[string]any {
	name, physical := e.Resource, e.PhysicalID
	if name == "" {
		name, physical = s.Name, s.ID
	}
	id := strconv.FormatInt(e.ID, 10)
	return map[string]any{
		"id": id, "resource_name": name, "logical_resource_id": name, "physical_resource_id": physical,
		"resource_status": e.Status, "resource_status_reason": e.Reason, "event_time": stamp(e.Time), "resource_type": e.Type,
		"links": []any{
			map[string]any{"rel": "self", "href": a.href(r, s) + "/resources/" + name + "/events/" + id},
			map[string]any{"rel": "resource", "href": a.href(r, s) + "/resources/" + name},
			map[string]any{"rel": "stack", "href": a.href(r, s)},
		},
	}
}

func (a *api) resources(w http.ResponseWriter, r *http.Request, s *stack.Stack, rest []string) error {
	rows, err := a.Store.Resources(r.Context(), s.ID)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		for _, x := range rows {
			if x.Name == rest[0] {
				reply(w, http.StatusOK, map[string]any{"resource": a.resourceBody(r, s, x)})
				return nil
			}
		}
		return errs.New(errs.NotFound, "the resource (%s) could not be found in stack %s", rest[0], s.Name)
	}
	// Like Heat, show what is nested only as deep as asked.
	depth := atoi(r.URL.Query().Get("nested_depth"), 0)
	out := []any{}
	for _, x := range rows {
		if strings.Count(x.Name, ".") <= depth {
			out = append(out, a.resourceBody(r, s, x))
		}
	}
	reply(w, http.StatusOK, map[string]any{"resources": out})
	return nil
}

func (a *api) resourceBody(r *http.Request, s *stack.Stack, x stack.Resource) map[string]any {
	return map[string]any{
		"resource_name": x.Name, "logical_resource_id": x.Name, "physical_resource_id": x.PhysicalID, "resource_type": x.Type,
		"resource_status": x.Status, "resource_status_reason": x.Reason, "creation_time": stamp(x.UpdatedAt), "updated_time": stamp(x.UpdatedAt),
		"required_by": []any{}, "attributes": map[string]any{}, "description": "",
		"links": []any{
			map[string]any{"rel": "self", "href": a.href(r, s) + "/resources/" + x.Name},
			map[string]any{"rel": "stack", "href": a.href(r, s)},
		},
	}
}

// nodes is ours: which machine is what, where, and with which SSH host key.
func (a *api) nodes(w http.ResponseWriter, r *http.Request, s *stack.Stack) error {
	ns, err := a.Store.StackNodes(r.Context(), s.ID)
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
