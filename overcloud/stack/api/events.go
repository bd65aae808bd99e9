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

// entry is an event as a client sees it: one that happened to a resource, or what
// happened at the same time to the stack that the resource stands for.
type entry struct {
	stack.Event
	own bool // of the nested stack
}

// OwnMark ends the id of a nested stack's own event.
const OwnMark = "s"

func (e entry) id() string {
	id := strconv.FormatInt(e.ID, 10)
	if e.own {
		id += OwnMark
	}
	return id
}

// events lists what happened in a stack and, as deep as nested_depth, below it.
func (v *view) events(w http.ResponseWriter, _ []string) error {
	depth, err := v.count("nested_depth")
	if err != nil {
		return err
	}
	return v.eventList(w, func(e entry) bool {
		rel, ok := v.inside(e.Resource)
		switch {
		case !ok:
			return false
		case rel == "": // the stack's own
			return e.own == (v.at.Parent != nil)
		case e.own:
			return strings.Count(rel, ".") < depth
		}
		return strings.Count(rel, ".") <= depth
	}, depth > 0)
}

// inside is an event's path below this stack; "" is the stack itself.
func (v *view) inside(path string) (string, bool) {
	if v.at.Path == "" || path == v.at.Path {
		return path[len(v.at.Path):], true
	}
	return strings.CutPrefix(path, v.at.Path+".")
}

// entries adds the events of nested stacks, which begin after their resource does
// and end before it. heatclient learns from them what is below what.
func (v *view) entries(evs []stack.Event) []entry {
	var out []entry
	for _, e := range evs {
		if e.Resource == "" || !stack.Nests(e.Resource) {
			out = append(out, entry{Event: e})
			continue
		}
		own := entry{e, true}
		act, state, _ := strings.Cut(e.Status, "_")
		switch state {
		case stack.InProgress:
			own.Reason = "Stack " + act + " started"
			out = append(out, entry{Event: e}, own)
			continue
		case stack.Complete:
			own.Reason = "Stack " + act + " completed successfully"
		default:
			own.Reason = "Resource " + act + " failed: " + e.Reason
		}
		out = append(out, own, entry{Event: e})
	}
	return out
}

// eventsOf serves the events of one resource, or one of them.
func (v *view) eventsOf(w http.ResponseWriter, path string, rest []string) error {
	if len(rest) == 0 {
		return v.eventList(w, func(e entry) bool { return e.Resource == path && !e.own }, false)
	}
	evs, err := v.Store.Events(v.r.Context(), v.s.ID, 0, 0)
	if err != nil {
		return err
	}
	for _, e := range v.entries(evs) {
		if e.Resource == path && e.id() == rest[0] {
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
func (v *view) eventList(w http.ResponseWriter, in func(entry) bool, nested bool) error {
	q := v.r.URL.Query()
	limit, err := v.count("limit")
	if err != nil {
		return err
	}
	marker, seen := q.Get("marker"), int64(0)
	if marker != "" {
		if seen, err = strconv.ParseInt(strings.TrimSuffix(marker, OwnMark), 10, 64); err != nil || seen < 0 {
			return errs.New(errs.Invalid, "Invalid value %q for marker: expected the id of an event", marker)
		}
	}
	keys, desc, after := q["sort_keys"], q.Get("sort_dir") == "desc", int64(0)
	if len(keys) == 0 && !desc && seen > 0 {
		after = seen - 1
	}
	evs, err := v.Store.Events(v.r.Context(), v.s.ID, after, 0)
	if err != nil {
		return err
	}
	f := v.filters("resource_status", "resource_action", "resource_name", "resource_type")
	list := slices.DeleteFunc(v.entries(evs), func(e entry) bool {
		return !in(e) || !f.pass(map[string]string{"resource_status": e.Status, "resource_action": action(e.Status),
			"resource_name": v.eventName(e), "resource_type": e.Type})
	})
	v.sortEvents(list, keys, desc)
	if i := slices.IndexFunc(list, func(e entry) bool { return e.id() == marker }); i >= 0 {
		list = list[i+1:]
	}
	if limit > 0 && limit < len(list) {
		list = list[:limit]
	}
	out := []any{}
	for _, e := range list {
		out = append(out, v.eventBody(e, nested))
	}
	reply(w, http.StatusOK, map[string]any{"events": out})
	return nil
}

// sortEvents sorts by the first key that is known, and by age; list is in order of age.
func (v *view) sortEvents(list []entry, keys []string, desc bool) {
	key := func(e entry) string {
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
	if desc {
		slices.Reverse(list)
	}
	sort.SliceStable(list, func(i, j int) bool {
		x, y := key(list[i]), key(list[j])
		return x != y && (x < y) != desc
	})
}

// eventName is the name of what an event is about: a resource, or a stack.
func (v *view) eventName(e entry) string {
	if e.own || e.Resource == "" {
		return stack.NestedName(v.s, e.Resource)
	}
	_, name := stack.Split(e.Resource)
	return name
}

// eventBody is an event in Heat's form. trefoil_path is ours: the dotted path
// below the deployment, which heatclient has to guess.
func (v *view) eventBody(e entry, nested bool) map[string]any {
	up, _ := stack.Split(e.Resource)
	physical := e.PhysicalID
	switch {
	case e.own || e.Resource == "":
		up, physical = e.Resource, stack.ResourceID(v.s.ID, e.Resource)
	case stack.Nests(e.Resource) && e.Status == stack.Create+"_"+stack.InProgress:
		physical = stack.NestedName(v.s, e.Resource) // as Heat does while the nested stack has no id yet
	case physical == "":
		physical = stack.PhysicalID(v.s.ID, e.Resource)
	}
	name := v.eventName(e)
	at := v.hrefOf(stack.NestedName(v.s, up), stack.ResourceID(v.s.ID, up))
	resource := at + "/resources/" + url.PathEscape(name)
	links := []any{link("self", resource+"/events/"+e.id()), link("resource", resource), link("stack", at)}
	if nested {
		links = append(links, link("root_stack", v.hrefOf(v.s.Name, v.s.ID)))
	}
	return map[string]any{
		"id": e.id(), "resource_name": name, "logical_resource_id": name, "physical_resource_id": physical,
		"resource_status": e.Status, "resource_status_reason": e.Reason, "event_time": stamp(e.Time), "links": links, "trefoil_path": e.Resource,
	}
}
