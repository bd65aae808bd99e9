package ipmi

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// faultLog keeps the latest fault that was caught and logged: people are not to see
// one, but a test is.
type faultLog struct{ text atomic.Pointer[string] }

func (*faultLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *faultLog) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l *faultLog) WithGroup(string) slog.Handler          { return l }
func (l *faultLog) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "fault") {
		text := r.Message
		r.Attrs(func(a slog.Attr) bool { text += "\n" + a.String(); return true })
		l.text.Store(&text)
	}
	return nil
}

// Kinds of packets in a script of FuzzSession; the other kinds are commands.
const (
	scriptRaw = iota // any plaintext as the message
	scriptSOL        // any plaintext as a SOL packet
	scriptKinds
)

// nextPacket cuts a packet off a script: kind, network function, command, length, data.
func nextPacket(script []byte) (head [3]byte, data, rest []byte, ok bool) {
	if len(script) < 4 {
		return head, nil, nil, false
	}
	n := min(int(script[3]), len(script)-4)
	return [3]byte(script), script[4 : 4+n], script[4+n:], true
}

// FuzzSession runs scripts of packets in an administrator's session, sealed with its
// key: the BMC reads their plaintext. No command faults, each is answered once, and
// the BMC goes on.
func FuzzSession(f *testing.F) {
	const command = scriptKinds
	for _, s := range [][]byte{
		{command, byte(wire.App), 0x01, 0},
		{command, byte(wire.Chassis), 0x02, 1, 1, command, byte(wire.Chassis), 0x02, 1, 3, command, byte(wire.Storage), 0x40, 0},
		{command, byte(wire.App), 0x48, 6, 1, 1, 0, 0, 0, 0, scriptSOL, 0, 0, 6, 1, 0, 0, 0, 'l', 's', command, byte(wire.App), 0x49, 6, 1, 1, 0, 0, 0, 0},
		{command, byte(wire.Chassis), 0x08, 6, 5, 0xe0, 4, 0, 0, 0, command, byte(wire.Chassis), 0x09, 3, 5, 0, 0},
		{command, byte(wire.Storage), 0x23, 6, 0, 0, 0, 0, 0, 0xff, command, byte(wire.Sensor), 0x2d, 1, 0x10},
		{command, byte(wire.Group), 0x02, 4, 0xdc, 1, 0, 0, command, byte(wire.Transport), 0x22, 4, 1, 5, 0, 0},
		{command, byte(wire.App), 0x02, 0, command, byte(wire.App), 0x01, 0},
		{scriptRaw, 0, 0, 7, 0x20, 0x18, 0xc8, 0x81, 4, 1, 0x7a},
		{scriptRaw, 0, 0, 7, 0x20, 0x1c, 0xc4, 0x81, 4, 1, 0x7a}, // a response
	} {
		f.Add(s)
	}
	table := NewTable()
	never := func(time.Duration, func()) func() bool { return func() bool { return true } }
	f.Fuzz(func(t *testing.T, script []byte) {
		faults := &faultLog{}
		b, err := New(Config{
			Machine: fake.New([16]byte{1}), Username: "admin", Password: "secret", Table: table,
			Log: slog.New(faults), AcceptAfter: time.Hour, After: never,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		c := newClient(t, b, wire.Suite17()).mustLogin(privAdmin)
		for range 50 { // fewer than there are request numbers
			head, data, rest, ok := nextPacket(script)
			if !ok || !c.alive() {
				break
			}
			c.play(head, data)
			script = rest
		}
		if c.alive() {
			if cc, _ := c.await(c.packet(wire.App, 0x38, 0x0e, 4)); cc != ccOK {
				t.Errorf("the session goes on, but its next command has code %#x", cc)
			}
		} else if st := newClient(t, b, wire.Suite3()).open(); st != wire.StatusOK {
			t.Errorf("after the end of the session the next one is refused: %#x", st)
		}
		if text := faults.text.Load(); text != nil {
			t.Error(*text)
		}
	})
}

// play sends one packet of a script.
func (c *client) play(head [3]byte, data []byte) {
	var t wire.PayloadType
	switch head[0] % (scriptKinds + 1) {
	case scriptRaw:
		t = wire.PayloadIPMI
	case scriptSOL:
		t = wire.PayloadSOL
	default:
		c.await(c.packet(wire.NetFn(head[1]&0x3e), head[2], data...))
		return
	}
	c.seq++
	p := wire.V20{Type: t, SessionID: c.ex.ManagedID, Sequence: c.seq, Payload: data}
	c.b.Handle(c.src, c.keys.Seal(nil, p, [16]byte{9}), func([]byte) {})
}

// alive tells whether the BMC still has the session.
func (c *client) alive() bool {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	return c.b.sessions.get(c.ex.ManagedID, c.b.now()) != nil
}

// await sends a request and waits for its answer; the BMC may send SOL packets the
// same way before.
func (c *client) await(request []byte) (byte, []byte) {
	c.t.Helper()
	got := make(chan []byte, 64)
	c.b.Handle(c.src, request, func(p []byte) {
		select {
		case got <- p:
		default:
		}
	})
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		select {
		case raw := <-got:
			if p, err := wire.ParseV20(raw[4:]); err != nil || p.Type == wire.PayloadIPMI {
				return c.decode(raw)
			}
		case <-limit.C:
			c.t.Fatalf("no answer to a request: % x", request)
		}
	}
}
