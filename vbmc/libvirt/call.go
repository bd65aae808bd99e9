package libvirt

import (
	"context"
	"fmt"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

type nothing = struct{}

// result carries a reply out of the goroutine that waits for it.
type result[T any] struct {
	val T
	err error
}

// invoke runs one remote call under the watchdog. When limit passes without a
// reply the connection is cut: the goroutine below then ends with an error, and
// the next call dials again. When only ctx ends, the connection stays: the reply
// is thrown away when it comes.
func invoke[T any](ctx context.Context, c *Conn, op string, limit time.Duration, f func(*golibvirt.Libvirt) (T, error)) (T, error) {
	s, err := c.session(ctx)
	if err != nil {
		var zero T
		return zero, wrap(c.uri, op, err)
	}
	return invokeOn(ctx, c, s, op, limit, f)
}

// invokeOn is invoke on one given session.
func invokeOn[T any](ctx context.Context, c *Conn, s *session, op string, limit time.Duration, f func(*golibvirt.Libvirt) (T, error)) (T, error) {
	var zero T
	done := make(chan result[T], 1)
	go func() {
		watchdog := time.AfterFunc(limit, func() { s.stream.Close() })
		defer watchdog.Stop()
		defer func() { // a reply that the library cannot take ends this call, not the program
			if r := recover(); r != nil {
				s.stream.Close()
				done <- result[T]{err: fmt.Errorf("fault in the libvirt library: %v", r)}
			}
		}()
		v, err := f(s.lv)
		done <- result[T]{v, err}
	}()
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case r := <-done:
		if r.err != nil {
			return zero, wrap(c.uri, op, r.err)
		}
		return r.val, nil
	case <-timeout.C:
		return zero, &UnavailableError{URI: c.uri, Op: op, Err: ErrTimeout}
	case <-ctx.Done():
		return zero, &UnavailableError{URI: c.uri, Op: op, Err: ctx.Err()}
	}
}

// do is invoke for calls that return nothing.
func do(ctx context.Context, c *Conn, op string, limit time.Duration, f func(*golibvirt.Libvirt) error) error {
	_, err := invoke(ctx, c, op, limit, func(l *golibvirt.Libvirt) (nothing, error) { return nothing{}, f(l) })
	return err
}
