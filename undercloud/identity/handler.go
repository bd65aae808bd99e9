package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"trefoil/internal/baseurl"
	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
)

const maxBody = 1 << 20

// Handler returns the identity API.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.versions)
	mux.HandleFunc("GET /v3", s.version)
	mux.HandleFunc("POST /v3/auth/tokens", s.authenticate)
	s.route(mux, "GET /v3/auth/tokens", s.showToken)
	s.route(mux, "DELETE /v3/auth/tokens", s.revokeToken)
	s.route(mux, "GET /v3/auth/catalog", s.showCatalog)
	s.route(mux, "GET /v3/auth/projects", s.listProjects)
	for path, h := range map[string]rows{"roles": s.roleRows, "domains": s.domainRows,
		"regions": s.regionRows, "services": s.serviceRows, "endpoints": s.endpointRows} {
		s.route(mux, "GET /v3/"+path, s.list(h))
		s.route(mux, "GET /v3/"+path+"/{id}", s.show(h))
	}
	s.peopleRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, errs.New(errs.NotFound, "The resource could not be found."))
	})
	return trimSlash(mux)
}

// trimSlash makes /v3/ and /v3 the same address.
func trimSlash(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; len(p) > 1 && strings.HasSuffix(p, "/") {
			r2 := r.Clone(r.Context())
			r2.URL.Path = strings.TrimRight(p, "/")
			r2.URL.RawPath = ""
			r = r2
		}
		next.ServeHTTP(w, r)
	})
}

// handle answers a request with a valid token.
type handle = func(http.ResponseWriter, *http.Request, session) error

// route adds a handler that wants a valid token; what it stands for comes with the call.
func (s *Service) route(mux *http.ServeMux, pattern string, h handle) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c, err := s.check(r.Context(), r.Header.Get("X-Auth-Token"))
		if err == nil {
			err = h(w, r, c)
		} else {
			s.challenge(w, r)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Service) versions(w http.ResponseWriter, r *http.Request) {
	// Keystone answers 300 here; clients read the body whatever the status.
	writeJSON(w, http.StatusMultipleChoices, map[string]any{
		"versions": map[string]any{"values": []any{versionDoc(r)}}})
}

func (s *Service) version(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"version": versionDoc(r)})
}

func versionDoc(r *http.Request) map[string]any {
	return map[string]any{"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links":       []any{map[string]any{"rel": "self", "href": baseurl.Of(r) + "/v3/"}},
		"media-types": []any{map[string]any{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}}}
}

func (s *Service) authenticate(w http.ResponseWriter, r *http.Request) {
	var req authRequest
	if err := jsonbody.Object(r, maxBody, &req); err != nil {
		s.fail(w, r, err)
		return
	}
	c, err := s.issue(r, &req)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	text, err := s.sign(c.claims)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	body := s.body(c)
	if _, no := r.URL.Query()["nocatalog"]; no {
		delete(body, "catalog")
	}
	w.Header().Set("X-Subject-Token", text)
	writeJSON(w, http.StatusCreated, map[string]any{"token": body})
}

// subject finds the token that a request is about: the caller's own, or for an
// administrator anybody's.
func (s *Service) subject(r *http.Request, caller session) (string, session, error) {
	text := r.Header.Get("X-Subject-Token")
	c, err := s.check(r.Context(), text)
	if err == nil && c.User != caller.User && !s.admin(caller) {
		return "", c, forbidden("identity:validate_token")
	}
	return text, c, err
}

func forbidden(action string) error {
	return errs.New(errs.Forbidden, "You are not authorized to perform the requested action: %s.", action)
}

func (s *Service) showToken(w http.ResponseWriter, r *http.Request, caller session) error {
	text, c, err := s.subject(r, caller)
	if errs.Is(err, errs.Forbidden) {
		return err
	}
	if err != nil {
		return errs.New(errs.NotFound, "This is not a recognized token.")
	}
	w.Header().Set("X-Subject-Token", text)
	writeJSON(w, http.StatusOK, map[string]any{"token": s.body(c)})
	return nil
}

func (s *Service) revokeToken(w http.ResponseWriter, r *http.Request, caller session) error {
	text, c, err := s.subject(r, caller)
	if errs.Is(err, errs.Forbidden) {
		return err
	}
	if err != nil {
		return errs.New(errs.NotFound, "This is not a recognized token.")
	}
	if err := s.cfg.Revocations.Revoke(r.Context(), tokenID(text), c.expires()); err != nil {
		return fmt.Errorf("revoke token: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Service) showCatalog(w http.ResponseWriter, _ *http.Request, c session) error {
	writeJSON(w, http.StatusOK, map[string]any{"catalog": s.tokenCatalog(c.Project), "links": map[string]any{"next": nil}})
	return nil
}

// fail writes an error in Keystone's shape. What is our own fault is logged, not shown.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := errs.HTTPStatus(errs.CodeOf(err))
	msg := errs.Told(err)
	var e *errs.Error
	if code >= http.StatusInternalServerError {
		s.cfg.Log.Error("identity request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if !errors.As(err, &e) {
		msg = "An unexpected error prevented the server from fulfilling your request."
	}
	writeJSON(w, code, map[string]any{"error": map[string]any{
		"code": code, "title": http.StatusText(code), "message": msg}})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Vary", "X-Auth-Token")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone: nobody to tell
}
