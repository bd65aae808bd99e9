package virt

import (
	"context"
	"errors"
	"log/slog"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/libvirt"
)

// leaveOther looks whether the domain is still the one that the state is about, by its
// UUID. In another one nobody asked for what is in force: it begins without. m.op is held.
func (m *Machine) leaveOther(ctx context.Context) error {
	s := m.snapshot()
	if s.From != nil {
		return m.leaveThere(ctx, s)
	}
	d, err := m.conn.Cached(m.name)
	if err != nil || !s.another(d.UUID) { // of one that is away or gone the next event tells
		return nil
	}
	// The domain of before is gone, and its boot order with it.
	if err := m.save(State{}); err != nil {
		return err
	}
	tellReplaced(m.log, s, m.of, d.UUID)
	return nil
}

// leaveThere looks, when libvirt answers behind an edited URI, which domain is there. The
// same one keeps what is in force; for another one the domain of before gets its own boot
// order back.
func (m *Machine) leaveThere(ctx context.Context, s State) error {
	d, err := m.conn.Refresh(ctx, m.name)
	if err != nil || !s.another(d.UUID) {
		return translate(err)
	}
	if err := m.left.Keep(s); err != nil { // before our own note of it goes: a kill must not lose it
		return err
	}
	if err := m.save(State{}); err != nil {
		return err
	}
	tellDropped(m.log, s, m.of)
	return nil
}

// arrive ends the way to another URI. A domain that was moved may have been defined
// there without what the persistent override wrote. m.op is held.
func (m *Machine) arrive(ctx context.Context) error {
	s := m.snapshot()
	if s.From == nil {
		return nil
	}
	if p := s.Persistent; p != nil {
		doc, err := m.read(ctx)
		if err == nil && !doc.Config().Equal(p.Wrote) {
			err = m.persist(ctx, p.Override)
		}
		if err != nil {
			return err
		}
	}
	s = m.snapshot()
	s.From = nil
	return m.save(s)
}

// followEdit gives a persistent override up that an edit of the stored definition has put
// out of force: the user's order is kept, and the BMC must not say that another one is. It
// goes on while its device comes first there. m.op is held.
func (m *Machine) followEdit(ctx context.Context) error {
	s := m.snapshot()
	if s.Persistent == nil {
		return nil
	}
	o := s.Persistent.Override
	doc, err := m.read(ctx)
	if errors.Is(err, domain.ErrNotFound) { // it may come back as it was
		return nil
	}
	if err != nil || doc.First() == o.Device {
		return err
	}
	s.Persistent = nil
	if err := m.save(s); err != nil {
		return err
	}
	m.log.Warn("the persistent boot override is not in force any more: the domain was edited, and another device comes first in its boot order; set it again if the machine is to boot so",
		"domain", m.name, "override", o.Device)
	return nil
}

// tellReplaced says that the name is another domain's now, which the override did not follow.
func tellReplaced(log *slog.Logger, s State, of Owner, is libvirt.UUID) {
	if o := s.override(); o.Device != domain.None {
		log.Warn("the boot override is not in force any more: another domain has this name now; set it again if that is to boot so",
			"domain", of.Domain, "override", o.Device, "persistent", o.Persistent, "was", s.UUID, "is", is)
	}
}

// tellDropped says that the BMC has another domain now, which its override did not follow.
func tellDropped(log *slog.Logger, s State, to Owner) {
	o := s.override()
	if o.Device == domain.None {
		return
	}
	from := s.released().Of
	log.Warn("the boot override is not in force any more: the BMC has another domain now; set it again if that is to boot so",
		"domain", to.Domain, "override", o.Device, "persistent", o.Persistent,
		"was", from.Domain, "at", libvirt.Shown(from.URI), "now at", libvirt.Shown(to.URI))
}
