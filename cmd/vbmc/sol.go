package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"trefoil/internal/errs"
	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/manager"
)

// solFlags are the options of `vbmc sol`.
func solFlags() []cli.Flag {
	return []cli.Flag{&cli.BoolFlag{Name: "force", Usage: "take the console from the session that has it"}}
}

// sol shows a domain's serial console through its own BMC, as a client of IPMI: what
// works here works for ipmitool too.
func (p *program) sol(c *cli.Context) error {
	if err := words(c, 1); err != nil {
		return err
	}
	// The file has the password; the daemon does not give it away.
	m := manager.New(p.settings, &manager.Libvirt{Log: slog.New(slog.DiscardHandler)}, slog.New(slog.DiscardHandler))
	b, err := m.Show(c.Args().First())
	if err != nil {
		return err
	}
	cred, err := b.Credentials()
	if err != nil {
		return err
	}
	o := ipmiclient.Options{Username: cred.Username, Password: cred.Password, KG: cred.KG}
	if len(cred.Suites) > 0 {
		o.Suite = cred.Suites[0]
	}
	addr := b.Reachable()[0]
	client, err := ipmiclient.Dial(c.Context, addr, o)
	if err != nil {
		return errs.New(errs.Unavailable, "log in to the BMC of %s at %s: %v", b.Domain, addr, err).
			WithHint("is it started? vbmc start %s; vbmc doctor %s", b.Domain, b.Domain)
	}
	defer client.Close()
	if c.Bool("force") {
		if err := client.EndSOL(); err != nil {
			return err
		}
	}
	s, err := client.SOL(c.Context)
	if errors.Is(err, ipmiclient.ErrSOLActive) {
		return errs.New(errs.Conflict, "console of %s: %v", b.Domain, err).WithHint("take it with --force")
	}
	if err != nil {
		return fmt.Errorf("console of %s: %w", b.Domain, err)
	}
	defer s.Close()
	fmt.Fprintf(p.err, "Console of %s. Type ~. at the beginning of a line to leave, ~B for a break, ~~ for ~.\n", b.Domain)
	restore, err := rawTerminal(os.Stdin)
	if err != nil {
		return err
	}
	defer restore()
	if err := converse(c.Context, s, os.Stdin, p.out); err != nil {
		return fmt.Errorf("console of %s: %w", b.Domain, err)
	}
	return nil
}

// drainTime is how long the last keys may take to the BMC: of a pipe they are all there is.
const drainTime = 2 * time.Second

// linger is how long the end of a pipe waits for what the BMC says to it: with nothing typed,
// that there is no console is told only then.
const linger = 500 * time.Millisecond

// converse talks until the user leaves, the input ends or the console does. What was typed
// and nobody took is a failure, as is a console that ends by itself.
func converse(ctx context.Context, s *ipmiclient.Console, in io.Reader, out io.Writer) error {
	shown, typed := make(chan error, 1), make(chan error, 1) // who is left behind ends with the process
	go func() { _, err := io.Copy(out, s); shown <- err }()
	go func() { typed <- typing(s, in) }()
	var err error
	select {
	case err = <-shown:
		return err
	case err = <-typed:
	case <-ctx.Done():
	}
	piped := errors.Is(err, io.EOF)
	if err != nil && !piped {
		return err
	}
	err = drain(ctx, s)
	if piped {
		select {
		case over := <-shown: // it says more than that nobody took the keys
			return over
		case <-time.After(linger):
		case <-ctx.Done():
		}
	}
	return err
}

func drain(ctx context.Context, s *ipmiclient.Console) error {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	return s.Drain(ctx)
}

// breaker is a console that can be told to send a break.
type breaker interface {
	io.Writer
	SendBreak() error
}

// typing sends what is typed, until it ends or ~. is typed.
func typing(s breaker, in io.Reader) error {
	e := escapes{fresh: true}
	buf := make([]byte, 256)
	for {
		n, err := in.Read(buf)
		for _, b := range buf[:n] {
			send, action := e.next(b)
			if len(send) > 0 {
				if _, err := s.Write(send); err != nil {
					return err
				}
			}
			switch action {
			case leave:
				return nil
			case sendBreak:
				if err := s.SendBreak(); err != nil {
					return err
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

type escape int

const (
	nothing escape = iota
	leave
	sendBreak
)

// escapes finds the escapes of ssh and ipmitool: ~ at the beginning of a line.
type escapes struct {
	fresh bool // a line begins
	tilde bool // ~ was typed and waits
}

// next takes a character and returns what to send and to do.
func (e *escapes) next(b byte) (send []byte, do escape) {
	if e.tilde {
		e.tilde, e.fresh = false, false
		switch b {
		case '.':
			return nil, leave
		case 'B':
			e.fresh = true
			return nil, sendBreak
		case '~':
			return []byte{'~'}, nothing
		}
		send = []byte{'~'}
	} else if e.fresh && b == '~' {
		e.tilde = true
		return nil, nothing
	}
	e.fresh = b == '\r' || b == '\n'
	return bytes.Join([][]byte{send, {b}}, nil), nothing
}

// rawTerminal hands keys over as they are typed, ^C included; what is no terminal
// stays as it is.
func rawTerminal(f *os.File) (restore func(), err error) {
	fd := int(f.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {}, nil //nolint:nilerr // a pipe or a file
	}
	raw := *old
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return nil, fmt.Errorf("set up the terminal: %w", err)
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, old) }, nil
}
