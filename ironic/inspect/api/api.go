// Package inspectapi is the introspection API v1 (ironic-inspector's) over the
// same nodes that the bare-metal API serves. It keeps nothing of its own but rules:
// what it says is derived from a node's provision state, times and inventory.
//
// Source of the facts: ironic-inspector's API reference, versions 1.0 to 1.18.
package inspectapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"trefoil/internal/baseurl"
	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/openapi"
	"trefoil/ironic/audit"
	"trefoil/ironic/policy"
)

// Config says what the API stands on.
type Config struct {
	Store     ironic.Store
	Conductor api.Conductor
	// Auth guards all but /, /v1, /openapi.json and /v1/continue. Nil means noauth.
	Auth    func(http.Handler) http.Handler
	Caller  func(context.Context) policy.Caller // who sent a request that Auth let in, for Audit; may be nil
	Audit   audit.Log                           // of requests that may change something; the zero value: none
	BaseURL string                              // what links start with; empty: the request's Host
	Log     *slog.Logger                        // nil: slog.Default()
	Now     func() time.Time                    // nil: time.Now
}

type server struct {
	Config
	document func() (openapi.Document, error) // put together when it is first asked for
}

// The range of versions, as minors of 1.
const (
	minMinor = 0
	maxMinor = 18
)

// payloadLimit bounds what a ramdisk may post: an inventory and its logs.
const payloadLimit = 32 << 20

// maxDepth is how deep the objects and lists of a body may be nested, as in the bare-metal API.
const maxDepth = 64

// New makes the handler of the whole API, from "/" on.
func New(cfg Config) http.Handler {
	s := &server{Config: cfg, document: sync.OnceValues(openapi.LoadIntrospection)}
	if s.Log == nil {
		s.Log = slog.Default()
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	guarded, public := http.NewServeMux(), http.NewServeMux()
	for _, rt := range s.routes() {
		if rt.public {
			s.handle(public, rt)
		} else {
			s.handle(guarded, rt)
		}
	}
	s.handle(guarded, route{pattern: "/", handle: notFound})
	var inner http.Handler = guarded
	if s.Auth != nil {
		inner = s.Auth(inner)
	}
	public.Handle("/", inner)
	return s.outermost(public)
}

func notFound(http.ResponseWriter, *http.Request) error {
	return errs.New(errs.NotFound, "Resource could not be found.")
}

// outermost gives requests an id, survives panics and forgives a trailing slash.
func (s *server) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := "req-" + uuid.NewString()
		w.Header().Set("X-Openstack-Request-Id", id)
		ctx, logChange := s.Audit.Begin(r.Context(), r, id)
		rec := &recorder{ResponseWriter: w}
		defer func() { logChange(rec.status, rec.Header()) }()
		w, r = rec, r.WithContext(ctx)
		defer func() {
			if p := recover(); p != nil {
				s.Log.Error("introspection API panicked", "request_id", id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				s.fail(w, r, errors.New("panic"))
			}
		}()
		if len(r.URL.Path) > 1 && strings.HasSuffix(r.URL.Path, "/") {
			u := *r.URL
			u.Path, u.RawPath = "/"+strings.Trim(u.Path, "/"), ""
			r = r.Clone(r.Context())
			r.URL = &u
		}
		next.ServeHTTP(w, r)
	})
}

// recorder remembers the status for the audit log.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// handle negotiates the version before the route's handler and sends its error.
func (s *server) handle(m *http.ServeMux, rt route) {
	m.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-OpenStack-Ironic-Inspector-API-Minimum-Version", "1."+strconv.Itoa(minMinor))
		w.Header().Set("X-OpenStack-Ironic-Inspector-API-Maximum-Version", "1."+strconv.Itoa(maxMinor))
		if s.Caller != nil {
			caller := s.Caller(r.Context())
			audit.Note(r.Context(), func(t *audit.Trail) { t.Caller = caller })
			r = r.WithContext(ironic.WithUser(r.Context(), caller.UserID))
		}
		var err error
		if !rt.lenient {
			err = checkVersion(r.Header.Get("X-OpenStack-Ironic-Inspector-API-Version"))
		}
		if err == nil {
			err = rt.handle(w, r)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// checkVersion takes any version of the range; without the header it is the newest.
func checkVersion(header string) error {
	if header == "" || strings.EqualFold(header, "latest") {
		return nil
	}
	a, b, _ := strings.Cut(header, ".")
	major, err1 := strconv.Atoi(a)
	minor, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil {
		return errs.New(errs.Invalid, "Malformed API version: expected string in form of X.Y")
	}
	if major != 1 || minor < minMinor || minor > maxMinor {
		return errs.New(errs.NotAcceptable, "Unsupported API version %s, supported range is 1.%d to 1.%d", header, minMinor, maxMinor)
	}
	return nil
}

// fail sends the inspector's error body. What is our own fault goes to the log only.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	code, text := errs.CodeOf(err), errs.Told(err)
	id := w.Header().Get("X-Openstack-Request-Id")
	if errs.HTTPStatus(code) >= http.StatusInternalServerError {
		s.Log.Error("introspection API failed", "request_id", id, "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if code == errs.Internal {
		text = "Internal server error; the service's log has the reason under " + id
	}
	_ = send(w, errs.HTTPStatus(code), map[string]any{"error": map[string]string{"message": text}}) // two texts always encode
}

func send(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away needs no answer
	return nil
}

func (s *server) base(r *http.Request) string {
	if s.BaseURL != "" {
		return strings.TrimRight(s.BaseURL, "/")
	}
	return baseurl.Of(r)
}

// continued takes what a ramdisk found out.
func (s *server) continued(w http.ResponseWriter, r *http.Request) error {
	data, err := jsonbody.Bytes(r, payloadLimit)
	if err != nil {
		return err
	}
	if err := jsonbody.Check(data, maxDepth); err != nil { // as the bare-metal API does
		return err
	}
	id, err := s.Conductor.ContinueInspection(r.Context(), data)
	audit.Note(r.Context(), func(t *audit.Trail) { t.Node = id })
	if errs.Is(err, errs.NotFound) { // whoever has no credentials need not know which machines there are; the conductor has warned
		s.Log.Info("a ramdisk was not recognised", "request_id", w.Header().Get("X-Openstack-Request-Id"), "reason", err)
		return notFound(w, r)
	}
	if err != nil {
		return err
	}
	return send(w, http.StatusOK, map[string]string{"uuid": id})
}
