package ipmi

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"trefoil/vbmc/ipmi/wire"
)

// from is a client at an address of its own in a /64.
func (r *rig) from(t *testing.T, prefix string, host uint64) *client {
	t.Helper()
	a := netip.MustParseAddr(prefix).As16()
	binary.BigEndian.PutUint64(a[8:], host)
	c := newClient(t, r.BMC, wire.Suite17())
	c.src = netip.AddrPortFrom(netip.AddrFrom16(a), 5000)
	return c
}

// TestGuessingFromAWholePrefix: other addresses of the same /64 are the same source,
// those of another are not.
func TestGuessingFromAWholePrefix(t *testing.T) {
	r := newRig(t)
	for i := range uint64(failureBurst) {
		r.from(t, "2001:db8::", i+1).login("admin", "wrong", privAdmin)
	}
	if st := r.from(t, "2001:db8::", 1<<63).open(); st != wire.StatusNoResources {
		t.Errorf("same /64: status %#x, want no resources", st)
	}
	if st := r.from(t, "2001:db8:0:1::", 1).open(); st != wire.StatusOK {
		t.Errorf("another /64: status %#x", st)
	}
	if n := len(r.sessions.failures); n != 1 {
		t.Errorf("%d sources are remembered, want 1", n)
	}
}

// TestHalfOpenOfAWholePrefix: one /64 cannot push the logins of others out.
func TestHalfOpenOfAWholePrefix(t *testing.T) {
	r := newRig(t)
	other := r.from(t, "2001:db8:0:1::", 1)
	other.open()
	for i := range uint64(3 * maxHalfOpen) {
		r.from(t, "2001:db8::", i+1).open()
	}
	if r.sessions.byID[other.ex.ManagedID] == nil {
		t.Error("another source's login was pushed out")
	}
	if n := len(r.sessions.byID); n != maxHalfOpenPerSource+1 {
		t.Errorf("%d half-open sessions, want %d", n, maxHalfOpenPerSource+1)
	}
}

// TestHalfOpenOfAFewSources: sources that fill the table with their shares, and go on, lose
// their own sessions and not the login that somebody else begins.
func TestHalfOpenOfAFewSources(t *testing.T) {
	r := newRig(t)
	const sources = maxHalfOpen / maxHalfOpenPerSource
	host := uint64(0)
	flood := func() {
		for range maxHalfOpen {
			host++
			r.now = r.now.Add(time.Millisecond)
			r.from(t, fmt.Sprintf("2001:db8:0:%d::", 2+host%sources), host).open()
		}
	}
	flood()
	other := r.from(t, "2001:db8:0:1::", 1)
	other.open()
	flood()
	flood()
	if r.sessions.byID[other.ex.ManagedID] == nil {
		t.Error("another source's login was pushed out")
	}
	if n := len(r.sessions.byID); n != maxHalfOpen {
		t.Errorf("%d half-open sessions, want %d", n, maxHalfOpen)
	}
}

// TestForgedSourceOfALogin: who begins a login and goes on under another's address does not
// slow that one down.
func TestForgedSourceOfALogin(t *testing.T) {
	r := newRig(t)
	victim := newClient(t, r.BMC, wire.Suite17())
	for i := range 3 * failureBurst {
		c := r.from(t, "2001:db8::", uint64(i)<<1+1)
		if i%2 == 1 {
			c = r.from(t, "2001:db8:0:1::", 1)
		}
		if c.open() != wire.StatusOK {
			t.Fatal("no session is opened")
		}
		own := c.src
		if i%3 == 0 {
			c.src = victim.src
		}
		c.setup(wire.PayloadRAKP1, c.rakp1Payload(privAdmin, "admin"))
		c.src = victim.src
		if answer := c.setup(wire.PayloadRAKP3, c.rakp3Payload()); wire.Status(answer[1]) != wire.StatusBadSession {
			t.Fatalf("RAKP 3 from elsewhere: status %#x", answer[1])
		}
		c.src = own
	}
	victim.mustLogin(privAdmin)
}

// TestManyGuessers: a flood of other sources does not free one that guesses, and who guessed
// for long waits no longer than seconds.
func TestManyGuessers(t *testing.T) {
	r := newRig(t)
	for range 3 * failureBurst {
		newClient(t, r.BMC, wire.Suite17()).login("admin", "wrong", privAdmin)
		r.sessions.failed(netip.MustParseAddr("192.0.2.7"), r.now)
	}
	r.now = r.now.Add(failureRefill)
	for i := range 2 * maxSources {
		if i%64 == 0 {
			r.sessions.failed(netip.MustParseAddr("192.0.2.7"), r.now.Add(time.Duration(i)))
		}
		r.sessions.failed(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), r.now.Add(time.Duration(i)))
	}
	if st := newClient(t, r.BMC, wire.Suite17()).open(); st != wire.StatusNoResources {
		t.Errorf("status %#x, want no resources", st)
	}
	if n := len(r.sessions.failures); n > maxSources {
		t.Errorf("%d sources are remembered", n)
	}
	r.now = r.now.Add(2 * failureBurst * failureRefill)
	newClient(t, r.BMC, wire.Suite17()).mustLogin(privAdmin)
}

func TestSource(t *testing.T) {
	for a, want := range map[string]string{
		"192.0.2.7":          "192.0.2.7",
		"::ffff:192.0.2.7":   "192.0.2.7",
		"2001:db8::1:2:3:4":  "2001:db8::",
		"fe80::1%eth0":       "fe80::",
		"::1":                "::",
		"2001:db8:0:7::ffff": "2001:db8:0:7::",
	} {
		if got := source(netip.MustParseAddr(a)); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %s, want %s", a, got, want)
		}
	}
}
