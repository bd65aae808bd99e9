// Package domaintest is the conformance suite of domain.Machine. Every
// implementation runs it in a test of ten lines.
package domaintest

import (
	"context"
	"errors"
	"testing"

	"trefoil/vbmc/domain"
)

// Subject is what the suite works on: a machine that is off, has a network card
// and a disk but no floppy drive, and has no override.
type Subject struct {
	Machine domain.Machine
	// LastBoot tells which device the latest start was made to boot from; None is
	// the machine's own order.
	LastBoot func(t *testing.T) domain.Device
}

// Lively is a subject whose machine others start past the BMC, and whose guest reboots
// by itself; GuestReboot returns when the machine has dealt with it.
type Lively struct {
	Subject
	GuestReboot, StartByOther func(t *testing.T)
}

// Run checks every promise of the contract that a BMC's own operations show, on machines
// made by newSubject. They are Overriders and Restorers too.
func Run(t *testing.T, newSubject func(t *testing.T) Subject) {
	each(t, newSubject, map[string]func(*testing.T, Subject){
		"power on and off are idempotent":         idempotent,
		"reset and cycle need a running machine":  needPower,
		"one-time override is spent by one start": oneTime,
		"persistent override survives starts":     persistent,
		"none takes back a persistent override":   takeBack,
		"reset and cycle honour a pending one":    pending,
		"a missing device is refused":             missing,
		"dropping the one-time override":          clearOnce,
		"a restore uses a pending one":            restore,
	})
}

// RunLively checks what the contract promises when others start the machine and when its
// guest reboots.
func RunLively(t *testing.T, newSubject func(t *testing.T) Lively) {
	each(t, newSubject, map[string]func(*testing.T, Lively){
		"a start by others spends nothing":    foreignStart,
		"a one-time boot is one boot":         guestReboot,
		"a guest's reboot uses a pending one": rebootIntoPending,
	})
}

func each[S any](t *testing.T, newSubject func(t *testing.T) S, rows map[string]func(*testing.T, S)) {
	for name, f := range rows {
		t.Run(name, func(t *testing.T) { f(t, newSubject(t)) })
	}
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func wantPower(t *testing.T, m domain.Machine, want bool) {
	t.Helper()
	on, err := m.Power()
	must(t, "power", err)
	if on != want {
		t.Fatalf("power on = %v, want %v", on, want)
	}
}

func wantBoot(t *testing.T, s Subject, want domain.Device) {
	t.Helper()
	if got := s.LastBoot(t); got != want {
		t.Fatalf("booted from %v, want %v", got, want)
	}
}

func idempotent(t *testing.T, s Subject) {
	ctx, m := context.Background(), s.Machine
	wantPower(t, m, false)
	must(t, "off while off", m.Off(ctx))
	must(t, "on", m.On(ctx))
	wantPower(t, m, true)
	must(t, "on while on", m.On(ctx))
	wantPower(t, m, true)
	must(t, "off", m.Off(ctx))
	wantPower(t, m, false)
	if u, err := m.UUID(); err != nil || u == [16]byte{} {
		t.Fatalf("UUID %x, %v", u, err)
	}
}

func needPower(t *testing.T, s Subject) {
	ctx, m := context.Background(), s.Machine
	for name, f := range map[string]func(context.Context) error{"reset": m.Reset, "cycle": m.Cycle, "diag": m.Diag} {
		if err := f(ctx); !errors.Is(err, domain.ErrPoweredOff) {
			t.Errorf("%s while off: %v, want ErrPoweredOff", name, err)
		}
	}
	must(t, "on", m.On(ctx))
	must(t, "reset", m.Reset(ctx))
	wantPower(t, m, true)
	must(t, "cycle", m.Cycle(ctx))
	wantPower(t, m, true)
	must(t, "off", m.Off(ctx))
}

func oneTime(t *testing.T, s Subject) {
	ctx, m := context.Background(), s.Machine
	want := domain.Override{Device: domain.PXE, EFI: true}
	must(t, "set", m.SetOverride(ctx, want))
	if got := m.Override(); got != want {
		t.Fatalf("override reads %+v, want %+v", got, want)
	}
	must(t, "on", m.On(ctx))
	wantBoot(t, s, domain.PXE)
	if got := m.Override(); got.Device != domain.None {
		t.Fatalf("override after the start reads %+v, want none", got)
	}
	must(t, "off", m.Off(ctx))
	must(t, "on", m.On(ctx))
	wantBoot(t, s, domain.None)
	must(t, "off", m.Off(ctx))
}

func persistent(t *testing.T, s Subject) {
	ctx, m := context.Background(), s.Machine
	want := domain.Override{Device: domain.PXE, Persistent: true}
	must(t, "set", m.SetOverride(ctx, want))
	for range 2 {
		must(t, "on", m.On(ctx))
		wantBoot(t, s, domain.PXE)
		must(t, "off", m.Off(ctx))
	}
	if got := m.Override(); got != want {
		t.Fatalf("override reads %+v, want %+v", got, want)
	}
}

func takeBack(t *testing.T, s Subject) {
	ctx, m := context.Background(), s.Machine
	must(t, "set", m.SetOverride(ctx, domain.Override{Device: domain.PXE, Persistent: true}))
	must(t, "none", m.SetOverride(ctx, domain.Override{}))
	must(t, "on", m.On(ctx))
	wantBoot(t, s, domain.None)
	must(t, "off", m.Off(ctx))
}

func pending(t *testing.T, s Subject) {
	ctx, m := context.Background(), s.Machine
	must(t, "on", m.On(ctx))
	must(t, "set", m.SetOverride(ctx, domain.Override{Device: domain.PXE}))
	must(t, "reset", m.Reset(ctx))
	wantBoot(t, s, domain.PXE)
	must(t, "set", m.SetOverride(ctx, domain.Override{Device: domain.Disk, Persistent: true}))
	must(t, "cycle", m.Cycle(ctx))
	wantBoot(t, s, domain.Disk)
	must(t, "off", m.Off(ctx))
}

func missing(t *testing.T, s Subject) {
	err := s.Machine.SetOverride(context.Background(), domain.Override{Device: domain.Floppy})
	if !errors.Is(err, domain.ErrNotSupported) {
		t.Fatalf("boot from a floppy drive that is not there: %v, want ErrNotSupported", err)
	}
	if got := s.Machine.Override(); got != (domain.Override{}) {
		t.Fatalf("a refused override was kept: %+v", got)
	}
}

// clearOnce: the persistent override under it comes into force again.
func clearOnce(t *testing.T, s Subject) {
	ctx, m := context.Background(), s.Machine
	o, ok := m.(domain.Overrider)
	if !ok {
		t.Fatal("the machine is no Overrider")
	}
	lasting := domain.Override{Device: domain.PXE, Persistent: true}
	must(t, "set persistent", m.SetOverride(ctx, lasting))
	must(t, "set once", m.SetOverride(ctx, domain.Override{Device: domain.Disk}))
	must(t, "clear once", o.ClearOnce(ctx))
	if got := m.Override(); got != lasting {
		t.Fatalf("override reads %+v, want %+v", got, lasting)
	}
	must(t, "clear once again", o.ClearOnce(ctx))
	must(t, "on", m.On(ctx))
	wantBoot(t, s, domain.PXE)
	must(t, "off", m.Off(ctx))
}

// restore is a start where no guest is saved.
func restore(t *testing.T, s Subject) {
	ctx, m := context.Background(), s.Machine
	r, ok := m.(domain.Restorer)
	if !ok {
		t.Fatal("the machine is no Restorer")
	}
	must(t, "set", m.SetOverride(ctx, domain.Override{Device: domain.PXE}))
	must(t, "restore", r.Restore(ctx))
	must(t, "restore while on", r.Restore(ctx))
	wantPower(t, m, true)
	wantBoot(t, s, domain.PXE)
	if got := m.Override(); got.Device != domain.None {
		t.Fatalf("override after the restore reads %+v, want none", got)
	}
	must(t, "off", m.Off(ctx))
}

func foreignStart(t *testing.T, s Lively) {
	ctx, m := context.Background(), s.Machine
	want := domain.Override{Device: domain.PXE}
	must(t, "set", m.SetOverride(ctx, want))
	s.StartByOther(t)
	must(t, "on while on", m.On(ctx))
	wantBoot(t, s.Subject, domain.None)
	if got := m.Override(); got != want {
		t.Fatalf("override after a start by others reads %+v, want %+v", got, want)
	}
	must(t, "cycle", m.Cycle(ctx))
	wantBoot(t, s.Subject, domain.PXE)
	must(t, "off", m.Off(ctx))
}

func guestReboot(t *testing.T, s Lively) {
	ctx, m := context.Background(), s.Machine
	must(t, "set", m.SetOverride(ctx, domain.Override{Device: domain.PXE}))
	must(t, "on", m.On(ctx))
	wantBoot(t, s.Subject, domain.PXE)
	s.GuestReboot(t)
	wantPower(t, m, true)
	wantBoot(t, s.Subject, domain.None)
	must(t, "off", m.Off(ctx))
}

func rebootIntoPending(t *testing.T, s Lively) {
	ctx, m := context.Background(), s.Machine
	must(t, "on", m.On(ctx))
	must(t, "set", m.SetOverride(ctx, domain.Override{Device: domain.PXE}))
	s.GuestReboot(t)
	wantBoot(t, s.Subject, domain.PXE)
	if got := m.Override(); got.Device != domain.None {
		t.Fatalf("override after the reboot that used it reads %+v, want none", got)
	}
	s.GuestReboot(t)
	wantBoot(t, s.Subject, domain.None)
	must(t, "off", m.Off(ctx))
}
