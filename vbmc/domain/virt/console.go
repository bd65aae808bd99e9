package virt

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/libvirt"
)

// writeLimit bounds a write to a guest that does not read.
const writeLimit = 5 * time.Second

// port is a character device of a running machine.
type port struct {
	Type   string `xml:"type,attr"`
	Source struct {
		Path string `xml:"path,attr"`
		Mode string `xml:"mode,attr"`
	} `xml:"source"`
	Alias struct {
		Name string `xml:"name,attr"`
	} `xml:"alias"`
}

// findPort finds the port to use: the first serial port that can be opened, else
// such a console (virtio). One without an alias is of a machine that does not run, or
// not yet: libvirt gives these when it starts.
func findPort(text string) (port, error) {
	var d struct {
		Serials  []port `xml:"devices>serial"`
		Consoles []port `xml:"devices>console"`
	}
	if err := xml.Unmarshal([]byte(text), &d); err != nil {
		return port{}, fmt.Errorf("read domain XML: %w", err)
	}
	starting := false
	for _, p := range append(d.Serials, d.Consoles...) {
		switch usable := p.Type == "pty" || p.socket(); {
		case usable && p.Alias.Name != "":
			return p, nil
		case usable:
			starting = true
		}
	}
	if starting {
		return port{}, fmt.Errorf("%w: its serial port is not there yet", domain.ErrPoweredOff)
	}
	return port{}, fmt.Errorf("%w: no serial port of type pty, or unix with mode bind", domain.ErrNotSupported)
}

// socket: QEMU listens on a unix socket, for one client at a time.
func (p port) socket() bool { return p.Type == "unix" && p.Source.Mode == "bind" }

// OpenConsole implements domain.ConsoleOpener. The output of a terminal comes by
// libvirt's stream, since libvirt knows who has the console: who reads the terminal
// itself gets a part of what another reader should see, and neither is told. The input
// goes to the terminal itself, so there is none on a remote host. A socket has room
// for one, whom nothing throws out.
func (m *Machine) OpenConsole(ctx context.Context, claim domain.Claim) (c domain.Console, canWrite bool, err error) {
	on, err := m.running(ctx)
	if err != nil {
		return nil, false, err
	}
	text, err := m.conn.DomainXML(ctx, m.name, libvirt.XMLLive)
	if err != nil {
		return nil, false, translate(err)
	}
	p, err := findPort(text)
	switch {
	case err != nil: // no port, which a start does not change
		return nil, false, err
	case !on:
		return nil, false, domain.ErrPoweredOff
	case p.socket():
		return m.openSocket(ctx, p)
	}
	return m.openTerminal(ctx, p, claim)
}

func (m *Machine) openSocket(ctx context.Context, p port) (domain.Console, bool, error) {
	if !m.conn.Local() {
		return nil, false, fmt.Errorf("%w: the console is a socket on another host", domain.ErrNotSupported)
	}
	var d net.Dialer
	sock, err := d.DialContext(ctx, "unix", p.Source.Path)
	if err != nil {
		return nil, false, m.notOpened(ctx, fmt.Errorf("open console: %w", err))
	}
	return &console{m: m, dev: p.Alias.Name, Reader: sock, in: sock, close: func() { sock.Close() }}, true, nil
}

func (m *Machine) openTerminal(ctx context.Context, p port, claim domain.Claim) (domain.Console, bool, error) {
	flags := libvirt.ConsoleIfFree
	if claim == domain.TakeOver {
		flags = libvirt.ConsoleForce
	}
	out, err := m.conn.OpenConsole(ctx, m.name, p.Alias.Name, flags)
	switch {
	case libvirt.CodeOf(err) == libvirt.CodeOperationFailed:
		return nil, false, fmt.Errorf("%w: %w", domain.ErrBusy, err)
	case err != nil:
		return nil, false, m.notOpened(ctx, err)
	}
	c := &console{m: m, dev: p.Alias.Name, Reader: out}
	if m.conn.Local() {
		in, err := os.OpenFile(p.Source.Path, os.O_WRONLY|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
		if err != nil {
			m.log.Warn("the console takes no input", "domain", m.name, "reason", err)
		} else {
			c.in = in
		}
	}
	c.close = func() {
		out.Close()
		if c.in != nil {
			c.in.Close()
		}
	}
	return c, c.in != nil, nil
}

// notOpened translates why a port could not be opened: the machine may have stopped since it
// was asked. libvirt's 55 says that and nothing else here (qemuDomainOpenConsole), also when
// the machine runs anew by now; a terminal or socket that is gone may be of a process that is.
func (m *Machine) notOpened(ctx context.Context, err error) error {
	off := libvirt.IsInvalidOperation(err)
	if !off {
		on, look := m.running(ctx)
		off = look == nil && !on
	}
	if off {
		return fmt.Errorf("%w: %w", domain.ErrPoweredOff, err)
	}
	return translate(err)
}

// console is an open serial port.
type console struct {
	io.Reader
	m     *Machine
	dev   string
	in    input // nil: output only
	close func()
}

type input interface {
	io.WriteCloser
	SetWriteDeadline(time.Time) error
}

func (c *console) Write(p []byte) (int, error) {
	if c.in == nil {
		return 0, domain.ErrNotSupported
	}
	if err := c.in.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return 0, err
	}
	return c.in.Write(p)
}

// SendBreak implements domain.Console by QEMU's monitor.
func (c *console) SendBreak(ctx context.Context) error {
	_, err := c.m.conn.Monitor(ctx, c.m.name, "chardev-send-break", map[string]any{"id": "char" + c.dev})
	return translate(err)
}

func (c *console) Close() error {
	c.close()
	return nil
}
