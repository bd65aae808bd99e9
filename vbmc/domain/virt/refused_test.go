package virt

import (
	"context"
	"errors"
	"strings"
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/libvirt"
)

// inactive is libvirt's 55 that has nothing to do with the domain's own state.
func inactive() error {
	return &libvirt.Error{Op: `start domain "m"`, Code: libvirt.CodeOperationInvalid, Msg: "network 'default' is not active"}
}

// TestRefusedStart: what did not start is no success, whatever else was not in the right
// state; the reason is told, and the override waits for the start that succeeds.
func TestRefusedStart(t *testing.T) {
	ctx := context.Background()
	for name, o := range map[string]domain.Override{"plain": {}, "once": {Device: domain.PXE}, "once, first anyway": {Device: domain.CDROM}} {
		t.Run(name, func(t *testing.T) {
			h := &hypervisor{stored: perDevice, createFails: inactive()}
			m := newMachine(t, h, t.TempDir())
			if err := m.SetOverride(ctx, o); err != nil {
				t.Fatal(err)
			}
			if err := m.On(ctx); err == nil || !strings.Contains(m.Trouble(), "network 'default' is not active") {
				t.Errorf("power on: %v, trouble %q", err, m.Trouble())
			}
			if m.Override() != o {
				t.Errorf("override %+v, want %+v", m.Override(), o)
			}
			same(t, h.stored, perDevice)
			h.createFails = nil
			if err := m.On(ctx); err != nil || h.booted != o.Device && o.Device == domain.PXE || m.Override().Device != domain.None {
				t.Errorf("then: %v, booted %v, override %+v", err, h.booted, m.Override())
			}
		})
	}
}

// TestRefusedWhileRunning: a machine that goes on running is neither off nor "powered off".
func TestRefusedWhileRunning(t *testing.T) {
	ctx := context.Background()
	for name, f := range map[string]func(*Machine) error{
		"off":   func(m *Machine) error { return m.Off(ctx) },
		"soft":  func(m *Machine) error { return m.Soft(ctx) },
		"reset": func(m *Machine) error { return m.Reset(ctx) },
		"cycle": func(m *Machine) error { return m.Cycle(ctx) },
		"diag":  func(m *Machine) error { return m.Diag(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			h := &hypervisor{stored: perDevice}
			m := newMachine(t, h, t.TempDir())
			if err := m.On(ctx); err != nil {
				t.Fatal(err)
			}
			h.refusesOps = inactive()
			if err := f(m); err == nil || errors.Is(err, domain.ErrPoweredOff) || m.Trouble() == "" {
				t.Errorf("%v, trouble %q", err, m.Trouble())
			}
		})
	}
}

// TestSomebodyElseWasFaster: what is as it was wanted is a success.
func TestSomebodyElseWasFaster(t *testing.T) {
	ctx := context.Background()
	h := &hypervisor{stored: perDevice}
	m := newMachine(t, h, t.TempDir())
	start := func() { h.live = aliases.Replace(h.stored) }
	h.before = start
	if err := m.On(ctx); err != nil || m.Trouble() != "" {
		t.Errorf("started by others meanwhile: %v, %q", err, m.Trouble())
	}
	h.before = func() { h.live = "" }
	if err := m.Off(ctx); err != nil || m.Trouble() != "" {
		t.Errorf("stopped by others meanwhile: %v, %q", err, m.Trouble())
	}
	start()
	if err := m.Reset(ctx); !errors.Is(err, domain.ErrPoweredOff) {
		t.Errorf("reset of what others stopped meanwhile: %v", err)
	}
}
