package virt

import (
	"context"
	"errors"
	"fmt"

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

// save stores a new state on disk first, then in memory. m.op is held. The UUID is that of
// the domain for which something came into force first: it must not follow the name.
func (m *Machine) save(s State) error {
	s.Of = &m.of
	if d, err := m.conn.Cached(m.name); err == nil && (s.UUID == "" || !m.snapshot().holds()) {
		s.UUID = d.UUID.String()
	}
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
func (m *Machine) Override() domain.Override { return m.snapshot().override() }

// SetOverride implements domain.Machine. A one-time override touches nothing
// until the start; a persistent one is written to the stored definition now.
func (m *Machine) SetOverride(ctx context.Context, o domain.Override) error {
	return m.operate(func() error {
		if o.Device != domain.None {
			// Asked, as the event of another domain of that name may still be on its way.
			if _, err := m.running(ctx); err != nil {
				return err
			}
			if err := m.needStored(ctx); err != nil {
				return err
			}
		}
		if err := m.repair(ctx); err != nil {
			return err
		}
		switch {
		case o.Device == domain.None:
			return m.clear(ctx)
		case o.Persistent:
			return m.persist(ctx, o)
		}
		return m.setOnce(ctx, o)
	})
}

func (m *Machine) setOnce(ctx context.Context, o domain.Override) error {
	doc, err := m.read(ctx)
	if err != nil {
		return err
	}
	if _, err := m.order(doc, doc.Config(), o); err != nil {
		return err
	}
	s := m.snapshot()
	s.Once = &o
	return m.save(s)
}

// order is base with an override's device in front.
func (m *Machine) order(doc *bootxml.Doc, base bootxml.Config, o domain.Override) (bootxml.Config, error) {
	if o.EFI && m.options.RefuseEFI && !doc.EFI() {
		return bootxml.Config{}, fmt.Errorf("%w: the firmware is BIOS, UEFI boot was asked for", domain.ErrNotSupported)
	}
	c, err := doc.Override(base, o.Device)
	return c, translate(err)
}

// ClearOnce implements domain.Overrider. It needs no libvirt.
func (m *Machine) ClearOnce(context.Context) error {
	return m.operate(func() error {
		s := m.snapshot()
		if s.Once == nil {
			return nil
		}
		s.Once = nil
		return m.save(s)
	})
}

func (m *Machine) clear(ctx context.Context) error {
	s := m.snapshot()
	if s.Persistent != nil {
		on, err := m.running(ctx)
		if err != nil {
			return err
		}
		s.Undo, s.Stale = []Change{s.Persistent.Change}, on
	}
	if s.Once == nil && s.Persistent == nil {
		return nil
	}
	s.Once, s.Persistent = nil, nil
	if err := m.save(s); err != nil {
		return err
	}
	return m.repair(ctx)
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
	wrote, err := m.order(doc, before, o)
	if err != nil {
		return err
	}
	on, err := m.running(ctx)
	if err != nil {
		return err
	}
	changed := !doc.Config().Equal(wrote)
	s.Once, s.Persistent = nil, &Persistent{Override: o, Change: Change{Before: before, Wrote: wrote}}
	s.Stale = on && (s.Stale || changed)
	return m.rewrite(ctx, doc, wrote, s)
}

// rewrite stores a boot order together with the state that says so: both, or neither.
// Until the new state is kept, the old one has a note to take the order back.
func (m *Machine) rewrite(ctx context.Context, doc *bootxml.Doc, c bootxml.Config, after State) error {
	if doc.Config().Equal(c) {
		return m.save(after)
	}
	if err := m.note(Change{Before: doc.Config(), Wrote: c}); err != nil {
		return err
	}
	err := m.define(ctx, doc, c)
	if err == nil {
		err = m.save(after)
	}
	if err != nil {
		m.backOut(ctx, err)
	}
	return err
}

// note keeps what is going to be written, so that it can be taken back. repair has
// run before, and there is no other note.
func (m *Machine) note(c Change) error {
	s := m.snapshot()
	s.Undo = []Change{c}
	return m.save(s)
}

// backOut follows a failure. What got no answer may be done later than we could look:
// that is left to the return of libvirt.
func (m *Machine) backOut(ctx context.Context, why error) {
	var lost *libvirt.UnavailableError
	if errors.As(why, &lost) {
		m.log.Warn("boot order is put back when libvirt answers", "domain", m.name)
		return
	}
	if err := m.repair(ctx); err != nil {
		m.log.Warn("boot order is put back later", "domain", m.name, "reason", err)
	}
}

// start starts the machine with the pending one-time override: the temporary
// order is stored, the machine started, the order put back at once. The note in
// Undo makes a crash between these steps harmless.
func (m *Machine) start(ctx context.Context) error {
	if err := m.repair(ctx); err != nil {
		return err
	}
	m.forget()
	s := m.snapshot()
	if s.Once != nil {
		return m.startOnce(ctx, *s.Once)
	}
	return m.startPlain(ctx)
}

// startPlain starts from the stored order, or lets a saved guest go on.
func (m *Machine) startPlain(ctx context.Context) error {
	if _, err := m.create(ctx, false); err != nil {
		return err
	}
	return m.noteProcess(false, m.snapshot().Persistent != nil && m.isStale(ctx))
}

// started notes that a new process runs, from the stored order or a temporary one.
func (m *Machine) started(temporary bool) error { return m.noteProcess(temporary, false) }

// noteProcess notes what order the process has.
func (m *Machine) noteProcess(temporary, stale bool) error {
	s := m.snapshot()
	if s.Stale == stale && s.Temporary == temporary {
		return nil
	}
	s.Stale, s.Temporary = stale, temporary
	return m.save(s)
}

// spent notes that the one-time override was used.
func (m *Machine) spent(temporary bool) error {
	s := m.snapshot()
	s.Once, s.Stale, s.Temporary = nil, false, temporary
	return m.save(s)
}

func (m *Machine) startOnce(ctx context.Context, o domain.Override) error {
	doc, err := m.read(ctx)
	if err != nil {
		return err
	}
	before := doc.Config()
	wrote, err := m.order(doc, before, o)
	if err != nil {
		return err
	}
	if before.Equal(wrote) {
		return m.startAsIs(ctx, wrote)
	}
	if err := m.note(Change{Before: before, Wrote: wrote, Start: true}); err != nil {
		return err
	}
	if err := m.define(ctx, doc, wrote); err != nil {
		m.backOut(ctx, err)
		return err
	}
	ours, err := m.create(ctx, true)
	used := err == nil && m.used(ctx, wrote, ours) // asked now: of a machine that stopped already libvirt tells the stored order
	if back := m.repair(ctx); back != nil {
		m.log.Warn("boot order is put back later", "domain", m.name, "reason", back)
	}
	switch {
	case err != nil:
		return err
	case !used: // a start by others, before our order was stored
		return m.unused()
	}
	if err := m.spent(true); err != nil {
		return err
	}
	return m.restoreLive(ctx, before)
}

// startAsIs is a one-time start from what comes first anyway.
func (m *Machine) startAsIs(ctx context.Context, c bootxml.Config) error {
	ours, err := m.create(ctx, true)
	switch {
	case err != nil:
		return err
	case !m.used(ctx, c, ours):
		return m.unused()
	}
	return m.spent(false)
}

// unused leaves the one-time override to the next start: this one was not from it.
func (m *Machine) unused() error {
	m.log.Warn("the machine runs, but did not start from the one-time boot device, which stays for the next start", "domain", m.name)
	return m.started(false)
}

// repair makes the stored definition what the state says, before anything else is done
// with the domain. It can be repeated.
func (m *Machine) repair(ctx context.Context) error {
	if err := m.leaveOther(ctx); err != nil {
		return err
	}
	if err := m.undo(ctx); err != nil {
		return err
	}
	if err := m.arrive(ctx); err != nil {
		return err
	}
	return m.followEdit(ctx)
}

// undo puts the boot order back that must not stay. A machine that runs with the order
// of a one-time start has used the override, also if we were killed, or got no answer,
// meanwhile.
func (m *Machine) undo(ctx context.Context) error {
	s := m.snapshot()
	if len(s.Undo) == 0 {
		return nil
	}
	on, err := m.running(ctx)
	if err != nil {
		return err
	}
	used := on && s.Once != nil && m.usedBy(ctx, s)
	doc, err := m.read(ctx)
	if err != nil {
		return err
	}
	// A domain that was undefined while it runs has no stored order any more.
	if err := m.define(ctx, doc, s.undone(doc.Config())); err != nil && !errors.Is(err, errTransient) {
		return err
	}
	s.Undo = nil
	if used {
		s.Once, s.Stale, s.Temporary = nil, false, true
	}
	return m.save(s)
}

// Repair does what events ask for: it puts back what an interrupted start left
// behind, and gives a guest that rebooted the boot order that was meant for it. The
// daemon calls it when it starts, when libvirt is back and when Observe says so.
func (m *Machine) Repair(ctx context.Context) error {
	m.op.Lock()
	defer m.op.Unlock()
	if err := m.repair(ctx); err != nil {
		return err
	}
	ended, rebooted := m.work()
	if s := m.snapshot(); ended && (s.Stale || s.Temporary) {
		if err := m.started(false); err != nil {
			return err
		}
	}
	if rebooted {
		return m.afterReboot(ctx)
	}
	return nil
}

func (m *Machine) read(ctx context.Context) (*bootxml.Doc, error) {
	text, err := m.conn.DomainXML(ctx, m.name, editable)
	if err != nil {
		return nil, translate(err)
	}
	doc, err := bootxml.Parse(text)
	if err == nil && m.options.BootMAC != "" {
		doc.UseNIC(m.options.BootMAC)
	}
	return doc, err
}

// define stores the definition with another boot order, if it is another. Once it has
// begun it is waited for, whoever has given up: what it did must be known.
func (m *Machine) define(ctx context.Context, doc *bootxml.Doc, c bootxml.Config) error {
	if doc.Config().Equal(c) {
		return nil
	}
	text, err := doc.Apply(c)
	if err != nil {
		return err
	}
	if err := m.needStored(ctx); err != nil {
		return err
	}
	_, err = m.conn.DefineDomain(context.WithoutCancel(ctx), text)
	return translate(err)
}
