package libvirt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// Defaults of the deadlines. A slow call is one that makes libvirt wait for a
// process: starting a machine, or killing one (libvirt itself waits up to 30 s).
const (
	DefaultCallTimeout = 15 * time.Second
	DefaultSlowTimeout = 90 * time.Second
	DefaultDialTimeout = 15 * time.Second
)

// Conn is a connection to one libvirt URI that heals itself. All methods may be
// called from many goroutines.
type Conn struct {
	uri    string // to be shown: without a password
	target target
	log    *slog.Logger
	call   time.Duration
	slow   time.Duration
	dial   time.Duration

	dialing chan struct{} // holds one token: only one goroutine dials

	mu     sync.Mutex
	live   *session
	closed bool

	watch *watcher // nil unless made by Open
	meter meter
}

// session is one life of the connection.
type session struct {
	lv     *golibvirt.Libvirt
	stream *watchedConn
	why    func(error) error // see explainer
}

// explain tells why the session ended; what libvirt itself refused needs no more words.
func (s *session) explain(err error) error {
	var refused golibvirt.Error
	if s.why == nil || errors.As(err, &refused) {
		return err
	}
	return s.why(err)
}

func (s *session) alive() bool {
	select {
	case <-s.stream.dead:
		return false
	default:
		return true
	}
}

// Option changes a Conn when it is made.
type Option func(*Conn)

// WithLogger sets where reconnects are reported. The default reports nothing.
func WithLogger(l *slog.Logger) Option { return func(c *Conn) { c.log = l } }

// WithTimeouts sets the deadline of an ordinary call and of a slow one (start, destroy).
func WithTimeouts(call, slow time.Duration) Option {
	return func(c *Conn) { c.call, c.slow = call, slow }
}

func newConn(uri string, opts []Option) (*Conn, error) {
	t, err := parseURI(uri, systemEnvironment())
	if err != nil {
		return nil, err
	}
	c := &Conn{
		uri: Shown(uri), target: t, log: slog.New(slog.DiscardHandler),
		call: DefaultCallTimeout, slow: DefaultSlowTimeout, dial: DefaultDialTimeout,
		dialing: make(chan struct{}, 1),
	}
	for _, o := range opts {
		o(c)
	}
	return c, nil
}

// Dial connects to a libvirt URI and fails if nobody answers there. When the
// connection breaks later, the next call dials again.
func Dial(ctx context.Context, uri string, opts ...Option) (*Conn, error) {
	c, err := newConn(uri, opts)
	if err != nil {
		return nil, err
	}
	if _, err := c.session(ctx); err != nil {
		return nil, wrap(c.uri, "connect", err)
	}
	return c, nil
}

// Local tells whether the daemon is on this host, so that what it names by path
// (a console's terminal) can be opened here.
func (c *Conn) Local() bool { return c.target.transport == "unix" }

// Close ends the connection; calls in flight fail with ErrClosed.
func (c *Conn) Close() error {
	c.mu.Lock()
	s := c.live
	c.closed, c.live = true, nil
	c.mu.Unlock()
	if s != nil {
		s.stream.Close()
	}
	if c.watch != nil {
		c.watch.stop()
	}
	return nil
}

// current returns the live session, if there is one.
func (c *Conn) current() (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if c.live != nil && c.live.alive() {
		return c.live, nil
	}
	return nil, nil
}

// session returns the live session, dialling if there is none.
func (c *Conn) session(ctx context.Context) (*session, error) {
	if s, err := c.current(); s != nil || err != nil {
		return s, err
	}
	select {
	case c.dialing <- struct{}{}:
		defer func() { <-c.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s, err := c.current(); s != nil || err != nil { // another goroutine was faster
		return s, err
	}
	s, err := c.connect(ctx, nil)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		s.stream.Close()
		return nil, ErrClosed
	}
	c.live = s
	return s, nil
}

// connect makes a session; what it receives and sends goes through the connection
// that through makes of it, unless that is nil.
func (c *Conn) connect(ctx context.Context, through func(net.Conn) net.Conn) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.dial)
	defer cancel()
	raw, err := dialTarget(ctx, c.target)
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		err = fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	if err != nil {
		return nil, err
	}
	s := &session{why: explainer(raw)}
	if through != nil {
		raw = through(raw)
	}
	s.stream = newWatchedConn(raw)
	s.lv = golibvirt.NewWithDialer(oneDial{s.stream})
	done := make(chan error, 1)
	go func() { done <- s.lv.ConnectToURI(golibvirt.ConnectURI(c.target.remote)) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ErrTimeout
	}
	if err != nil {
		err = s.explain(err)
		s.stream.Close()
		return nil, err
	}
	return s, nil
}

// explainer is how a transport tells more of an end of its connection than the library
// does; nil: it cannot.
func explainer(c net.Conn) func(error) error {
	if e, ok := c.(interface{ explain(error) error }); ok {
		return e.explain
	}
	return nil
}
