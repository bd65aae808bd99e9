// Package api serves Heat's orchestration API v1 as far as python-heatclient
// and our own commands need it: stacks, events, resources, outputs.
package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// MaxBody is the largest request, in bytes: a whole template tree.
const MaxBody = 32 << 20

// Service is what the API asks for beyond reading rows.
type Service interface {
	// Create and Update check the plan before they accept it. Conflict: an action is under way.
	Create(ctx context.Context, name string, timeoutMins int, in stack.Input) (*stack.Stack, error)
	Update(ctx context.Context, ident string, timeoutMins int, in stack.Input) error
	Delete(ctx context.Context, ident string) error
	// Cancel ends the running action.
	Cancel(ctx context.Context, ident string) error
}

// Request is the body of a create or an update. Files hold the tree; the
// template is known by name, as in Heat's "files" map.
type Request struct {
	Name        string      `json:"stack_name"`
	TimeoutMins int         `json:"timeout_mins"`
	Input       stack.Input `json:"input"`
}

// Config wires the API.
type Config struct {
	Store   stack.Store
	Service Service
	Auth    func(http.Handler) http.Handler // nil: everybody may do everything
	Log     *slog.Logger
}

// New makes the handler.
func New(c Config) http.Handler {
	a := &api{c}
	auth := c.Auth
	if auth == nil {
		auth = func(h http.Handler) http.Handler { return h }
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", versions)
	route := func(pattern string, f func(http.ResponseWriter, *http.Request) error) {
		mux.Handle(pattern, auth(a.handler(f)))
	}
	const base = "/v1/{project}/stacks"
	route("GET "+base, a.list)
	route("POST "+base, a.create)
	route("GET "+base+"/detail", a.list)
	route(base+"/{name}", a.byName)
	route(base+"/{name}/{rest...}", a.byPath)
	route("/", func(http.ResponseWriter, *http.Request) error {
		return errs.New(errs.NotFound, "the resource could not be found")
	})
	return mux
}

type api struct{ Config }

func (a *api) handler(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		if err := f(w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

// fail writes Heat's error body. What is ours to mend is logged, not shown.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := errs.CodeOf(err)
	status, msg := errs.HTTPStatus(code), err.Error()
	if code == errs.Internal {
		a.Log.Error("orchestration request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		msg = "internal error; see the undercloud's log"
	}
	if h := errs.HintOf(err); h != "" {
		msg += "\nhint: " + h
	}
	reply(w, status, map[string]any{"code": status, "title": http.StatusText(status), "explanation": http.StatusText(status),
		"error": map[string]any{"message": msg, "traceback": nil, "type": string(code)}})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone if this fails
}

func versions(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusMultipleChoices, map[string]any{"versions": []any{map[string]any{
		"id": "v1.0", "status": "CURRENT", "links": []any{map[string]any{"rel": "self", "href": self(r) + "/v1/"}}}}})
}

func self(r *http.Request) string { return "http://" + r.Host }

func (a *api) list(w http.ResponseWriter, r *http.Request) error {
	all, err := a.Store.Stacks(r.Context())
	if err != nil {
		return err
	}
	out := []any{}
	for _, s := range all {
		out = append(out, a.stackBody(r, s))
	}
	reply(w, http.StatusOK, map[string]any{"stacks": out})
	return nil
}

func (a *api) create(w http.ResponseWriter, r *http.Request) error {
	req, err := decode(r.Body)
	if err != nil {
		return err
	}
	s, err := a.Service.Create(r.Context(), req.Name, req.TimeoutMins, req.Input)
	if err != nil {
		return err
	}
	reply(w, http.StatusCreated, map[string]any{"stack": map[string]any{"id": s.ID, "links": a.links(r, s)}})
	return nil
}

func decode(body io.Reader) (*Request, error) {
	var req Request
	if err := json.NewDecoder(body).Decode(&req); err != nil {
		return nil, errs.New(errs.Invalid, "the request is not valid JSON: %v", err)
	}
	return &req, nil
}

// byName serves /stacks/NAME: clients are sent on to the address with the id, as Heat does.
func (a *api) byName(w http.ResponseWriter, r *http.Request) error {
	s, err := a.Store.Stack(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return a.stack(w, r, s)
	}
	w.Header().Set("Location", a.href(r, s))
	reply(w, http.StatusFound, map[string]any{"code": 302, "title": "Found", "explanation": "The stack is at " + a.href(r, s)})
	return nil
}

// byPath serves what is below a stack, with and without the id in the path.
func (a *api) byPath(w http.ResponseWriter, r *http.Request) error {
	s, err := a.Store.Stack(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	parts := strings.Split(strings.Trim(r.PathValue("rest"), "/"), "/")
	if parts[0] == s.ID {
		parts = parts[1:]
	}
	if len(parts) == 0 {
		return a.stack(w, r, s)
	}
	switch parts[0] {
	case "events":
		return a.events(w, r, s)
	case "resources":
		return a.resources(w, r, s, parts[1:])
	case "outputs":
		return a.outputs(w, s, parts[1:])
	case "actions":
		return a.actions(w, r, s)
	case "nodes":
		return a.nodes(w, r, s)
	}
	return errs.New(errs.NotFound, "the resource could not be found")
}

func (a *api) stack(w http.ResponseWriter, r *http.Request, s *stack.Stack) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		reply(w, http.StatusOK, map[string]any{"stack": a.stackBody(r, s)})
		return nil
	case http.MethodPut, http.MethodPatch:
		req, err := decode(r.Body)
		if err != nil {
			return err
		}
		if err := a.Service.Update(r.Context(), s.ID, req.TimeoutMins, req.Input); err != nil {
			return err
		}
		reply(w, http.StatusAccepted, map[string]any{})
		return nil
	case http.MethodDelete:
		if err := a.Service.Delete(r.Context(), s.ID); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return errs.New(errs.Invalid, "method %s is not allowed on a stack", r.Method)
}

func (a *api) actions(w http.ResponseWriter, r *http.Request, s *stack.Stack) error {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return errs.New(errs.Invalid, "the request is not valid JSON: %v", err)
	}
	for k := range body {
		if strings.HasPrefix(k, "cancel") {
			if err := a.Service.Cancel(r.Context(), s.ID); err != nil {
				return err
			}
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
	}
	return errs.New(errs.Invalid, "unknown action; expected cancel_update or cancel_without_rollback")
}

func (a *api) href(r *http.Request, s *stack.Stack) string {
	return fmt.Sprintf("%s/v1/%s/stacks/%s/%s", self(r), r.PathValue("project"), s.Name, s.ID)
}

func (a *api) links(r *http.Request, s *stack.Stack) []any {
	return []any{map[string]any{"rel": "self", "href": a.href(r, s)}}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func atoi(s string, def int) int {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return n
	}
	return def
}

var _ Service = (*stack.Service)(nil)
