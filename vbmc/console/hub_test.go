package console

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
)

// newHub makes a hub for a fake machine that is on or off.
func newHub(t *testing.T, on bool, size int) (*fake.Machine, *Hub) {
	t.Helper()
	m := fake.New([16]byte{1})
	if on {
		if err := m.On(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	h := NewHub(m.OpenConsole, size, slog.New(slog.DiscardHandler))
	t.Cleanup(h.Close)
	return m, h
}

// eventually waits for the goroutine of the hub; the test's time limit ends it.
func eventually(f func() bool) {
	for !f() {
		runtime.Gosched()
	}
}

// until reads until the output contains want.
func until(r *Reader, want string) string {
	var got strings.Builder
	buf := make([]byte, 7)
	for !strings.Contains(got.String(), want) {
		n, _ := r.Read(buf)
		if got.Write(buf[:n]); n == 0 {
			<-r.Ready()
		}
	}
	return got.String()
}

func TestLateReaderSeesWhatWasBefore(t *testing.T) {
	m, h := newHub(t, true, 16)
	h.Hold()
	if m.ConsoleOpen() {
		t.Fatal("Hold alone opened the console")
	}
	h.Start()
	eventually(func() bool { return m.Print("the beginning is overwritten, ") })
	m.Print("this is not$")
	first := h.Attach(0)
	defer first.Close()
	eventually(func() bool { h.mu.Lock(); defer h.mu.Unlock(); return h.ring.end == 42 })
	r := h.Attach(100)
	defer r.Close()
	if got := until(r, "$"); got != "en, this is not$" {
		t.Errorf("late reader sees %q", got)
	}
}

func TestConsoleIsOpenWhileSomebodyReads(t *testing.T) {
	m, h := newHub(t, true, 100)
	r := h.Attach(0)
	eventually(m.ConsoleOpen)
	other := h.Attach(0)
	r.Close()
	m.Print("still$")
	until(other, "still$")
	other.Close()
	eventually(func() bool { return !running(h) })
	again := h.Attach(0)
	defer again.Close()
	eventually(func() bool { return m.Print("again$") })
	until(again, "again$")
}

func running(h *Hub) bool { h.mu.Lock(); defer h.mu.Unlock(); return h.cancel != nil }

func TestMachineStartsLater(t *testing.T) {
	m, h := newHub(t, false, 100)
	r := h.Attach(0)
	defer r.Close()
	until(r, "[vbmc: the machine is off; its console appears here when it starts]\r\n")
	eventually(func() bool { return !running(h) }) // nothing asks again and again
	if h.Write([]byte("x")) != 1 {
		t.Error("what is typed to a machine that is off is left out")
	}
	_ = m.On(context.Background())
	h.Start()
	until(r, "[vbmc: console is connected]\r\n")
	m.Print("BIOS$")
	until(r, "BIOS$")
	if m.Typed() != "" {
		t.Errorf("typed %q", m.Typed())
	}
}

func TestStartEndsThePause(t *testing.T) {
	m, h := newHub(t, true, 100)
	h.after = func(time.Duration) <-chan time.Time { return nil } // a pause never ends by itself
	r := h.Attach(0)
	defer r.Close()
	eventually(m.ConsoleOpen)
	_ = m.Off(context.Background())
	_ = m.On(context.Background())
	h.Start()
	eventually(func() bool { return m.Print("BIOS$") })
	until(r, "BIOS$")
}

func TestConsoleThatEndsIsOpenedAgain(t *testing.T) {
	m, h := newHub(t, true, 100)
	fire := make(chan time.Time)
	h.after = func(time.Duration) <-chan time.Time { return fire }
	r := h.Attach(0)
	defer r.Close()
	eventually(m.ConsoleOpen)
	m.HangUp()
	fire <- time.Time{}
	eventually(func() bool { return m.Print("again$") })
	until(r, "again$")
}

// paced gives a test the pauses of a hub: it is told of each, and ends it.
func paced(h *Hub) (began chan struct{}, end chan time.Time) {
	began, end = make(chan struct{}, 100), make(chan time.Time)
	h.after = func(time.Duration) <-chan time.Time {
		began <- struct{}{}
		return end
	}
	return began, end
}

// What is kept for later readers is no reason to throw somebody out: it is said once,
// and asked for again.
func TestHeldConsoleThrowsNobodyOut(t *testing.T) {
	m, h := newHub(t, true, 100)
	var logged strings.Builder
	h.log = slog.New(slog.NewTextHandler(&logged, nil))
	began, end := paced(h)
	m.TakeConsole()
	h.Hold()
	h.Start()
	for range 5 {
		<-began
		end <- time.Time{}
	}
	<-began
	if !m.ConsoleTaken() {
		t.Fatal("somebody was thrown out")
	}
	if n := strings.Count(logged.String(), "somebody else has it"); n != 1 {
		t.Errorf("said %d times:\n%s", n, &logged)
	}
	m.LeaveConsole()
	end <- time.Time{}
	eventually(func() bool { return m.Print("mine again$") })
	r := h.Attach(100)
	defer r.Close()
	until(r, "mine again$")
}

// Who activates SOL gets the console at once; who throws that reader out keeps it.
func TestReaderTakesTheConsoleOnce(t *testing.T) {
	m, h := newHub(t, true, 100)
	began, end := paced(h)
	m.TakeConsole()
	h.Hold()
	h.Start()
	<-began
	first := h.Attach(100) // ends the pause
	defer first.Close()
	eventually(func() bool { return m.Print("given$") })
	until(first, "given$")
	m.TakeConsole()
	for range 2 {
		<-began
		end <- time.Time{}
	}
	<-began
	until(first, "somebody else has the console")
	if !m.ConsoleTaken() {
		t.Fatal("a reader that was thrown out throws out in turn")
	}
	second := h.Attach(100)
	defer second.Close()
	eventually(func() bool { return m.Print("again$") })
	until(second, "again$")
}

func TestTypingAndBreakInOrder(t *testing.T) {
	m, h := newHub(t, true, 100)
	r := h.Attach(0)
	defer r.Close()
	eventually(m.ConsoleOpen)
	eventually(func() bool { h.mu.Lock(); defer h.mu.Unlock(); return h.line != nil })
	h.Write([]byte("one"))
	h.Break()
	h.Write([]byte("two"))
	eventually(func() bool { return m.Typed() == "onetwo" })
	if m.Breaks() != 1 {
		t.Errorf("%d breaks", m.Breaks())
	}
}

func TestLineDoesNotTakeMoreThanItHolds(t *testing.T) {
	gate := make(chan struct{})
	l := newLine(stuck{gate}, true, slog.New(slog.DiscardHandler))
	l.put([]byte("x"))
	<-gate // the machine has begun to read and goes on no further
	if n := l.put(make([]byte, maxTyped+100)); n != maxTyped {
		t.Errorf("took %d characters, want %d", n, maxTyped)
	}
	if n := l.put([]byte("y")); n != 0 {
		t.Errorf("took %d more", n)
	}
	l.end()
	gate <- struct{}{}
}

// stuck is a console that does not read until it is told.
type stuck struct{ gate chan struct{} }

func (s stuck) Write(p []byte) (int, error)   { s.gate <- struct{}{}; <-s.gate; return len(p), nil }
func (stuck) Read([]byte) (int, error)        { return 0, errors.New("not used") }
func (stuck) Close() error                    { return nil }
func (stuck) SendBreak(context.Context) error { return nil }

func TestRefusalIsTold(t *testing.T) {
	h := NewHub(func(context.Context, domain.Claim) (domain.Console, bool, error) {
		return nil, false, errors.New("access denied")
	}, 100, slog.New(slog.DiscardHandler))
	defer h.Close()
	r := h.Attach(0)
	until(r, "[vbmc: no console: access denied]\r\n")
}

// TestAMachineWithoutAConsole is told as that, once all that was printed before is read.
func TestAMachineWithoutAConsole(t *testing.T) {
	m, h := newHub(t, true, 100)
	first := h.Attach(0)
	eventually(func() bool { return m.Print("before$") })
	until(first, "before$")
	if first.Over() {
		t.Error("an open console is over")
	}
	m.RemoveConsole()
	first.Close()
	r := h.Attach(100)
	defer r.Close()
	if r.Over() {
		t.Error("over before anybody has looked")
	}
	if got := until(r, "]\r\n"); got != "before$[vbmc: no console: serial console: not supported by this machine]\r\n" {
		t.Errorf("reads %q", got)
	}
	eventually(r.Over)
	if now, soon := h.Typable(); now || soon {
		t.Error("it can be typed to")
	}
}

// TestAnOffMachineIsNotOver: its console comes when it starts.
func TestAnOffMachineIsNotOver(t *testing.T) {
	_, h := newHub(t, false, 100)
	r := h.Attach(0)
	defer r.Close()
	until(r, "]\r\n")
	eventually(func() bool { return !running(h) })
	if now, soon := h.Typable(); r.Over() || now || soon {
		t.Errorf("over %v, typable %v, %v", r.Over(), now, soon)
	}
}

func TestRing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		g := ring{size: rapid.IntRange(1, 20).Draw(r, "size")}
		var all []byte
		for range rapid.IntRange(0, 10).Draw(r, "writes") {
			b := rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(r, "b")
			g.write(b)
			all = append(all, b...)
		}
		if int(g.end) != len(all) || len(all)-int(g.first()) != min(len(all), g.size) {
			r.Fatalf("places %d to %d of %d bytes", g.first(), g.end, len(all))
		}
		at := rapid.Uint64Range(g.first(), g.end).Draw(r, "at")
		p := make([]byte, rapid.IntRange(0, 25).Draw(r, "n"))
		n := g.read(p, at)
		if want := all[at:min(at+uint64(len(p)), g.end)]; !bytes.Equal(p[:n], want) {
			r.Fatalf("read %x, want %x", p[:n], want)
		}
	})
}

func TestSlowReaderIsTold(t *testing.T) {
	_, h := newHub(t, false, 10)
	r := &Reader{h: h, ready: make(chan struct{}, 1)}
	h.ring.write([]byte("0123456789abc"))
	p := make([]byte, 20)
	if n, lost := r.Read(p); string(p[:n]) != "3456789abc" || !lost {
		t.Errorf("%q, lost %v", p[:n], lost)
	}
	if n, lost := r.Read(p); n != 0 || lost {
		t.Errorf("again: %d, lost %v", n, lost)
	}
}

// noConsole is a refusal that looks whenever somebody asks what it is.
type noConsole struct{ look func() }

func (noConsole) Error() string { return "no console" }
func (n noConsole) Is(target error) bool {
	n.look()
	return target == domain.ErrNotSupported
}

// TestAnAttemptThatFollows: while another attempt is to come at once, nothing is over and
// what is typed is to come again, whenever a reader looks.
func TestAnAttemptThatFollows(t *testing.T) {
	var h *Hub
	var r *Reader
	var looks, attempts int
	look := func() {
		if attempts > 1 || !h.mu.TryLock() {
			return // nobody else can look either
		}
		h.mu.Unlock()
		looks++
		r.Read(make([]byte, 1000))
		if now, soon := h.Typable(); r.Over() || now || !soon {
			t.Errorf("over %v, typable %v, %v", r.Over(), now, soon)
		}
	}
	attached, done := make(chan struct{}), make(chan struct{})
	h = NewHub(func(context.Context, domain.Claim) (domain.Console, bool, error) {
		switch attempts++; attempts {
		case 1:
			<-attached
			h.Start()
		case 2:
			close(done)
		}
		return nil, false, noConsole{look}
	}, 100, slog.New(slog.DiscardHandler))
	defer h.Close()
	r = h.Attach(0)
	defer r.Close()
	close(attached)
	<-done
	if looks == 0 {
		t.Error("nobody looked between the attempts")
	}
	eventually(r.Over) // the latest attempt counts
}

// TestAPauseOpensNothing: what is typed in a pause is refused, also when a start ended the one before.
func TestAPauseOpensNothing(t *testing.T) {
	m, h := newHub(t, true, 100)
	began, _ := paced(h)
	m.TakeConsole()
	h.Hold()
	h.Start()
	for range 3 {
		<-began
		if now, soon := h.Typable(); now || soon {
			t.Errorf("typable %v, %v", now, soon)
		}
		h.Start()
	}
	<-began
}

// TestAConsoleThatComesLater: a start during an attempt that finds no console is another
// attempt, and what that one opens is not over.
func TestAConsoleThatComesLater(t *testing.T) {
	m := fake.New([16]byte{1})
	if err := m.On(context.Background()); err != nil {
		t.Fatal(err)
	}
	var attempts int
	var h *Hub
	h = NewHub(func(ctx context.Context, claim domain.Claim) (domain.Console, bool, error) {
		if attempts++; attempts == 1 {
			h.Start()
			return nil, false, domain.ErrNotSupported
		}
		return m.OpenConsole(ctx, claim)
	}, 100, slog.New(slog.DiscardHandler))
	t.Cleanup(h.Close)
	r := h.Attach(0)
	defer r.Close()
	eventually(func() bool { return m.Print("$") })
	until(r, "$")
	if r.Over() {
		t.Error("it is over while it is open")
	}
}
