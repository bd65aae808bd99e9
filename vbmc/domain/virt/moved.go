package virt

import (
	"context"
	"log/slog"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/libvirt"
)

// leaveOther looks, when libvirt answers behind an edited URI, which domain is there. The
// same one, by its UUID, keeps what is in force. In another one nobody asked for that:
// it begins without, and the domain of before gets its own boot order back. m.op is held.
func (m *Machine) leaveOther(ctx context.Context) error {
	s := m.snapshot()
	if s.From == nil {
		return nil
	}
	d, err := m.conn.Refresh(ctx, m.name)
	if err != nil || d.UUID.String() == s.UUID {
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
