package ipmi

import (
	"testing"

	"trefoil/vbmc/ipmi/wire"
)

// TestResponsesAreNotAnswered: two BMCs that answered them could be made to answer each
// other for ever by one packet in the name of one of them.
func TestResponsesAreNotAnswered(t *testing.T) {
	c := newClient(t, newRig(t).BMC, wire.Suite17())
	outside := map[string]func([]byte) []byte{
		"IPMI 1.5": func(m []byte) []byte { return wire.V15{Payload: m}.Append(nil) },
		"IPMI 2.0": func(m []byte) []byte { return wire.V20{Payload: m}.AppendPlain(nil) },
	}
	for name, packet := range outside {
		m := wire.Message{To: 0x20, From: 0x20, NetFn: wire.App, Seq: 9, Cmd: 0x38, Data: []byte{0x8e, 4}}
		answer := c.exchange(packet(m.AppendRequest(nil)))
		if answer == nil {
			t.Fatalf("%s: the request is not answered", name)
		}
		if got := c.exchange(answer); got != nil {
			t.Errorf("%s: its own answer is answered: % x", name, got)
		}
		for f := wire.NetFn(1); f < 64; f += 2 {
			if m.NetFn = f; c.exchange(packet(m.AppendRequest(nil))) != nil {
				t.Errorf("%s: network function %#x is answered", name, byte(f))
			}
		}
	}
	c.mustLogin(privAdmin)
	for f := wire.NetFn(1); f < 64; f += 2 {
		if c.exchange(c.packet(f, 1)) != nil {
			t.Errorf("in a session: network function %#x is answered", byte(f))
		}
	}
	cc, _ := c.call(wire.App, 4)
	want(t, "a request after that", cc, nil, ccOK)
	inner := wire.Message{To: 0x20, From: 0x24, NetFn: wire.App + 1, Cmd: 4}
	cc, d := c.call(wire.App, 0x34, append([]byte{0x40}, inner.AppendRequest(nil)...)...)
	want(t, "a bridged response", cc, d, ccDataInvalid)
}
