package ipmi

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/sol"
	"trefoil/vbmc/ipmi/wire"
)

// bubbleBMC is a BMC with a console on the clock of a synctest bubble; after may be nil.
func bubbleBMC(t *testing.T, after func(time.Duration, func()) func() bool) (*fake.Machine, *BMC) {
	t.Helper()
	m := fake.New([16]byte{1})
	if err := m.On(context.Background()); err != nil {
		t.Fatal(err)
	}
	b, err := New(Config{Machine: m, Username: "admin", Password: "secret", Console: ConsoleOnDemand, After: after})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return m, b
}

// pass lets time go by in a synctest bubble, and returns when all that was due is done.
// The clock is the bubble's own: it jumps, and nobody waits.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func askSOL() []byte { return []byte{1, 1, 0xc0, 0, 0, 0} }

// TestSOLEndsWithItsSession: a client that died gives the console back when its session
// is over, and not when somebody happens to look.
func TestSOLEndsWithItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, b := bubbleBMC(t, nil)
		c := solLogin(t, b, 40000, privAdmin)
		if cc, _ := c.call(wire.App, 0x48, askSOL()...); cc != ccOK {
			t.Fatalf("activate: %#x", cc)
		}
		held := func() (held bool) { b.locked(func() { held = b.parts.sol.run != nil }); return held }
		pass(inactivity - time.Second)
		if !held() {
			t.Error("SOL is over before its session")
		}
		pass(time.Second + 2*time.Millisecond)
		if held() {
			t.Error("SOL outlives its session")
		}
	})
}

// TestTheNextOneGetsSOL: also before the timer of a session that is over has fired.
func TestTheNextOneGetsSOL(t *testing.T) {
	never := func(time.Duration, func()) func() bool { return func() bool { return true } }
	for name, ask := range map[string]struct {
		cmd  byte
		data []byte
		cc   byte
		off  byte // where the answer says that nobody has it
	}{
		"activate":   {0x48, askSOL(), ccOK, 0},
		"deactivate": {0x49, askSOL(), ccPayloadInactive, 0},
		"status":     {0x4a, []byte{1}, ccOK, 1},
		"instance":   {0x4b, []byte{1, 1}, ccOK, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, b := bubbleBMC(t, never)
				first, second := solLogin(t, b, 40000, privAdmin), solLogin(t, b, 40001, privAdmin)
				if cc, _ := first.call(wire.App, 0x48, askSOL()...); cc != ccOK {
					t.Fatalf("activate: %#x", cc)
				}
				for range 2 {
					pass(inactivity/2 + time.Second)
					second.call(wire.App, 0x04)
				}
				cc, d := second.call(wire.App, ask.cmd, ask.data...)
				if cc != ask.cc || ask.off > 0 && d[ask.off] != 0 {
					t.Errorf("%#x % x, want %#x", cc, d, ask.cc)
				}
			})
		})
	}
}

// sendSOL sends a SOL packet and returns the body of its acknowledgement; output may
// come the same way.
func (c *client) sendSOL(k sol.Packet) string {
	c.t.Helper()
	got := make(chan []byte, 8)
	c.b.Handle(c.src, c.solPacket(k.Append(nil)), func(p []byte) { got <- p })
	close(got)
	for raw := range got {
		p, err := wire.ParseV20(raw[4:])
		if err != nil {
			c.t.Fatal(err)
		}
		body, err := c.keys.Open(p)
		if err != nil {
			c.t.Fatal(err)
		}
		if len(body) == 4 && body[1] == k.Seq {
			return string(body)
		}
	}
	c.t.Fatal("no answer")
	return ""
}

// awaitConsole waits until the hub has opened the console, which it does in the background.
func awaitConsole(b *BMC) {
	for now := false; !now; now, _ = b.parts.sol.hub.Typable() {
		runtime.Gosched()
	}
}

// TestSOLRefusesInput: what nobody can read is not acknowledged as if somebody had.
func TestSOLRefusesInput(t *testing.T) {
	for name, before := range map[string]func(*fake.Machine){
		"output only": func(m *fake.Machine) { m.ConsoleReadOnly() },
		"off":         func(m *fake.Machine) { m.StopByOther() },
	} {
		t.Run(name, func(t *testing.T) {
			m, b := solBMC(t, Config{})
			before(m)
			c := solLogin(t, b, 40000, privAdmin)
			c.call(wire.App, 0x48, askSOL()...)
			for soon := true; soon; _, soon = b.parts.sol.hub.Typable() {
				runtime.Gosched()
			}
			if got := c.sendSOL(sol.Packet{Seq: 1, Data: []byte("x")}); got != "\x00\x01\x00\x60" {
				t.Errorf("answer %x", got)
			}
			if m.Typed() != "" {
				t.Errorf("typed %q", m.Typed())
			}
		})
	}
}

// opened is a machine whose console opens when it is told.
type opened struct {
	*fake.Machine
	now chan struct{}
}

func (m opened) OpenConsole(ctx context.Context, claim domain.Claim) (domain.Console, bool, error) {
	<-m.now
	return m.Machine.OpenConsole(ctx, claim)
}

// TestSOLWhileTheConsoleOpens: what is typed meanwhile is to be sent again, and not lost.
func TestSOLWhileTheConsoleOpens(t *testing.T) {
	m := opened{fake.New([16]byte{1}), make(chan struct{})}
	if err := m.On(context.Background()); err != nil {
		t.Fatal(err)
	}
	b, err := New(Config{Machine: m, Username: "admin", Password: "secret", Console: ConsoleOnDemand})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	c := solLogin(t, b, 40000, privAdmin)
	c.call(wire.App, 0x48, askSOL()...)
	early := sol.Packet{Seq: 1, Data: []byte("x")}
	if got := c.sendSOL(early); got != "\x00\x01\x00\x40" {
		t.Errorf("answer %x", got)
	}
	close(m.now)
	awaitConsole(b)
	if got := c.sendSOL(early); got != "\x00\x01\x01\x00" {
		t.Errorf("answer %x", got)
	}
}

// deaf is a machine that reads what is typed when it is told.
type deaf struct {
	*fake.Machine
	reading, hear chan struct{}
}

type deafConsole struct {
	domain.Console
	m deaf
}

func (m deaf) OpenConsole(ctx context.Context, claim domain.Claim) (domain.Console, bool, error) {
	c, canWrite, err := m.Machine.OpenConsole(ctx, claim)
	return deafConsole{c, m}, canWrite, err
}

func (c deafConsole) Write(p []byte) (int, error) {
	c.m.reading <- struct{}{}
	<-c.m.hear
	return c.Console.Write(p)
}

// TestSOLOperations: the bits of a console's packet reach the machine.
func TestSOLOperations(t *testing.T) {
	m := deaf{fake.New([16]byte{1}), make(chan struct{}, 9), make(chan struct{}, 9)}
	if err := m.On(context.Background()); err != nil {
		t.Fatal(err)
	}
	never := func(time.Duration, func()) func() bool { return func() bool { return true } }
	b, err := New(Config{Machine: m, Username: "admin", Password: "secret", Console: ConsoleOnDemand, After: never})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	c := solLogin(t, b, 40000, privAdmin)
	c.call(wire.App, 0x48, askSOL()...)
	awaitConsole(b)
	c.sendSOL(sol.Packet{Seq: 1, Data: []byte("a")})
	<-m.reading
	c.sendSOL(sol.Packet{Seq: 2, Data: []byte("dropped")})
	c.sendSOL(sol.Packet{Seq: 3, Op: sol.OpFlushInbound | sol.OpBreak, Data: []byte("b")})
	m.hear <- struct{}{}
	m.hear <- struct{}{}
	for m.Breaks() == 0 {
		runtime.Gosched()
	}
	if m.Typed() != "ab" {
		t.Errorf("typed %q, want ab and then a break", m.Typed())
	}
	c.sendSOL(sol.Packet{Seq: 4, Op: sol.OpPause | sol.OpFlushOutbound})
	if b.parts.sol.run.port.Room() != 0 {
		t.Error("output goes on though CTS is taken away")
	}
	c.sendSOL(sol.Packet{Seq: 5})
	if b.parts.sol.run.port.Room() == 0 {
		t.Error("output does not go on")
	}
}
