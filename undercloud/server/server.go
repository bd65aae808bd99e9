// Package server runs the undercloud's HTTP services: each on its own address,
// with access log, metrics, limits and an orderly stop.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Service is one HTTP service.
type Service struct {
	Name    string
	Addr    string // host:port
	From    string // where that was configured, in words for messages; may be empty
	Handler http.Handler
	TLS     *tls.Config // nil: plain HTTP
}

// Server holds the services and what all of them report to.
type Server struct {
	Log      *slog.Logger
	Registry *prometheus.Registry
	Limits   Limits
	// Stranger says which requests may send large bodies that are held in memory though nobody knows the
	// sender; nil: none. See Limits.
	Stranger func(*http.Request) bool

	places   chan struct{} // Limits.Large of them, made by Run
	requests *prometheus.HistogramVec
	open     *prometheus.GaugeVec
	shed     *prometheus.CounterVec
	services []Service
}

// New makes a server whose registry counts requests, Go's runtime and the process.
func New(log *slog.Logger) *Server {
	s := &Server{Log: log, Registry: prometheus.NewRegistry(), Limits: defaultLimits(), requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "trefoil_http_request_seconds", Help: "Time to answer, by service, method and status.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)},
		[]string{"service", "method", "status"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "trefoil_http_connections", Help: "Open connections, by service."}, []string{"service"}),
		shed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trefoil_http_connections_shed_total",
			Help: "Connections with silent clients that were closed because all of the service's were taken."}, []string{"service"})}
	s.Registry.MustRegister(s.requests, s.open, s.shed, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

// Add puts a service on an address. All are added before Run.
func (s *Server) Add(name, addr string, h http.Handler) {
	s.AddService(Service{Name: name, Addr: addr, Handler: h})
}

// AddService is Add for a service that may have a certificate.
func (s *Server) AddService(svc Service) { s.services = append(s.services, svc) }

// Names are the services' names, in the order of Listen's listeners.
func (s *Server) Names() []string {
	var out []string
	for _, svc := range s.services {
		out = append(out, svc.Name)
	}
	return out
}

// Health adds /healthz and /metrics in front of a handler. ready says why the
// undercloud is not ready, or nil.
func (s *Server) Health(next http.Handler, ready func() error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Registry, promhttp.HandlerOpts{}))
	mux.Handle("/", next)
	return mux
}

// Listen opens all addresses before anything is served, so that a port that is
// taken is told at once and nothing runs half.
func (s *Server) Listen(ctx context.Context) ([]net.Listener, error) {
	var all []net.Listener
	for _, svc := range s.services {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", svc.Addr)
		if err != nil {
			for _, open := range all {
				open.Close()
			}
			err = fmt.Errorf("listen for %s on %s: %w", svc.Name, svc.Addr, err)
			if svc.From != "" {
				err = fmt.Errorf("%s: %w", svc.From, err)
			}
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// Run serves until ctx ends or a service fails; then all stop, giving requests
// that are under way a few seconds.
func (s *Server) Run(ctx context.Context, listeners []net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.places = make(chan struct{}, s.Limits.Large)
	var wg sync.WaitGroup
	failed := make(chan error, len(s.services))
	for i, svc := range s.services {
		conns := s.connectionsOf(svc.Name)
		srv := &http.Server{Handler: s.watch(svc, conns), TLSConfig: svc.TLS.Clone(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
			ConnState: conns.changed, ConnContext: inContext, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug)}
		wg.Go(func() {
			serve := srv.Serve
			if svc.TLS != nil {
				serve = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
			}
			if err := serve(listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", svc.Name, err)
				cancel()
			}
		})
		wg.Go(func() {
			<-ctx.Done()
			stop, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer done()
			if srv.Shutdown(stop) != nil {
				srv.Close()
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

// watch logs and measures each request, holds its client to Limits and turns a panic into a 500.
func (s *Server) watch(svc Service, conns *connections) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		place := conns.placeOf(r.Context())
		place.begin()
		rec := &recorder{ResponseWriter: w, status: http.StatusOK, conn: http.NewResponseController(w), place: place, idle: s.Limits.AnswerIdle}
		body := newBody(w, r, place, s.Limits.BodyIdle)
		_ = rec.conn.SetWriteDeadline(time.Time{}) // of the connection's request before
		defer func() {
			if !body.stalled {
				linger(rec, r, body.ReadCloser)
			}
			_ = rec.conn.SetWriteDeadline(time.Now().Add(s.Limits.AnswerIdle)) // net/http writes the rest
		}()
		defer place.end()
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				s.Log.Error("panic in a request", "service", svc.Name, "method", r.Method, "path", r.URL.Path, "panic", p)
				if !rec.wrote {
					rec.WriteHeader(http.StatusInternalServerError)
				}
			}
			took := time.Since(began)
			s.requests.WithLabelValues(svc.Name, method(r.Method), strconv.Itoa(rec.status)).Observe(took.Seconds())
			// Paths only: queries can hold an agent's token.
			s.Log.Debug("request", "service", svc.Name, "method", r.Method, "path", r.URL.Path, "status", rec.status, "ms", took.Milliseconds(), "from", r.RemoteAddr)
		}()
		release, ok := s.admit(rec, r, svc, body)
		if !ok {
			return
		}
		defer release()
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = body
		}
		svc.Handler.ServeHTTP(rec, r)
	})
}

// How much of a body that a handler has not read is read all the same, and how long it may take.
const (
	lingerBytes = 256 << 20
	lingerTime  = 10 * time.Second
)

// linger reads on what the client still sends of a request that is answered already. Most clients send all
// before they look for an answer; net/http closes half a second after its own, the kernel resets
// what is still under way, and they would see a broken connection instead of, say, a 413.
// Where the handler has read nothing of a body that was asked for first (Expect: 100-continue) the
// client sends none; net/http reads what comes otherwise. The deadline holds for that as well, and
// net/http sets another one for the next request.
func linger(w http.ResponseWriter, r *http.Request, body io.Reader) {
	if body == nil || body == http.NoBody {
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingerTime)) // without one: as long as it takes
	if r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, body, lingerBytes) // a client that went away needs no answer
	}
}

// method keeps a stranger's made-up methods out of the metrics' labels.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return m
	}
	return "other"
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
	conn   *http.ResponseController
	place  *place
	idle   time.Duration // Limits.AnswerIdle
}

func (r *recorder) WriteHeader(status int) {
	r.status, r.wrote = status, true
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the writer behind.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
