package ipmi

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// rig is a BMC over a fake machine with a clock that stands still.
type rig struct {
	*BMC
	m   *fake.Machine
	now time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{m: fake.New([16]byte{1, 2, 3}), now: time.Unix(1e9, 0)}
	b, err := New(Config{Machine: r.m, Username: "admin", Password: "secret", Now: func() time.Time { return r.now }, AcceptAfter: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	r.BMC = b
	return r
}

func want(t *testing.T, what string, gotCC byte, gotData []byte, cc byte, data ...byte) {
	t.Helper()
	if gotCC != cc || !bytes.Equal(gotData, data) {
		t.Errorf("%s: code %#x data % x, want %#x % x", what, gotCC, gotData, cc, data)
	}
}

func TestPowerCommands(t *testing.T) {
	r := newRig(t)
	c := newClient(t, r.BMC, wire.Suite17()).mustLogin(privAdmin)
	cc, d := c.call(wire.Chassis, 2, 1)
	want(t, "control as USER", cc, d, ccPrivilege)
	cc, d = c.call(wire.App, 0x3b, privAdmin)
	want(t, "set privilege", cc, d, ccOK, privAdmin)
	for _, s := range []struct{ op, cc byte }{{3, ccWrongState}, {2, ccWrongState}, {4, ccWrongState}, {1, ccOK}, {2, ccOK}, {3, ccOK}, {4, ccOK}, {5, ccOK}, {0, ccOK}, {9, ccDataInvalid}} {
		cc, d = c.call(wire.Chassis, 2, s.op)
		want(t, "control", cc, d, s.cc)
	}
	cc, d = c.call(wire.Chassis, 1)
	want(t, "status", cc, d, ccOK, 0, 0, 0x40, 0)
	r.m.Fail(domain.ErrUnavailable)
	cc, d = c.call(wire.Chassis, 1)
	want(t, "status while the hypervisor is away", cc, d, ccBusy)
	cc, d = c.call(wire.Chassis, 2, 1)
	want(t, "power on while the hypervisor is away", cc, d, ccBusy)
	cc, d = c.call(wire.Storage, 0x3f)
	want(t, "command that is not there", cc, d, ccInvalid)
	cc, d = c.call(wire.Chassis, 2)
	want(t, "control without data", cc, d, ccLength)
}

func admin(t *testing.T, r *rig) *client {
	t.Helper()
	c := newClient(t, r.BMC, wire.Suite3()).mustLogin(privAdmin)
	if cc, _ := c.call(wire.App, 0x3b, privAdmin); cc != ccOK {
		t.Fatalf("set privilege: %#x", cc)
	}
	return c
}

func TestBootFlagsReadBack(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	for _, flags := range [][]byte{{0xe0, 4, 0, 0, 0}, {0xa0, 4, 0, 0, 0}, {0xc0, 8, 0, 0, 0}, {0x80, 0x14, 1, 2, 3}, {0, 4, 0, 0, 0}, {0x80, 0, 0, 0, 0}} {
		cc, d := c.call(wire.Chassis, 8, append([]byte{5}, flags...)...)
		want(t, "set", cc, d, ccOK)
		cc, d = c.call(wire.Chassis, 9, 5, 0, 0)
		want(t, "get", cc, d, ccOK, append([]byte{1, 5}, flags...)...)
	}
	cc, d := c.call(wire.Chassis, 8, 5, 0x80, 6<<2, 0, 0, 0)
	want(t, "setup screen", cc, d, ccDataInvalid)
	cc, d = c.call(wire.Chassis, 8, 5, 0x80, 4)
	want(t, "short", cc, d, ccLength)
	cc, d = c.call(wire.Chassis, 9, 8, 0, 0)
	want(t, "unknown parameter", cc, d, ccParamUnknown)
}

func TestOneTimeFlagsAreSpent(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	c.call(wire.Chassis, 8, 5, 0xa0, 4, 0, 0, 0)
	c.call(wire.Chassis, 2, 1)
	cc, d := c.call(wire.Chassis, 9, 5, 0, 0)
	want(t, "after the start", cc, d, ccOK, 1, 5, 0, 0, 0, 0, 0)
	if s := r.m.Starts(); len(s) != 1 || s[0] != domain.PXE {
		t.Errorf("starts %v", s)
	}
}

// TestSixtySeconds: an unused one-time override lapses, unless parameter 3 bit 3
// says otherwise; a persistent one stays.
func TestSixtySeconds(t *testing.T) {
	for name, tc := range map[string]struct {
		keep, flags, kept byte
	}{"lapses": {0, 0xa0, 0x20}, "kept by parameter 3": {8, 0xa0, 0xa0}, "persistent": {0, 0xe0, 0xe0}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := admin(t, r)
			c.call(wire.Chassis, 8, 3, tc.keep)
			c.call(wire.Chassis, 8, 5, tc.flags, 4, 0, 0, 0)
			for range 3 { // the session must not lapse as well
				r.now = r.now.Add(30 * time.Second)
				c.call(wire.Chassis, 1)
			}
			c.call(wire.Chassis, 2, 1)
			wantDev := domain.PXE
			if tc.kept&flagValid == 0 {
				wantDev = domain.None
			}
			if s := r.m.Starts(); len(s) != 1 || s[0] != wantDev {
				t.Errorf("starts %v, want %v", s, wantDev)
			}
		})
	}
}

func TestLoginRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		user, password string
		role           byte
		want           wire.Status
	}{
		"wrong password": {"admin", "wrong", 4, wire.StatusBadCheckValue},
		"unknown user":   {"root", "secret", 4, wire.StatusBadCheckValue},
		"no name":        {"", "", 4, wire.StatusBadCheckValue},
		"OEM role":       {"admin", "secret", 5, wire.StatusUnauthorizedRole},
		"bad role":       {"admin", "secret", 9, wire.StatusBadRole},
		"long name":      {"a-name-of-17-byte", "secret", 4, wire.StatusBadNameLength},
	} {
		t.Run(name, func(t *testing.T) {
			if st := newClient(t, newRig(t).BMC, wire.Suite17()).login(tc.user, tc.password, tc.role); st != tc.want {
				t.Errorf("status %#x, want %#x", st, tc.want)
			}
		})
	}
}

// TestUserSessionStaysUser: the role of RAKP 1 limits the session, name-only bit
// or not.
func TestUserSessionStaysUser(t *testing.T) {
	r := newRig(t)
	c := newClient(t, r.BMC, wire.Suite17()).mustLogin(0x10 | privUser)
	cc, d := c.call(wire.App, 0x3b, privAdmin)
	want(t, "raise", cc, d, ccPrivLimit)
	cc, d = c.call(wire.Chassis, 2, 1)
	want(t, "control", cc, d, ccPrivilege)
}

func TestProposalsAreHonouredOrRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		suite wire.Suite
		want  wire.Status
	}{
		"suite 0":               {wire.Suite{}, wire.StatusBadAuth},
		"MD5":                   {wire.Suite{Auth: 2, Integrity: 2, Crypt: 1}, wire.StatusBadAuth},
		"no integrity":          {wire.Suite{Auth: 3, Integrity: 0, Crypt: 1}, wire.StatusBadIntegrity},
		"no encryption":         {wire.Suite{Auth: 3, Integrity: 4, Crypt: 0}, wire.StatusBadCrypt},
		"SHA-256 and SHA-1 mix": {wire.Suite{Auth: 3, Integrity: 1, Crypt: 1}, wire.StatusNoSuite},
		"suite 3":               {wire.Suite3(), wire.StatusOK},
		"suite 17":              {wire.Suite17(), wire.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			if st := newClient(t, newRig(t).BMC, tc.suite).open(); st != tc.want {
				t.Errorf("status %#x, want %#x", st, tc.want)
			}
		})
	}
}

// TestSetupRetransmissions: the same bytes get the same answer, at every step.
func TestSetupRetransmissions(t *testing.T) {
	c := newClient(t, newRig(t).BMC, wire.Suite17())
	open := openPayload(0xa0a1a2a3, c.suite)
	if a, b := c.setup(wire.PayloadOpenRequest, open), c.setup(wire.PayloadOpenRequest, open); !bytes.Equal(a, b) {
		t.Error("repeated open request made another session")
	}
	c.open()
	r1 := c.rakp1Payload(privAdmin, "admin")
	a := c.setup(wire.PayloadRAKP1, r1)
	if !bytes.Equal(a, c.setup(wire.PayloadRAKP1, r1)) {
		t.Error("repeated RAKP 1 got another random number")
	}
	copy(c.ex.Rc[:], a[8:])
	copy(c.ex.GUID[:], a[24:])
	c.ex.Role, c.ex.Name = privAdmin, []byte("admin")
	copy(c.ex.Password[:], "secret")
	if r3 := c.rakp3Payload(); !bytes.Equal(c.setup(wire.PayloadRAKP3, r3), c.setup(wire.PayloadRAKP3, r3)) {
		t.Error("repeated RAKP 3 got another answer")
	}
}

// TestRetriedCycleRunsOnce: a repeated packet gets the stored bytes, a repeated
// request in a new packet gets the stored answer; the machine is touched once.
func TestRetriedCycleRunsOnce(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	c.call(wire.Chassis, 2, 1)
	got := make(chan []byte, 4)
	send := func(p []byte) { r.Handle(c.src, p, func(b []byte) { got <- b }) }
	release := r.m.Hold()
	p := c.packet(wire.Chassis, 2, 2)
	send(p)
	send(p)                           // still running: no second answer yet
	send(c.again(wire.Chassis, 2, 2)) // the same
	release()
	first := <-got
	send(p)
	if again := <-got; !bytes.Equal(first, again) {
		t.Error("a repeated packet got other bytes")
	}
	send(c.again(wire.Chassis, 2, 2))
	cc, d := c.decode(<-got)
	want(t, "repeated request", cc, d, ccOK)
	if log := r.m.Log(); len(log) != 2 || log[1] != "cycle" {
		t.Errorf("operations %v, want on and one cycle", log)
	}
	cc, d = c.call(wire.Chassis, 2, 2) // a new rqSeq is a new cycle
	want(t, "second cycle", cc, d, ccOK)
	if log := r.m.Log(); len(log) != 3 {
		t.Errorf("operations %v", log)
	}
}

// TestSlowPowerIsAccepted: an answer does not wait for ever.
func TestSlowPowerIsAccepted(t *testing.T) {
	r := newRig(t)
	r.acceptAfter = time.Millisecond
	c := admin(t, r)
	release := r.m.Hold()
	cc, d := c.call(wire.Chassis, 2, 1)
	want(t, "power on", cc, d, ccOK)
	release()
}

func TestWindow(t *testing.T) {
	var w window
	for _, s := range []struct {
		seq  uint32
		want bool
	}{{1, true}, {1, false}, {0, false}, {3, true}, {2, true}, {2, false}, {35, true}, {3, false}, {4, true}, {100, false}, {36, true}} {
		if got := w.take(s.seq); got != s.want {
			t.Errorf("sequence %d: %v, want %v", s.seq, got, s.want)
		}
	}
}

// TestForgedPackets: a session takes only packets that are encrypted and signed.
func TestForgedPackets(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	p := c.packet(wire.Chassis, 2, 1)
	for i := range p {
		bad := bytes.Clone(p)
		bad[i] ^= 0x01
		r.Handle(c.src, bad, func([]byte) {
			if i >= 4 {
				t.Errorf("a packet with byte %d changed was answered", i)
			}
		})
	}
	m := wire.Message{To: 0x20, From: 0x81, NetFn: wire.Chassis, Seq: 9, Cmd: 2, Data: []byte{1}}
	plain := wire.V20{SessionID: c.ex.ManagedID, Sequence: 99, Payload: m.AppendRequest(nil)}.AppendPlain(nil)
	if c.exchange(plain) != nil {
		t.Error("an unsigned packet was answered")
	}
}

// TestManySessions: 64 clients at a time, abandoned logins do not lock others out,
// idle sessions end.
func TestManySessions(t *testing.T) {
	r := newRig(t)
	var all []*client
	for i := range 64 {
		c := newClient(t, r.BMC, wire.Suite3())
		c.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 5000)
		all = append(all, c.mustLogin(privAdmin))
	}
	for i := range 1000 { // abandoned
		c := newClient(t, r.BMC, wire.Suite3())
		c.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), 5000)
		c.open()
	}
	all = append(all, newClient(t, r.BMC, wire.Suite17()).mustLogin(privAdmin))
	for _, c := range all {
		if cc, _ := c.call(wire.Chassis, 1); cc != ccOK {
			t.Fatalf("status: %#x", cc)
		}
	}
	if n := len(r.sessions.byID); n > maxEstablished+maxHalfOpen {
		t.Errorf("%d sessions are kept", n)
	}
	r.now = r.now.Add(inactivity + time.Second)
	if c := all[0]; c.exchange(c.packet(wire.Chassis, 1)) != nil {
		t.Error("an idle session still answers")
	}
	newClient(t, r.BMC, wire.Suite17()).mustLogin(privAdmin)
	if n := len(r.sessions.byID); n != 1 {
		t.Errorf("%d sessions after all but one ended", n)
	}
}

func TestGuessingIsSlowed(t *testing.T) {
	r := newRig(t)
	for range failureBurst {
		newClient(t, r.BMC, wire.Suite17()).login("admin", "wrong", 4)
	}
	if st := newClient(t, r.BMC, wire.Suite17()).open(); st != wire.StatusNoResources {
		t.Errorf("status %#x, want no resources", st)
	}
	r.now = r.now.Add(2 * failureRefill)
	newClient(t, r.BMC, wire.Suite17()).mustLogin(privAdmin)
}

func TestOutsideSession(t *testing.T) {
	r := newRig(t)
	c := newClient(t, r.BMC, wire.Suite17())
	ping := []byte{6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 0x42, 0, 0}
	if p := c.exchange(ping); len(p) != 28 || p[8] != 0x40 || p[9] != 0x42 || p[20]&0x80 == 0 {
		t.Errorf("pong % x", p)
	}
	ask := func(cmd byte, data ...byte) (byte, []byte) {
		m := wire.Message{To: 0x20, From: 0x81, NetFn: wire.App, Cmd: cmd, Data: data}
		raw := c.exchange(wire.V15{Payload: m.AppendRequest(nil)}.Append(nil))
		p, err := wire.ParseV15(raw[4:])
		if err != nil {
			t.Fatal(err)
		}
		a, cc, err := wire.ParseResponse(p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		return cc, a.Data
	}
	cc, d := ask(0x38, 0x8e, 4)
	want(t, "auth capabilities", cc, d, ccOK, 1, 0x80, 4, 2, 0, 0, 0, 0)
	cc, d = ask(0x54, 0x0e, 0, 0x80)
	want(t, "cipher suites", cc, d, ccOK, 1, 0xc0, 17, 3, 0x44, 0x81, 0xc0, 3, 1, 0x41, 0x81)
	cc, d = ask(0x39, 2)
	want(t, "session challenge of IPMI 1.5", cc, d, ccInvalid)
	cc, d = ask(0x01)
	want(t, "device id without a session", cc, d, ccPrivilege)
}

// FuzzHandle: no datagram takes the BMC down, in whatever state it is.
func FuzzHandle(f *testing.F) {
	r := &rig{m: fake.New([16]byte{1}), now: time.Unix(1e9, 0)}
	b, err := New(Config{Machine: r.m, Username: "admin", Password: "secret", Now: func() time.Time { return r.now }})
	if err != nil {
		f.Fatal(err)
	}
	src := netip.MustParseAddrPort("192.0.2.1:623")
	f.Add([]byte{6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 0x42, 0, 0})
	f.Add(wire.V20{Type: wire.PayloadOpenRequest, Payload: openPayload(1, wire.Suite3())}.AppendPlain(nil))
	m := wire.Message{To: 0x20, From: 0x81, NetFn: wire.App, Cmd: 0x38, Data: []byte{0x8e, 4}}
	f.Add(wire.V15{Payload: m.AppendRequest(nil)}.Append(nil))
	m.NetFn++ // a response
	f.Add(wire.V15{Payload: m.AppendRequest(nil)}.Append(nil))
	f.Add(wire.V20{Payload: m.AppendRequest(nil)}.AppendPlain(nil))
	f.Add(wire.V20{Type: wire.PayloadRAKP1, Payload: make([]byte, 28)}.AppendPlain(nil))
	f.Add(wire.V20{Type: wire.PayloadRAKP3, Payload: make([]byte, 8)}.AppendPlain(nil))
	f.Fuzz(func(t *testing.T, p []byte) { b.Handle(src, p, func([]byte) {}) })
}

func BenchmarkSession(b *testing.B) {
	m := fake.New([16]byte{1})
	bmc, err := New(Config{Machine: m, Username: "admin", Password: "secret"})
	if err != nil {
		b.Fatal(err)
	}
	t := &testing.T{}
	for b.Loop() {
		c := newClient(t, bmc, wire.Suite3()).mustLogin(privAdmin)
		c.call(wire.Chassis, 1)
		id := c.ex.ManagedID
		c.call(wire.App, 0x3c, byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
	}
}

func BenchmarkStatus(b *testing.B) {
	bmc, err := New(Config{Machine: fake.New([16]byte{1}), Username: "admin", Password: "secret"})
	if err != nil {
		b.Fatal(err)
	}
	c := newClient(&testing.T{}, bmc, wire.Suite3()).mustLogin(privAdmin)
	for b.Loop() {
		c.call(wire.Chassis, 1)
	}
}
