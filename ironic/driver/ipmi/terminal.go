package ipmi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// linger is how long a client that has nothing more to type sees what comes, as with socat.
const linger = 500 * time.Millisecond

// drainTime is how long the last keys may take to the BMC; of a pipe they are all there is.
const drainTime = 10 * time.Second

// terminal serves a machine's serial line on a TCP port, to one client at a time: the next
// one waits until it has gone. The BMC is logged in to while there is one.
type terminal struct {
	info info // what it was made for
	port int
	ln   net.Listener
	line func(context.Context) (Line, error)
	idle time.Duration // without a character in either direction until a client is sent away; 0: for ever

	ending  atomic.Bool // end was called
	refused atomic.Bool // the BMC refused the login, which is not tried again
	stop    context.CancelFunc
	done    chan struct{} // closed when nothing of it runs any more
}

// serves reports whether clients of it reach the line, for all that is known; nil does not.
func (t *terminal) serves() bool { return t != nil && !t.ending.Load() && !t.refused.Load() }

// start serves until end is called.
func (t *terminal) start() {
	ctx, cancel := context.WithCancel(context.Background())
	t.stop, t.done = cancel, make(chan struct{})
	go t.run(ctx)
}

// end stops serving and waits for it, as long as ctx lives.
func (t *terminal) end(ctx context.Context) error {
	t.ending.Store(true)
	t.stop()
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("end the console on port %d: %w", t.port, context.Cause(ctx))
	}
}

func (t *terminal) run(ctx context.Context) {
	defer close(t.done)
	defer t.ln.Close()
	defer context.AfterFunc(ctx, func() { t.ln.Close() })()
	for {
		conn, err := t.ln.Accept()
		switch {
		case err == nil:
			t.serve(ctx, conn)
		case errors.Is(err, net.ErrClosed):
			return
		default: // no file left, and the like
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return
			}
		}
	}
}

// serve connects a client with the line until one of them has gone.
func (t *terminal) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if hungUp(conn) {
		return // it would take the line from whoever has it, for nobody
	}
	line, err := t.line(ctx)
	if errors.Is(err, ErrLogin) && !t.refused.Swap(true) {
		err = fmt.Errorf("%w; it is not asked again until the console is enabled anew", err)
		t.line = func(context.Context) (Line, error) { return nil, err }
	}
	if err != nil {
		farewell(conn, err)
		return
	}
	defer line.Close()
	moved := func() {}
	if t.idle > 0 {
		alarm := time.AfterFunc(t.idle, cancel)
		defer alarm.Stop()
		moved = func() { alarm.Reset(t.idle) }
	}
	var both sync.WaitGroup
	both.Go(func() {
		defer cancel()
		if ended, _ := pass(&reader{Conn: conn}, line, moved); ended != nil && ctx.Err() == nil {
			farewell(conn, ended)
		}
	})
	both.Go(func() {
		if _, refused := pass(line, conn, moved); refused == nil {
			if err := drain(ctx, line); err != nil && ctx.Err() == nil {
				farewell(conn, err)
			}
			select {
			case <-time.After(linger):
			case <-ctx.Done():
			}
		}
		cancel()
	})
	<-ctx.Done()
	line.Close()
	both.Wait()
}

func drain(ctx context.Context, line Line) error {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	return line.Drain(ctx)
}

// hungUp reports whether a client has gone without having typed anything. What it has
// typed stays to be read.
func hungUp(conn net.Conn) bool {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return true // it is closed
	}
	gone := false
	err = raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = n == 0 && err == nil || errors.Is(err, syscall.ECONNRESET)
		return true
	})
	return gone || err != nil
}

// farewell tells a client why there is no console, or no longer.
func farewell(conn net.Conn, err error) {
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second)) // it may be one that does not read
	_, _ = fmt.Fprintf(conn, "\r\n[console: %v]\r\n", err)
}

// reader is a client that may have gone: what the machine prints is then for nobody, and the line stays
// until the machine has what was typed before. That the client has gone is told where it is read.
type reader struct {
	net.Conn
	gone bool
}

func (r *reader) Write(p []byte) (int, error) {
	if !r.gone {
		_, err := r.Conn.Write(p)
		r.gone = err != nil
	}
	return len(p), nil
}

// pass copies until from ends, nil at its end, or to refuses what comes.
func pass(to io.Writer, from io.Reader, moved func()) (ended, refused error) {
	buf := make([]byte, 4<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			moved()
			if _, err := to.Write(buf[:n]); err != nil {
				return nil, err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return err, nil
		}
	}
}
