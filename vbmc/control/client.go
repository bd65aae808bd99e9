package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
)

// patience is how long a daemon may take to take a command (virtualbmc's
// server_response_timeout).
const patience = 5 * time.Second

// ErrNoDaemon is Call's error when nobody listens.
var ErrNoDaemon = errors.New("the vbmc daemon is not running") //nolint:gochecknoglobals // a sentinel

// Call sends a command and waits for its answer, two minutes at most; from a daemon that
// does not even take it, Request.Patience.
func Call(ctx context.Context, socket string, req Request) (*Reply, error) {
	return Stream(ctx, socket, req, nil)
}

// Stream is Call, and then what the daemon goes on to say is given to more, until
// one of both ends or ctx does. more is not called after a failure.
func Stream(ctx context.Context, socket string, req Request, more func(*Reply, io.Reader)) (*Reply, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) {
			return nil, ErrNoDaemon
		}
		return nil, fmt.Errorf("connect to the vbmc daemon at %s: %w", socket, err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	req.Acknowledge, req.Patience = true, cmp.Or(req.Patience, patience)
	if err := c.SetDeadline(time.Now().Add(req.Patience)); err != nil {
		return nil, err
	}
	if err := json.NewEncoder(c).Encode(req); err != nil {
		return nil, fmt.Errorf("send to the vbmc daemon: %w", err)
	}
	var r Reply
	in := json.NewDecoder(c)
	if err := in.Decode(&r); errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, notTaken(c.(*net.UnixConn), req.Patience)
	} else if err != nil {
		return nil, unanswered(err)
	}
	if r.Taken {
		r.Taken = false
		if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
			return nil, err
		}
		if err := in.Decode(&r); err != nil {
			return nil, unanswered(err)
		}
	}
	if more != nil && r.RC == 0 {
		_ = c.SetDeadline(time.Time{})
		more(&r, io.MultiReader(in.Buffered(), c))
	}
	return &r, nil
}

// notTaken is the error of a daemon that lives and does nothing. A command that it finds
// when it goes on it drops, as its caller has left.
func notTaken(c *net.UnixConn, waited time.Duration) error {
	pid := listener(c)
	if pid == 0 {
		return errs.New(errs.Unavailable, "the vbmc daemon did not take the command within %v", waited).
			WithHint("is it stopped or hung, or still the one of before an upgrade, which says nothing while it works? see its log; end it and start it anew: its BMCs come back")
	}
	return errs.New(errs.Unavailable, "the vbmc daemon (process %d) did not take the command within %v", pid, waited).
		WithHint("is it stopped or hung, or still the one of before an upgrade, which says nothing while it works? kill -CONT %[1]d wakes a stopped one; or end it (kill -9 %[1]d) and start it anew: its BMCs come back", pid)
}

// unanswered is the error of a daemon that was there and gave no answer to the end.
func unanswered(why error) error {
	return errs.Wrap(errs.Unavailable, why, "the vbmc daemon gave no answer").
		WithHint("the command may have been carried out all the same: see vbmc list and the daemon's log, and give it again if it was not")
}

// listener is the process that listens at the other end (SO_PEERCRED, unix(7)); 0 is not known.
func listener(c *net.UnixConn) int {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid
}
