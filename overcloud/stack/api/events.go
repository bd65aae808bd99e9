package api

import (
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// events lists what happened in a stack and, as deep as nested_depth, below it.
func (v *view) events(w http.ResponseWriter, _ []string) error {
	depth, err := v.count("nested_depth")
	if err != nil {
		return err
	}
	return v.eventList(w, func(path string) bool {
		rel, ok := v.inside(path)
		return ok && strings.Count(rel, ".") <= depth
	}, depth > 0)
}

// inside is an event's path below this stack; "" is the stack itself.
func (v *view) inside(path string) (string, bool) {
	if v.at.Path == "" {
		return path, true
	}
	return strings.CutPrefix(path, v.at.Path+".")
}

// eventsOf serves the events of one resource, or one of them.
func (v *view) eventsOf(w http.ResponseWriter, path string, rest []string) error {
	if len(rest) == 0 {
		return v.eventList(w, func(p string) bool { return p == path }, false)
	}
	evs, err := v.Store.Events(v.r.Context(), v.s.ID, 0, 0)
	if err != nil {
		return err
	}
	for _, e := range evs {
		if e.Resource == path && strconv.FormatInt(e.ID, 10) == rest[0] {
			body := v.eventBody(e, false)
			body["resource_type"], body["resource_properties"] = e.Type, map[string]any{}
			reply(w, http.StatusOK, map[string]any{"event": body})
			return nil
		}
	}
	return errs.New(errs.NotFound, "No event %s found", rest[0])
}

// eventList selects, sorts and cuts as the query says. marker is the last event
// that the client has seen; what comes after it in the chosen order is listed.
func (v *view) eventList(w http.ResponseWriter, in func(path string) bool, nested bool) error {
	q := v.r.URL.Query()
	limit, err := v.count("limit")
	if err != nil {
		return err
	}
	marker, err := v.count("marker")
	if err != nil {
		return err
	}
	keys := q["sort_keys"]
	desc := q.Get("sort_dir") == "desc"
	after := int64(0)
	if len(keys) == 0 && !desc {
		after = int64(marker)
	}
	evs, err := v.Store.Events(v.r.Context(), v.s.ID, after, 0)
	if err != nil {
		return err
	}
	f := v.filters("resource_status", "resource_action", "resource_name", "resource_type")
	evs = slices.DeleteFunc(evs, func(e stack.Event) bool {
		return !in(e.Resource) || !f.pass(map[string]string{"resource_status": e.Status, "resource_action": action(e.Status),
			"resource_name": v.eventName(e), "resource_type": e.Type})
	})
	v.sortEvents(evs, keys, desc)
	if i := slices.IndexFunc(evs, func(e stack.Event) bool { return e.ID == int64(marker) }); i >= 0 {
		evs = evs[i+1:]
	}
	if limit > 0 && limit < len(evs) {
		evs = evs[:limit]
	}
	out := []any{}
	for _, e := range evs {
		out = append(out, v.eventBody(e, nested))
	}
	reply(w, http.StatusOK, map[string]any{"events": out})
	return nil
}

// sortEvents sorts by the first key that is known, and by age.
func (v *view) sortEvents(evs []stack.Event, keys []string, desc bool) {
	key := func(e stack.Event) string {
		for _, k := range keys {
			switch k {
			case "resource_name", "logical_resource_id":
				return v.eventName(e)
			case "resource_status":
				return e.Status
			case "resource_status_reason":
				return e.Reason
			case "physical_resource_id":
				return e.PhysicalID
			case "resource_type":
				return e.Type
			}
		}
		return ""
	}
	sort.SliceStable(evs, func(i, j int) bool {
		x, y := key(evs[i]), key(evs[j])
		if x == y {
			return (evs[i].ID < evs[j].ID) != desc
		}
		return (x < y) != desc
	})
}

// eventName is the name of what an event is about; the stack's own is the stack's.
func (v *view) eventName(e stack.Event) string {
	if e.Resource == "" {
		return v.s.Name
	}
	_, name := stack.Split(e.Resource)
	return name
}

// eventBody is an event in Heat's form. trefoil_path is ours: the dotted path
// below the deployment, which heatclient has to guess.
func (v *view) eventBody(e stack.Event, nested bool) map[string]any {
	up, _ := stack.Split(e.Resource)
	name, physical := v.eventName(e), e.PhysicalID
	if e.Resource == "" {
		physical = v.s.ID
	} else if physical == "" {
		physical = stack.PhysicalID(v.s.ID, e.Resource)
	}
	id := strconv.FormatInt(e.ID, 10)
	at := v.hrefOf(stack.NestedName(v.s, up), stack.ResourceID(v.s.ID, up))
	resource := at + "/resources/" + url.PathEscape(name)
	links := []any{link("self", resource+"/events/"+id), link("resource", resource), link("stack", at)}
	if nested {
		links = append(links, link("root_stack", v.hrefOf(v.s.Name, v.s.ID)))
	}
	return map[string]any{
		"id": id, "resource_name": name, "logical_resource_id": name, "physical_resource_id": physical,
		"resource_status": e.Status, "resource_status_reason": e.Reason, "event_time": stamp(e.Time), "links": links, "trefoil_path": e.Resource,
	}
}
