package ipmi

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/vbmc/domain/fake"
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
		time.Sleep(inactivity - time.Second)
		synctest.Wait()
		if !held() {
			t.Error("SOL is over before its session")
		}
		time.Sleep(time.Second + 2*time.Millisecond)
		synctest.Wait()
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
					time.Sleep(inactivity/2 + time.Second)
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
