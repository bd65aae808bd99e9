package ipmi

import (
	"slices"
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/selrec"
	"trefoil/vbmc/ipmi/wire"
)

// restarted is the BMC of the same machine after a restart of the daemon.
func (r *rig) restarted(t *testing.T, s Store) *rig {
	t.Helper()
	n := &rig{m: r.m, now: r.now}
	b, err := New(Config{
		Machine: r.m, Username: "admin", Password: "secret", Store: s,
		Now: func() time.Time { return n.now }, AcceptAfter: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.BMC = b
	return n
}

// wait lets d pass without the session's lapsing.
func (r *rig) wait(c *client, d time.Duration) {
	for ; d > 0; d -= 30 * time.Second {
		r.now = r.now.Add(min(d, 30*time.Second))
		c.call(wire.Chassis, 1)
	}
}

func wantStart(t *testing.T, m *fake.Machine, want domain.Device) {
	t.Helper()
	if s := m.Starts(); len(s) == 0 || s[len(s)-1] != want {
		t.Errorf("starts %v, want the last from %v", s, want)
	}
}

// TestExpiryHoldsUpNobody: Get Boot Options may find that the flags lapsed and must
// then wait for the power operation that runs; the BMC answers others meanwhile.
func TestExpiryHoldsUpNobody(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	c.call(wire.Chassis, 8, 5, 0xa0, 4, 0, 0, 0)
	r.wait(c, 61*time.Second)
	other := admin(t, r)
	release := r.m.Hold()
	handled, answer := make(chan struct{}), make(chan []byte, 1)
	go func() {
		r.Handle(c.src, c.packet(wire.Chassis, 9, 5, 0, 0), func(p []byte) { answer <- p })
		close(handled)
	}()
	select {
	case <-handled:
	case <-time.After(time.Minute):
		t.Error("the socket's goroutine waits for the hypervisor")
		release()
		<-handled
		return
	}
	cc, d := other.call(wire.App, 0x04)
	want(t, "self test meanwhile", cc, d, ccOK, 0x55, 0)
	release()
	cc, d = c.decode(<-answer)
	want(t, "lapsed flags", cc, d, ccOK, 1, 5, 0x20, 4, 0, 0, 0)
}

// TestBootRegisterSurvivesARestart: the bytes are as they were written, and so is
// the time since which the 60 seconds count.
func TestBootRegisterSurvivesARestart(t *testing.T) {
	s := NewMemStore()
	r := newRig(t).restarted(t, s)
	c := admin(t, r)
	flags := []byte{0xa0, 4, 1, 2, 3}
	c.call(wire.Chassis, 8, append([]byte{5}, flags...)...)
	c.call(wire.Chassis, 8, 3, 2)
	c.call(wire.Chassis, 8, 6, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	c.call(wire.Chassis, 8, 7, 1, 'i', 'd')
	r.now = r.now.Add(40 * time.Second)

	r = r.restarted(t, s)
	c = admin(t, r)
	cc, d := c.call(wire.Chassis, 9, 5, 0, 0)
	want(t, "flags", cc, d, ccOK, append([]byte{1, 5}, flags...)...)
	cc, d = c.call(wire.Chassis, 9, 3, 0, 0)
	want(t, "valid bit clearing", cc, d, ccOK, 1, 3, 2)
	cc, d = c.call(wire.Chassis, 9, 6, 0, 0)
	want(t, "initiator", cc, d, ccOK, 1, 6, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	cc, d = c.call(wire.Chassis, 9, 7, 1, 0)
	want(t, "mailbox", cc, d, ccOK, append([]byte{1, 7, 1, 'i', 'd'}, make([]byte, 14)...)...)
	r.wait(c, 21*time.Second)
	c.call(wire.Chassis, 2, 1)
	wantStart(t, r.m, domain.None)
}

// TestForeignOverrideIsFresh: an override that the register does not know, after a
// restart without its memory or set by another protocol, has not lapsed.
func TestForeignOverrideIsFresh(t *testing.T) {
	r := newRig(t)
	set := func() {
		if err := r.m.SetOverride(t.Context(), domain.Override{Device: domain.PXE}); err != nil {
			t.Fatal(err)
		}
	}
	set()
	r = r.restarted(t, NewMemStore())
	c := admin(t, r)
	cc, d := c.call(wire.Chassis, 9, 5, 0, 0)
	want(t, "after a restart", cc, d, ccOK, 1, 5, 0x80, 4, 0, 0, 0)
	c.call(wire.Chassis, 2, 1)
	wantStart(t, r.m, domain.PXE)
	r.wait(c, 2*time.Minute)
	set()
	cc, d = c.call(wire.Chassis, 9, 5, 0, 0)
	want(t, "by another protocol", cc, d, ccOK, 1, 5, 0x80, 4, 0, 0, 0)
	c.call(wire.Chassis, 2, 2)
	wantStart(t, r.m, domain.PXE)
}

// plain hides the abilities of a machine.
type plain struct{ domain.Machine }

// TestExpiryKeepsThePersistentOne: only the one-time override lapses; a machine that
// cannot tell them apart still loses the one that lapsed.
func TestExpiryKeepsThePersistentOne(t *testing.T) {
	for name, tc := range map[string]struct {
		hide bool
		want domain.Device
	}{"able machine": {false, domain.Disk}, "plain machine": {true, domain.None}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if tc.hide {
				r.machine = plain{r.m}
			}
			c := admin(t, r)
			c.call(wire.Chassis, 8, 5, 0xc0, 8, 0, 0, 0)
			c.call(wire.Chassis, 8, 5, 0x80, 4, 0, 0, 0)
			r.wait(c, 61*time.Second)
			c.call(wire.Chassis, 2, 1)
			wantStart(t, r.m, tc.want)
		})
	}
}

// TestOverridesAreLogged: every device that is asked for, with the flags.
func TestOverridesAreLogged(t *testing.T) {
	for name, tc := range map[string]struct {
		flags []byte
		want  []selrec.Event
	}{
		"network": {[]byte{0xa0, 4, 0, 0, 0}, []selrec.Event{{Generator: 0x20, SensorType: 0x1d, Sensor: 3, EventType: 0x6f, Data: [3]byte{3, 0xff, 0xff}}}},
		"disk":    {[]byte{0xc0, 8, 0, 0, 0}, []selrec.Event{{Generator: 0x20, SensorType: 0x12, Sensor: 8, EventType: 0x6f, Data: [3]byte{0xa1, 8, 0xc0}}}},
		"CD":      {[]byte{0x80, 0x94, 0, 0, 0}, []selrec.Event{{Generator: 0x20, SensorType: 0x12, Sensor: 8, EventType: 0x6f, Data: [3]byte{0xa1, 0x14, 0x80}}}},
		"floppy":  {[]byte{0x80, 0x3c, 0, 0, 0}, []selrec.Event{{Generator: 0x20, SensorType: 0x12, Sensor: 8, EventType: 0x6f, Data: [3]byte{0xa1, 0x3c, 0x80}}}},
		"none":    {[]byte{0x80, 0, 0, 0, 0}, nil},
		"screen":  {[]byte{0x80, 6 << 2, 0, 0, 0}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			admin(t, r).call(wire.Chassis, 8, append([]byte{5}, tc.flags...)...)
			var got []selrec.Event
			for _, e := range machineRecords(r.BMC) {
				got = append(got, e.Event())
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("records %+v, want %+v", got, tc.want)
			}
		})
	}
}
