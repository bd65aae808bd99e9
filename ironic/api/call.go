package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"trefoil/internal/baseurl"
	"trefoil/ironic"
	"trefoil/ironic/policy"
)

// call is one request on its way through a handler.
type call struct {
	s       *server
	w       http.ResponseWriter
	r       *http.Request
	version int // minor
	wrote   bool
	reached string // base, when somebody has asked for it

	caller policy.Caller
	full   bool         // nothing is refused to the caller: see access.go
	found  *ironic.Node // what authorize has read of the path
	partOf *ironic.Node // the node of the port, portgroup or volume of the path

	row  object // room for nodeText, which a list calls a thousand times
	text []byte
}

func (c *call) ctx() context.Context { return c.r.Context() }

// base is what links start with.
func (c *call) base() string {
	if c.reached == "" {
		c.reached = cmp.Or(c.s.baseURL, baseurl.Of(c.r))
	}
	return c.reached
}

type requestIDKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// recorder remembers the status for the log. It takes X-Openstack-Request-Id
// off refusals below 1.107: Ironic has no such header there, OpenStack's clients
// print it behind the sentence, and a refusal explains itself. Openstack-Request-Id
// stays on every answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// requestIDSince is the version from which X-Openstack-Request-Id is on every answer.
const requestIDSince = 107

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
		// A request whose version was refused, or that met no route, has none: it counts as old.
		_, minor, _ := parseVersion(r.Header().Get(headerVersion))
		if status >= 400 && status < 500 && minor < requestIDSince {
			r.Header().Del("X-Openstack-Request-Id")
		}
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// outermost gives each request its id, logs it, turns a panic into a 500 that
// tells nothing, and forgives a trailing slash.
func (s *server) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := "req-" + uuid.NewString()
		w.Header().Set("X-Openstack-Request-Id", id)
		w.Header().Set("Openstack-Request-Id", id)
		rec := &recorder{ResponseWriter: w}
		ctx, logChange := s.audit.Begin(context.WithValue(r.Context(), requestIDKey{}, id), r, id)
		defer func() { logChange(rec.status, rec.Header()) }()
		start := s.now()
		defer func() {
			if p := recover(); p != nil {
				s.log.Error("bare-metal API panicked", "request_id", id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if rec.status == 0 {
					answer, _ := toAPIError(errors.New("panic"), id)
					writeError(rec, answer)
				}
			}
			s.log.Debug("bare-metal API", "request_id", id, "method", r.Method, "path", r.URL.Path,
				"status", rec.status, "took", s.now().Sub(start).Round(time.Microsecond))
		}()
		next.ServeHTTP(rec, withoutTrailingSlash(r.WithContext(ctx)))
	})
}

// withoutTrailingSlash makes /v1/ and /v1/nodes/ the same as without; Ironic's
// own links and gophercloud's endpoint have the slash.
func withoutTrailingSlash(r *http.Request) *http.Request {
	if len(r.URL.Path) < 2 || !strings.HasSuffix(r.URL.Path, "/") {
		return r
	}
	u := *r.URL
	u.Path = "/" + strings.Trim(u.Path, "/")
	if u.RawPath != "" {
		u.RawPath = "/" + strings.Trim(u.RawPath, "/")
	}
	r.URL = &u // r is our own shallow copy
	return r
}

// dispatch negotiates the version, finds the method and sends the handler's error.
func (s *server) dispatch(w http.ResponseWriter, r *http.Request, rt route) {
	w.Header().Set(headerMin, versionText(minMinor))
	w.Header().Set(headerMax, versionText(maxMinor))
	c := &call{s: s, w: w, r: r}
	c.identify(rt.open)
	version, err := negotiate(r.Header)
	if err != nil && rt.lenient {
		version, err = maxMinor, nil
	}
	if err == nil {
		c.version = version
		w.Header().Set(headerVersion, versionText(version))
		err = c.serve(rt)
	}
	if err == nil {
		return
	}
	answer, clients := toAPIError(err, requestID(r.Context()))
	if !clients && r.Context().Err() == nil {
		s.log.Error("bare-metal API failed", "request_id", requestID(r.Context()),
			"method", r.Method, "path", r.URL.Path, "error", err)
	}
	if !c.wrote {
		writeError(w, answer)
	}
}

func (c *call) serve(rt route) error {
	method := c.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if c.version < rt.since && !rt.lenient {
		if rt.refuses && method != http.MethodGet {
			return routerError(http.StatusMethodNotAllowed).needing(method+" of this path", rt.since, c.version)
		}
		return routerError(http.StatusNotFound).needing("this path", rt.since, c.version)
	}
	handle := rt.methods[method]
	if handle == nil {
		c.w.Header().Set("Allow", strings.Join(methodNames(rt.methods), ", "))
		return routerError(http.StatusMethodNotAllowed)
	}
	if err := c.authorize(rt.rules[method]); err != nil {
		return err
	}
	return handle(c)
}

func methodNames(m methods) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// raw sends a body that is JSON already.
func (c *call) raw(status int, body []byte) error {
	c.wrote = true
	c.w.Header().Set("Content-Type", "application/json")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body))) // or it would go in chunks
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // a client that went away needs no answer
	return nil
}

// json sends v.
func (c *call) json(status int, v any) error {
	body, err := appendJSON(make([]byte, 0, 4<<10), v) // a whole node is about 2.6 KB
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return c.raw(status, body)
}

// status sends an answer without a body.
func (c *call) status(code int) error {
	c.wrote = true
	c.w.WriteHeader(code)
	return nil
}

// accepted answers 202 for work that goes on; the client follows Location.
func (c *call) accepted(node string) error {
	c.w.Header().Set("Location", c.base()+"/v1/nodes/"+url.PathEscape(node)+"/states")
	return c.status(http.StatusAccepted)
}

// links are the self and bookmark links of a resource, e.g. "nodes/UUID".
func (c *call) links(path string) links { return links{c.base(), path} }
