package compute

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/baseurl"
	"trefoil/internal/errs"
	"trefoil/undercloud/identity"
)

const maxBody = 1 << 20 // of a request, in bytes

// Handler returns the compute API. The caller guards it with identity.Middleware
// (open paths: "/", "/v2.1").
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"versions": []any{versionDoc(r)}})
	})
	mux.HandleFunc("GET /v2.1", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"version": versionDoc(r)})
	})
	s.flavorRoutes(mux)
	s.serverRoutes(mux)
	s.hostRoutes(mux)
	s.keypairRoutes(mux)
	s.route(mux, "GET /v2.1/extensions", func(w http.ResponseWriter, _ *http.Request) error {
		writeJSON(w, http.StatusOK, map[string]any{"extensions": []any{}})
		return nil
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, errs.New(errs.NotFound, "The resource could not be found."))
	})
	return s.microversion(mux)
}

// microversion accepts 2.1 only, says so in every answer, and refuses others as Nova does.
func (s *Service) microversion(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("OpenStack-API-Version", "compute 2.1")
		w.Header().Set("X-OpenStack-Nova-API-Version", "2.1")
		w.Header().Set("Vary", "OpenStack-API-Version, X-OpenStack-Nova-API-Version")
		want := r.Header.Get("X-OpenStack-Nova-API-Version")
		if v, ok := strings.CutPrefix(r.Header.Get("OpenStack-API-Version"), "compute "); ok {
			want = strings.TrimSpace(v)
		}
		if p := r.URL.Path; len(p) > 1 && strings.HasSuffix(p, "/") {
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = strings.TrimSuffix(p, "/"), ""
		}
		isRoot := r.URL.Path == "/" || r.URL.Path == "/v2.1"
		if want != "" && want != "2.1" && want != "latest" && !isRoot {
			s.fail(w, r, errs.New(errs.NotAcceptable, "Version %s is not supported by the API. Minimum is 2.1 and maximum is 2.1.", want))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func versionDoc(r *http.Request) map[string]any {
	return map[string]any{"id": "v2.1", "status": "CURRENT", "version": "2.1", "min_version": "2.1",
		"updated":     "2013-07-23T11:33:21Z",
		"links":       []any{map[string]any{"rel": "self", "href": baseurl.Of(r) + "/v2.1/"}},
		"media-types": []any{map[string]any{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}}}
}

func (s *Service) route(mux *http.ServeMux, pattern string, h func(http.ResponseWriter, *http.Request) error) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// fail answers in Nova's shape: the kind of failure is the key.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := errs.CodeOf(err)
	status, msg := errs.HTTPStatus(code), errs.Told(err)
	if status >= http.StatusInternalServerError {
		s.cfg.Log.Error("compute request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if code == errs.Internal {
		msg = "Unexpected API Error."
	}
	kind := map[errs.Code]string{errs.NotFound: "itemNotFound", errs.Conflict: "conflictingRequest",
		errs.Invalid: "badRequest", errs.Forbidden: "forbidden", errs.TooLarge: "overLimit"}[code]
	if kind == "" {
		kind = "computeFault"
	}
	writeJSON(w, status, map[string]any{kind: map[string]any{"code": status, "message": msg}})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone: nobody to tell
}

func selfLinks(r *http.Request, kind, id string) []any {
	base := baseurl.Of(r)
	return []any{map[string]any{"rel": "self", "href": base + "/v2.1/" + kind + "/" + id},
		map[string]any{"rel": "bookmark", "href": base + "/" + kind + "/" + id}}
}

// page cuts a list by the query's marker and limit; id gives an item's marker.
// next is the link to what follows, as Nova adds it to a list that was cut.
func page[T any](r *http.Request, list []T, id func(T) string) (out []T, next []any, err error) {
	q := r.URL.Query()
	if marker := q.Get("marker"); marker != "" {
		at := slices.IndexFunc(list, func(v T) bool { return id(v) == marker })
		if at < 0 {
			return nil, nil, errs.New(errs.Invalid, "marker [%s] not found", marker)
		}
		list = list[at+1:]
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, nil, errs.New(errs.Invalid, "Invalid input for query parameter limit: %q is not a natural number", text)
		}
		if n > 0 && n < len(list) {
			list = list[:n]
			q.Set("marker", id(list[n-1]))
			next = []any{map[string]any{"rel": "next", "href": baseurl.Of(r) + r.URL.Path + "?" + q.Encode()}}
		}
	}
	return list, next, nil
}

// cut adds the link to a list's answer when there is one.
func cut(kind string, items []any, next []any) map[string]any {
	out := map[string]any{kind: items}
	if next != nil {
		out[kind+"_links"] = next
	}
	return out
}

func caller(r *http.Request) identity.Identity {
	who, _ := identity.FromContext(r.Context())
	return who
}
