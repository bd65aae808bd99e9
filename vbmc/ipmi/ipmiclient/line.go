package ipmiclient

import (
	"context"
	"errors"
	"sync"

	"trefoil/vbmc/ipmi/wire"
)

// Line is a machine's serial console in a session of its own.
type Line struct {
	*Console
	c    *Client
	once sync.Once
	err  error
}

// OpenLine logs in to the BMC at addr (host:port) and takes the console, from whoever
// has it. suites are proposed one after another until the BMC has one.
func OpenLine(ctx context.Context, addr string, o Options, suites ...wire.Suite) (*Line, error) {
	c, err := dialSuites(ctx, addr, o, suites)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() }) // the BMC must not keep the session, and with it the console
	s, err := c.SOL(ctx)
	if errors.Is(err, ErrSOLActive) {
		if err = c.EndSOL(); err == nil {
			s, err = c.SOL(ctx)
		}
	}
	if !stop() {
		err = context.Cause(ctx)
		if s != nil {
			s.end(err)
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return &Line{Console: s, c: c}, nil
}

func dialSuites(ctx context.Context, addr string, o Options, suites []wire.Suite) (c *Client, err error) {
	for _, o.Suite = range suites {
		c, err = Dial(ctx, addr, o)
		refused := (*SetupError)(nil)
		if !errors.Is(err, errOtherSuite) && (!errors.As(err, &refused) || !refused.otherSuite()) {
			return c, err
		}
	}
	return nil, err
}

// otherSuite reports whether the BMC may agree to another cipher suite.
func (e *SetupError) otherSuite() bool {
	switch e.Status {
	case wire.StatusBadAuth, wire.StatusBadIntegrity, wire.StatusBadCrypt, wire.StatusNoSuite:
		return true
	}
	return false
}

// Close gives the console back and ends the session; what waits in Read or Write ends.
// It may be called more than once.
func (l *Line) Close() error {
	l.once.Do(func() { l.err = errors.Join(l.Console.Close(), l.c.Close()) })
	return l.err
}
