package ipmi

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"trefoil/vbmc/ipmi/wire"
)

// TestAnImpatientClientMeansOneCycle: it asks anew, as a new request each time, while the
// machine is at it. All of its requests are answered; what comes later is another cycle,
// and so is one of another session.
func TestAnImpatientClientMeansOneCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := bubbleBMC(t, nil)
		c, other := newClient(t, b, wire.Suite17()), newClient(t, b, wire.Suite17())
		for _, c := range []*client{c, other} {
			c.mustLogin(privAdmin)
			c.call(wire.App, 0x3b, privAdmin)
		}
		got := make(chan []byte, 8)
		ask := func(c *client) { b.Handle(c.src, c.packet(wire.Chassis, 2, 2), func(p []byte) { got <- p }) }
		release := m.Hold()
		for range 3 {
			ask(c)
		}
		ask(other)
		synctest.Wait()
		release()
		synctest.Wait()
		if len(got) != 4 {
			t.Errorf("%d answers to 4 requests", len(got))
		}
		if log := m.Log(); !slices.Equal(log, []string{"on", "cycle", "cycle"}) {
			t.Errorf("operations %v, want one cycle of each session", log)
		}
		ask(c)
		synctest.Wait()
		if log := m.Log(); len(log) != 4 {
			t.Errorf("operations %v: the next cycle was left out", log)
		}
		if err := m.Off(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
}

// A hard reset is no power off, though libvirt may stop and start the machine for it.
func TestAMachineIsOnAllThroughAHardReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := bubbleBMC(t, nil)
		c := newClient(t, b, wire.Suite17())
		c.mustLogin(privAdmin)
		c.call(wire.App, 0x3b, privAdmin)
		b.locked(func() { b.chassis.underway = []*underway{{what: 3, on: true}} })
		if err := m.Off(context.Background()); err != nil {
			t.Fatal(err)
		}
		on := func() bool { _, data := chassisStatus(b, request{}); return data[0]&1 != 0 }
		if !on() {
			t.Error("off in the middle of a reset")
		}
		b.locked(func() { b.chassis.underway[0].on = false })
		if on() {
			t.Error("on, though it was off when the reset was asked for")
		}
		b.locked(func() { b.chassis.underway = nil })
		if on() {
			t.Error("on behind the reset")
		}
	})
}
