package ipmi

import (
	"bytes"
	"testing"
	"time"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// allSuites is every suite a BMC can be configured to have.
func allSuites() []wire.Suite {
	var all []wire.Suite
	for id := range 256 {
		if s, ok := wire.SuiteByID(byte(id)); ok {
			all = append(all, s)
		}
	}
	return all
}

// suiteRig is a rig whose BMC has the given suites.
func suiteRig(t *testing.T, suites ...wire.Suite) *rig {
	t.Helper()
	r := &rig{m: fake.New([16]byte{1, 2, 3}), now: time.Unix(1e9, 0)}
	b, err := New(Config{
		Machine: r.m, Username: "admin", Password: "secret", Suites: suites,
		Now: func() time.Time { return r.now }, AcceptAfter: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.BMC = b
	return r
}

// TestEverySuite: with each one a client logs in and works; a packet that is changed,
// or that is less or more protected than was negotiated, is not answered.
func TestEverySuite(t *testing.T) {
	all := allSuites()
	if len(all) != 9 {
		t.Fatalf("%d suites, want 9", len(all))
	}
	for _, s := range all {
		r := suiteRig(t, s)
		c := newClient(t, r.BMC, s).mustLogin(privAdmin)
		cc, d := c.call(wire.App, 0x3b, privAdmin)
		want(t, "set privilege", cc, d, ccOK, privAdmin)
		cc, d = c.call(wire.App, 0x04)
		want(t, "self test", cc, d, ccOK, 0x55, 0)
		p := c.packet(wire.Chassis, 2, 1)
		for i := 4; i < len(p); i++ {
			bad := bytes.Clone(p)
			bad[i] ^= 0x01
			// Without an integrity code the sequence number is protected by nothing.
			if s.Integrity == wire.IntegrityNone && i >= 10 && i < 14 {
				continue
			}
			if c.exchange(bad) != nil {
				t.Errorf("suite %d: a packet with byte %d changed was answered", s.ID, i)
			}
		}
		for _, other := range all {
			if (other.Integrity != 0) == (s.Integrity != 0) && (other.Crypt != 0) == (s.Crypt != 0) {
				continue
			}
			ex := c.ex
			ex.Suite.Integrity, ex.Suite.Crypt = other.Integrity, other.Crypt
			m := wire.Message{To: 0x20, From: 0x81, NetFn: wire.App, Seq: 9, Cmd: 4}
			v := wire.V20{SessionID: c.ex.ManagedID, Sequence: c.seq + 5, Payload: m.AppendRequest(nil)}
			_, keys := ex.Finish()
			if c.exchange(keys.Seal(nil, v, [16]byte{})) != nil {
				t.Errorf("suite %d answers a packet protected as by suite %d", s.ID, other.ID)
			}
		}
	}
}

// TestSuitesByConfiguration: only what is configured is offered, and never suite 0.
func TestSuitesByConfiguration(t *testing.T) {
	two, _ := wire.SuiteByID(2)
	r := suiteRig(t, two)
	if st := newClient(t, r.BMC, wire.Suite17()).open(); st != wire.StatusBadAuth {
		t.Errorf("suite 17: status %#x", st)
	}
	for _, s := range []wire.Suite{{}, {ID: 4, Auth: 1, Integrity: 1, Crypt: 2}, {ID: 3, Auth: 1, Crypt: 1}, {ID: 17}} {
		if _, err := New(Config{Machine: r.m, Username: "admin", Suites: []wire.Suite{s}}); err == nil {
			t.Errorf("%+v was taken", s)
		}
		if r.Update(Credentials{Username: "admin", Suites: []wire.Suite{wire.Suite17(), s}}) == nil {
			t.Errorf("%+v was taken while running", s)
		}
	}
}

// TestOpenRequestRoles: a level nobody has is refused, a reserved one is an error.
func TestOpenRequestRoles(t *testing.T) {
	for role, want := range []wire.Status{0, 0, 0, 0, 0, wire.StatusUnauthorizedRole, wire.StatusBadRole, wire.StatusBadRole} {
		c := newClient(t, newRig(t).BMC, wire.Suite17())
		p := openPayload(7, c.suite)
		p[1] = byte(role)
		if r := c.setup(wire.PayloadOpenRequest, p); wire.Status(r[1]) != want {
			t.Errorf("role %d: status %#x, want %#x", role, r[1], want)
		}
	}
}
