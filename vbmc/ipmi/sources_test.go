package ipmi

import (
	"encoding/binary"
	"net/netip"
	"testing"

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
