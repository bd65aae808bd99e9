package virt

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/libvirt"
)

// heard is a log that many goroutines write.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

// hear gives what is logged from now on.
func (b *lab) hear() (said func() string) {
	h := &heard{}
	b.Log = slog.New(slog.NewTextHandler(h, nil))
	return func() string {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.text.String()
	}
}

// away is the machine of a BMC whose URI was edited, while nobody answers there.
func (b *lab) away(t *testing.T, h *hypervisor) *Machine {
	t.Helper()
	h.away = &libvirt.UnavailableError{URI: "test", Op: "look up", Err: libvirt.ErrTimeout}
	m := b.at(t, Owner{"qemu+ssh://root:pw@host/system", "m"}, h)
	if err := m.Repair(t.Context()); err == nil {
		t.Error("repaired without libvirt")
	}
	if m.Override() != netOverride() {
		t.Errorf("while libvirt is away the override is %+v", m.Override())
	}
	h.away = nil
	for _, k := range []libvirt.EventKind{libvirt.EventRelisted, libvirt.EventDefined} {
		if !m.Observe(libvirt.Event{Kind: k, Domain: h.domain()}) {
			t.Errorf("event %d does not have the machine looked at", k)
		}
	}
	return m
}

func netOverride() domain.Override { return domain.Override{Device: domain.PXE, Persistent: true} }

// order of the machine when its BMC takes the override back.
func takenBack(t *testing.T, m *Machine, h *hypervisor, want string) {
	t.Helper()
	if err := m.SetOverride(t.Context(), domain.Override{}); err != nil {
		t.Fatal(err)
	}
	same(t, h.stored, want)
}

// TestAnotherWayToTheSameDomain: what is in force stays in force, and can be taken back.
func TestAnotherWayToTheSameDomain(t *testing.T) {
	b := newLab(t, osStyle)
	said := b.hear()
	b.netboot(t)
	inForce := b.h.stored
	m := b.away(t, b.h)
	if err := m.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m.Override() != netOverride() || b.h.stored != inForce {
		t.Errorf("override %+v, definition\n%s", m.Override(), b.h.stored)
	}
	if s := m.snapshot(); s.From != nil || said() != "" {
		t.Errorf("state %+v, log %s", s, said())
	}
	b.none(t)
	takenBack(t, m, b.h, osStyle)
}

// TestADomainThatWasMoved has a definition that was made anew on the other hypervisor.
func TestADomainThatWasMoved(t *testing.T) {
	b := newLab(t, osStyle)
	b.netboot(t)
	there := &hypervisor{stored: perDevice}
	m := b.away(t, there)
	if err := m.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m.Override() != netOverride() || there.stored == perDevice {
		t.Errorf("override %+v, and the definition is\n%s", m.Override(), there.stored)
	}
	takenBack(t, m, there, perDevice)
}

// TestAnotherDomainOfThatName is left alone, and the override does not go without a word,
// nor what it had changed where it was, also if the daemon is killed meanwhile.
func TestAnotherDomainOfThatName(t *testing.T) {
	for _, killed := range []bool{false, true} {
		b := newLab(t, osStyle)
		said := b.hear()
		b.netboot(t)
		there := &hypervisor{stored: perDevice, uuid: libvirt.UUID{2}}
		m := b.away(t, there)
		before, err := os.ReadFile(b.state)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
		if killed { // before it could note that the other order is kept
			if err := os.WriteFile(b.state, before, 0o600); err != nil {
				t.Fatal(err)
			}
			m = b.at(t, m.of, there)
			if err := m.Repair(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if m.Override() != (domain.Override{}) {
			t.Errorf("the other domain has %+v", m.Override())
		}
		same(t, there.stored, perDevice)
		text := said()
		for _, want := range []string{"override is not in force any more", "override=pxe", "persistent=true", "qemu:///system", "qemu+ssh://root:***@host/system"} {
			if !strings.Contains(text, want) || strings.Contains(text, "pw") {
				t.Errorf("log: %s, want %q in it", text, want)
			}
		}
		done := b.jobs[b.file(b.of)].done
		close(b.back)
		<-done
		same(t, b.h.stored, osStyle)
		b.none(t)
	}
}

// TestAnEditThatIsTakenBack leaves all as it was, and so does a deletion before libvirt
// answered: what was changed is changed in the domain of before.
func TestAnEditThatIsTakenBack(t *testing.T) {
	b := newLab(t, osStyle)
	b.netboot(t)
	b.away(t, &hypervisor{stored: perDevice, uuid: libvirt.UUID{2}})
	m := b.bmc(t, b.of)
	if s := m.snapshot(); s.From != nil || m.Override() != netOverride() {
		t.Errorf("state %+v", s)
	}
	b.away(t, &hypervisor{stored: perDevice, uuid: libvirt.UUID{2}})
	close(b.back)
	done, err := b.Leave(b.state, Owner{})
	if err != nil {
		t.Fatal(err)
	}
	<-done
	same(t, b.h.stored, osStyle)
	b.none(t)
}

// TestWhoeverItMayBe: of a state without the domain's UUID nobody can tell.
func TestWhoeverItMayBe(t *testing.T) {
	b := newLab(t, osStyle)
	said := b.hear()
	m := b.netboot(t)
	s := m.snapshot()
	s.UUID = ""
	if err := (FileStore{b.state}).Save(s); err != nil {
		t.Fatal(err)
	}
	close(b.back)
	if m = b.at(t, Owner{"test:///other", "m"}, b.h); m.Override() != (domain.Override{}) {
		t.Errorf("override %+v", m.Override())
	}
	if !strings.Contains(said(), "override is not in force any more") {
		t.Errorf("log: %s", said())
	}
	<-b.jobs[b.file(b.of)].done
	same(t, b.h.stored, osStyle)
}

// TestKilledOnTheWay: at every step of what follows an edit of the URI, to a domain that was
// moved and to another one.
func TestKilledOnTheWay(t *testing.T) {
	to := Owner{"test:///there", "m"}
	for _, uuid := range []libvirt.UUID{{1}, {2}} {
		for left, dead := 0, true; dead; left++ {
			b := newLab(t, osStyle)
			b.netboot(t)
			there := &hypervisor{stored: perDevice, uuid: uuid}
			if err := b.Adopt(b.state, to); err != nil {
				t.Fatal(err)
			}
			k := &mortal{FileStore{b.state}, left}
			m, err := New(there, to, k, nil)
			if err != nil {
				t.Fatal(err)
			}
			m.LeaveTo(b.Leftovers)
			there.step = k.step
			dead = dies(t, func() error { return m.Repair(t.Context()) })
			there.step = nil
			m = b.at(t, to, there) // of the next daemon
			if err := m.Repair(t.Context()); err != nil {
				t.Fatal(err)
			}
			if uuid == (libvirt.UUID{1}) {
				if m.Override() != netOverride() || there.stored == perDevice {
					t.Errorf("step %d: override %+v, definition\n%s", left, m.Override(), there.stored)
				}
				takenBack(t, m, there, perDevice)
				continue
			}
			same(t, there.stored, perDevice)
			old, kept := b.jobs[b.file(b.of)]
			if m.Override() != (domain.Override{}) || !kept {
				t.Fatalf("step %d: override %+v, the other order is kept: %v", left, m.Override(), kept)
			}
			close(b.back)
			<-old.done
			same(t, b.h.stored, osStyle)
			b.none(t)
		}
	}
}
