package ipmi

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"trefoil/vbmc/ipmi/wire"
)

// client is the far side of the protocol, for tests: it speaks through Handle.
type client struct {
	t     *testing.T
	b     *BMC
	src   netip.AddrPort
	suite wire.Suite
	ex    wire.Exchange
	keys  *wire.Keys
	seq   uint32
	rqSeq byte
}

func newClient(t *testing.T, b *BMC, suite wire.Suite) *client {
	return &client{t: t, b: b, src: netip.MustParseAddrPort("192.0.2.7:40000"), suite: suite}
}

// exchange sends a datagram and returns the answer; nil when there is none.
func (c *client) exchange(p []byte) []byte {
	got := make(chan []byte, 1)
	c.b.Handle(c.src, p, first(got))
	select {
	case b := <-got:
		return b
	default:
		return nil
	}
}

// first takes the first answer. Nobody waits for what comes later the same way.
func first(got chan<- []byte) func([]byte) {
	return func(b []byte) {
		select {
		case got <- b:
		default:
		}
	}
}

// setup exchanges a session set-up payload.
func (c *client) setup(t wire.PayloadType, payload []byte) []byte {
	c.t.Helper()
	raw := c.exchange(wire.V20{Type: t, Payload: payload}.AppendPlain(nil))
	if raw == nil {
		return nil
	}
	p, err := wire.ParseV20(raw[4:])
	if err != nil || p.Type != t+1 {
		c.t.Fatalf("answer to payload %#x: %v, type %#x", t, err, p.Type)
	}
	return p.Payload
}

func openPayload(consoleID uint32, s wire.Suite) []byte {
	b := []byte{0, 0, 0, 0}
	b = binary.LittleEndian.AppendUint32(b, consoleID)
	for kind, alg := range []byte{s.Auth, s.Integrity, s.Crypt} {
		b = append(b, byte(kind), 0, 0, 8, alg, 0, 0, 0)
	}
	return b
}

func (c *client) rakp1Payload(role byte, name string) []byte {
	b := []byte{1, 0, 0, 0}
	b = binary.LittleEndian.AppendUint32(b, c.ex.ManagedID)
	b = append(b, c.ex.Rm[:]...)
	b = append(b, role, 0, 0, byte(len(name)))
	return append(b, name...)
}

// open sends the open request and returns the status.
func (c *client) open() wire.Status {
	c.t.Helper()
	r := c.setup(wire.PayloadOpenRequest, openPayload(0xa0a1a2a3, c.suite))
	if wire.Status(r[1]) == wire.StatusOK {
		c.ex = wire.Exchange{Suite: c.suite, ConsoleID: 0xa0a1a2a3, ManagedID: binary.LittleEndian.Uint32(r[8:])}
		c.ex.Rm = [16]byte{1, 2, 3, 4, 5}
	}
	return wire.Status(r[1])
}

// login opens a session and returns the status of RAKP 4.
func (c *client) login(name, password string, role byte) wire.Status {
	c.t.Helper()
	if st := c.open(); st != wire.StatusOK {
		return st
	}
	r := c.setup(wire.PayloadRAKP1, c.rakp1Payload(role, name))
	if wire.Status(r[1]) != wire.StatusOK {
		return wire.Status(r[1])
	}
	copy(c.ex.Rc[:], r[8:])
	copy(c.ex.GUID[:], r[24:])
	c.ex.Role, c.ex.Name = role, []byte(name)
	copy(c.ex.Password[:], password)
	r = c.setup(wire.PayloadRAKP3, c.rakp3Payload())
	if st := wire.Status(r[1]); st != wire.StatusOK {
		return st
	}
	var want []byte
	if want, c.keys = c.ex.Finish(); string(r[8:]) != string(want) {
		c.t.Fatalf("RAKP 4 code %x, want %x", r[8:], want)
	}
	return wire.StatusOK
}

func (c *client) rakp3Payload() []byte {
	b := []byte{2, 0, 0, 0}
	b = binary.LittleEndian.AppendUint32(b, c.ex.ManagedID)
	return append(b, c.ex.Code3()...)
}

func (c *client) mustLogin(role byte) *client {
	c.t.Helper()
	if st := c.login("admin", "secret", role); st != wire.StatusOK {
		c.t.Fatalf("login: status %#x", st)
	}
	return c
}

// packet makes the next request of the session.
func (c *client) packet(f wire.NetFn, cmd byte, data ...byte) []byte {
	c.rqSeq = (c.rqSeq + 1) & 0x3f
	return c.again(f, cmd, data...)
}

// again makes a request with the rqSeq of the one before and a new session sequence.
func (c *client) again(f wire.NetFn, cmd byte, data ...byte) []byte {
	c.seq++
	m := wire.Message{To: 0x20, From: 0x81, NetFn: f, Seq: c.rqSeq, Cmd: cmd, Data: data}
	return c.keys.Seal(nil, wire.V20{Type: wire.PayloadIPMI, SessionID: c.ex.ManagedID, Sequence: c.seq, Payload: m.AppendRequest(nil)}, [16]byte{9})
}

// call sends a request and waits for its answer.
func (c *client) call(f wire.NetFn, cmd byte, data ...byte) (byte, []byte) {
	c.t.Helper()
	got := make(chan []byte, 1)
	c.b.Handle(c.src, c.packet(f, cmd, data...), first(got))
	return c.decode(<-got)
}

func (c *client) decode(raw []byte) (byte, []byte) {
	c.t.Helper()
	p, err := wire.ParseV20(raw[4:])
	if err != nil {
		c.t.Fatal(err)
	}
	if p.SessionID != c.ex.ConsoleID {
		c.t.Fatalf("answer for session %#x, want %#x", p.SessionID, c.ex.ConsoleID)
	}
	body, err := c.keys.Open(p)
	if err != nil {
		c.t.Fatal(err)
	}
	m, cc, err := wire.ParseResponse(body)
	if err != nil || m.Seq != c.rqSeq {
		c.t.Fatalf("answer: %v, rqSeq %d want %d", err, m.Seq, c.rqSeq)
	}
	return cc, m.Data
}
