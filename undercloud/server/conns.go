package server

import (
	"container/list"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
)

// connections bounds how many connections a service has. At the bound a new one takes the place of the one
// that has waited longest for its client's next (or first) request: whoever opens thousands and says nothing
// pushes out his own, and a client that speaks gets in. Requests under way are never broken off; where all
// places have one the new connection is closed.
type connections struct {
	service string
	bound   int
	log     *slog.Logger
	open    prometheus.Gauge
	shed    prometheus.Counter

	mu      sync.Mutex
	all     map[net.Conn]*list.Element // in waiting; nil: a request is under way
	waiting *list.List                 // of net.Conn, the longest wait first
	told    bool                       // that the bound is met, until half of it is free
}

func (s *Server) connectionsOf(service string) *connections {
	return &connections{service: service, bound: s.bound(), log: s.Log, open: s.open.WithLabelValues(service), shed: s.shed.WithLabelValues(service),
		all: map[net.Conn]*list.Element{}, waiting: list.New()}
}

// bound is Limits.Connections, or less where the process may not have that many files: the services share half
// of them, for the store, BMCs and images need some.
func (s *Server) bound() int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return s.Limits.Connections
	}
	share := files.Cur / 2 / uint64(len(s.services))
	return int(max(1, min(uint64(s.Limits.Connections), share)))
}

// changed is the ConnState of an http.Server. It is called in the order of a connection's states.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.all)
	e, known := c.all[conn]
	switch {
	case state == http.StateNew:
		c.all[conn] = c.waiting.PushBack(conn)
		if len(c.all) > c.bound {
			c.closeOne()
		}
	case !known: // it was closed here
	case state == http.StateIdle && e == nil:
		c.all[conn] = c.waiting.PushBack(conn)
	case state == http.StateIdle:
		c.waiting.MoveToBack(e)
	default:
		if e != nil {
			c.waiting.Remove(e)
		}
		c.all[conn] = nil
		if state != http.StateActive {
			delete(c.all, conn)
		}
	}
	c.told = c.told && len(c.all) > c.bound/2
	c.open.Add(float64(len(c.all) - before))
}

// closeOne closes the connection that has waited longest: the new one where there is no other.
func (c *connections) closeOne() {
	if !c.told {
		c.told = true
		from, n := c.busiest()
		c.log.Warn("all connections of a service are taken: of those that wait for a request the oldest are closed", "service", c.service,
			"connections", c.bound, "most from", from, "these", n)
	}
	oldest := c.waiting.Remove(c.waiting.Front()).(net.Conn)
	delete(c.all, oldest)
	c.shed.Inc()
	if t, ok := oldest.(*tls.Conn); ok {
		oldest = t.NetConn() // TLS would say goodbye first, and wait for a client that does not read
	}
	oldest.Close()
}

// busiest is the address that most connections come from.
func (c *connections) busiest() (host string, n int) {
	count := map[string]int{}
	for conn := range c.all {
		from := conn.RemoteAddr().String()
		h, _, err := net.SplitHostPort(from)
		if err != nil {
			h = from
		}
		if count[h]++; count[h] > n {
			host, n = h, count[h]
		}
	}
	return host, n
}
