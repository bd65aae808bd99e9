package ipmiclient

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi"
)

// running starts a BMC whose machine is on and prints when its console is open.
func running(t *testing.T, c ipmi.Config) (*fake.Machine, string) {
	t.Helper()
	m, addr := serve(t, c)
	if err := m.On(context.Background()); err != nil {
		t.Fatal(err)
	}
	return m, addr
}

func activate(t *testing.T, c *Client) *Console {
	t.Helper()
	s, err := c.SOL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// until reads output until it contains want.
func until(t *testing.T, r io.Reader, want string) string {
	t.Helper()
	var got strings.Builder
	buf := make([]byte, 1000)
	for !strings.Contains(got.String(), want) {
		n, err := r.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v after %q, want %q", err, got.String(), want)
		}
	}
	return got.String()
}

// eventually waits for other goroutines; the test's time limit ends it.
func eventually(f func() bool) {
	for !f() {
		runtime.Gosched()
	}
}

// printed prints text until the console has it: the hub opens it in the background.
func printed(m *fake.Machine, text string) {
	eventually(func() bool { return m.Print(text) })
}

func TestConsoleBothWays(t *testing.T) {
	m, addr := running(t, ipmi.Config{})
	printed(m, "text of before the session\r\n")
	c := dial(t, addr, admin())
	s := activate(t, c)
	until(t, s, "text of before the session\r\n")
	long := strings.Repeat("0123456789", 300)
	m.Print(long + "$ ")
	if got := until(t, s, "$ "); got != long+"$ " {
		t.Errorf("%d characters came as %q", len(long)+2, got)
	}
	if _, err := io.WriteString(s, long+"\r"); err != nil {
		t.Fatal(err)
	}
	if err := s.SendBreak(); err != nil {
		t.Fatal(err)
	}
	eventually(func() bool { return m.Breaks() > 0 })
	if got := m.Typed(); got != long+"\r" {
		t.Errorf("%d characters typed, want %d", len(got), len(long)+1)
	}
}

func TestConsoleOverALossyNetwork(t *testing.T) {
	m, addr := running(t, ipmi.Config{})
	o := admin()
	o.Tries, o.Timeout = 2000, 20*time.Millisecond // the machine may be slow, the relay is not: it lets every second one through
	s := activate(t, dial(t, lossy(t, addr), o))
	printed(m, "one two three")
	until(t, s, "one two three")
	if _, err := io.WriteString(s, "typed"); err != nil {
		t.Fatal(err)
	}
	eventually(func() bool { return m.Typed() != "" })
	if got := m.Typed(); got != "typed" {
		t.Errorf("typed %q", got)
	}
}

func TestConsoleIsForOneSession(t *testing.T) {
	m, addr := running(t, ipmi.Config{})
	first, second := dial(t, addr, admin()), dial(t, addr, admin())
	s := activate(t, first)
	if _, err := second.SOL(t.Context()); !errors.Is(err, ErrSOLActive) {
		t.Fatalf("second session: %v", err)
	}
	if err := second.EndSOL(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, ErrSOLTaken) {
		t.Errorf("the first session reads %v", err)
	}
	s2 := activate(t, second)
	printed(m, "login: ")
	until(t, s2, "login: ")
	second.Close() // the end of the session gives the console free
	activate(t, first)
}

func TestConsoleOfAMachineThatIsOff(t *testing.T) {
	m, addr := serve(t, ipmi.Config{Console: ipmi.ConsoleOnDemand})
	s := activate(t, dial(t, addr, admin()))
	until(t, s, "[vbmc: the machine is off; its console appears here when it starts]\r\n")
	_ = m.On(context.Background())
	printed(m, "BIOS")
	if got := until(t, s, "BIOS"); got != "[vbmc: console is connected]\r\nBIOS" {
		t.Errorf("read %q", got)
	}
}

func TestConsoleThatCannotBeHad(t *testing.T) {
	_, addr := running(t, ipmi.Config{Console: ipmi.ConsoleOff})
	if _, err := dial(t, addr, admin()).SOL(t.Context()); !errors.Is(err, ErrSOLDisabled) {
		t.Errorf("switched off: %v", err)
	}
	m, addr := serve(t, ipmi.Config{Console: ipmi.ConsoleOnDemand})
	m.ConsoleReadOnly()
	_ = m.On(context.Background())
	s := activate(t, dial(t, addr, admin()))
	until(t, s, "output only")
	if _, err := io.WriteString(s, strings.Repeat("x", 2000)); err != nil { // more than waits anywhere
		t.Error(err)
	}
	printed(m, "still here")
	until(t, s, "still here")
	if err := s.Drain(t.Context()); !errors.Is(err, ErrSOLRefused) {
		t.Errorf("what nobody took: %v", err)
	}
}

// TestDrainTellsOfTheLatest: a refusal counts for the packet that it answers, and until the
// next one is answered, whose keys the BMC may take.
func TestDrainTellsOfTheLatest(t *testing.T) {
	const refusedA, takenB, refusedB = "\x00\x01\x00\x60", "\x00\x02\x01\x00", "\x00\x02\x00\x60"
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, row := range map[string]struct {
		answers []string // after a was refused and b was sent
		want    error
	}{
		"b is not answered":         {nil, context.Canceled},
		"only a is answered, again": {[]string{refusedA}, context.Canceled},
		"b is taken":                {[]string{takenB}, nil},
		"b is taken, a comes again": {[]string{refusedA, takenB, refusedA}, nil},
		"b is refused too":          {[]string{refusedB, takenB}, ErrSOLRefused},
	} {
		s := newConsole(nil)
		for i, key := range []string{"a", "b"} {
			if _, err := io.WriteString(s, key); err != nil {
				t.Fatal(err)
			}
			out := s.port.Out(time.Now().Add(time.Hour)) // after the pause that a refusal wants
			if len(out) != 1 || string(out[0]) != string(rune(i+1))+"\x00\x00\x00"+key {
				t.Fatalf("%s: %s goes out as %q", name, key, out)
			}
			if key == "a" {
				s.receive([]byte(refusedA))
			}
		}
		for _, a := range row.answers {
			s.receive([]byte(a))
		}
		if err := s.Drain(cancelled); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
	}
}

// TestConsoleThatIsNot: the BMC tells why there is none, and ends it.
func TestConsoleThatIsNot(t *testing.T) {
	m, addr := serve(t, ipmi.Config{Console: ipmi.ConsoleOnDemand})
	m.RemoveConsole()
	_ = m.On(context.Background())
	s := activate(t, dial(t, addr, admin()))
	until(t, s, "no console: serial console: not supported by this machine]\r\n")
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, ErrSOLEnded) {
		t.Errorf("then %v", err)
	}
	activate(t, dial(t, addr, admin())) // nobody has it any more
}
