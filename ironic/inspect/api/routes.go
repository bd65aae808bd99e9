package inspectapi

import (
	"fmt"
	"net/http"
	"strconv"

	"trefoil/ironic/api/openapi"
)

// route is one operation of the API.
type route struct {
	pattern string // method and path, as http.ServeMux takes them
	handle  func(http.ResponseWriter, *http.Request) error
	public  bool // nobody is asked for credentials
	lenient bool // it is answered whatever version is asked for
}

// routes are all operations. Each has its entry in ironic/api/openapi/introspection, to which tests hold it.
func (s *server) routes() []route {
	return []route{
		{pattern: "GET /{$}", handle: s.root, public: true},
		{pattern: "GET /v1", handle: s.v1, public: true},
		{pattern: "GET " + openapi.Path, handle: s.openAPI, public: true, lenient: true},
		{pattern: "POST /v1/continue", handle: s.continued, public: true},
		{pattern: "GET /v1/introspection", handle: s.list},
		{pattern: "GET /v1/introspection/{node}", handle: s.status},
		{pattern: "POST /v1/introspection/{node}", handle: s.start},
		{pattern: "POST /v1/introspection/{node}/abort", handle: s.abort},
		{pattern: "GET /v1/introspection/{node}/data", handle: s.data},
		{pattern: "GET /v1/introspection/{node}/data/unprocessed", handle: s.unprocessed},
		{pattern: "POST /v1/introspection/{node}/data/unprocessed", handle: s.reprocess},
		{pattern: "GET /v1/rules", handle: s.listRules},
		{pattern: "POST /v1/rules", handle: s.createRule},
		{pattern: "DELETE /v1/rules", handle: s.deleteRules},
		{pattern: "GET /v1/rules/{rule}", handle: s.showRule},
		{pattern: "DELETE /v1/rules/{rule}", handle: s.deleteRule},
	}
}

// openAPI answers with the OpenAPI document of this API.
func (s *server) openAPI(w http.ResponseWriter, r *http.Request) error {
	d, err := s.document()
	if err != nil {
		return fmt.Errorf("load the OpenAPI document: %w", err)
	}
	d.Serve(w, r)
	return nil
}

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

func (s *server) root(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Link", openapi.Link(s.base(r)))
	return send(w, http.StatusOK, map[string]any{"versions": []any{map[string]any{
		"id": "1." + strconv.Itoa(maxMinor), "status": "CURRENT", "links": []link{{"self", s.base(r) + "/v1"}}}}})
}

func (s *server) v1(w http.ResponseWriter, r *http.Request) error {
	var resources []any
	for _, name := range []string{"introspection", "continue", "rules"} {
		resources = append(resources, map[string]any{"name": name, "links": []link{{"self", s.base(r) + "/v1/" + name}}})
	}
	return send(w, http.StatusOK, map[string]any{"resources": resources})
}
