package virt

import (
	"context"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/bootxml"
	"trefoil/vbmc/libvirt"
)

// editable are the flags for XML that is going to be defined again: without them
// passwords get lost and run-time values stick.
const editable = libvirt.XMLInactive | libvirt.XMLSecure

func (m *Machine) snapshot() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// save stores a new state on disk first, then in memory. m.op is held.
func (m *Machine) save(s State) error {
	if err := m.store.Save(s); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = s
	return nil
}

// Override implements domain.Machine. A spent one-time override uncovers the
// persistent one under it, as that is what the machine boots from then.
func (m *Machine) Override() domain.Override {
	s := m.snapshot()
	switch {
	case s.Once != nil:
		return *s.Once
	case s.Persistent != nil:
		return s.Persistent.Override
	}
	return domain.Override{}
}

// SetOverride implements domain.Machine. A one-time override touches nothing
// until the start; a persistent one is written to the stored definition now.
func (m *Machine) SetOverride(ctx context.Context, o domain.Override) error {
	m.op.Lock()
	defer m.op.Unlock()
	if err := m.repair(ctx); err != nil {
		return err
	}
	switch {
	case o.Device == domain.None:
		return m.clear(ctx)
	case o.Persistent:
		return m.persist(ctx, o)
	}
	doc, err := m.read(ctx)
	if err != nil {
		return err
	}
	if _, err := doc.Override(doc.Config(), o.Device); err != nil {
		return translate(err)
	}
	s := m.snapshot()
	s.Once = &o
	return m.save(s)
}

// ClearOnce implements domain.Overrider. A one-time override has not touched
// anything yet, so libvirt is not asked.
func (m *Machine) ClearOnce(context.Context) error {
	m.op.Lock()
	defer m.op.Unlock()
	s := m.snapshot()
	if s.Once == nil {
		return nil
	}
	s.Once = nil
	return m.save(s)
}

func (m *Machine) clear(ctx context.Context) error {
	s := m.snapshot()
	if s.Persistent != nil {
		if err := m.takeBack(ctx, s.Persistent.Change); err != nil {
			return err
		}
		on, err := m.running(ctx)
		if err != nil {
			return err
		}
		s.Stale = on
	}
	if s.Once == nil && s.Persistent == nil {
		return nil
	}
	s.Once, s.Persistent = nil, nil
	return m.save(s)
}

func (m *Machine) persist(ctx context.Context, o domain.Override) error {
	doc, err := m.read(ctx)
	if err != nil {
		return err
	}
	s := m.snapshot()
	before := doc.Config()
	if s.Persistent != nil && before.Equal(s.Persistent.Wrote) {
		before = s.Persistent.Before // the user's own order, not that of the earlier override
	}
	wrote, err := doc.Override(before, o.Device)
	if err != nil {
		return translate(err)
	}
	on, err := m.running(ctx)
	if err != nil {
		return err
	}
	changed := !doc.Config().Equal(wrote)
	s.Once, s.Persistent = nil, &Persistent{Override: o, Change: Change{Before: before, Wrote: wrote}}
	s.Stale = on && (s.Stale || changed)
	old := m.snapshot()
	if err := m.save(s); err != nil {
		return err
	}
	if err := m.define(ctx, doc, wrote); err != nil {
		if back := m.save(old); back != nil {
			m.log.Error("boot state could not be put back", "domain", m.name, "reason", back)
		}
		return err
	}
	return nil
}

// start starts the machine with the pending one-time override: the temporary
// order is stored, the machine started, the order put back at once. The note in
// Repair makes a crash between these steps harmless.
func (m *Machine) start(ctx context.Context) error {
	if err := m.repair(ctx); err != nil {
		return err
	}
	s := m.snapshot()
	if s.Once != nil {
		if err := m.startOnce(ctx, s.Once.Device); err != nil {
			return err
		}
	} else if err := m.create(ctx); err != nil {
		return err
	}
	s = m.snapshot()
	if s.Once == nil && !s.Stale {
		return nil
	}
	s.Once, s.Stale = nil, false
	return m.save(s)
}

func (m *Machine) startOnce(ctx context.Context, dev domain.Device) error {
	doc, err := m.read(ctx)
	if err != nil {
		return err
	}
	before := doc.Config()
	wrote, err := doc.Override(before, dev)
	if err != nil {
		return translate(err)
	}
	if before.Equal(wrote) {
		return m.create(ctx)
	}
	s := m.snapshot()
	s.Repair = &Change{Before: before, Wrote: wrote}
	if err := m.save(s); err != nil {
		return err
	}
	err = m.define(ctx, doc, wrote)
	if err == nil {
		err = m.create(ctx)
	}
	if back := m.repair(ctx); back != nil {
		m.log.Warn("boot order is put back later", "domain", m.name, "reason", back)
	}
	return err
}

// repair puts the boot order back that a one-time start replaced.
func (m *Machine) repair(ctx context.Context) error {
	s := m.snapshot()
	if s.Repair == nil {
		return nil
	}
	if err := m.takeBack(ctx, *s.Repair); err != nil {
		return err
	}
	s.Repair = nil
	return m.save(s)
}

// Repair puts back what an interrupted start left behind. The daemon calls it
// when it starts and when libvirt is back.
func (m *Machine) Repair(ctx context.Context) error {
	m.op.Lock()
	defer m.op.Unlock()
	return m.repair(ctx)
}

// Observe takes a lifecycle event. It does not call libvirt.
func (m *Machine) Observe(ev libvirt.Event) (needsRepair bool) {
	return m.snapshot().Repair != nil && ev.Kind == libvirt.EventRelisted
}

// takeBack restores the order before a change, unless the user has made another
// one since.
func (m *Machine) takeBack(ctx context.Context, c Change) error {
	doc, err := m.read(ctx)
	if err != nil {
		return err
	}
	if !doc.Config().Equal(c.Wrote) {
		return nil
	}
	return m.define(ctx, doc, c.Before)
}

func (m *Machine) read(ctx context.Context) (*bootxml.Doc, error) {
	text, err := m.conn.DomainXML(ctx, m.name, editable)
	if err != nil {
		return nil, translate(err)
	}
	return bootxml.Parse(text)
}

// define stores the definition with another boot order, if it is another.
func (m *Machine) define(ctx context.Context, doc *bootxml.Doc, c bootxml.Config) error {
	if doc.Config().Equal(c) {
		return nil
	}
	text, err := doc.Apply(c)
	if err != nil {
		return err
	}
	_, err = m.conn.DefineDomain(ctx, text)
	return translate(err)
}
