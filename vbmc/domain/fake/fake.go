// Package fake is a machine in memory, for tests of BMCs and for trying a client
// without a hypervisor.
package fake

import (
	"context"
	"sync"

	"trefoil/vbmc/domain"
)

// Machine implements domain.Machine in memory. The zero value is not usable; call New.
type Machine struct {
	mu      sync.Mutex
	uuid    [16]byte
	on      bool
	once    domain.Override // the next start only; Device None: not set
	lasting domain.Override // persistent
	fail    error
	lacks   map[domain.Device]bool
	starts  []domain.Device
	log     []string
	gate    chan struct{}
}

// New makes a machine that is off.
func New(uuid [16]byte) *Machine {
	return &Machine{uuid: uuid, lacks: map[domain.Device]bool{}}
}

// Fail makes every operation return err until it is called with nil.
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
	return m.override()
}

// override is the one in force: a spent one-time override uncovers the other. m.mu
// is held.
func (m *Machine) override() domain.Override {
	if m.once.Device != domain.None {
		return m.once
	}
	return m.lasting
}

// SetOverride implements domain.Machine.
func (m *Machine) SetOverride(_ context.Context, o domain.Override) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if m.lacks[o.Device] {
		return domain.ErrNotSupported
	}
	if o.Device != domain.None && !o.Persistent {
		m.once = o
		return nil
	}
	m.once, m.lasting = domain.Override{}, domain.Override{}
	if o.Device != domain.None {
		m.lasting = o
	}
	return nil
}

// ClearOnce implements domain.Overrider. Like a real machine it waits for the
// operation that runs.
func (m *Machine) ClearOnce(ctx context.Context) error {
	return m.wait(ctx, func() error { m.once = domain.Override{}; return nil })
}

// On implements domain.Machine.
func (m *Machine) On(ctx context.Context) error {
	return m.do(ctx, "on", func() error {
		if !m.on {
			m.start()
		}
		return nil
	})
}

// Off implements domain.Machine.
func (m *Machine) Off(ctx context.Context) error {
	return m.do(ctx, "off", func() error { m.on = false; return nil })
}

// Soft implements domain.Machine; this guest always obeys.
func (m *Machine) Soft(ctx context.Context) error {
	return m.do(ctx, "soft", func() error { m.on = false; return nil })
}

// Reset implements domain.Machine.
func (m *Machine) Reset(ctx context.Context) error { return m.do(ctx, "reset", m.restart) }

// Cycle implements domain.Machine.
func (m *Machine) Cycle(ctx context.Context) error { return m.do(ctx, "cycle", m.restart) }

// Diag implements domain.Machine.
func (m *Machine) Diag(ctx context.Context) error {
	return m.do(ctx, "diag", func() error {
		if !m.on {
			return domain.ErrPoweredOff
		}
		return nil
	})
}

func (m *Machine) restart() error {
	if !m.on {
		return domain.ErrPoweredOff
	}
	m.start()
	return nil
}

func (m *Machine) start() {
	m.on = true
	m.starts = append(m.starts, m.override().Device)
	m.once = domain.Override{}
}

func (m *Machine) do(ctx context.Context, op string, f func() error) error {
	return m.wait(ctx, func() error {
		m.log = append(m.log, op)
		return f()
	})
}

// wait runs f when nobody holds the machine. f is called with m.mu held.
func (m *Machine) wait(ctx context.Context, f func() error) error {
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
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	return f()
}
