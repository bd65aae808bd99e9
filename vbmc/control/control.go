// Package control carries commands from the vbmc program to its daemon: one
// JSON request and one JSON reply over a unix socket that only its owner can
// open. The daemon also asks the kernel who is calling.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
	"trefoil/vbmc/manager"
)

// Request is one command.
type Request struct {
	Command string         `json:"command"` // add, add-all, edit, delete, start, stop, list, show, doctor, log, yield
	Domains []string       `json:"domains,omitempty"`
	Config  manager.Config `json:"config"` // of add and add-all

	// Args are the keys and values of edit; the port may be "auto". log takes "follow",
	// doctor "firewall": what manager.FirewallRules gives to its caller.
	Args map[string]string `json:"args,omitempty"`

	// Patience is how long the caller waits until the daemon takes the command; 0 is 5 s.
	// The answer itself may take longer.
	Patience time.Duration `json:"-"`
	// Acknowledge asks for a Reply with Taken before the answer. Stream sets it: a daemon of
	// an earlier version passes over it, and a client of one does not ask.
	Acknowledge bool `json:"acknowledge,omitempty"`
}

// Reply is the daemon's answer. Messages go to standard error; RC is the exit code.
type Reply struct {
	RC       int            `json:"rc"`
	PID      int            `json:"pid,omitempty"` // of the daemon
	Messages []string       `json:"msg,omitempty"`
	BMCs     []manager.Info `json:"bmcs,omitempty"`
	Lines    []string       `json:"lines,omitempty"` // of log

	Findings []manager.Finding `json:"findings,omitempty"` // of doctor

	Taken bool `json:"taken,omitempty"` // no answer yet: the command was read and is carried out

	follow func(context.Context, io.Writer) // what comes after the reply on the same connection
}

const (
	maxRequest = 1 << 20
	timeout    = 2 * time.Minute // adding asks libvirt, which may be slow
)

// Server answers commands. Safe for concurrent use.
type Server struct {
	Manager       *manager.Manager
	ShowPasswords bool
	Log           *slog.Logger
	Lines         *manager.LogRing // of `vbmc log`; nil: there are none
	Yield         func()           // ends this daemon in favour of another; nil: it does not make room
}

// Listen makes the socket at path, mode 0600. A socket that nobody answers, left
// by a crash, is replaced; a living daemon's is not.
func Listen(path string) (net.Listener, error) {
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return nil, errs.New(errs.Conflict, "another vbmc daemon answers on %s", path).WithHint("stop it first, or use another configuration directory")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the old control socket: %w", err)
	}
	// Whoever connects before the chmod is asked who it is all the same.
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("protect the control socket: %w", err)
	}
	return l, nil
}

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accept on the control socket: %w", err)
		}
		go s.answer(ctx, c.(*net.UnixConn))
	}
}

func (s *Server) answer(ctx context.Context, c *net.UnixConn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(timeout)) // a connection that is gone shows at the next read
	if err := allowed(c); err != nil {
		s.Log.Warn("command refused", "reason", err)
		return
	}
	var req Request
	if err := json.NewDecoder(&limited{c, maxRequest}).Decode(&req); err != nil {
		s.Log.Warn("command not understood", "reason", err)
		return
	}
	if req.Acknowledge {
		if err := json.NewEncoder(c).Encode(Reply{Taken: true}); err != nil { // it told its user that nothing came of it
			s.Log.Warn("the caller left before its command was taken, which is dropped", "command", req.Command, "reason", err)
			return
		}
	}
	r := s.do(ctx, req)
	r.PID = os.Getpid()
	if err := json.NewEncoder(c).Encode(r); err != nil {
		s.Log.Debug("the caller left before its answer", "command", req.Command, "reason", err)
		gone, cancel := context.WithCancel(ctx)
		cancel()
		ctx = gone // what follows ends at once, and lets go of what it holds
	}
	if r.follow != nil {
		s.stream(ctx, c, r.follow)
	}
}

// stream lets follow write until it ends, the caller hangs up or the daemon stops.
func (s *Server) stream(ctx context.Context, c *net.UnixConn, follow func(context.Context, io.Writer)) {
	_ = c.SetDeadline(time.Time{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, c) // ends with the caller
	}()
	follow(ctx, c)
}

// limited ends a stream that is longer than any request.
type limited struct {
	c    net.Conn
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errors.New("request too long")
	}
	n, err := l.c.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// allowed lets in the daemon's own user and root (SO_PEERCRED, unix(7)).
func allowed(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var serr error
	if err := raw.Control(func(fd uintptr) { cred, serr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return err
	}
	if serr != nil {
		return fmt.Errorf("ask who is calling: %w", serr)
	}
	if cred.Uid != 0 && int(cred.Uid) != os.Getuid() {
		return errs.New(errs.Forbidden, "user %d may not command this daemon", cred.Uid)
	}
	return nil
}

func (s *Server) do(ctx context.Context, req Request) *Reply {
	switch req.Command {
	case "add":
		c, err := s.Manager.Add(ctx, req.Config)
		r := result(err)
		if err == nil {
			r.BMCs = s.masked([]manager.Info{{Config: c}})
		}
		return r
	case "add-all":
		return s.addAll(ctx, req)
	case "edit":
		return s.edit(req)
	case "doctor":
		var rules *string
		if text, given := req.Args["firewall"]; given {
			rules = &text
		}
		all, err := s.Manager.Doctor(ctx, req.Domains, rules)
		r := result(err)
		r.Findings = all
		return r
	case "log":
		return s.log(req)
	case "list":
		all, err := s.Manager.List()
		r := result(err)
		r.BMCs = s.masked(all)
		return r
	case "show":
		r := &Reply{}
		for _, name := range req.Domains {
			i, err := s.Manager.Show(name)
			r.merge(err)
			if err == nil {
				r.BMCs = append(r.BMCs, s.masked([]manager.Info{i})...)
			}
		}
		return r
	case "start", "stop", "delete":
		return s.each(req)
	case "yield":
		return s.yield()
	}
	return result(errs.New(errs.Invalid, "unknown command %q", req.Command))
}

// each goes on after a failure; the exit code is the worst one.
func (s *Server) each(req Request) *Reply {
	names := slices.Clone(req.Domains)
	slices.Sort(names)
	r := &Reply{}
	var gone []manager.Deleted
	var started []string
	for _, name := range slices.Compact(names) {
		var err error
		changed := false
		switch req.Command {
		case "start":
			changed, err = s.Manager.Start(name)
		case "stop":
			_, err = s.Manager.Stop(name)
		case "delete":
			var d manager.Deleted
			if d, err = s.Manager.Delete(name); err == nil {
				gone = append(gone, d)
			}
		}
		r.merge(err)
		if changed {
			r.Messages = append(r.Messages, "Started vBMC instance for domain "+name)
			started = append(started, name)
		}
	}
	s.Manager.AwaitKnown(started)
	s.Manager.Await(gone)
	return r
}

func (s *Server) addAll(ctx context.Context, req Request) *Reply {
	all, err := s.Manager.AddAll(ctx, req.Config)
	r := result(err)
	for _, a := range all {
		r.merge(a.Err)
		if a.Err == nil {
			r.BMCs = append(r.BMCs, s.masked([]manager.Info{{Config: a.Config}})...)
		}
	}
	return r
}

func (s *Server) edit(req Request) *Reply {
	if len(req.Domains) != 1 {
		return result(errs.New(errs.Invalid, "edit takes one domain"))
	}
	c, beside, err := s.Manager.Edit(req.Domains[0], req.Args)
	r := result(err)
	if err == nil {
		r.BMCs = s.masked([]manager.Info{{Config: c}})
	}
	if beside != nil { // the edit itself is done
		r.tell(beside)
	}
	return r
}

// log gives what is kept of a domain's log and its BMC's event log, in the order of
// time, and with "follow" what comes. What happens at that moment may be told twice.
func (s *Server) log(req Request) *Reply {
	if len(req.Domains) != 1 {
		return result(errs.New(errs.Invalid, "log takes one domain"))
	}
	name := req.Domains[0]
	if err := s.Manager.Known(name); err != nil {
		return result(err) // what is wrong in its file is in the log
	}
	s.Manager.Notice(name)
	var old []manager.Line
	var follow func(context.Context, io.Writer)
	switch {
	case s.Lines == nil:
	case req.Args["follow"] == "":
		old = s.Lines.Lines(name)
	default:
		var lines <-chan manager.Line
		var cancel func()
		old, lines, cancel = s.Lines.Follow(name)
		follow = func(ctx context.Context, w io.Writer) {
			defer cancel()
			follows(ctx, lines, w)
		}
	}
	events, err := s.Manager.EventLines(name)
	if err != nil { // the other lines are shown all the same
		events = []manager.Line{{Text: err.Error()}}
	}
	r := &Reply{follow: follow}
	for _, l := range manager.InTimeOrder(old, events) {
		r.Lines = append(r.Lines, l.String())
	}
	return r
}

// follows writes lines until the reader or the daemon ends.
func follows(ctx context.Context, lines <-chan manager.Line, w io.Writer) {
	for {
		select {
		case l := <-lines:
			if _, err := fmt.Fprintln(w, l); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) masked(all []manager.Info) []manager.Info {
	for i := range all {
		if !s.ShowPasswords {
			all[i].Config = all[i].Masked()
		}
	}
	return all
}

func result(err error) *Reply {
	r := &Reply{}
	r.merge(err)
	return r
}

func (r *Reply) merge(err error) {
	if err == nil {
		return
	}
	r.RC = 1
	r.tell(err)
}

func (r *Reply) tell(err error) {
	msg := err.Error()
	if h := errs.HintOf(err); h != "" {
		msg += " (" + h + ")"
	}
	r.Messages = append(r.Messages, msg)
}
