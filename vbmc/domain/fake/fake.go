// Package fake is a machine in memory, for tests of BMCs and for trying a client
// without a hypervisor. It has all abilities of package domain; guest.go holds
// what happens to it from inside or by others.
package fake

import (
	"context"
	"sync"
	"time"

	"trefoil/vbmc/domain"
)

// The fake has every ability.
var (
	_ domain.Machine       = (*Machine)(nil)
	_ domain.Notifier      = (*Machine)(nil)
	_ domain.Meter         = (*Machine)(nil)
	_ domain.ConsoleOpener = (*Machine)(nil)
	_ domain.Overrider     = (*Machine)(nil)
	_ domain.Restorer      = (*Machine)(nil)
	_ domain.Troubled      = (*Machine)(nil)
)

// Machine implements domain.Machine in memory. The zero value is not usable; call New.
type Machine struct {
	// Now is the clock of events and usage; set it before the first use.
	Now func() time.Time

	events domain.Events

	mu         sync.Mutex
	uuid       [16]byte
	on         bool
	saved      bool // its guest, which goes on at a start without a one-time override
	started    time.Time
	persistent domain.Override
	once       *domain.Override
	fail       error
	trouble    string
	lacks      map[domain.Device]bool
	starts     []domain.Device
	log        []string
	gate       chan struct{}
	usage      *domain.Usage
	line       line
}

// New makes a machine that is off.
func New(uuid [16]byte) *Machine {
	return &Machine{Now: time.Now, uuid: uuid, lacks: map[domain.Device]bool{}}
}

// Fail makes every operation return err until it is called with nil. It tells no
// event; Lose and Return do.
func (m *Machine) Fail(err error) { m.mu.Lock(); defer m.mu.Unlock(); m.fail = err }

// Remove takes a boot device out of the machine.
func (m *Machine) Remove(d domain.Device) { m.mu.Lock(); defer m.mu.Unlock(); m.lacks[d] = true }

// Hold makes power operations wait until the returned function is called.
func (m *Machine) Hold() (release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gate := make(chan struct{})
	m.gate = gate
	return func() {
		m.mu.Lock()
		m.gate = nil
		m.mu.Unlock()
		close(gate)
	}
}

// Starts lists the device each start booted from; None is the machine's own order.
func (m *Machine) Starts() []domain.Device {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]domain.Device(nil), m.starts...)
}

// Log lists the power operations in the order they happened.
func (m *Machine) Log() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.log...)
}

// UUID implements domain.Machine.
func (m *Machine) UUID() ([16]byte, error) { return m.uuid, nil }

// Power implements domain.Machine.
func (m *Machine) Power() (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.on, m.fail
}

// Override implements domain.Machine.
func (m *Machine) Override() domain.Override {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.once != nil {
		return *m.once
	}
	return m.persistent
}

// SetOverride implements domain.Machine.
func (m *Machine) SetOverride(_ context.Context, o domain.Override) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.fail != nil:
		return m.fail
	case m.lacks[o.Device]:
		return domain.ErrNotSupported
	case o.Device == domain.None:
		m.once, m.persistent = nil, domain.Override{}
	case o.Persistent:
		m.once, m.persistent = nil, o
	default:
		m.once = &o
	}
	return nil
}

// ClearOnce implements domain.Overrider.
func (m *Machine) ClearOnce(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		m.once = nil
	}
	return m.fail
}

// Trouble implements domain.Troubled.
func (m *Machine) Trouble() string { m.mu.Lock(); defer m.mu.Unlock(); return m.trouble }

// OnEvent implements domain.Notifier. Events are told by the goroutine that made
// them, before the operation returns.
func (m *Machine) OnEvent(f func(domain.Event)) (cancel func()) { return m.events.OnEvent(f) }

// On implements domain.Machine.
func (m *Machine) On(ctx context.Context) error {
	return m.do(ctx, "on", func() error {
		if !m.on {
			m.start(ours, true)
		}
		return nil
	})
}

// Restore implements domain.Restorer.
func (m *Machine) Restore(ctx context.Context) error {
	return m.do(ctx, "restore", func() error {
		switch {
		case m.on:
		case m.saved:
			m.resume(ours)
		default:
			m.start(ours, true)
		}
		return nil
	})
}

// Off implements domain.Machine.
func (m *Machine) Off(ctx context.Context) error {
	return m.do(ctx, "off", func() error { m.stop(domain.Stopped, ours); return nil })
}

// Soft implements domain.Machine; this guest always obeys.
func (m *Machine) Soft(ctx context.Context) error {
	return m.do(ctx, "soft", func() error { m.stop(domain.ShutDown, ours); return nil })
}

// Reset implements domain.Machine.
func (m *Machine) Reset(ctx context.Context) error {
	return m.do(ctx, "reset", func() error { return m.reboot(ours) })
}

// Cycle implements domain.Machine.
func (m *Machine) Cycle(ctx context.Context) error {
	return m.do(ctx, "cycle", func() error {
		if !m.on {
			return domain.ErrPoweredOff
		}
		m.stop(domain.Stopped, ours)
		m.start(ours, true)
		return nil
	})
}

// Diag implements domain.Machine.
func (m *Machine) Diag(ctx context.Context) error {
	return m.do(ctx, "diag", func() error {
		if !m.on {
			return domain.ErrPoweredOff
		}
		return nil
	})
}

// whose says by whom something happened.
type whose bool

const (
	ours   whose = true
	others whose = false
)

func (m *Machine) add(k domain.EventKind, by whose) {
	m.events.Add(domain.Event{Kind: k, At: m.Now(), On: m.on, Ours: bool(by)})
}

func (m *Machine) stop(k domain.EventKind, by whose) {
	if !m.on {
		return
	}
	m.on, m.started = false, time.Time{}
	m.line.hangUp()
	m.add(k, by)
}

// boot notes what the machine boots from; a one-time override is spent by it.
func (m *Machine) boot(withOnce bool) {
	dev := m.persistent.Device
	if withOnce && m.once != nil {
		dev, m.once = m.once.Device, nil
	}
	m.starts = append(m.starts, dev)
}

// resume lets a saved guest go on, which is no boot.
func (m *Machine) resume(by whose) {
	m.on, m.saved, m.started = true, false, m.Now()
	m.add(domain.Started, by)
}

func (m *Machine) start(by whose, withOnce bool) {
	if m.saved && !(withOnce && m.once != nil) {
		m.resume(by)
		return
	}
	m.on, m.saved, m.started = true, false, m.Now()
	m.boot(withOnce)
	m.add(domain.Started, by)
}

func (m *Machine) reboot(by whose) error {
	if !m.on {
		return domain.ErrPoweredOff
	}
	m.boot(true)
	m.add(domain.Rebooted, by)
	return nil
}

func (m *Machine) do(ctx context.Context, op string, f func() error) error {
	m.mu.Lock()
	gate := m.gate
	m.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer m.events.Tell()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		m.trouble = m.fail.Error()
		return m.fail
	}
	m.log, m.trouble = append(m.log, op), ""
	return f()
}
