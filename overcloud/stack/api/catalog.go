package api

import (
	"net/http"
	"os"
	"regexp"
	"strconv"
	"time"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/stack/eval"
)

func resourceTypes(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	match, err := regexp.Compile(q.Get("name"))
	if err != nil {
		return errs.New(errs.Invalid, "filter name=%q is not a regular expression: %v", q.Get("name"), err)
	}
	out := []any{}
	for _, t := range eval.Types() {
		switch s := q.Get("support_status"); {
		case !match.MatchString(t) || s != "" && s != "SUPPORTED":
		case truth(q.Get("with_description")):
			out = append(out, map[string]any{"resource_type": t, "description": typeDescription(t)})
		default:
			out = append(out, t)
		}
	}
	reply(w, http.StatusOK, map[string]any{"resource_types": out})
	return nil
}

// typeDescription says what a deployment makes of resources of a built-in type.
func typeDescription(t string) string {
	switch properties, _, _ := eval.Schema(t); {
	case t == "OS::Heat::None":
		return "Stands for what is left out."
	case properties == nil:
		return "Accepted in templates; nothing is made of it."
	}
	return "Planned as a template asks for it."
}

// resourceType shows one type with the names of its properties and attributes.
func resourceType(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("type")
	properties, attributes, ok := eval.Schema(name)
	if !ok {
		return errs.New(errs.NotFound, "The Resource Type (%s) could not be found%s", name, nearest.Hint(name, eval.Types()))
	}
	named := func(names []string) map[string]any {
		out := map[string]any{}
		for _, n := range names {
			out[n] = map[string]any{}
		}
		return out
	}
	body := map[string]any{"resource_type": name, "properties": named(properties), "attributes": named(attributes),
		"support_status": map[string]any{"status": "SUPPORTED", "message": nil, "version": nil, "previous_status": nil}}
	if truth(r.URL.Query().Get("with_description")) {
		body["description"] = typeDescription(name)
	}
	reply(w, http.StatusOK, body)
	return nil
}

func (a *api) buildInfo(w http.ResponseWriter, _ *http.Request) error {
	revision := map[string]any{"revision": a.Version}
	reply(w, http.StatusOK, map[string]any{"api": revision, "engine": revision})
	return nil
}

// services tells of the one engine there is: this process.
func (a *api) services(w http.ResponseWriter, _ *http.Request) error {
	now := time.Now()
	reply(w, http.StatusOK, map[string]any{"services": []any{map[string]any{
		"id": a.Host, "hostname": a.Host, "binary": "undercloud", "engine_id": strconv.Itoa(os.Getpid()), "host": a.Host, "topic": "engine",
		"created_at": stamp(now), "updated_at": stamp(now), "deleted_at": nil, "report_interval": 60, "status": "up"}}})
	return nil
}
