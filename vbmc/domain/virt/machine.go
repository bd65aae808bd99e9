// Package virt is a libvirt domain as a domain.Machine: power from cached state,
// boot overrides by editing the boot order in the stored definition.
package virt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/bootxml"
	"trefoil/vbmc/libvirt"
)

// Conn is what a machine needs from libvirt; *libvirt.Conn made by libvirt.Open is one.
type Conn interface {
	WaitReady(ctx context.Context) error
	Cached(name string) (libvirt.Domain, error)
	Refresh(ctx context.Context, name string) (libvirt.Domain, error)
	CreateDomain(ctx context.Context, name string) error
	BootDomain(ctx context.Context, name string) (dropped bool, err error)
	HasSaved(ctx context.Context, name string) (bool, error)
	IsPersistent(ctx context.Context, name string) (bool, error)
	DestroyDomain(ctx context.Context, name string) error
	ShutdownDomain(ctx context.Context, name string) error
	ResetDomain(ctx context.Context, name string) error
	InjectNMI(ctx context.Context, name string) error
	DomainXML(ctx context.Context, name string, flags libvirt.XMLFlags) (string, error)
	DefineDomain(ctx context.Context, xml string) (libvirt.Domain, error)
	Monitor(ctx context.Context, name, command string, args map[string]any) (json.RawMessage, error)
	Usage(name string) (libvirt.Stats, error)
	OpenConsole(ctx context.Context, name, dev string, flags libvirt.ConsoleFlags) (io.ReadCloser, error)
	Local() bool
}

// LiveOrder says how a machine that is running gets its own boot order back after
// a one-time boot, so that a reboot made by its guest does not boot the same again.
type LiveOrder uint8

// The ways. A reboot that LiveOrderQMP could not prepare is treated as by LiveOrderRestart.
const (
	LiveOrderQMP     LiveOrder = iota // QEMU's monitor changes the running process; libvirt marks it as tainted
	LiveOrderRestart                  // the guest's reboot becomes power off and on
	LiveOrderOff                      // nothing is done
)

// Options are a machine's settings.
type Options struct {
	LiveOrder LiveOrder
	RefuseEFI bool   // refuse an override with the EFI bit on a machine that has BIOS; otherwise it is only recorded
	BootMAC   string // network card to boot from; "": the first in the order
}

// A Machine has every ability.
var (
	_ domain.Machine       = (*Machine)(nil)
	_ domain.Notifier      = (*Machine)(nil)
	_ domain.Meter         = (*Machine)(nil)
	_ domain.ConsoleOpener = (*Machine)(nil)
	_ domain.Overrider     = (*Machine)(nil)
	_ domain.Restorer      = (*Machine)(nil)
	_ domain.Troubled      = (*Machine)(nil)
)

// Machine implements domain.Machine for one domain.
type Machine struct {
	conn    Conn
	of      Owner
	name    string // of.Domain
	store   Store
	log     *slog.Logger
	options Options
	left    *Leftovers // where the orders of another domain go; nil: there is never another
	events  domain.Events

	op      sync.Mutex // one power or boot operation at a time
	tainted bool       // it was said that the monitor is used; op guards it

	mu      sync.Mutex // guards what follows, never held during a call
	state   State
	uuid    [16]byte
	trouble string
	seen    seen
}

// Set takes the settings; call it before the first use.
func (m *Machine) Set(o Options) { m.options = o }

// LeaveTo says who puts orders back in the domain of before, when behind an edited URI is
// another one; call it before the first use.
func (m *Machine) LeaveTo(l *Leftovers) { m.left = l }

// operate runs one operation and keeps its failure for Trouble.
func (m *Machine) operate(f func() error) error {
	m.op.Lock()
	defer m.op.Unlock()
	err := f()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble = ""
	if err != nil {
		m.trouble = err.Error()
	}
	return err
}

// Trouble implements domain.Troubled.
func (m *Machine) Trouble() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trouble
}

// New makes the machine for a domain of the libvirt that conn is connected to; the
// domain need not exist yet.
func New(conn Conn, of Owner, store Store, log *slog.Logger) (*Machine, error) {
	s, err := store.Load()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Machine{conn: conn, of: of, name: of.Domain, store: store, log: log, state: s}, nil
}

// Await implements domain.Awaiter. The event of a domain that was defined a moment ago
// may still be on its way, so it is asked for.
func (m *Machine) Await(ctx context.Context) error {
	if err := m.conn.WaitReady(ctx); err != nil {
		return translate(err)
	}
	if _, err := m.conn.Cached(m.name); err == nil {
		return nil
	}
	_, err := m.conn.Refresh(ctx, m.name)
	return translate(err)
}

// UUID implements domain.Machine. Once known it is answered also while libvirt is away.
func (m *Machine) UUID() ([16]byte, error) {
	d, err := m.conn.Cached(m.name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		m.uuid = d.UUID
	}
	if m.uuid != [16]byte{} {
		return m.uuid, nil
	}
	return m.uuid, translate(err)
}

// Power implements domain.Machine.
func (m *Machine) Power() (bool, error) {
	d, err := m.conn.Cached(m.name)
	return d.State.Active(), translate(err)
}

// On implements domain.Machine.
func (m *Machine) On(ctx context.Context) error {
	return m.operate(func() error {
		if on, err := m.running(ctx); err != nil || on {
			return err
		}
		return m.start(ctx)
	})
}

// Off implements domain.Machine.
func (m *Machine) Off(ctx context.Context) error {
	return m.operate(func() error { return m.stop(ctx) })
}

// Soft implements domain.Machine. libvirt returns at once; a guest without ACPI
// goes on running.
func (m *Machine) Soft(ctx context.Context) error {
	return m.operate(func() error {
		m.expect(softly)
		err := m.conn.ShutdownDomain(ctx, m.name)
		m.unexpect(softly, err)
		return m.unless(ctx, err, false)
	})
}

// Reset implements domain.Machine. libvirt's reset keeps the process and with it
// the old boot order, so a changed order needs a new process.
func (m *Machine) Reset(ctx context.Context) error {
	return m.operate(func() error {
		if err := m.needRunning(ctx); err != nil {
			return err
		}
		if m.snapshot().needsProcess() {
			return m.restart(ctx)
		}
		m.expect(resetting)
		err := m.conn.ResetDomain(ctx, m.name)
		m.unexpect(resetting, err)
		return m.poweredOff(ctx, err)
	})
}

// Cycle implements domain.Machine.
func (m *Machine) Cycle(ctx context.Context) error {
	return m.operate(func() error {
		if err := m.needRunning(ctx); err != nil {
			return err
		}
		return m.restart(ctx)
	})
}

// Diag implements domain.Machine.
func (m *Machine) Diag(ctx context.Context) error {
	return m.operate(func() error {
		if err := m.needRunning(ctx); err != nil {
			return err
		}
		return m.poweredOff(ctx, m.conn.InjectNMI(ctx, m.name))
	})
}

// poweredOff translates for operations on a running machine: it may have stopped
// since it was asked.
func (m *Machine) poweredOff(ctx context.Context, err error) error {
	if err != nil && m.unless(ctx, err, false) == nil {
		return fmt.Errorf("%w: %w", domain.ErrPoweredOff, err)
	}
	return translate(err)
}

// unless translates the error of an operation; nil when libvirt refused it only because
// the machine is on, or off, already. Its 55 says no more than that something is not as
// the operation needs it: that may be a network or a storage pool that is not active.
func (m *Machine) unless(ctx context.Context, err error, already bool) error {
	if !libvirt.IsInvalidOperation(err) {
		return translate(err)
	}
	on, look := m.running(ctx)
	switch {
	case look != nil:
		return fmt.Errorf("%w, and what state the machine is in is not known: %w", err, look)
	case on == already:
		return nil
	}
	return err
}

// running asks libvirt, not the cache: an operation acts on the truth.
func (m *Machine) running(ctx context.Context) (bool, error) {
	d, err := m.conn.Refresh(ctx, m.name)
	return d.State.Active(), translate(err)
}

func (m *Machine) needRunning(ctx context.Context) error {
	on, err := m.running(ctx)
	if err == nil && !on {
		return domain.ErrPoweredOff
	}
	return err
}

func (m *Machine) stop(ctx context.Context) error {
	m.expect(stopping)
	err := m.conn.DestroyDomain(ctx, m.name)
	m.unexpect(stopping, err)
	if err != nil {
		return m.unless(ctx, err, false)
	}
	m.settle(ctx)
	return nil
}

func (m *Machine) restart(ctx context.Context) error {
	if err := m.needStored(ctx); err != nil {
		return err
	}
	if err := m.stop(ctx); err != nil {
		return err
	}
	return m.start(ctx)
}

// create starts the process. A guest that libvirt saved (libvirt-guests does, when the host
// goes down) goes on where it was, which is no boot: boot has it thrown away. ours is false
// when somebody else was faster.
func (m *Machine) create(ctx context.Context, boot bool) (ours bool, err error) {
	m.expect(starting)
	var dropped bool
	if boot {
		dropped, err = m.conn.BootDomain(ctx, m.name)
	} else {
		err = m.conn.CreateDomain(ctx, m.name)
	}
	m.unexpect(starting, err)
	if dropped {
		m.tellDropped(err)
	}
	if err != nil {
		return false, m.unless(ctx, err, true)
	}
	m.settle(ctx)
	return true, nil
}

// settle brings the cache up to date, so that the next status tells the result
// although the event may still be on its way. A failure only means that the
// event decides.
func (m *Machine) settle(ctx context.Context) {
	if _, err := m.conn.Refresh(ctx, m.name); err != nil {
		m.log.Debug("state after the operation is not known yet", "domain", m.name, "reason", err)
	}
}

// translate puts libvirt's errors into the words of the contract.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case libvirt.IsUnavailable(err):
		return fmt.Errorf("%w: %w", domain.ErrUnavailable, err)
	case libvirt.IsNoDomain(err):
		return fmt.Errorf("%w: %w", domain.ErrNotFound, err)
	case errors.Is(err, bootxml.ErrNoDevice),
		libvirt.CodeOf(err) == libvirt.CodeXML, libvirt.CodeOf(err) == libvirt.CodeConfigUnsupp:
		return fmt.Errorf("%w: %w", domain.ErrNotSupported, err)
	}
	return err
}
