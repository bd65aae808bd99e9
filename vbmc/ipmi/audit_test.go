package ipmi

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// audits are the log's logins, logouts and refusals: event data, and the seconds since
// the rig's clock began.
func audits(b *BMC) []string {
	var all []string
	for _, r := range b.Events() {
		if e := r.Event(); e.SensorType == typeSessionAudit && e.Sensor == sensorSessionAudit && e.EventType == readingSpecific {
			all = append(all, fmt.Sprintf("%x at %d", e.Data, int64(r.Stamp())-1e9))
		}
	}
	return all
}

func wantAudits(t *testing.T, b *BMC, want ...string) {
	t.Helper()
	if got := audits(b); !slices.Equal(got, want) {
		t.Errorf("audit events %q, want %q", got, want)
	}
}

// TestLoginsAreLogged: each session's begin and end, once, with user and cause.
func TestLoginsAreLogged(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(*rig, *client)
		want string
	}{
		"close session": {func(r *rig, c *client) {
			id := c.ex.ManagedID
			c.call(wire.App, 0x3c, byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
		}, "f10211 at 0"},
		"cold reset":    {func(_ *rig, c *client) { c.call(wire.App, 2) }, "f10201 at 0"},
		"idle":          {func(r *rig, _ *client) { r.now = r.now.Add(10 * inactivity); r.Stats() }, "f10221 at 60"},
		"idle, noticed": {func(r *rig, c *client) { r.now = r.now.Add(10 * inactivity); c.exchange(c.packet(wire.App, 4)) }, "f10221 at 60"},
		"BMC closed":    {func(r *rig, _ *client) { r.Close(); r.Close() }, "f10201 at 0"},
		"new password":  {func(r *rig, _ *client) { r.Update(Credentials{Username: "admin"}) }, "f10231 at 0"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := admin(t, r)
			newClient(t, r.BMC, wire.Suite3()).open() // no login, so that its end is no logout
			tc.end(r, c)
			r.Close()
			wantAudits(t, r.BMC, "f00201 at 0", tc.want)
		})
	}
}

// TestRefusedLoginsAreLogged: the first of a source at once, those of the next minute
// together at its end; another source is told by itself.
func TestRefusedLoginsAreLogged(t *testing.T) {
	r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
	wrong := func(host byte, user string) {
		c := newClient(t, r.BMC, wire.Suite17())
		c.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, host}), 5000)
		if st := c.login(user, "wrong", privAdmin); st != wire.StatusBadCheckValue {
			t.Fatalf("login: status %#x", st)
		}
	}
	for range 5 {
		wrong(1, "admin")
	}
	wrong(2, "nobody")
	r.advance(50 * time.Second)
	wrong(1, "nobody")
	wantAudits(t, r.BMC, "f20201 at 0", "f20001 at 0")
	r.advance(2 * time.Minute)
	wantAudits(t, r.BMC, "f20201 at 0", "f20001 at 0", "f20001 at 60")
	wrong(1, "admin")
	wantAudits(t, r.BMC, "f20201 at 0", "f20001 at 0", "f20001 at 60", "f20201 at 170")
	if n := r.Stats().Refused; n != 8 {
		t.Errorf("%d refusals are counted, want 8", n)
	}
}

// TestASlowGuesserIsTold: one whose passwords are so seldom wrong that it is never slowed
// down is written down once a minute all the same.
func TestASlowGuesserIsTold(t *testing.T) {
	r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
	for range 60 {
		newClient(t, r.BMC, wire.Suite17()).login("admin", "wrong", privAdmin)
		r.advance(10 * time.Second)
	}
	if n := len(audits(r.BMC)); n < 10 || n > 11 {
		t.Errorf("%d records in ten minutes", n)
	}
}

// TestLoginsAreNoReasonToWrite: what happens to the machine is.
func TestLoginsAreNoReasonToWrite(t *testing.T) {
	store := NewMemStore()
	r := newTimedRig(t, fake.New([16]byte{1}), store)
	stored := func() int {
		raw, err := store.Load("sel")
		if err != nil {
			t.Fatal(err)
		}
		return len(raw)
	}
	r.do(t, wire.App, 0x04)
	r.advance(auditDelay - time.Second)
	if stored() != 0 {
		t.Error("a login was written at once")
	}
	r.advance(time.Second)
	if stored() == 0 {
		t.Error("a login was never written")
	}
	before := stored()
	r.do(t, wire.App, 0x04)
	r.record(typePowerUnit, sensorPowerUnit, readingSpecific, [3]byte{powerUnitOff, 0xff, 0xff})
	r.advance(selDelay)
	if stored() == before {
		t.Error("after a login an event waits as long as that")
	}
}

// TestAPollerHasNotTheLogForItself: who logs in for each question is written down once,
// with the end of that session; another user's or source's login is its own.
func TestAPollerHasNotTheLogForItself(t *testing.T) {
	r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
	visit := func(host byte) {
		c := newClient(t, r.BMC, wire.Suite17())
		c.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, host}), 5000)
		if st := c.login("admin", "secret", privAdmin); st != 0 {
			t.Fatalf("login: status %#x", st)
		}
		id := c.ex.ManagedID
		c.call(wire.App, 0x3c, byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
	}
	for range 20 {
		visit(1)
		r.advance(20 * time.Second)
	}
	visit(2)
	wantAudits(t, r.BMC, "f00201 at 0", "f10211 at 0", "f00201 at 400", "f10211 at 400")
	r.advance(loginPause)
	visit(1)
	if n := len(audits(r.BMC)); n != 6 {
		t.Errorf("%d records after the pause, want 6", n)
	}
}

// TestASessionThatIsMoreThanAQuestion is in the log although the login before it was
// written down lately: one that lasts, one with the console, and that of a user who got
// the slot of another.
func TestASessionThatIsMoreThanAQuestion(t *testing.T) {
	const first = "f00201 at 0"
	for name, tc := range map[string]struct {
		do   func(*rig, *client)
		want []string
	}{
		"a question": {func(r *rig, c *client) { c.call(wire.App, 4) }, nil},
		"it lasts": {func(r *rig, c *client) {
			for range 14 {
				r.now = r.now.Add(inactivity * 3 / 4)
				c.call(wire.App, 4)
			}
		}, []string{"f00201 at 30", "f10201 at 660"}},
		"console": {func(r *rig, c *client) {
			c.call(wire.App, 0x3b, privAdmin)
			if cc, _ := c.call(wire.App, 0x48, askSOL()...); cc != ccOK {
				t.Errorf("activate: %#x", cc)
			}
		}, []string{"f00201 at 30", "f10201 at 30"}},
		"another user of the slot": {func(r *rig, c *client) {
			if err := r.Update(Credentials{Username: "bob", Password: "secret"}); err != nil {
				t.Error(err)
			}
			if st := newClient(t, r.BMC, wire.Suite17()).login("bob", "secret", privAdmin); st != 0 {
				t.Errorf("login: status %#x", st)
			}
		}, []string{"f00201 at 30", "f10201 at 30"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := admin(t, r)
			id := c.ex.ManagedID
			c.call(wire.App, 0x3c, byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
			r.now = r.now.Add(30 * time.Second)
			tc.do(r, newClient(t, r.BMC, wire.Suite17()).mustLogin(privAdmin))
			r.Close()
			wantAudits(t, r.BMC, slices.Concat([]string{first, "f10211 at 0"}, tc.want)...)
		})
	}
}
