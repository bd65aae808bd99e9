package virt

import (
	"errors"
	"strings"
	"testing"

	"trefoil/vbmc/domain"
)

// TestTransientDomain: what would lose it, or make it a domain that stays, is refused and
// leaves it as it is; what would not is done.
func TestTransientDomain(t *testing.T) {
	ctx := t.Context()
	h := &hypervisor{stored: osStyle, live: osStyle, transient: true}
	m := newMachine(t, h, t.TempDir())
	for name, f := range map[string]func() error{
		"cycle":               func() error { return m.Cycle(ctx) },
		"one-time override":   func() error { return m.SetOverride(ctx, domain.Override{Device: domain.PXE}) },
		"persistent override": func() error { return m.SetOverride(ctx, netOverride()) },
	} {
		if err := f(); !errors.Is(err, domain.ErrNotSupported) || !strings.Contains(m.Trouble(), "is transient") {
			t.Errorf("%s: %v, trouble %q", name, err, m.Trouble())
		}
	}
	if h.live == "" || h.defines != 0 || m.Override() != (domain.Override{}) {
		t.Errorf("it runs: %v, %d definitions, override %+v", h.live != "", h.defines, m.Override())
	}
	if err := errors.Join(m.SetOverride(ctx, domain.Override{}), m.Reset(ctx), m.Diag(ctx), m.Off(ctx)); err != nil {
		t.Error(err)
	}
}

// TestUndefinedWhileItRuns: a domain becomes transient while overrides are in force. It is
// not started anew for them, and nothing of them is defined.
func TestUndefinedWhileItRuns(t *testing.T) {
	ctx := t.Context()
	for _, o := range []domain.Override{{Device: domain.PXE}, netOverride()} {
		h := &hypervisor{stored: osStyle}
		m := newMachine(t, h, t.TempDir())
		if err := errors.Join(m.On(ctx), m.SetOverride(ctx, o)); err != nil {
			t.Fatal(err)
		}
		defines := h.defines
		h.transient = true
		if err := m.Reset(ctx); !errors.Is(err, domain.ErrNotSupported) || h.live == "" {
			t.Errorf("%+v: reset: %v, it runs: %v", o, err, h.live != "")
		}
		if h.reset() {
			if err := m.Repair(ctx); !errors.Is(err, domain.ErrNotSupported) || h.live == "" {
				t.Errorf("%+v: the guest's reboot: %v, it runs: %v", o, err, h.live != "")
			}
		}
		if err := errors.Join(m.SetOverride(ctx, domain.Override{}), m.Repair(ctx)); err != nil {
			t.Error(err)
		}
		if h.defines != defines || len(m.snapshot().Undo) != 0 || m.Override() != (domain.Override{}) {
			t.Errorf("%+v: %d definitions, state %+v", o, h.defines-defines, m.snapshot())
		}
	}
}
