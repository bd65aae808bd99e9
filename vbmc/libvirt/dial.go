package libvirt

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"sync"

	"github.com/digitalocean/go-libvirt/socket/dialers"

	"trefoil/internal/errs"
)

// dialTarget opens the byte stream to the daemon.
func dialTarget(ctx context.Context, t target) (net.Conn, error) {
	var d net.Dialer
	switch t.transport {
	case "unix":
		return dialUnix(ctx, t.sockets)
	case "tcp":
		return d.DialContext(ctx, "tcp", t.address())
	case "tls":
		opts := []dialers.TLSOption{dialers.UseTLSPort(t.port)}
		if t.noVerify {
			opts = append(opts, dialers.WithInsecureNoVerify())
		}
		if t.pkipath != "" {
			opts = append(opts, dialers.UsePKIPath(t.pkipath))
		}
		return bounded(ctx, dialers.NewTLS(t.host, opts...).Dial)
	case "ssh":
		return dialSSH(ctx, t)
	}
	return nil, errs.New(errs.Invalid, "transport %q is not supported", t.transport)
}

// bounded ends the wait for a dial that knows no context: one whose peer falls silent in
// the handshake would hold the whole daemon.
func bounded(ctx context.Context, dial func() (net.Conn, error)) (net.Conn, error) {
	type dialled struct {
		conn net.Conn
		err  error
	}
	done := make(chan dialled, 1)
	go func() {
		c, err := dial()
		done <- dialled{c, err}
	}()
	select {
	case d := <-done:
		return d.conn, d.err
	case <-ctx.Done():
		go func() {
			if d := <-done; d.err == nil {
				d.conn.Close()
			}
		}()
		return nil, ErrTimeout
	}
}

func dialUnix(ctx context.Context, paths []string) (net.Conn, error) {
	var d net.Dialer
	var all []error
	for _, p := range paths {
		c, err := d.DialContext(ctx, "unix", p)
		if err == nil {
			return c, nil
		}
		all = append(all, err)
	}
	if len(all) == 0 {
		return nil, errors.New("no socket path to try")
	}
	// A socket that is there is the one that was meant, else most likely the first.
	for _, err := range all {
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, all[0]
}

// watchedConn tells when the stream has ended: go-libvirt's own signal can be
// lost when the peer goes away during the handshake.
type watchedConn struct {
	net.Conn
	once sync.Once
	dead chan struct{}
}

func newWatchedConn(c net.Conn) *watchedConn {
	return &watchedConn{Conn: c, dead: make(chan struct{})}
}

func (w *watchedConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			w.end()
		}
	}
	return n, err
}

// Close may be called many times; only the first closes the stream.
func (w *watchedConn) Close() error {
	w.end()
	return w.Conn.Close()
}

func (w *watchedConn) end() { w.once.Do(func() { close(w.dead) }) }

// oneDial hands go-libvirt a stream that is already open, so that we keep the
// handle to cut it.
type oneDial struct{ c net.Conn }

func (o oneDial) Dial() (net.Conn, error) { return o.c, nil }
