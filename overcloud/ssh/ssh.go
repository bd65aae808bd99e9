// Package ssh runs one command at a time on a deployed node: host key pinned,
// key login, standard input from memory, standard output line by line.
package ssh

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"trefoil/internal/errs"
)

// Target is a node as it is reached.
type Target struct {
	Address string // host or host:port
	User    string
	HostKey string // authorized_keys form; login is refused to any other host
}

// Dialer opens connections with one key. Safe for concurrent use.
type Dialer struct {
	Key     ssh.Signer
	Timeout time.Duration // of one attempt; default 20 s
}

// ParseKey reads a private key in PEM.
func ParseKey(pem []byte) (ssh.Signer, error) {
	k, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	return k, nil
}

// Dial connects and logs in. The connection ends with ctx.
func (d *Dialer) Dial(ctx context.Context, t Target) (*Client, error) {
	pinned, _, _, _, err := ssh.ParseAuthorizedKey([]byte(t.HostKey))
	if err != nil {
		return nil, fmt.Errorf("host key of %s: %w", t.Address, err)
	}
	addr := t.Address
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(addr, "22")
	}
	timeout := d.Timeout
	if timeout == 0 {
		timeout = 20 * time.Second
	}
	dial := net.Dialer{Timeout: timeout, KeepAlive: 15 * time.Second}
	conn, err := dial.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		conn.Close()
		return nil, err
	}
	cfg := &ssh.ClientConfig{
		User: t.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(d.Key)},
		HostKeyCallback: ssh.FixedHostKey(pinned), HostKeyAlgorithms: []string{pinned.Type()},
	}
	c, chans, reqs, err := ssh.NewClientConn(conn, addr, cfg)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("log in to %s@%s: %w", t.User, addr, err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		c.Close()
		return nil, err
	}
	cl := &Client{c: ssh.NewClient(c, chans, reqs), addr: addr}
	cl.stop = context.AfterFunc(ctx, func() { cl.c.Close() })
	return cl, nil
}

// Wait dials until the node answers or ctx ends. tell is called with each reason
// for waiting that differs from the one before.
func (d *Dialer) Wait(ctx context.Context, t Target, tell func(reason string)) (*Client, error) {
	last := ""
	for {
		c, err := d.Dial(ctx, t)
		if err == nil {
			return c, nil
		}
		if reason := err.Error(); reason != last && tell != nil {
			tell(reason)
			last = reason
		}
		select {
		case <-ctx.Done():
			return nil, errs.Wrap(errs.Unavailable, err, "no SSH login on %s", t.Address).
				WithHint("look at the node's console; openstack baremetal node power status")
		case <-time.After(time.Second):
		}
	}
}

// Client is an open connection.
type Client struct {
	c    *ssh.Client
	addr string
	stop func() bool
	free bool // of the context
}

// Detach has the connection live until Close, whatever becomes of the context that it
// was dialled in; false: that has ended, and the connection with it. Not for concurrent use.
func (c *Client) Detach() bool {
	c.free = c.free || c.stop()
	return c.free
}

// Close ends the connection.
func (c *Client) Close() error {
	c.stop()
	return c.c.Close()
}

// ExitError is a command that ran and did not end with 0.
type ExitError struct {
	Status int
	Stderr string // its last 4 KiB
}

// Error gives the status and the end of standard error.
func (e *ExitError) Error() string {
	return fmt.Sprintf("exit status %d: %s", e.Status, bytes.TrimSpace([]byte(e.Stderr)))
}

// MaxLine is the longest line of output that is taken, in bytes.
const MaxLine = 1 << 20

// Run runs command with stdin and calls line for each line of its output. The
// command line must hold no secret: it shows in the node's process list.
func (c *Client) Run(ctx context.Context, command string, stdin []byte, line func([]byte)) error {
	return c.RunFrom(ctx, command, bytes.NewReader(stdin), line)
}

// RunFrom is Run with input that need not be in memory.
func (c *Client) RunFrom(ctx context.Context, command string, stdin io.Reader, line func([]byte)) error {
	s, err := c.c.NewSession()
	if err != nil {
		return fmt.Errorf("open session on %s: %w", c.addr, err)
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	stderr := &tail{max: 4 << 10}
	s.Stdin, s.Stderr = stdin, stderr
	out, err := s.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.Start(command); err != nil {
		return fmt.Errorf("start on %s: %w", c.addr, err)
	}
	sc := bufio.NewScanner(out)
	sc.Buffer(nil, MaxLine)
	for sc.Scan() {
		line(sc.Bytes())
	}
	if _, err := io.Copy(io.Discard, out); err != nil && sc.Err() == nil {
		return fmt.Errorf("read output of %s: %w", c.addr, err)
	}
	err = s.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		return &ExitError{Status: exit.ExitStatus(), Stderr: stderr.String()}
	}
	if err != nil {
		return fmt.Errorf("connection to %s: %w", c.addr, err)
	}
	return sc.Err()
}

// tail keeps the last max bytes written to it.
type tail struct {
	max int
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if n := len(t.buf) - t.max; n > 0 {
		t.buf = t.buf[n:]
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.buf) }
