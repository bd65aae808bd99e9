package ipmi

import (
	"testing"

	"trefoil/vbmc/ipmi/wire"
)

const netFnOEM wire.NetFn = 0x30 // no command of ours is there

// TestAFaultInACommandStaysThere: a panic in any kind of command is answered as an
// error, and the BMC goes on. Not recovered, it would end this test's process.
func TestAFaultInACommandStaysThere(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	broken := func(*BMC, request) (byte, []byte) { panic("broken on purpose") }
	for name, row := range map[string]command{
		"quick": {name: "x", priv: privUser, run: broken}, "waiting": {name: "x", priv: privUser, waits: true, run: broken},
		"early": {name: "x", priv: privUser, waits: true, early: true, run: broken},
	} {
		r.commands[key(netFnOEM, 1)] = row
		cc, d := c.call(netFnOEM, 1)
		want(t, name, cc, d, ccUnspecified)
		cc, d = c.call(wire.Chassis, 1)
		want(t, "status after it", cc, d, ccOK, 0, 0, 0x40, 0)
	}
	r.commands[key(netFnOEM, 1)] = command{name: "x", run: broken}
	if cc, d := r.runOutside(c.src, wire.Message{NetFn: netFnOEM, Cmd: 1}); cc != ccUnspecified || d != nil {
		t.Errorf("outside a session: %#x % x", cc, d)
	}
}

// TestAFaultWhileAnsweringStaysThere: the goroutine of a waiting command has nobody
// above it who could recover, and the lock must be free afterwards.
func TestAFaultWhileAnsweringStaysThere(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	began := make(chan struct{})
	r.Handle(c.src, c.packet(wire.Chassis, 2, 1), func([]byte) {
		close(began)
		panic("broken on purpose")
	})
	<-began
	cc, d := c.call(wire.Chassis, 1)
	want(t, "status after it", cc, d, ccOK, 0x01, 0x10, 0x40, 0)
}
