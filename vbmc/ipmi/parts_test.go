package ipmi

import (
	"bytes"
	"testing"
	"time"

	"trefoil/vbmc/ipmi/wire"
)

// TestNoCommandTwice: a row that two files have would depend on their order.
func TestNoCommandTwice(t *testing.T) {
	n := 0
	for _, g := range commandGroups() {
		n += len(g)
	}
	if rows := len(NewTable().rows); rows != n {
		t.Errorf("%d rows make %d commands", n, rows)
	}
}

// TestUpdateKeepsSessions: new suites and BMC key touch nobody who is logged in, a new
// password ends the sessions that were opened with the old one.
func TestUpdateKeepsSessions(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	creds := Credentials{Username: "admin", Password: "secret", KG: []byte("kg"), Suites: []wire.Suite{wire.Suite17()}}
	if err := r.Update(creds); err != nil {
		t.Fatal(err)
	}
	cc, d := c.call(wire.App, 0x04)
	want(t, "after other suites", cc, d, ccOK, 0x55, 0)
	if st := newClient(t, r.BMC, wire.Suite3()).open(); st == wire.StatusOK {
		t.Error("a suite that was taken away is accepted")
	}
	creds.KG, creds.Password = nil, "changed"
	half := newClient(t, r.BMC, wire.Suite17())
	half.open()
	half.setup(wire.PayloadRAKP1, half.rakp1Payload(privAdmin, "admin"))
	if err := r.Update(creds); err != nil {
		t.Fatal(err)
	}
	if c.exchange(c.packet(wire.App, 0x04)) != nil {
		t.Error("a session with the old password answers")
	}
	if st := r.Stats(); st.Sessions != 0 || st.HalfOpen != 0 {
		t.Errorf("sessions with the old password: %+v", st)
	}
	if st := newClient(t, r.BMC, wire.Suite17()).login("admin", "changed", privAdmin); st != wire.StatusOK {
		t.Errorf("login with the new password: %#x", st)
	}
	creds.Username = ""
	if r.Update(creds) == nil {
		t.Error("an empty user name was taken")
	}
}

func TestStats(t *testing.T) {
	r := newRig(t)
	admin(t, r).call(wire.App, 0x04)
	newClient(t, r.BMC, wire.Suite17()).login("admin", "wrong", privAdmin)
	newClient(t, r.BMC, wire.Suite17()).open()
	r.Handle(newClient(t, r.BMC, wire.Suite17()).src, []byte("rubbish"), func([]byte) {})
	want := Stats{Sessions: 1, HalfOpen: 1, Logins: 1, Refused: 1, Commands: 2, Packets: 10, Dropped: 1}
	if got := r.Stats(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestMemStore(t *testing.T) {
	s := NewMemStore()
	if d, err := s.Load("boot"); d != nil || err != nil {
		t.Errorf("nothing stored: % x, %v", d, err)
	}
	if err := s.Save("boot", []byte{1}); err != nil {
		t.Fatal(err)
	}
	if d, err := s.Load("boot"); !bytes.Equal(d, []byte{1}) || err != nil {
		t.Errorf("% x, %v", d, err)
	}
}

// TestAFaultInATimerStaysThere: not contained, it would end this test's process.
func TestAFaultInATimerStaysThere(t *testing.T) {
	r, fired := newRig(t), make(chan struct{})
	r.after(0, func() { close(fired); panic("broken on purpose") })
	<-fired
	var d time.Duration
	r.afterFunc = func(x time.Duration, f func()) func() bool { d = x; f(); return func() bool { return false } }
	r.after(time.Hour, func() { panic("broken on purpose") })
	if d != time.Hour {
		t.Errorf("the given clock was not used: %v", d)
	}
}

// TestUnreadableMemory: a BMC whose stored state is broken starts without it.
func TestUnreadableMemory(t *testing.T) {
	s := NewMemStore()
	if err := s.Save("boot", []byte("{broken")); err != nil {
		t.Fatal(err)
	}
	r := newRig(t).restarted(t, s)
	cc, d := admin(t, r).call(wire.Chassis, 9, 5, 0, 0)
	want(t, "flags", cc, d, ccOK, 1, 5, 0, 0, 0, 0, 0)
}
