package ipmi

import (
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/sol"
	"trefoil/vbmc/ipmi/wire"
)

// TestSessionsLeaveNothing lets thousands of clients come and go, in all ways that
// clients do, and then looks at what is left of them. `scripts/fuzz soak` does that with a
// million.
func TestSessionsLeaveNothing(t *testing.T) {
	n := 3000
	if v := os.Getenv("VBMC_SESSIONS"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil || n < 1000 {
			t.Fatalf("VBMC_SESSIONS is %q, want a number from 1000 on", v)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		m, b := bubbleBMC(t, nil)
		b.machine = steady{m}
		come := func(from, to int) {
			for i := from; i < to; i++ {
				visit(t, b, i)
				pass(time.Second) // so that clients meet: each session lasts a minute
			}
			pass(10 * time.Minute) // all of them are gone
			b.Stats()
			synctest.Wait()
		}
		come(0, n/3)
		goroutines, heap := footprint()
		come(n/3, n)
		goroutinesAfter, heapAfter := footprint()
		t.Logf("%d sessions: %d and then %d goroutines, %d and then %d KiB", n, goroutines, goroutinesAfter, heap>>10, heapAfter>>10)
		if goroutinesAfter > goroutines {
			t.Errorf("%d goroutines are left, %d before", goroutinesAfter, goroutines)
		}
		const slack = 256 << 10
		if heapAfter > heap+slack {
			t.Errorf("the heap has %d KiB, %d before", heapAfter>>10, heap>>10)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.sessions.byID) != 0 || len(b.sessions.failures) > maxSources || b.parts.sol.run != nil {
			t.Errorf("%d sessions, %d sources, SOL %v", len(b.sessions.byID), len(b.sessions.failures), b.parts.sol.run != nil)
		}
	})
}

func footprint() (goroutines int, heap uint64) {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one found to be free
	runtime.ReadMemStats(&s)
	return runtime.NumGoroutine(), s.HeapAlloc
}

// steady is a machine that notes no operations: the fake's list of them would grow.
type steady struct{ *fake.Machine }

func (steady) On(context.Context) error    { return nil }
func (steady) Cycle(context.Context) error { return nil }

// visit is one client, each from an address of its own.
func visit(t *testing.T, b *BMC, i int) {
	t.Helper()
	suite := wire.Suite17()
	if i/8%2 == 1 {
		suite = wire.Suite3()
	}
	c := newClient(t, b, suite)
	c.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)}), 5000)
	switch i % 8 {
	case 0: // begins and goes
		c.open()
		return
	case 1:
		c.login("admin", "wrong", privAdmin)
		return
	}
	c.mustLogin(privAdmin)
	c.call(wire.App, 0x3b, privAdmin)
	switch i % 8 {
	case 2:
		c.call(wire.Chassis, 1)
	case 3, 4:
		c.call(wire.App, 0x48, askSOL()...)
		c.exchange(c.solPacket(sol.Packet{Seq: 1, Op: sol.OpFlushInbound}.Append(nil)))
	case 5: // comes twice, and comes broken
		p := c.packet(wire.Storage, 0x40)
		c.exchange(p)
		c.exchange(p)
		c.exchange(p[:len(p)/2])
	case 6:
		c.call(wire.Chassis, 8, 5, 0xa0, 4, 0, 0, 0)
		c.call(wire.Chassis, 2, 2)
		c.call(wire.Transport, 0x21, 1, 0, 1)
	}
	if i%8 == 4 || i%8 == 7 { // dies
		return
	}
	if cc, _ := c.call(wire.App, 0x3c, binary.LittleEndian.AppendUint32(nil, c.ex.ManagedID)...); cc != ccOK {
		t.Fatalf("close session: %#x", cc)
	}
}
