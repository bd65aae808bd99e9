package server

import (
	"container/list"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// connections bounds how many connections a service has. At the bound a new one takes the place of one whose
// client leaves us waiting, see victim: whoever opens thousands and says nothing, or half of something,
// pushes out his own, and a client that speaks gets in. What a handler works on is never broken off; where
// it does so on all connections the new one is closed.
type connections struct {
	service string
	bound   int
	log     *slog.Logger
	open    prometheus.Gauge
	shed    prometheus.Counter

	mu      sync.Mutex
	all     map[net.Conn]*place
	waiting *list.List // of *place, for the next or first request, the longest wait first
	told    bool       // that the bound is met, until half of it is free
}

const (
	// soon is what a client may take for a request before its connection goes ahead of those that stall in one:
	// else who stalls in thousands needed but few new connections to push out all that are just being made.
	soon = time.Second
	// flowing is how long a step of a body that comes may be waited for: it is not broken off for a new connection.
	flowing = 100 * time.Millisecond
)

func (s *Server) connectionsOf(service string) *connections {
	return &connections{service: service, bound: s.bound(), log: s.Log, open: s.open.WithLabelValues(service), shed: s.shed.WithLabelValues(service),
		all: map[net.Conn]*place{}, waiting: list.New()}
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
	p, known := c.all[conn]
	switch {
	case state == http.StateNew:
		p = &place{of: c, conn: conn}
		c.all[conn] = p
		p.waitForRequest()
		if len(c.all) > c.bound {
			c.closeOne()
		}
	case !known: // it was closed here
	case state == http.StateIdle:
		p.waitForRequest()
	default:
		p.begun = false
		p.stopWaiting()
		if state != http.StateActive {
			delete(c.all, conn)
		}
	}
	c.told = c.told && len(c.all) > c.bound/2
	c.open.Add(float64(len(c.all) - before))
}

// closeOne closes the victim.
func (c *connections) closeOne() {
	if !c.told {
		c.told = true
		from, n := c.busiest()
		c.log.Warn("all connections of a service are taken: those whose clients are silent longest are closed", "service", c.service,
			"connections", c.bound, "most from", from, "these", n)
	}
	p := c.victim()
	p.stopWaiting()
	delete(c.all, p.conn)
	c.shed.Inc()
	conn := p.conn
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn() // TLS would say goodbye first, and wait for a client that does not read
	}
	conn.Close()
}

// victim is the connection that waits longest for a request; where all of them may speak soon, the one that
// stalls longest in the middle of one; the new one where there is no other.
func (c *connections) victim() *place {
	oldest := c.waiting.Front().Value.(*place) // the new one waits
	if time.Since(oldest.since) > soon {
		return oldest
	}
	victim, since := oldest, oldest.since.Add(-flowing)
	for _, p := range c.all {
		if p.stalls() && p.since.Before(since) {
			victim, since = p, p.since
		}
	}
	return victim
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
