package libvirt

import (
	"context"
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
	uri    string
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
		uri: uri, target: t, log: slog.New(slog.DiscardHandler),
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
		return nil, wrap(uri, "connect", err)
	}
	return c, nil
}

// Local tells whether the daemon is on this host, so that what it names by path
// (a console's terminal) can be opened here.
func (c *Conn) Local() bool { return c.target.transport == "unix" }

// URI returns the URI the connection was made for.
func (c *Conn) URI() string { return c.uri }

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
	if err != nil {
		return nil, err
	}
	if through != nil {
		raw = through(raw)
	}
	s := &session{stream: newWatchedConn(raw)}
	s.lv = golibvirt.NewWithDialer(oneDial{s.stream})
	done := make(chan error, 1)
	go func() { done <- s.lv.ConnectToURI(golibvirt.ConnectURI(c.target.remote)) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ErrTimeout
	}
	if err != nil {
		s.stream.Close()
		return nil, err
	}
	return s, nil
}
