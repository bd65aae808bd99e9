package ipmi

import (
	"encoding/binary"
	"testing"

	"trefoil/vbmc/ipmi/wire"
)

func (c *client) info(sel ...byte) []byte {
	c.t.Helper()
	cc, d := c.call(wire.App, 0x3d, sel...)
	if cc != ccOK {
		c.t.Fatalf("session info: %#x", cc)
	}
	return d
}

// TestSessionInfoTellsTheLimit: the field has 6 bits.
func TestSessionInfoTellsTheLimit(t *testing.T) {
	if d := admin(t, newRig(t)).info(0); d[1] != 0x3f {
		t.Errorf("%d possible sessions, want 63", d[1])
	}
}

// TestHandlesAreUnique: the 8-bit number of a session that lives is not given again,
// and a session in set-up has none.
func TestHandlesAreUnique(t *testing.T) {
	r := newRig(t)
	first := admin(t, r)
	id := binary.LittleEndian.AppendUint32(nil, first.ex.ManagedID)
	mine := first.info(0)[0]
	for range 300 {
		c := admin(t, r)
		if h := c.info(0)[0]; h == mine || h == 0 {
			t.Fatalf("handle %d was given again", h)
		}
		own := binary.LittleEndian.AppendUint32(nil, c.ex.ManagedID)
		if cc, _ := c.call(wire.App, 0x3c, own...); cc != ccOK {
			t.Fatalf("close: %#x", cc)
		}
	}
	newClient(t, r.BMC, wire.Suite3()).open()
	for _, s := range r.sessions.byID {
		if s.stage != stageActive && s.handle != 0 {
			t.Errorf("a session in set-up has handle %d", s.handle)
		}
	}
	if cc, _ := first.call(wire.App, 0x3c, 0, 0, 0, 0, 0); cc != ccSessionID {
		t.Errorf("close handle 0: %#x", cc)
	}
	if s := r.sessions.byHandle(mine); s == nil || s.ex.ManagedID != binary.LittleEndian.Uint32(id) {
		t.Error("the handle does not name its session")
	}
}

// TestARunningCommandIsNotForgotten: other requests do not push a running power
// cycle out of memory, so its retry does not run it again.
func TestARunningCommandIsNotForgotten(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	c.call(wire.Chassis, 2, 1)
	release := r.m.Hold()
	got := make(chan []byte, 2*answerSlots)
	send := func(p []byte) { r.Handle(c.src, p, func(b []byte) { got <- b }) }
	send(c.packet(wire.Chassis, 2, 2))
	cycle := c.rqSeq
	for range 2 * answerSlots {
		c.call(wire.App, 0x04)
	}
	c.rqSeq = cycle
	send(c.again(wire.Chassis, 2, 2))
	release()
	cc, d := c.decode(<-got)
	want(t, "cycle", cc, d, ccOK)
	send(c.again(wire.Chassis, 2, 2))
	cc, d = c.decode(<-got)
	want(t, "its retry", cc, d, ccOK)
	if log := r.m.Log(); len(log) != 2 || log[1] != "cycle" {
		t.Errorf("operations %v, want on and one cycle", log)
	}
}

// TestTooManyRunningCommands: one that could not be told from its own retry is not
// begun, and quick ones go on.
func TestTooManyRunningCommands(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	release := r.m.Hold()
	got := make(chan []byte, answerSlots)
	for range answerSlots {
		r.Handle(c.src, c.packet(wire.Chassis, 2, 0), func(b []byte) { got <- b })
	}
	refused := c.exchange(c.packet(wire.Chassis, 2, 1)) // at once: nothing waits for the machine
	if refused == nil {
		t.Fatal("one too many was begun")
	}
	cc, d := c.decode(refused)
	want(t, "one too many", cc, d, ccBusy)
	cc, d = c.call(wire.App, 0x04)
	want(t, "self test", cc, d, ccOK, 0x55, 0)
	release()
	for range answerSlots {
		<-got
	}
}
