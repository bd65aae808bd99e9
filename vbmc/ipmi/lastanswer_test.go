package ipmi

import (
	"bytes"
	"encoding/binary"
	"testing"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// TestLostAnswersAreRepeated: what would do more, or fail, when it is run twice is run once,
// whether the packet or the request in it is sent again.
func TestLostAnswersAreRepeated(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(c *client)
		fn     wire.NetFn
		cmd    byte
		data   []byte
		ran    func(b *BMC) int // how often, where the code does not tell
		want   int
	}{
		"Add SEL Entry": {
			nil, wire.Storage, 0x44, append([]byte{0, 0, 0xe0}, make([]byte, 13)...),
			func(b *BMC) int { return len(machineRecords(b)) }, 1,
		},
		"Platform Event": {
			nil, wire.Sensor, 2, []byte{4, 1, 0x30, 1, 0x59},
			func(b *BMC) int { return len(machineRecords(b)) }, 1,
		},
		"Delete SEL Entry": {
			func(c *client) {
				c.call(wire.Sensor, 2, 4, 1, 0x30, 1, 0x59)
				c.call(wire.Sensor, 2, 4, 1, 0x30, 1, 0x58)
				c.call(wire.Storage, 0x42)
			}, wire.Storage, 0x46, []byte{1, 0, 0, 0}, nil, 0,
		},
		"Deactivate Payload": {
			func(c *client) { c.call(wire.App, 0x48, askSOL()...) }, wire.App, 0x49, askSOL(), nil, 0,
		},
		"Close Session of another": {
			func(c *client) { newClient(c.t, c.b, wire.Suite3()).mustLogin(privUser) }, wire.App, 0x3c, []byte{0, 0, 0, 0, 2}, nil, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, b := solBMC(t, Config{})
			c := solLogin(t, b, 40000, privAdmin)
			if tc.before != nil {
				tc.before(c)
			}
			p := c.packet(tc.fn, tc.cmd, tc.data...)
			first := c.exchange(p)
			if cc, _ := c.decode(first); cc != ccOK {
				t.Fatalf("code %#x", cc)
			}
			if again := c.exchange(p); !bytes.Equal(again, first) {
				t.Error("a repeated packet got other bytes")
			}
			_, answer := c.decode(first)
			cc, d := c.decode(c.exchange(c.again(tc.fn, tc.cmd, tc.data...)))
			want(t, "repeated request", cc, d, ccOK, answer...)
			if tc.ran != nil && tc.ran(b) != tc.want {
				t.Errorf("it ran %d times", tc.ran(b))
			}
		})
	}
}

// TestClearedOnce: what happened after a clear stays when the clear is repeated.
func TestClearedOnce(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	c.call(wire.Storage, 0x42)
	clear := []byte{1, 0, 'C', 'L', 'R', 0xaa}
	c.call(wire.Storage, 0x47, clear...)
	r.record(0x09, 1, 0x6f, [3]byte{0, 0xff, 0xff})
	cc, d := c.decode(c.exchange(c.again(wire.Storage, 0x47, clear...)))
	want(t, "repeated clear", cc, d, ccOK, 1)
	wantEvents(t, r.BMC, [4]byte{0x10, 6, 0x6f, 2}, [4]byte{0x09, 1, 0x6f, 0})
}

// TestAnswerThatEndsASession can be asked for again, for a while, and nothing else can.
func TestAnswerThatEndsASession(t *testing.T) {
	for name, reset := range map[string]bool{"close": false, "cold reset": true} {
		t.Run(name, func(t *testing.T) {
			r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
			c := admin(t, r.rig)
			cmd, data := byte(0x3c), binary.LittleEndian.AppendUint32(nil, c.ex.ManagedID)
			if reset {
				cmd, data = 0x02, nil
			}
			p := c.packet(wire.App, cmd, data...)
			first := c.exchange(p)
			if first == nil || r.Stats().Sessions != 0 {
				t.Fatalf("answer %x, %+v", first, r.Stats())
			}
			if again := c.exchange(p); !bytes.Equal(again, first) {
				t.Error("a repeated packet got other bytes")
			}
			once := c.again(wire.App, cmd, data...)
			cc, d := c.decode(c.exchange(once))
			want(t, "repeated request", cc, d, ccOK)
			if c.exchange(once) != nil {
				t.Error("a packet outside the window was answered")
			}
			if c.exchange(c.packet(wire.App, 0x04)) != nil || c.exchange(c.packet(wire.App, cmd, data...)) != nil {
				t.Error("a session that has ended answers something else")
			}
			r.advance(repeatTime)
			if c.exchange(c.again(wire.App, cmd, data...)) != nil || len(r.lastAnswers) != 0 {
				t.Errorf("after %v: %d answers are kept", repeatTime, len(r.lastAnswers))
			}
		})
	}
}

// TestFewLastAnswersAreKept: sessions that come and go fast leave the latest ones'.
func TestFewLastAnswersAreKept(t *testing.T) {
	r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
	for range 3 * maxEnded {
		r.do(t, wire.Chassis, 1)
	}
	if len(r.lastAnswers) != maxEnded {
		t.Errorf("%d are kept", len(r.lastAnswers))
	}
	r.advance(2 * repeatTime)
	if len(r.lastAnswers) != 0 {
		t.Errorf("%d are left", len(r.lastAnswers))
	}
}
