package virt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/bootxml"
	"trefoil/vbmc/libvirt"
)

// killed is what ends a process in these tests.
type killed struct{}

// mortal is a store and a hypervisor whose daemon is killed at a step: each writing of
// the state and each definition is one before it happens, and one behind it.
type mortal struct {
	FileStore
	left int // steps until the kill
}

func (k *mortal) step() {
	if k.left--; k.left == -1 {
		panic(killed{})
	}
}

func (k *mortal) Save(s State) error {
	k.step()
	defer k.step()
	return k.FileStore.Save(s)
}

// dies runs f and tells whether the kill came.
func dies(t *testing.T, f func() error) (dead bool) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil && r != (killed{}) {
			panic(r)
		} else if r != nil {
			dead = true
		}
	}()
	if err := f(); err != nil {
		t.Error(err)
	}
	return false
}

// order is the stored boot order in words.
func order(t *testing.T, text string) string {
	t.Helper()
	d, err := bootxml.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%+v", d.Config())
}

// consistent: what the BMC says to be in force is what stands in the definition, and
// without it the user's own order is there again.
func consistent(t *testing.T, h *hypervisor, m *Machine, xml string) {
	t.Helper()
	ctx := context.Background()
	if err := m.Repair(ctx); err != nil {
		t.Fatal(err)
	}
	want := order(t, xml)
	if p := m.snapshot().Persistent; p != nil {
		d, _ := bootxml.Parse(xml)
		c, err := d.Override(d.Config(), p.Override.Device)
		if err != nil {
			t.Fatal(err)
		}
		want = fmt.Sprintf("%+v", c)
	}
	if got := order(t, h.stored); got != want {
		t.Errorf("state %+v, stored order %s, want %s", m.snapshot(), got, want)
	}
	if err := m.SetOverride(ctx, domain.Override{}); err != nil {
		t.Fatal(err)
	}
	same(t, h.stored, xml)
}

// TestKilledAtAnyStep: at every step of every change of an override.
func TestKilledAtAnyStep(t *testing.T) {
	ctx := context.Background()
	net, disk := domain.Override{Device: domain.PXE, Persistent: true}, domain.Override{Device: domain.Disk, Persistent: true}
	changes := map[string][]domain.Override{ // the last of each is killed
		"set":          {net},
		"replace":      {net, disk},
		"clear":        {net, {}},
		"set over one": {net, {Device: domain.Disk}, disk},
	}
	for name, all := range changes {
		for _, xml := range []string{perDevice, osStyle} {
			for left := 0; ; left++ {
				dir := t.TempDir()
				h := &hypervisor{stored: xml}
				for _, o := range all[:len(all)-1] {
					if err := newMachine(t, h, dir).SetOverride(ctx, o); err != nil {
						t.Fatal(err)
					}
				}
				k := &mortal{FileStore{filepath.Join(dir, "state")}, left}
				m, err := New(h, Owner{"qemu:///system", "m"}, k, nil)
				if err != nil {
					t.Fatal(err)
				}
				h.step = k.step
				dead := dies(t, func() error { return m.SetOverride(ctx, all[len(all)-1]) })
				h.step = nil
				consistent(t, h, newMachine(t, h, dir), xml)
				if !dead {
					break
				}
			}
		}
		t.Log(name)
	}
}

// TestKilledInAOneTimeStart: over a persistent override, which must be found again.
func TestKilledInAOneTimeStart(t *testing.T) {
	ctx := context.Background()
	for left := 0; ; left++ {
		dir := t.TempDir()
		h := &hypervisor{stored: perDevice}
		m := newMachine(t, h, dir)
		if err := errors.Join(m.SetOverride(ctx, domain.Override{Device: domain.PXE, Persistent: true}), m.SetOverride(ctx, domain.Override{Device: domain.Disk})); err != nil {
			t.Fatal(err)
		}
		k := &mortal{FileStore{filepath.Join(dir, "state")}, left}
		m, err := New(h, Owner{"qemu:///system", "m"}, k, nil)
		if err != nil {
			t.Fatal(err)
		}
		h.step, h.observe = k.step, m.Observe
		dead := dies(t, func() error { return m.On(ctx) })
		h.step = nil
		m = newMachine(t, h, dir)
		if err := m.Repair(ctx); err != nil {
			t.Fatal(err)
		}
		if h.live != "" && m.Override().Device == domain.Disk {
			t.Errorf("killed at step %d: the machine runs from the disk, and would do it again", left)
		}
		if err := m.ClearOnce(ctx); err != nil {
			t.Fatal(err)
		}
		consistent(t, h, m, perDevice)
		if !dead {
			return
		}
	}
}

// TestLostAnswer: the definition is stored, or will be, and nobody says so.
func TestLostAnswer(t *testing.T) {
	ctx := context.Background()
	net, disk := domain.Override{Device: domain.PXE, Persistent: true}, domain.Override{Device: domain.Disk, Persistent: true}
	for _, all := range [][]domain.Override{{net}, {net, disk}, {net, {}}} {
		h := &hypervisor{stored: osStyle}
		m := newMachine(t, h, t.TempDir())
		for _, o := range all[:len(all)-1] {
			if err := m.SetOverride(ctx, o); err != nil {
				t.Fatal(err)
			}
		}
		h.noAnswer = true
		if err := m.SetOverride(ctx, all[len(all)-1]); !errors.Is(err, domain.ErrUnavailable) {
			t.Errorf("no answer: %v", err)
		}
		h.noAnswer = false
		if !m.Observe(libvirt.Event{Kind: libvirt.EventRelisted, Domain: h.domain()}) {
			t.Error("nothing is repaired when libvirt is back")
		}
		consistent(t, h, m, osStyle)
	}
}

// TestRefusedDefinition: what was in force stays in force.
func TestRefusedDefinition(t *testing.T) {
	ctx := context.Background()
	h := &hypervisor{stored: osStyle}
	m := newMachine(t, h, t.TempDir())
	net := domain.Override{Device: domain.PXE, Persistent: true}
	if err := m.SetOverride(ctx, net); err != nil {
		t.Fatal(err)
	}
	h.refuses = &libvirt.Error{Op: "define", Code: libvirt.CodeXML, Msg: "bad"}
	if err := m.SetOverride(ctx, domain.Override{Device: domain.Disk, Persistent: true}); !errors.Is(err, domain.ErrNotSupported) {
		t.Errorf("refused: %v", err)
	}
	h.refuses = nil
	if m.Override() != net || len(m.snapshot().Undo) != 0 {
		t.Errorf("state %+v", m.snapshot())
	}
	consistent(t, h, m, osStyle)
}

// TestAUserWhoChoosesOurOrderLater keeps it: a note lives no longer than the change.
func TestAUserWhoChosesOurOrderLater(t *testing.T) {
	ctx := context.Background()
	h := &hypervisor{stored: osStyle}
	m := newMachine(t, h, t.TempDir())
	if err := errors.Join(m.SetOverride(ctx, domain.Override{Device: domain.PXE}), m.On(ctx), m.Off(ctx)); err != nil {
		t.Fatal(err)
	}
	d, _ := bootxml.Parse(h.stored)
	c, _ := d.Override(d.Config(), domain.PXE)
	h.stored, _ = d.Apply(c)
	before := h.stored
	if err := errors.Join(m.On(ctx), m.Off(ctx), m.Repair(ctx)); err != nil {
		t.Fatal(err)
	}
	if h.stored != before || len(m.snapshot().Undo) != 0 {
		t.Errorf("stored %s, state %+v", h.stored, m.snapshot())
	}
}
