package virt

import (
	"context"

	"trefoil/vbmc/libvirt"
)

// Restore implements domain.Restorer. A saved guest is the machine's state of before the
// host went down, which the policy is to bring back, and nobody is there to have asked for
// its loss: the override may be older than the guest. It boots at the next start.
func (m *Machine) Restore(ctx context.Context) error {
	return m.operate(func() error {
		if on, err := m.running(ctx); err != nil || on {
			return err
		}
		saved, err := m.conn.HasSaved(ctx, m.name)
		switch {
		case err != nil:
			return translate(err)
		case saved:
			return m.resume(ctx)
		}
		return m.start(ctx)
	})
}

// resume lets a saved guest go on, with a one-time override left to the next start.
func (m *Machine) resume(ctx context.Context) error {
	if err := m.repair(ctx); err != nil {
		return err
	}
	m.forget()
	if m.snapshot().Once != nil {
		m.log.Warn("the guest that libvirt had saved goes on after the restart of the host; the one-time boot device stays for the next start", "domain", m.name)
	}
	return m.startPlain(ctx)
}

// tellDropped tells of a saved guest that is thrown away, or may be where the start got no answer.
func (m *Machine) tellDropped(err error) {
	switch {
	case err == nil:
		m.log.Warn("the guest that libvirt had saved is thrown away: the machine was to boot from another device", "domain", m.name)
	case libvirt.IsUnavailable(err):
		m.log.Warn("the guest that libvirt had saved may be thrown away: the machine was to boot from another device, and libvirt gave no answer", "domain", m.name, "reason", err)
	default:
		m.log.Warn("the guest that libvirt had saved is thrown away: the machine was to boot from another device, and then did not start", "domain", m.name, "reason", err)
	}
}
