package virt

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/libvirt"
)

// savedGuest is a machine that ran in its own order, and whose guest libvirt saved.
func savedGuest(t *testing.T) (*hypervisor, *Machine) {
	t.Helper()
	h := &hypervisor{stored: perDevice}
	m := newMachine(t, h, t.TempDir())
	if err := m.On(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.save()
	h.booted = domain.Floppy // whatever boots now overwrites it
	return h, m
}

// TestSavedGuestIsNotABoot: a one-time override boots, and is not spent by a guest that
// goes on; without an override the guest goes on.
func TestSavedGuestIsNotABoot(t *testing.T) {
	ctx := context.Background()
	for dev, want := range map[domain.Device]domain.Device{domain.PXE: domain.PXE, domain.CDROM: domain.None, domain.None: domain.Floppy} {
		h, m := savedGuest(t)
		if err := errors.Join(m.SetOverride(ctx, domain.Override{Device: dev}), m.On(ctx)); err != nil {
			t.Fatal(err)
		}
		if h.booted != want || m.Override().Device != domain.None {
			t.Errorf("override %v: booted %v, want %v; then %+v", dev, h.booted, want, m.Override())
		}
		same(t, h.stored, perDevice)
	}
}

// TestResumedByOthers: somebody else's guest that goes on has not used the override.
func TestResumedByOthers(t *testing.T) {
	ctx := context.Background()
	h, m := savedGuest(t)
	if err := m.SetOverride(ctx, domain.Override{Device: domain.PXE}); err != nil {
		t.Fatal(err)
	}
	h.before = func() { h.live, h.saved = aliases.Replace(perDevice), "" }
	if err := m.On(ctx); err != nil {
		t.Fatal(err)
	}
	h.before = nil
	if m.Override().Device != domain.PXE {
		t.Errorf("override %+v was not used", m.Override())
	}
	if err := m.Reset(ctx); err != nil || h.booted != domain.PXE {
		t.Errorf("the reset after it: %v, booted %v", err, h.booted)
	}
}

// TestSavedBeforeThePersistentOne: a guest that goes on has the order of before; its next
// boot is from the override.
func TestSavedBeforeThePersistentOne(t *testing.T) {
	ctx := context.Background()
	h, m := savedGuest(t)
	if err := errors.Join(m.SetOverride(ctx, domain.Override{Device: domain.PXE, Persistent: true}), m.On(ctx)); err != nil {
		t.Fatal(err)
	}
	if h.booted != domain.Floppy {
		t.Errorf("booted %v, the guest should have gone on", h.booted)
	}
	if err := m.Reset(ctx); err != nil || h.booted != domain.PXE {
		t.Errorf("the reset after it: %v, booted %v", err, h.booted)
	}
}

// TestALostGuestIsTold also when what it made room for did not start.
func TestALostGuestIsTold(t *testing.T) {
	ctx := context.Background()
	away := &libvirt.UnavailableError{URI: "test", Op: "start", Err: libvirt.ErrTimeout}
	for fails, want := range map[error]string{nil: " is thrown away", inactive(): "and then did not start", away: "may be thrown away"} {
		for _, dev := range []domain.Device{domain.PXE, domain.CDROM} {
			h, m := savedGuest(t)
			var said bytes.Buffer
			m.log = slog.New(slog.NewTextHandler(&said, nil))
			h.createFails = fails
			err := errors.Join(m.SetOverride(ctx, domain.Override{Device: dev}), m.On(ctx))
			if (err == nil) != (fails == nil) || strings.Count(said.String(), "the guest that libvirt had saved") != 1 || !strings.Contains(said.String(), want) {
				t.Errorf("%v, %v: %v, log: %s", fails, dev, err, said.String())
			}
		}
	}
}

// TestRestoreKeepsTheGuest: when the host comes back nobody asks for a boot. The override
// waits for the next one, and is used where there is no guest to go on.
func TestRestoreKeepsTheGuest(t *testing.T) {
	ctx := context.Background()
	for _, dev := range []domain.Device{domain.PXE, domain.CDROM} {
		h, m := savedGuest(t)
		if err := errors.Join(m.SetOverride(ctx, domain.Override{Device: dev}), m.Restore(ctx), m.Restore(ctx)); err != nil {
			t.Fatal(err)
		}
		if h.live == "" || h.booted != domain.Floppy || m.Override().Device != dev {
			t.Errorf("%v: booted %v, the guest should have gone on; override %+v", dev, h.booted, m.Override())
		}
		same(t, h.stored, perDevice)
		if err := m.Reset(ctx); err != nil || h.booted == domain.Floppy || m.Override().Device != domain.None {
			t.Errorf("%v: the reset after it: %v, booted %v, override %+v", dev, err, h.booted, m.Override())
		}
	}
	h, m := savedGuest(t)
	h.away = &libvirt.UnavailableError{URI: "test", Op: "any", Err: libvirt.ErrTimeout}
	if err := m.Restore(ctx); !errors.Is(err, domain.ErrUnavailable) || h.saved == "" {
		t.Errorf("libvirt is away: %v", err)
	}
}
