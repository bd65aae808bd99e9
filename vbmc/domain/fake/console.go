package fake

import (
	"context"
	"fmt"
	"io"
	"sync"

	"trefoil/vbmc/domain"
)

// line is the serial line of the machine: one open console at a time, which another
// may take over. Machine.mu guards it.
type line struct {
	open     *console
	taken    bool // somebody else has it
	readOnly bool
	absent   bool
	typed    []byte
	breaks   int
}

func (l *line) hangUp() {
	if l.open != nil {
		l.open.end()
		l.open = nil
	}
}

// ConsoleReadOnly makes consoles output only.
func (m *Machine) ConsoleReadOnly() { m.mu.Lock(); defer m.mu.Unlock(); m.line.readOnly = true }

// RemoveConsole takes the serial port out of the machine.
func (m *Machine) RemoveConsole() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.line.absent = true
	m.line.hangUp()
}

// TakeConsole is what another program's console does: it throws ours out and keeps
// the line until it is taken back. LeaveConsole ends it.
func (m *Machine) TakeConsole() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.line.taken = true
	m.line.hangUp()
}

// LeaveConsole ends what TakeConsole began.
func (m *Machine) LeaveConsole() { m.mu.Lock(); defer m.mu.Unlock(); m.line.taken = false }

// ConsoleTaken tells whether another program has the line.
func (m *Machine) ConsoleTaken() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.line.taken }

// HangUp ends the open console, as a libvirtd that goes away does.
func (m *Machine) HangUp() { m.mu.Lock(); defer m.mu.Unlock(); m.line.hangUp() }

// Print is what the guest writes to its serial port; it is lost when no console
// is open. It returns whether one was.
func (m *Machine) Print(text string) bool {
	m.mu.Lock()
	c := m.line.open
	m.mu.Unlock()
	return c != nil && c.put(text)
}

// Typed is what the guest has read from its serial port.
func (m *Machine) Typed() string { m.mu.Lock(); defer m.mu.Unlock(); return string(m.line.typed) }

// Breaks counts the breaks that the guest has seen.
func (m *Machine) Breaks() int { m.mu.Lock(); defer m.mu.Unlock(); return m.line.breaks }

// ConsoleOpen tells whether a console is open.
func (m *Machine) ConsoleOpen() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.line.open != nil }

// OpenConsole implements domain.ConsoleOpener. It fails with ErrPoweredOff while
// the machine is off; an open console ends (io.EOF) when the machine stops.
func (m *Machine) OpenConsole(_ context.Context, claim domain.Claim) (domain.Console, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.fail != nil:
		return nil, false, m.fail
	case m.line.absent:
		return nil, false, fmt.Errorf("serial console: %w", domain.ErrNotSupported)
	case !m.on:
		return nil, false, domain.ErrPoweredOff
	case claim == domain.IfFree && (m.line.taken || m.line.open != nil):
		return nil, false, domain.ErrBusy
	}
	m.line.taken = false
	m.line.hangUp()
	m.line.open = newConsole(m)
	return m.line.open, !m.line.readOnly, nil
}

// console holds what the guest printed and nobody has read yet.
type console struct {
	m    *Machine
	mu   sync.Mutex
	some *sync.Cond
	out  []byte
	over bool
}

func newConsole(m *Machine) *console {
	c := &console{m: m}
	c.some = sync.NewCond(&c.mu)
	return c
}

func (c *console) put(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	c.out = append(c.out, text...)
	c.some.Broadcast()
	return true
}

func (c *console) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.some.Broadcast()
}

// Read blocks until the guest prints; what was printed before the end is read
// before io.EOF.
func (c *console) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) == 0 {
		if c.over {
			return 0, io.EOF
		}
		c.some.Wait()
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// typing checks that the line takes input. Machine.mu is held.
func (c *console) typing() error {
	switch {
	case c.m.line.open != c:
		return io.ErrClosedPipe
	case c.m.line.readOnly:
		return domain.ErrNotSupported
	}
	return nil
}

func (c *console) Write(p []byte) (int, error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if err := c.typing(); err != nil {
		return 0, err
	}
	c.m.line.typed = append(c.m.line.typed, p...)
	return len(p), nil
}

func (c *console) SendBreak(context.Context) error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	err := c.typing()
	if err == nil {
		c.m.line.breaks++
	}
	return err
}

func (c *console) Close() error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.m.line.open == c {
		c.m.line.open = nil
	}
	c.end()
	return nil
}
