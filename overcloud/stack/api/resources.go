package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// resources serves /resources, /resources/NAME and what is below a resource.
// NAME may be a dotted path, as our own commands print it.
func (v *view) resources(w http.ResponseWriter, rest []string) error {
	if len(rest) == 0 {
		return v.resourceList(w)
	}
	row := v.at.Row(rest[0])
	if row == nil {
		if len(rest) > 1 && rest[1] == "events" && rest[0] == v.at.Name {
			return v.eventsOf(w, "", rest[2:])
		}
		return errs.New(errs.NotFound, "The Resource (%s) could not be found in Stack %s.", rest[0], v.at.Name)
	}
	switch {
	case len(rest) == 1:
		body := v.resourceBody(row)
		if err := v.detail(body, row); err != nil {
			return err
		}
		reply(w, http.StatusOK, map[string]any{"resource": body})
		return nil
	case rest[1] == "metadata":
		reply(w, http.StatusOK, map[string]any{"metadata": map[string]any{}})
		return nil
	case rest[1] == "events":
		return v.eventsOf(w, row.Path, rest[2:])
	}
	return errs.New(errs.NotFound, "the resource could not be found")
}

// resourceKeys are what a list of resources can be filtered by.
var resourceKeys = []string{"name", "status", "type", "action", "id", "physical_resource_id"}

func (v *view) resourceList(w http.ResponseWriter) error {
	var unknown []string
	for k := range v.r.URL.Query() {
		if !slices.Contains(resourceKeys, k) && k != "nested_depth" && k != "with_detail" {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return errs.New(errs.Invalid, "Invalid filter parameters %s", strings.Join(unknown, ", ")).WithHint("known are: %s", strings.Join(resourceKeys, ", "))
	}
	depth, err := v.count("nested_depth")
	if err != nil {
		return err
	}
	f := v.filters(resourceKeys...)
	out := []any{}
	for _, row := range v.at.Deep(depth) {
		if !f.pass(map[string]string{"name": row.Name, "status": row.Status, "type": row.Type, "action": action(row.Status), "id": row.PhysicalID, "physical_resource_id": row.PhysicalID}) {
			continue
		}
		body := v.resourceBody(row)
		if truth(v.r.URL.Query().Get("with_detail")) {
			if err := v.detail(body, row); err != nil {
				return err
			}
		}
		out = append(out, body)
	}
	reply(w, http.StatusOK, map[string]any{"resources": out})
	return nil
}

func (v *view) resourceBody(row *stack.Row) map[string]any {
	at := v.href(row.Level)
	links := []any{link("self", at+"/resources/"+url.PathEscape(row.Name)), link("stack", at)}
	if row.Nested != nil {
		links = append(links, link("nested", v.href(row.Nested)))
	}
	body := map[string]any{
		"resource_name": row.Name, "logical_resource_id": row.Name, "physical_resource_id": row.PhysicalID, "resource_type": row.Type,
		"resource_status": row.Status, "resource_status_reason": row.Reason, "creation_time": stamp(v.s.CreatedAt), "updated_time": stamp(row.UpdatedAt),
		"required_by": []any{}, "links": links,
	}
	if up := row.Level.Resource(); up != "" {
		body["parent_resource"] = up
	}
	return body
}

// detail adds what only a single resource shows: of a server, its name and address.
func (v *view) detail(body map[string]any, row *stack.Row) error {
	attributes := map[string]any{}
	nodes, err := v.Store.StackNodes(v.r.Context(), v.s.ID)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if n.InstanceUUID != "" && n.InstanceUUID == row.PhysicalID {
			attributes = map[string]any{"name": n.Name, "addresses": map[string]any{"ctlplane": []any{map[string]any{"addr": n.Address, "version": 4}}},
				"networks": map[string]any{"ctlplane": []any{n.Address}}, "flavor": n.Flavor, "node_uuid": n.UUID}
		}
	}
	body["attributes"], body["description"] = attributes, ""
	return nil
}
