package ipmi

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/sol"
	"trefoil/vbmc/ipmi/wire"
)

// solBMC is a BMC with a console, behind a standing clock whose timers never fire.
func solBMC(t *testing.T, c Config) (*fake.Machine, *BMC) {
	t.Helper()
	m := fake.New([16]byte{1})
	if err := m.On(context.Background()); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_000_000, 0)
	c.Machine, c.Username, c.Password, c.Console = m, "admin", "secret", ConsoleOnDemand
	c.Now = func() time.Time { return now }
	c.After = func(time.Duration, func()) func() bool { return func() bool { return true } }
	b, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return m, b
}

// solLogin opens a session of its own at a privilege level.
func solLogin(t *testing.T, b *BMC, port uint16, level byte) *client {
	t.Helper()
	c := newClient(t, b, wire.Suite17())
	c.src = netip.AddrPortFrom(c.src.Addr(), port)
	c.mustLogin(level)
	if cc, _ := c.call(wire.App, 0x3b, level); cc != ccOK {
		t.Fatalf("privilege level %d: %#x", level, cc)
	}
	return c
}

// solRow is one request and its answer.
type solRow struct {
	name string
	fn   wire.NetFn
	cmd  byte
	data []byte
	cc   byte
	want []byte
}

func solCheck(t *testing.T, c *client, rows []solRow) {
	t.Helper()
	for _, r := range rows {
		if cc, got := c.call(r.fn, r.cmd, r.data...); cc != r.cc || !bytes.Equal(got, r.want) {
			t.Errorf("%s: %#x %x, want %#x %x", r.name, cc, got, r.cc, r.want)
		}
	}
}

func TestPayloadCommands(t *testing.T) {
	_, b := solBMC(t, Config{})
	b.parts.sol.port = 0x1234
	c := solLogin(t, b, 40000, privAdmin)
	id := binary.LittleEndian.AppendUint32(nil, c.ex.ManagedID)
	on := []byte{0, 0, 0, 0, 204, 0, 204, 0, 0x34, 0x12, 0xff, 0xff}
	ask := []byte{1, 1, 0xc0, 0, 0, 0}
	solCheck(t, c, []solRow{
		{"status before", wire.App, 0x4a, []byte{1}, ccOK, []byte{1, 0, 0}},
		{"instance before", wire.App, 0x4b, []byte{1, 1}, ccOK, make([]byte, 12)},
		{"nothing to deactivate", wire.App, 0x49, ask, 0x80, nil},
		{"another payload", wire.App, 0x48, []byte{0, 1, 0xc0, 0, 0, 0}, ccDataInvalid, nil},
		{"another instance", wire.App, 0x48, []byte{1, 2, 0xc0, 0, 0, 0}, ccDataInvalid, nil},
		{"too short", wire.App, 0x48, []byte{1, 1, 0xc0}, ccLength, nil},
		{"without encryption", wire.App, 0x48, []byte{1, 1, 0x40, 0, 0, 0}, 0x84, nil},
		{"activate", wire.App, 0x48, ask, ccOK, on},
		{"activate again", wire.App, 0x48, ask, ccOK, on},
		{"status", wire.App, 0x4a, []byte{1}, ccOK, []byte{1, 1, 0}},
		{"status of another", wire.App, 0x4a, []byte{2}, ccDataInvalid, nil},
		{"instance", wire.App, 0x4b, []byte{1, 1}, ccOK, append(id, 1, 0, 0, 0, 0, 0, 0, 0)},
		{"deactivate", wire.App, 0x49, ask, ccOK, nil},
		{"status after", wire.App, 0x4a, []byte{1}, ccOK, []byte{1, 0, 0}},
		{"support", wire.App, 0x4e, []byte{0x0e}, ccOK, []byte{3, 0, 0x3f, 0, 0, 0, 0, 0}},
		{"support of no channel", wire.App, 0x4e, []byte{3}, ccDataInvalid, nil},
		{"version", wire.App, 0x4f, []byte{1, 1}, ccOK, []byte{0x10}},
		{"version of none", wire.App, 0x4f, []byte{1, 3}, 0x80, nil},
		{"OEM", wire.App, 0x50, make([]byte, 7), 0x80, nil},
		{"users", wire.App, 0x4d, []byte{1, 2}, ccOK, []byte{2, 0, 0, 0}},
		{"deny", wire.App, 0x4c, []byte{1, 0x42, 2, 0, 0, 0}, ccOK, nil},
		{"denied", wire.App, 0x4d, []byte{1, 2}, ccOK, []byte{0, 0, 0, 0}},
		{"activate denied", wire.App, 0x48, ask, ccPrivilege, nil},
		{"allow", wire.App, 0x4c, []byte{1, 0x02, 2, 0, 0, 0}, ccOK, nil},
		{"wrong operation", wire.App, 0x4c, []byte{1, 0x82, 2, 0, 0, 0}, ccDataInvalid, nil},
		{"no such user", wire.App, 0x4d, []byte{1, 0}, ccDataInvalid, nil},
		{"allowed", wire.App, 0x48, ask, ccOK, on},
	})
}

func TestActivationByOthers(t *testing.T) {
	_, b := solBMC(t, Config{})
	ask := []byte{1, 1, 0xc0, 0, 0, 0}
	first, second := solLogin(t, b, 40000, privOperator), solLogin(t, b, 40001, privOperator)
	user := solLogin(t, b, 40002, privUser)
	solCheck(t, user, []solRow{{"a USER may not", wire.App, 0x48, ask, ccPrivilege, nil}})
	on := []byte{0, 0, 0, 0, 204, 0, 204, 0, 0, 0, 0xff, 0xff}
	solCheck(t, first, []solRow{{"first", wire.App, 0x48, ask, ccOK, on}})
	solCheck(t, second, []solRow{{"second", wire.App, 0x48, ask, 0x80, nil}})
	solCheck(t, user, []solRow{{"a USER does not end another's", wire.App, 0x49, ask, ccPrivilege, nil}})
	id := binary.LittleEndian.AppendUint32(nil, first.ex.ManagedID)
	solCheck(t, first, []solRow{{"the first leaves", wire.App, 0x3c, id, ccOK, nil}})
	if b.Stats().SOL {
		t.Error("SOL outlives its session")
	}
	solCheck(t, second, []solRow{{"second then", wire.App, 0x48, ask, ccOK, on}})
}

// TestSOLOfAUser: where USER may have the console, he may give it back, but not take it
// from others; whoever takes it needs the level that having it needs.
func TestSOLOfAUser(t *testing.T) {
	_, b := solBMC(t, Config{})
	admin := solLogin(t, b, 40000, privAdmin)
	user, other := solLogin(t, b, 40001, privUser), solLogin(t, b, 40002, privUser)
	operator := solLogin(t, b, 40003, privOperator)
	on := []byte{0, 0, 0, 0, 204, 0, 204, 0, 0, 0, 0xff, 0xff}
	ask := askSOL()
	solCheck(t, admin, []solRow{{"for USER", wire.Transport, 0x21, []byte{1, 2, 0xc2}, ccOK, nil}})
	solCheck(t, user, []solRow{{"has it", wire.App, 0x48, ask, ccOK, on}})
	solCheck(t, other, []solRow{{"cannot take it", wire.App, 0x49, ask, ccPrivilege, nil}})
	solCheck(t, user, []solRow{{"gives it back", wire.App, 0x49, ask, ccOK, nil}, {"has it again", wire.App, 0x48, ask, ccOK, on}})
	solCheck(t, operator, []solRow{{"takes it", wire.App, 0x49, ask, ccOK, nil}})
	solCheck(t, admin, []solRow{
		{"for ADMIN", wire.Transport, 0x21, []byte{1, 2, 0xc4}, ccOK, nil}, {"has it", wire.App, 0x48, ask, ccOK, on},
	})
	solCheck(t, operator, []solRow{{"cannot take it", wire.App, 0x49, ask, ccPrivilege, nil}})
}

// TestSOLProtection: what parameter 2 demands and what is asked for must be there in the
// session: suite 1 has neither encryption nor integrity, 2 has integrity only.
func TestSOLProtection(t *testing.T) {
	const none, auth, both = 0x00, 0x40, 0xc0
	for name, tc := range map[string]struct{ suite, forced, ask, cc byte }{
		"nothing, nothing forced":           {1, none, none, ccOK},
		"nothing, integrity asked":          {1, none, auth, ccWrongState},
		"nothing, integrity forced":         {1, auth, none, ccWrongState},
		"nothing, encryption asked":         {1, none, both, ccWithEncryption},
		"integrity, nothing forced":         {2, none, auth, ccOK},
		"integrity, integrity forced":       {2, auth, auth, ccOK},
		"integrity, encryption forced":      {2, both, auth, ccWithoutEncryption},
		"integrity, encryption asked":       {2, auth, both, ccWithEncryption},
		"encryption, all forced":            {3, both, both, ccOK},
		"encryption, not asked, not forced": {3, none, auth, ccWithoutEncryption},
	} {
		t.Run(name, func(t *testing.T) {
			suite, ok := wire.SuiteByID(tc.suite)
			if !ok {
				t.Fatal("no such suite")
			}
			_, b := solBMC(t, Config{Suites: []wire.Suite{suite}})
			b.parts.sol.p.Auth = tc.forced | privOperator
			c := newClient(t, b, suite).mustLogin(privAdmin)
			c.call(wire.App, 0x3b, privAdmin)
			if cc, _ := c.call(wire.App, 0x48, 1, 1, tc.ask, 0, 0, 0); cc != tc.cc {
				t.Errorf("%#x, want %#x", cc, tc.cc)
			}
		})
	}
}

func TestSOLParameters(t *testing.T) {
	store := NewMemStore()
	_, b := solBMC(t, Config{Store: store})
	b.parts.sol.port = 623
	set := func(name string, cc byte, data ...byte) solRow {
		return solRow{"set " + name, wire.Transport, 0x21, append([]byte{1}, data...), cc, nil}
	}
	get := func(name string, n byte, want ...byte) solRow {
		return solRow{name, wire.Transport, 0x22, []byte{1, n, 0, 0}, ccOK, append([]byte{0x11}, want...)}
	}
	c := solLogin(t, b, 40000, privAdmin)
	solCheck(t, c, []solRow{
		get("set in progress", 0, 0), get("enabled", 1, 1), get("authentication", 2, 0xc3), get("accumulate", 3, 4, 128),
		get("retry", 4, 7, 50), get("bit rate", 5, 10), get("volatile bit rate", 6, 10), get("channel", 7, 1), get("port", 8, 0x6f, 2),
		{"unknown", wire.Transport, 0x22, []byte{1, 9, 0, 0}, 0x80, nil},
		{"revision only", wire.Transport, 0x22, []byte{0x81, 9, 0, 0}, ccOK, []byte{0x11}},
		{"another channel", wire.Transport, 0x22, []byte{2, 1, 0, 0}, ccDataInvalid, nil},
		set("in progress", ccOK, 0, 1), set("in progress twice", 0x81, 0, 1), set("complete", ccOK, 0, 0), set("commit", ccDataInvalid, 0, 2),
		set("authentication", ccOK, 2, 0x84), set("privilege 0", ccDataInvalid, 2, 0x80),
		set("accumulate", ccOK, 3, 1, 200), set("accumulate 0", ccDataInvalid, 3, 0, 200), set("accumulate short", ccLength, 3, 1),
		set("retry", ccOK, 4, 0xfb, 9), set("bit rate", ccOK, 5, 6), set("volatile bit rate", ccOK, 6, 0), set("bit rate 5", ccDataInvalid, 5, 5),
		set("channel", 0x82, 7, 2), set("port", 0x82, 8, 1, 1), set("unknown", 0x80, 9, 1),
		set("off", ccOK, 1, 0),
		{"activate while off", wire.App, 0x48, []byte{1, 1, 0xc0, 0, 0, 0}, 0x81, nil},
	})
	_, again := solBMC(t, Config{Store: store})
	solCheck(t, solLogin(t, again, 40000, privAdmin), []solRow{
		get("enabled after a restart", 1, 0), get("authentication", 2, 0x84), get("accumulate", 3, 1, 200),
		get("retry", 4, 3, 9), get("bit rate", 5, 6), get("volatile bit rate", 6, 0),
	})
}

func TestNoConsole(t *testing.T) {
	b, err := New(Config{Machine: fake.New([16]byte{1}), Username: "admin", Password: "secret", Console: ConsoleOff})
	if err != nil {
		t.Fatal(err)
	}
	solCheck(t, solLogin(t, b, 40000, privAdmin), []solRow{
		{"activate", wire.App, 0x48, []byte{1, 1, 0xc0, 0, 0, 0}, 0x81, nil},
	})
}

// TestSOLPacketsOfOthers: a session without SOL may not type.
func TestSOLPacketsOfOthers(t *testing.T) {
	m, b := solBMC(t, Config{})
	first, second := solLogin(t, b, 40000, privAdmin), solLogin(t, b, 40001, privAdmin)
	first.call(wire.App, 0x48, 1, 1, 0xc0, 0, 0, 0)
	awaitConsole(b)
	typed := sol.Packet{Seq: 1, Data: []byte("x")}.Append(nil)
	if got := second.exchange(second.solPacket(typed)); got != nil {
		t.Errorf("a session without SOL got an answer")
	}
	p, err := wire.ParseV20(first.exchange(first.solPacket(typed))[4:])
	if err != nil {
		t.Fatal(err)
	}
	if body, err := first.keys.Open(p); err != nil || p.Type != wire.PayloadSOL || string(body) != "\x00\x01\x01\x00" {
		t.Errorf("answer %x, type %d, %v", body, p.Type, err)
	}
	for m.Typed() == "" {
		runtime.Gosched()
	}
	if m.Typed() != "x" {
		t.Errorf("typed %q", m.Typed())
	}
}

func (c *client) solPacket(body []byte) []byte {
	c.seq++
	return c.keys.Seal(nil, wire.V20{Type: wire.PayloadSOL, SessionID: c.ex.ManagedID, Sequence: c.seq, Payload: body}, [16]byte{9})
}

// TestPayloadEncryption: that of a session that encrypts goes on, whatever is asked.
func TestPayloadEncryption(t *testing.T) {
	_, b := solBMC(t, Config{})
	c, other := solLogin(t, b, 40000, privAdmin), solLogin(t, b, 40001, privAdmin)
	solCheck(t, c, []solRow{{"not active", wire.App, 0x55, []byte{1, 1, 1}, ccPayloadNotRunning, nil}})
	if cc, _ := c.call(wire.App, 0x48, askSOL()...); cc != ccOK {
		t.Fatal(cc)
	}
	solCheck(t, c, []solRow{
		{"resume", wire.App, 0x55, []byte{1, 1, 1}, ccOK, nil},
		{"another vector", wire.App, 0x55, []byte{1, 1, 2}, ccOK, nil},
		{"suspend", wire.App, 0x55, []byte{1, 1, 0}, ccEncryptionForced, nil},
		{"operation that is none", wire.App, 0x55, []byte{1, 1, 3}, ccDataInvalid, nil},
		{"another instance", wire.App, 0x55, []byte{1, 2, 1}, ccDataInvalid, nil},
		{"messages", wire.App, 0x55, []byte{0, 1, 0}, ccEncryptionFixed, nil},
		{"too short", wire.App, 0x55, []byte{1, 1}, ccLength, nil},
	})
	solCheck(t, other, []solRow{{"another's", wire.App, 0x55, []byte{1, 1, 1}, ccPayloadNotRunning, nil}})

	suite, _ := wire.SuiteByID(2)
	_, b = solBMC(t, Config{Suites: []wire.Suite{suite}})
	b.parts.sol.p.Auth = privOperator
	c = newClient(t, b, suite).mustLogin(privAdmin)
	c.call(wire.App, 0x3b, privAdmin)
	solCheck(t, c, []solRow{
		{"activate without", wire.App, 0x48, []byte{1, 1, 0x40, 0, 0, 0}, ccOK, []byte{0, 0, 0, 0, 204, 0, 204, 0, 0, 0, 0xff, 0xff}},
		{"a session that does not encrypt", wire.App, 0x55, []byte{1, 1, 1}, ccNoEncryption, nil},
	})
}
