package virt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi/model"
	"trefoil/vbmc/libvirt"
)

// TestEvents: each event of libvirt is told in the words of the contract, and
// whether an operation of ours made it.
func TestEvents(t *testing.T) {
	ctx := context.Background()
	h := &hypervisor{stored: osStyle}
	m := newMachine(t, h, t.TempDir())
	got := make(chan domain.Event, 1)
	m.OnEvent(func(e domain.Event) { got <- e })
	other := func(k libvirt.EventKind, detail int32, s libvirt.State) func() {
		return func() {
			m.Observe(libvirt.Event{Kind: k, Detail: detail, Domain: libvirt.Domain{Name: "m", State: s}})
		}
	}
	op := func(f func(context.Context) error) func() { return func() { _ = f(ctx) } }
	run, off := libvirt.StateRunning, libvirt.StateShutoff
	for i, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, "7 false false"}, // OnEvent while the state is known
		{op(m.On), "1 true true"},
		{op(m.Reset), "5 true true"},
		{other(libvirt.EventRebooted, 0, run), "5 true false"},
		{op(m.Off), "2 false true"},
		{other(libvirt.EventStarted, 0, run), "1 true false"},
		{other(libvirt.EventStopped, destroyed, off), "2 false false"},
		{other(libvirt.EventStopped, libvirt.StoppedShutdown, off), "3 false false"},
		{other(libvirt.EventStopped, libvirt.StoppedCrashed, off), "4 false false"},
		{other(libvirt.EventCrashed, 0, libvirt.StateCrashed), "4 true false"},
		{func() { m.Observe(libvirt.Event{Kind: libvirt.EventLost}) }, "6 false false"},
		{other(libvirt.EventRelisted, 0, run), "7 true false"},
		{other(libvirt.EventGone, 0, off), "8 false false"},
		{other(libvirt.EventDefined, 0, off), "7 false false"},
		{other(libvirt.EventUndefined, 0, off), "8 false false"},
		{func() { h.live = "x"; _ = m.Soft(ctx); other(libvirt.EventStopped, libvirt.StoppedShutdown, off)() }, "3 false true"},
	} {
		step.do()
		if e := <-got; fmt.Sprintf("%d %v %v", e.Kind, e.On, e.Ours) != step.want {
			t.Errorf("step %d: %+v, want %s", i, e, step.want)
		}
	}
	m.Observe(libvirt.Event{Kind: libvirt.EventStarted, Domain: libvirt.Domain{Name: "another"}})
	m.Observe(libvirt.Event{Kind: libvirt.EventLost})
	if e := <-got; e.Kind != domain.Lost {
		t.Errorf("an event of another domain was told: %+v", e)
	}
}

// TestRefusedOperationIsNotOurs: what libvirt refused does not make the next event ours.
func TestRefusedOperationIsNotOurs(t *testing.T) {
	h := &hypervisor{stored: osStyle}
	m := newMachine(t, h, t.TempDir())
	got := make(chan domain.Event, 8)
	h.createFails = &libvirt.Error{Op: "start", Code: 1, Msg: "no such disk"}
	if err := m.On(t.Context()); err == nil {
		t.Fatal("started")
	}
	if !strings.Contains(m.Trouble(), "no such disk") {
		t.Errorf("trouble %q", m.Trouble())
	}
	cancel := m.OnEvent(func(e domain.Event) { got <- e })
	<-got // Back
	m.Observe(libvirt.Event{Kind: libvirt.EventStarted, Domain: libvirt.Domain{Name: "m", State: libvirt.StateRunning}})
	if e := <-got; e.Ours {
		t.Error("a start by others is told as ours")
	}
	cancel()
	h.createFails = nil
	if err := m.On(t.Context()); err != nil || m.Trouble() != "" {
		t.Errorf("%v, trouble %q", err, m.Trouble())
	}
}

// TestLiveOrder: after a one-time boot all devices are in the user's order again,
// none twice, and those that are not in it are out.
func TestLiveOrder(t *testing.T) {
	for _, c := range []struct {
		xml  string
		want []string
	}{
		{perDevice, []string{"cd0", "disk0"}},
		{osStyle, []string{"cd0", "disk0"}},
	} {
		h := &hypervisor{stored: c.xml}
		m := newMachine(t, h, t.TempDir())
		err := errors.Join(m.SetOverride(t.Context(), domain.Override{Device: domain.PXE}), m.On(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for a, n := range h.index {
			if n >= 0 {
				got = append(got, a)
			}
		}
		slices.SortFunc(got, func(a, b string) int { return h.index[a] - h.index[b] })
		if !slices.Equal(got, c.want) {
			t.Errorf("order %v (%v), want %v", got, h.index, c.want)
		}
		if m.snapshot().needsProcess() {
			t.Errorf("state %+v", m.snapshot())
		}
	}
}

// TestOptions: network card by address, EFI on a BIOS machine, no live order.
func TestOptions(t *testing.T) {
	ctx, net := t.Context(), domain.Override{Device: domain.PXE}
	for name, c := range map[string]struct {
		o    Options
		set  domain.Override
		fail bool
	}{
		"the card that is there": {Options{BootMAC: "52:54:00:00:00:01"}, net, false},
		"no such card":           {Options{BootMAC: "52:54:00:00:00:02"}, net, true},
		"EFI refused":            {Options{RefuseEFI: true}, domain.Override{Device: domain.PXE, EFI: true}, true},
		"EFI recorded":           {Options{}, domain.Override{Device: domain.PXE, EFI: true}, false},
	} {
		m := newMachine(t, &hypervisor{stored: osStyle}, t.TempDir())
		m.Set(c.o)
		if err := m.SetOverride(ctx, c.set); errors.Is(err, domain.ErrNotSupported) != c.fail {
			t.Errorf("%s: %v", name, err)
		}
	}
	h := &hypervisor{stored: osStyle}
	m := newMachine(t, h, t.TempDir())
	m.Set(Options{LiveOrder: LiveOrderOff})
	if err := errors.Join(m.SetOverride(ctx, net), m.On(ctx)); err != nil {
		t.Fatal(err)
	}
	if h.reset(); h.booted != domain.PXE {
		t.Error("the live order was changed though that is off")
	}
}

// TestUsage: off is zero, figures of an earlier process are not told.
func TestUsage(t *testing.T) {
	h := &hypervisor{stored: osStyle}
	m := newMachine(t, h, t.TempDir())
	if u, err := m.Usage(); err != nil || !u.Started.IsZero() || u.CPU != 0 {
		t.Errorf("off: %+v, %v", u, err)
	}
	if err := m.On(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.stats = libvirt.Stats{At: m.seen.since.Add(-1), CPU: 9, VCPUs: 2}
	if u, err := m.Usage(); err != nil || u.CPU != 0 || u.Started.IsZero() || u.VCPUs != 2 {
		t.Errorf("just started: %+v, %v", u, err)
	}
	h.stats.At = m.seen.since.Add(1)
	if u, err := m.Usage(); err != nil || u.CPU != 9 {
		t.Errorf("running: %+v, %v", u, err)
	}
}

// TestUsageOfAMachineThatRanBefore: nobody told of its start, and what it used in the years
// before is not its load of now; what it uses from then on is.
func TestUsageOfAMachineThatRanBefore(t *testing.T) {
	began := time.Unix(1000, 0)
	for name, told := range map[string]bool{"daemon came later": false, "libvirt is back": true} {
		h := &hypervisor{stored: osStyle, live: osStyle}
		m := newMachine(t, h, t.TempDir())
		if told {
			m.Observe(libvirt.Event{Kind: libvirt.EventRelisted, Domain: h.domain()})
		}
		var last domain.Usage
		for i := range 3 {
			h.stats = libvirt.Stats{At: began.Add(time.Duration(i) * 10 * time.Second), CPU: time.Hour + time.Duration(i)*5*time.Second, VCPUs: 1}
			u, err := m.Usage()
			if err != nil || !u.Started.Equal(began) || u.CPU != time.Duration(i)*5*time.Second {
				t.Errorf("%s, look %d: %+v, %v", name, i, u, err)
			}
			if busy := model.Busy(u, last); i > 0 && busy != 0.5 {
				t.Errorf("%s: %v processors are busy, want half a one", name, busy)
			}
			last = u
		}
		h.stats = libvirt.Stats{At: began.Add(time.Minute), CPU: time.Second, VCPUs: 1}
		if u, err := m.Usage(); err != nil || u.Started.Equal(began) || u.CPU != 0 {
			t.Errorf("%s, another process: %+v, %v", name, u, err)
		}
	}
}

// TestTerminal: output by the stream, input to the terminal's file, a break by the monitor.
func TestTerminal(t *testing.T) {
	tty := filepath.Join(t.TempDir(), "tty")
	if err := os.WriteFile(tty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h := &hypervisor{output: "login: ", live: "<domain><devices><serial type='file'><alias name='serial0'/></serial>" +
		"<serial type='pty'><source path='" + tty + "'/><alias name='serial1'/></serial></devices></domain>"}
	m := newMachine(t, h, t.TempDir())
	for _, remote := range []bool{false, true} {
		h.remote = remote
		c, canWrite, err := m.OpenConsole(t.Context(), domain.IfFree)
		if err != nil || canWrite == remote {
			t.Fatalf("can write %v, %v", canWrite, err)
		}
		if out, err := io.ReadAll(c); string(out) != "login: " || err != nil {
			t.Errorf("read %q, %v", out, err)
		}
		if _, err := io.WriteString(c, "root\r"); errors.Is(err, domain.ErrNotSupported) != remote || err != nil && !remote {
			t.Errorf("write, remote %v: %v", remote, err)
		}
		if err := c.SendBreak(t.Context()); err != nil {
			t.Error(err)
		}
		c.Close()
	}
	if typed, _ := os.ReadFile(tty); string(typed) != "root\r" {
		t.Errorf("typed %q", typed)
	}
	if !slices.Equal(h.breaks, []any{"charserial1", "charserial1"}) {
		t.Errorf("breaks %v", h.breaks)
	}
	h.taken = true
	if _, _, err := m.OpenConsole(t.Context(), domain.IfFree); !errors.Is(err, domain.ErrBusy) || !h.taken {
		t.Errorf("somebody else has it: %v", err)
	}
	if c, _, err := m.OpenConsole(t.Context(), domain.TakeOver); err != nil || h.taken {
		t.Errorf("taken over: %v", err)
	} else {
		c.Close()
	}
}

// TestNoConsole: a machine that is off gets a console when it starts, one without a port
// gets none then either.
func TestNoConsole(t *testing.T) {
	const (
		port    = "<domain><devices><serial type='file'/><serial type='pty'/></devices></domain>"
		aliased = "<domain><devices><serial type='pty'><alias name='ua-serial'/></serial></devices></domain>"
	)
	socket := "<domain><devices><serial type='unix'><source mode='bind' path='" + t.TempDir() + "/none'/><alias name='serial0'/></serial></devices></domain>"
	refused := func(code libvirt.Code) error { return &libvirt.Error{Op: "open console", Code: code, Msg: "no"} }
	for name, c := range map[string]struct {
		h    hypervisor
		want error
	}{
		"on, no port":           {hypervisor{live: osStyle, stored: port}, domain.ErrNotSupported},
		"off, no port":          {hypervisor{stored: osStyle}, domain.ErrNotSupported},
		"on its way":            {hypervisor{live: port, stored: port}, domain.ErrPoweredOff},
		"off":                   {hypervisor{stored: port}, domain.ErrPoweredOff},
		"off, an alias of ours": {hypervisor{stored: aliased}, domain.ErrPoweredOff},
		"stops meanwhile":       {hypervisor{live: aliased, closed: refused(libvirt.CodeSystem), stopsBehind: true}, domain.ErrPoweredOff},
		"stops with its socket": {hypervisor{live: socket, stopsBehind: true}, domain.ErrPoweredOff},
		"runs anew by now":      {hypervisor{live: aliased, closed: refused(libvirt.CodeOperationInvalid)}, domain.ErrPoweredOff},
		"no such terminal":      {hypervisor{live: aliased, closed: refused(libvirt.CodeSystem)}, domain.ErrUnavailable},
		"no such socket":        {hypervisor{live: socket}, fs.ErrNotExist},
	} {
		m := newMachine(t, &c.h, t.TempDir())
		if _, _, err := m.OpenConsole(t.Context(), domain.TakeOver); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
