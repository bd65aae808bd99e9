package virt

import (
	"errors"
	"strings"
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/libvirt"
)

// replace is virsh undefine, and then define of another domain of that name.
func (h *hypervisor) replace(xml string) {
	h.stored, h.live, h.uuid = xml, "", libvirt.UUID{2}
}

// TestDefinedAgain: a domain of the same name with another UUID has nothing that was asked
// for of the one before, whether an event tells of it, the daemon starts, or neither.
func TestDefinedAgain(t *testing.T) {
	once, lasting := domain.Override{Device: domain.PXE}, netOverride()
	for name, look := range map[string]func(*lab, *Machine) (*Machine, error){
		"defined": func(b *lab, m *Machine) (*Machine, error) {
			if !m.Observe(libvirt.Event{Kind: libvirt.EventDefined, Domain: b.h.domain()}) {
				t.Error("its definition does not have the machine looked at")
			}
			return m, m.Repair(t.Context())
		},
		"created": func(b *lab, m *Machine) (*Machine, error) {
			if !m.Observe(libvirt.Event{Kind: libvirt.EventStarted, Domain: b.h.domain()}) {
				t.Error("its start does not have the machine looked at")
			}
			return m, m.Repair(t.Context())
		},
		"daemon starts": func(b *lab, _ *Machine) (*Machine, error) {
			m := b.bmc(t, b.of)
			return m, m.Repair(t.Context())
		},
		"powered on": func(_ *lab, m *Machine) (*Machine, error) {
			return m, errors.Join(m.On(t.Context()), m.Off(t.Context()))
		},
	} {
		for _, o := range []domain.Override{once, lasting} {
			b := newLab(t, osStyle)
			said := b.hear()
			m := b.bmc(t, b.of)
			if err := m.SetOverride(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			b.h.replace(perDevice)
			m, err := look(b, m)
			if err != nil || m.Override() != (domain.Override{}) {
				t.Errorf("%s: %v, override %+v", name, err, m.Override())
			}
			if err := m.On(t.Context()); err != nil || b.h.booted != domain.None {
				t.Errorf("%s: %v, booted %v", name, err, b.h.booted)
			}
			same(t, b.h.stored, perDevice)
			if text := said(); strings.Count(text, "override is not in force any more") != 1 || !strings.Contains(text, "override=pxe") {
				t.Errorf("%s: log: %s", name, text)
			}
			b.none(t)
		}
	}
}

// TestAnOverrideOfTheNewDomain stays with it, also when nobody looked in between.
func TestAnOverrideOfTheNewDomain(t *testing.T) {
	b := newLab(t, osStyle)
	said := b.hear()
	m := b.bmc(t, b.of)
	if err := errors.Join(m.SetOverride(t.Context(), netOverride()), m.SetOverride(t.Context(), domain.Override{})); err != nil {
		t.Fatal(err)
	}
	b.h.replace(perDevice)
	o := domain.Override{Device: domain.PXE}
	if err := m.SetOverride(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if m.Observe(libvirt.Event{Kind: libvirt.EventDefined, Domain: b.h.domain()}) {
		t.Error("of its own override nothing is to be looked at")
	}
	if err := m.Repair(t.Context()); err != nil || m.Override() != o || said() != "" {
		t.Errorf("%v, override %+v, log %s", err, m.Override(), said())
	}
	b.h.replace(perDevice)
	b.h.uuid = libvirt.UUID{3}
	if err := m.Repair(t.Context()); err != nil || m.Override() != (domain.Override{}) {
		t.Errorf("%v, the third domain has %+v", err, m.Override())
	}
}

// TestAnOverrideBeforeTheEvent: what is asked for before the event of the new domain has come
// is of the new one.
func TestAnOverrideBeforeTheEvent(t *testing.T) {
	b := newLab(t, osStyle)
	m := b.netboot(t)
	b.h.replace(perDevice)
	b.h.untold = true
	o := domain.Override{Device: domain.PXE}
	if err := m.SetOverride(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	b.h.untold = false
	if err := m.Repair(t.Context()); err != nil || m.Override() != o || m.snapshot().Persistent != nil {
		t.Errorf("%v, state %+v", err, m.snapshot())
	}
}

// TestLapsedBeforeAnybodyLooked: what is written for other reasons does not make the new
// domain the one for which something is in force.
func TestLapsedBeforeAnybodyLooked(t *testing.T) {
	b := newLab(t, osStyle)
	m := b.netboot(t)
	if err := m.SetOverride(t.Context(), domain.Override{Device: domain.Disk}); err != nil {
		t.Fatal(err)
	}
	b.h.replace(b.h.stored) // it boots from the network by itself
	if err := errors.Join(m.ClearOnce(t.Context()), m.Repair(t.Context())); err != nil || m.Override() != (domain.Override{}) {
		t.Errorf("%v, override %+v", err, m.Override())
	}
}

// TestNothingIsPutBackInAnother: what was to be undone in the domain of before, by the BMC
// or behind one that was deleted, is the user's own order in the new one.
func TestNothingIsPutBackInAnother(t *testing.T) {
	for _, deleted := range []bool{false, true} {
		b := newLab(t, perDevice)
		m := b.netboot(t)
		ours := b.h.stored
		if err := m.note(m.snapshot().Persistent.Change); err != nil {
			t.Fatal(err)
		}
		b.h.replace(ours)
		if deleted {
			done, err := b.Leave(b.state, b.of)
			if err != nil {
				t.Fatal(err)
			}
			close(b.back)
			<-done
		} else if err := b.bmc(t, b.of).Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, b.h.stored, ours)
		b.none(t)
	}
}

// TestTwoLeftBehind: of two domains of one name the one that is there gets its order back.
func TestTwoLeftBehind(t *testing.T) {
	b := newLab(t, osStyle)
	b.netboot(t)
	if _, err := b.Leave(b.state, b.of); err != nil {
		t.Fatal(err)
	}
	ours := b.h.stored
	b.h.replace(perDevice)
	s := State{Of: &b.of, UUID: b.h.uuid.String(), Undo: []Change{{}}}
	if err := b.Keep(s); err != nil {
		t.Fatal(err)
	}
	if s, err := (FileStore{b.file(b.of)}).Load(); err != nil || len(s.Undo) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	b.h.stored = ours
	close(b.back)
	<-b.jobs[b.file(b.of)].done
	same(t, b.h.stored, ours)
}

// TestEditOverAPersistentOverride: the order that the user writes is kept, and the BMC tells
// what is in force then.
func TestEditOverAPersistentOverride(t *testing.T) {
	edit := func(was, is string) func(string) string {
		return func(xml string) string { return strings.Replace(xml, was, is, 1) }
	}
	net := "<boot dev='network'/>"
	for name, c := range map[string]struct {
		edit  func(string) string
		stays bool
	}{
		"without our device":    {edit(net, ""), false},
		"another device first":  {edit(net+"<boot dev='cdrom'/>", "<boot dev='cdrom'/>"+net), false},
		"something else":        {edit("<devices>", "<memory>1</memory><devices>"), true},
		"another one behind it": {edit("<boot dev='cdrom'/>", ""), true},
	} {
		b := newLab(t, osStyle)
		said := b.hear()
		m := b.netboot(t)
		if m.Observe(libvirt.Event{Kind: libvirt.EventStarted, Domain: b.h.domain()}) {
			t.Errorf("%s: a start has the definition looked at", name)
		}
		edited := c.edit(b.h.stored)
		if edited == b.h.stored {
			t.Fatalf("%s: nothing is edited", name)
		}
		b.h.stored = edited
		if !m.Observe(libvirt.Event{Kind: libvirt.EventDefined, Domain: b.h.domain()}) {
			t.Errorf("%s: an edit does not have the machine looked at", name)
		}
		if err := m.On(t.Context()); err != nil { // the event's work comes later
			t.Fatal(err)
		}
		if err := m.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, b.h.stored, edited)
		if stays := m.Override() == netOverride(); stays != c.stays || stays != (b.h.booted == domain.PXE) {
			t.Errorf("%s: booted %v, override %+v", name, b.h.booted, m.Override())
		}
		if told := strings.Contains(said(), "persistent boot override is not in force any more"); told == c.stays {
			t.Errorf("%s: log: %s", name, said())
		}
	}
}

// TestGoneForAWhile: a definition that is not there says nothing of the override.
func TestGoneForAWhile(t *testing.T) {
	b := newLab(t, osStyle)
	m := b.netboot(t)
	b.h.away = &libvirt.Error{Op: "look up", Code: libvirt.CodeNoDomain, Msg: "no domain"}
	if err := m.Repair(t.Context()); err != nil || m.Override() != netOverride() {
		t.Errorf("%v, override %+v", err, m.Override())
	}
	b.h.away = nil
	if err := m.Repair(t.Context()); err != nil || m.Override() != netOverride() {
		t.Errorf("%v, override %+v", err, m.Override())
	}
}
