package wire

import (
	"bytes"
	"reflect"
	"testing"
)

// FuzzParse gives a datagram to every parser that could see it. None may fall over,
// and what a parser accepts says the same when it is written and read again.
func FuzzParse(f *testing.F) {
	m := Message{To: 0x20, From: 0x81, NetFn: App, Seq: 5, Cmd: 0x38, Data: []byte{0x8e, 4}}
	f.Add(m.AppendRequest(nil))
	f.Add(m.AppendResponse(nil, 0xc1, []byte{1, 2, 3}))
	f.Add(Message{To: 0x20, From: 0x81, NetFn: App + 1, Seq: 5, Cmd: 1}.AppendRequest(nil))
	f.Add(V15{Payload: m.AppendRequest(nil)}.Append(nil))
	f.Add(V20{Payload: m.AppendRequest(nil), SessionID: 1, Sequence: 2}.AppendPlain(nil))
	f.Add([]byte{6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 0x42, 0, 0})
	f.Add([]byte{0, 4, 0, 0, 1, 2, 3, 4, 0, 0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 8, 4, 0, 0, 0, 2, 0, 0, 8, 1, 0, 0, 0})
	f.Add(append(append(make([]byte, 24), 0x14, 0, 0, 5), "admin"...))
	f.Add(append([]byte{2, 0, 0, 0, 1, 2, 3, 4}, make([]byte, 32)...))
	f.Add(bytes.Repeat([]byte{0xff}, 1024))
	f.Fuzz(func(t *testing.T, b []byte) {
		if class, rest, err := ParseRMCP(b); err == nil {
			headers(t, class, rest)
		}
		messages(t, b)
		setup(t, b)
	})
}

// headers reads what follows an RMCP header.
func headers(t *testing.T, class Class, b []byte) {
	if tag, err := ParsePing(b); err == nil {
		if _, rest, err := ParseRMCP(BuildPong(tag)); err != nil || rest[5] != tag {
			t.Errorf("pong of ping %#x: %v, % x", tag, err, rest)
		}
	}
	if p, err := ParseV15(b); err == nil && p.Auth == AuthNone {
		again, err := ParseV15(p.Append(nil)[rmcpLen:])
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("IPMI 1.5 packet %+v reads again as %+v, %v", p, again, err)
		}
	}
	p, err := ParseV20(b)
	if err != nil || class != ClassIPMI {
		return
	}
	if p.Authenticated { // the code is wrong: nobody has the key
		for _, s := range []Suite{Suite3(), Suite17()} {
			e := Exchange{Suite: s, Rm: [16]byte{1}, KG: []byte("the key of this test")}
			_, keys := e.Finish()
			if _, err := keys.Open(p); err == nil {
				t.Errorf("suite %d: a packet without the key is accepted: % x", s.ID, b)
			}
		}
		return
	}
	p.Encrypted = false // plain packets say so
	again, err := ParseV20(p.AppendPlain(nil)[rmcpLen:])
	if err != nil || !reflect.DeepEqual(again, p) {
		t.Errorf("packet %+v reads again as %+v, %v", p, again, err)
	}
}

func messages(t *testing.T, b []byte) {
	m, err := ParseMessage(b)
	if err != nil {
		return
	}
	if m.NetFn%2 != 0 {
		t.Errorf("the response % x is taken for a request", b)
	}
	if got := m.AppendRequest(nil); !bytes.Equal(got, b) {
		t.Errorf("request % x is written as % x", b, got)
	}
	r, cc, err := ParseResponse(m.AppendResponse(nil, 0xc7, m.Data))
	if err != nil || cc != 0xc7 || r.Seq != m.Seq || r.Cmd != m.Cmd || r.To != m.From || !bytes.Equal(r.Data, m.Data) {
		t.Errorf("answer to %+v reads as %+v, code %#x, %v", m, r, cc, err)
	}
}

// setup reads the payloads of a session that is being opened.
func setup(t *testing.T, b []byte) {
	if r, err := ParseOpenRequest(b); err == nil {
		s, st := r.Choose([]Suite{Suite17(), Suite3()})
		if (st == StatusOK) != (s != Suite{}) {
			t.Errorf("proposal %+v: suite %+v with status %#x", r, s, st)
		}
		if got := r.AppendResponse(nil, 4, 1, s); len(got) != 36 || got[0] != r.Tag {
			t.Errorf("answer to %+v: % x", r, got)
		}
	}
	if r, err := ParseRAKP1(b); err == nil && len(r.Name) != int(b[27]) {
		t.Errorf("name %q of % x", r.Name, b)
	}
	if r, err := ParseRAKP3(b); err == nil && len(r.Code) != len(b)-8 {
		t.Errorf("code % x of % x", r.Code, b)
	}
}

// FuzzSealed seals a payload, reads it back, and changes one bit, which must not
// pass; decrypt also gets blocks that nobody encrypted.
func FuzzSealed(f *testing.F) {
	f.Add([]byte("a payload"), uint16(300))
	f.Add([]byte{}, uint16(0))
	f.Add(make([]byte, 64), uint16(7))
	f.Fuzz(func(t *testing.T, payload []byte, bit uint16) {
		if len(payload) > 1<<12 {
			return
		}
		for _, s := range []Suite{Suite3(), Suite17()} {
			e := Exchange{Suite: s, Name: []byte("admin"), Password: [20]byte{'x'}}
			_, k := e.Finish()
			raw := k.Seal(nil, V20{SessionID: 7, Sequence: 9, Payload: payload}, [16]byte{3})
			p, err := ParseV20(raw[rmcpLen:])
			if err != nil {
				t.Fatal(err)
			}
			if got, err := k.Open(p); err != nil || !bytes.Equal(got, payload) || p.SessionID != 7 || p.Sequence != 9 {
				t.Errorf("suite %d: % x reads as % x, %v", s.ID, payload, got, err)
			}
			at := int(bit) % ((len(raw) - rmcpLen) * 8)
			raw[rmcpLen+at/8] ^= 1 << (at % 8)
			if p, err := ParseV20(raw[rmcpLen:]); err == nil {
				if got, err := k.Open(p); err == nil {
					t.Errorf("suite %d: bit %d is turned, and % x passes", s.ID, at, got)
				}
			}
			if got, err := k.decrypt(payload); err == nil && len(got) >= len(payload) {
				t.Errorf("% x decrypts to % x", payload, got)
			}
		}
	})
}
