package fake

import (
	"time"

	"trefoil/vbmc/domain"
)

// happen is something that no BMC asked for.
func (m *Machine) happen(f func()) {
	defer m.events.Tell()
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// Reboot is the guest's own reboot; a pending override is used and spent by it.
// Nothing happens while the machine is off.
func (m *Machine) Reboot() { m.happen(func() { _ = m.reboot(others) }) }

// ShutDown is the guest's own power off.
func (m *Machine) ShutDown() { m.happen(func() { m.stop(domain.ShutDown, others) }) }

// Crash ends the machine.
func (m *Machine) Crash() { m.happen(func() { m.stop(domain.Crashed, others) }) }

// StartByOther is what `virsh start` does: a start past the BMC, from the stored
// order. A one-time override is not used and stays.
func (m *Machine) StartByOther() {
	m.happen(func() {
		if !m.on {
			m.start(others, false)
		}
	})
}

// StopByOther is what `virsh destroy` does.
func (m *Machine) StopByOther() { m.happen(func() { m.stop(domain.Stopped, others) }) }

// Save is what `virsh managedsave` does: the machine is off, and its guest goes on at the
// next start that no one-time override is for, or that is a Restore.
func (m *Machine) Save() {
	m.happen(func() {
		m.saved = m.saved || m.on
		m.stop(domain.Stopped, others)
	})
}

// Lose takes the hypervisor away: operations fail with domain.ErrUnavailable.
func (m *Machine) Lose() {
	m.happen(func() {
		m.fail = domain.ErrUnavailable
		m.events.Add(domain.Event{Kind: domain.Lost, At: m.Now(), Reason: m.fail.Error()})
	})
}

// Return brings the hypervisor back; the machine is then on or off as told here.
func (m *Machine) Return(on bool) {
	m.happen(func() {
		switch {
		case !on:
			m.on, m.started = false, time.Time{}
			m.line.hangUp()
		case !m.on:
			m.on, m.started = true, m.Now()
		}
		m.fail = nil
		m.add(domain.Back, others)
	})
}

// Vanish removes the machine from the hypervisor: operations fail with
// domain.ErrNotFound.
func (m *Machine) Vanish() {
	m.happen(func() {
		m.on, m.started, m.fail = false, time.Time{}, domain.ErrNotFound
		m.line.hangUp()
		m.add(domain.Gone, others)
	})
}

// SetUsage sets what Usage tells besides At and Started.
func (m *Machine) SetUsage(u domain.Usage) { m.mu.Lock(); defer m.mu.Unlock(); m.usage = &u }

// Usage implements domain.Meter: what SetUsage said, else one idle processor and
// 1 GiB of memory.
func (m *Machine) Usage() (domain.Usage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return domain.Usage{}, m.fail
	}
	u := domain.Usage{VCPUs: 1, MemoryMax: 1 << 30}
	if m.usage != nil {
		u = *m.usage
	}
	u.At, u.Started = m.Now(), m.started
	if !m.on {
		u.CPU, u.MemoryUsed = 0, 0
	}
	return u, nil
}
