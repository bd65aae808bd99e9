// Package virt is a libvirt domain as a domain.Machine: power from cached state,
// boot overrides by editing the boot order in the stored definition.
package virt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/bootxml"
	"trefoil/vbmc/libvirt"
)

// Conn is what a machine needs from libvirt; *libvirt.Conn made by libvirt.Open is one.
type Conn interface {
	Cached(name string) (libvirt.Domain, error)
	Refresh(ctx context.Context, name string) (libvirt.Domain, error)
	CreateDomain(ctx context.Context, name string) error
	DestroyDomain(ctx context.Context, name string) error
	ShutdownDomain(ctx context.Context, name string) error
	ResetDomain(ctx context.Context, name string) error
	InjectNMI(ctx context.Context, name string) error
	DomainXML(ctx context.Context, name string, flags libvirt.XMLFlags) (string, error)
	DefineDomain(ctx context.Context, xml string) (libvirt.Domain, error)
}

// Machine implements domain.Machine for one domain.
type Machine struct {
	conn  Conn
	name  string
	store Store
	log   *slog.Logger

	op sync.Mutex // one power or boot operation at a time

	mu    sync.Mutex // guards what follows, never held during a call
	state State
	uuid  [16]byte
}

// New makes the machine for a domain name; the domain need not exist yet.
func New(conn Conn, name string, store Store, log *slog.Logger) (*Machine, error) {
	s, err := store.Load()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Machine{conn: conn, name: name, store: store, log: log, state: s}, nil
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
	m.op.Lock()
	defer m.op.Unlock()
	if on, err := m.running(ctx); err != nil || on {
		return err
	}
	return m.start(ctx)
}

// Off implements domain.Machine.
func (m *Machine) Off(ctx context.Context) error {
	m.op.Lock()
	defer m.op.Unlock()
	return m.stop(ctx)
}

// Soft implements domain.Machine. libvirt returns at once; a guest without ACPI
// goes on running.
func (m *Machine) Soft(ctx context.Context) error {
	m.op.Lock()
	defer m.op.Unlock()
	err := m.conn.ShutdownDomain(ctx, m.name)
	if libvirt.IsInvalidOperation(err) {
		return nil
	}
	return translate(err)
}

// Reset implements domain.Machine. libvirt's reset keeps the process and with it
// the old boot order, so a changed order needs a new process.
func (m *Machine) Reset(ctx context.Context) error {
	m.op.Lock()
	defer m.op.Unlock()
	if err := m.needRunning(ctx); err != nil {
		return err
	}
	if s := m.snapshot(); s.Once != nil || s.Stale {
		return m.restart(ctx)
	}
	return translate(m.conn.ResetDomain(ctx, m.name))
}

// Cycle implements domain.Machine.
func (m *Machine) Cycle(ctx context.Context) error {
	m.op.Lock()
	defer m.op.Unlock()
	if err := m.needRunning(ctx); err != nil {
		return err
	}
	return m.restart(ctx)
}

// Diag implements domain.Machine.
func (m *Machine) Diag(ctx context.Context) error {
	m.op.Lock()
	defer m.op.Unlock()
	if err := m.needRunning(ctx); err != nil {
		return err
	}
	return translate(m.conn.InjectNMI(ctx, m.name))
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
	err := m.conn.DestroyDomain(ctx, m.name)
	if err != nil && !libvirt.IsInvalidOperation(err) {
		return translate(err)
	}
	m.settle(ctx)
	return nil
}

func (m *Machine) restart(ctx context.Context) error {
	if err := m.stop(ctx); err != nil {
		return err
	}
	return m.start(ctx)
}

// create starts the process; somebody else may have been faster.
func (m *Machine) create(ctx context.Context) error {
	err := m.conn.CreateDomain(ctx, m.name)
	if err != nil && !libvirt.IsInvalidOperation(err) {
		return translate(err)
	}
	m.settle(ctx)
	return nil
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
