package network

import (
	"encoding/json"
	"net/http"
	"strings"

	"trefoil/internal/baseurl"
	"trefoil/internal/errs"
	"trefoil/undercloud/identity"
)

// Handler returns the network API. The caller guards it with identity.Middleware
// (open path: "/").
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.versions)
	mux.HandleFunc("GET /v2.0", s.resources)
	s.route(mux, "GET /v2.0/extensions", s.extensions)
	s.route(mux, "GET /v2.0/extensions/{id}", s.extension)
	s.route(mux, "GET /v2.0/agents", empty("agents"))
	s.route(mux, "GET /v2.0/routers", empty("routers"))
	s.route(mux, "GET /v2.0/floatingips", empty("floatingips"))
	s.route(mux, "GET /v2.0/security-groups", empty("security_groups"))
	s.route(mux, "GET /v2.0/availability_zones", empty("availability_zones"))
	for _, k := range s.kinds() {
		s.route(mux, "GET /v2.0/"+k.plural, s.list(k))
		s.route(mux, "POST /v2.0/"+k.plural, s.create(k))
		s.route(mux, "GET /v2.0/"+k.plural+"/{id}", s.show(k))
		s.route(mux, "PUT /v2.0/"+k.plural+"/{id}", s.update(k))
		s.route(mux, "DELETE /v2.0/"+k.plural+"/{id}", s.remove(k))
		s.route(mux, "PUT /v2.0/"+k.plural+"/{id}/tags", s.tags(k))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, errs.New(errs.NotFound, "The resource could not be found."))
	})
	return trim(mux)
}

// trim makes /v2.0/ and /v2.0, /networks.json and /networks the same address.
func trim(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := strings.TrimSuffix(r.URL.Path, ".json")
		if len(p) > 1 {
			p = strings.TrimSuffix(p, "/")
		}
		if p != r.URL.Path {
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = p, ""
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Service) route(mux *http.ServeMux, pattern string, h func(http.ResponseWriter, *http.Request) error) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Service) versions(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"versions": []any{map[string]any{"id": "v2.0", "status": "CURRENT",
		"links": []any{map[string]any{"rel": "self", "href": baseurl.Of(r) + "/v2.0/"}}}}})
}

func (s *Service) resources(w http.ResponseWriter, r *http.Request) {
	var out []any
	for _, k := range s.kinds() {
		out = append(out, map[string]any{"name": k.singular, "collection": k.plural,
			"links": []any{map[string]any{"rel": "self", "href": baseurl.Of(r) + "/v2.0/" + k.plural}}})
	}
	writeJSON(w, http.StatusOK, map[string]any{"resources": out})
}

// extensionList names what Neutron calls extensions and this package really does.
func extensionList() [][2]string {
	return [][2]string{
		{"provider", "Provider Network"}, {"net-mtu", "Network MTU"}, {"net-mtu-writable", "Network MTU (writable)"},
		{"binding", "Port Binding"}, {"external-net", "Neutron external network"},
		{"standard-attr-description", "standard-attr-description"}, {"standard-attr-revisions", "Resource revision numbers"},
		{"standard-attr-timestamp", "Resource timestamps"}, {"standard-attr-tag", "Tag support for resources with standard attribute: network, port, subnet"},
		{"agent", "agent"},
	}
}

func (s *Service) extensions(w http.ResponseWriter, _ *http.Request) error {
	var out []any
	for _, e := range extensionList() {
		out = append(out, extensionView(e))
	}
	writeJSON(w, http.StatusOK, map[string]any{"extensions": out})
	return nil
}

func extensionView(e [2]string) map[string]any {
	return map[string]any{"alias": e[0], "name": e[1], "description": e[1], "links": []any{}, "updated": "2016-01-01T00:00:00-00:00"}
}

func (s *Service) extension(w http.ResponseWriter, r *http.Request) error {
	for _, e := range extensionList() {
		if e[0] == r.PathValue("id") {
			writeJSON(w, http.StatusOK, map[string]any{"extension": extensionView(e)})
			return nil
		}
	}
	return errs.New(errs.NotFound, "Extension with alias %s does not exist", r.PathValue("id"))
}

// empty answers a collection that exists in Neutron and of which an undercloud has none.
func empty(name string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		writeJSON(w, http.StatusOK, map[string]any{name: []any{}})
		return nil
	}
}

func project(r *http.Request) string {
	who, _ := identity.FromContext(r.Context())
	return who.ProjectID
}

// fail answers in Neutron's shape.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := errs.CodeOf(err)
	status, msg := errs.HTTPStatus(code), errs.Told(err)
	if status >= http.StatusInternalServerError {
		s.cfg.Log.Error("network request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if code == errs.Internal {
		msg = "Request Failed: internal server error while processing your request."
	}
	kind := map[errs.Code]string{errs.NotFound: "NotFound", errs.Conflict: "Conflict", errs.Invalid: "HTTPBadRequest",
		errs.TooLarge: "HTTPRequestEntityTooLarge"}[code]
	if kind == "" {
		kind = "HTTPInternalServerError"
	}
	writeJSON(w, status, map[string]any{"NeutronError": map[string]any{
		"type": kind, "message": msg, "detail": errs.HintOf(err)}})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone: nobody to tell
}
