package fake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"trefoil/vbmc/domain"
)

// TestEvents: what happens is told in its order, with the power after it and by whom.
func TestEvents(t *testing.T) {
	ctx := context.Background()
	m := New([16]byte{1})
	var got []string
	cancel := m.OnEvent(func(e domain.Event) {
		if on, err := m.Power(); err == nil && on != e.On && e.Kind != domain.Stopped { // a lock held here would hang
			t.Errorf("%v tells on %v, the machine is %v", e.Kind, e.On, on)
		}
		got = append(got, fmt.Sprintf("%d %v %v", e.Kind, e.On, e.Ours))
	})
	steps := []func(){
		func() { _ = m.On(ctx) }, func() { _ = m.On(ctx) }, m.Reboot, func() { _ = m.Reset(ctx) }, func() { _ = m.Soft(ctx) },
		m.StartByOther, m.Crash, m.StartByOther, m.StopByOther, m.Lose, func() { m.Return(true) }, m.ShutDown, m.Vanish,
	}
	for _, f := range steps {
		f()
	}
	cancel()
	m.Return(true)
	want := []string{
		"1 true true", "5 true false", "5 true true", "3 false true",
		"1 true false", "4 false false", "1 true false", "2 false false", "6 false false", "7 true false", "3 false false", "8 false false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("events\n%q, want\n%q", got, want)
	}
}

// TestEventsFromAReceiver: an operation that a receiver makes is told after the
// event that caused it.
func TestEventsFromAReceiver(t *testing.T) {
	m := New([16]byte{1})
	var got []domain.EventKind
	m.OnEvent(func(e domain.Event) {
		got = append(got, e.Kind)
		if e.Kind == domain.Crashed {
			_ = m.On(context.Background())
		}
	})
	m.StartByOther()
	m.Crash()
	if want := []domain.EventKind{domain.Started, domain.Crashed, domain.Started}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestConsole(t *testing.T) {
	ctx := context.Background()
	m := New([16]byte{1})
	if _, _, err := m.OpenConsole(ctx, domain.IfFree); !errors.Is(err, domain.ErrPoweredOff) {
		t.Errorf("while off: %v", err)
	}
	_ = m.On(ctx)
	m.TakeConsole()
	if _, _, err := m.OpenConsole(ctx, domain.IfFree); !errors.Is(err, domain.ErrBusy) || !m.ConsoleTaken() {
		t.Errorf("somebody else has it: %v", err)
	}
	c, canWrite, err := m.OpenConsole(ctx, domain.TakeOver)
	if err != nil || !canWrite {
		t.Fatal(canWrite, err)
	}
	if _, err := io.WriteString(c, "root\r"); err != nil {
		t.Error(err)
	}
	if err := c.SendBreak(ctx); err != nil {
		t.Error(err)
	}
	m.Print("login: ")
	_ = m.Off(ctx)
	out, err := io.ReadAll(c)
	if string(out) != "login: " || err != nil || m.Typed() != "root\r" || m.Breaks() != 1 || m.ConsoleOpen() {
		t.Errorf("read %q (%v), typed %q, %d breaks, open %v", out, err, m.Typed(), m.Breaks(), m.ConsoleOpen())
	}
	_ = m.On(ctx)
	m.ConsoleReadOnly()
	if c, canWrite, err = m.OpenConsole(ctx, domain.IfFree); err != nil || canWrite {
		t.Fatal(canWrite, err)
	}
	if _, err := io.WriteString(c, "x"); !errors.Is(err, domain.ErrNotSupported) {
		t.Errorf("typing to an output-only console: %v", err)
	}
}

// TestSave: a saved guest goes on, and boots only for a one-time override.
func TestSave(t *testing.T) {
	ctx := context.Background()
	m := New([16]byte{1})
	pxe := func() error { return m.SetOverride(ctx, domain.Override{Device: domain.PXE}) }
	for _, step := range []struct {
		do     func() error
		starts int
	}{
		{func() error { return m.On(ctx) }, 1},
		{func() error { m.Save(); return m.On(ctx) }, 1},
		{func() error { m.Save(); return errors.Join(pxe(), m.Restore(ctx)) }, 1},
		{func() error { m.Save(); return m.On(ctx) }, 2},
		{func() error { return errors.Join(m.Off(ctx), m.Restore(ctx)) }, 3},
	} {
		if err := step.do(); err != nil || len(m.Starts()) != step.starts {
			t.Errorf("%v: starts %v, want %d", err, m.Starts(), step.starts)
		}
	}
}
