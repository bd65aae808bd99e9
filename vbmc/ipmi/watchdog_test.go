package ipmi

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// timedRig is a BMC whose timers follow the rig's clock.
type timedRig struct {
	*rig
	host string // what HostBoot tells

	mu     sync.Mutex
	timers []*testTimer
}

type testTimer struct {
	at time.Time
	f  func()
}

func newTimedRig(t *testing.T, m *fake.Machine, s Store) *timedRig {
	t.Helper()
	r := &timedRig{rig: &rig{m: m, now: time.Unix(1e9, 0)}}
	m.Now = func() time.Time { return r.now }
	r.start(t, s)
	return r
}

// start makes the BMC; a second call is a restart of the daemon.
func (r *timedRig) start(t *testing.T, s Store) {
	t.Helper()
	if r.BMC != nil {
		r.Close()
		r.advance(0)
	}
	b, err := New(Config{
		Machine: r.m, Username: "admin", Password: "secret", Store: s, AcceptAfter: time.Hour,
		Now: func() time.Time { return r.now }, HostBoot: func() string { return r.host }, After: r.later,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.BMC = b
}

func (r *timedRig) later(d time.Duration, f func()) (stop func() bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	timer := &testTimer{r.now.Add(d), f}
	r.timers = append(r.timers, timer)
	return func() bool { return r.take(func(x *testTimer) bool { return x == timer }) != nil }
}

// take removes the first timer that matches.
func (r *timedRig) take(match func(*testTimer) bool) *testTimer {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.timers, match)
	if i < 0 {
		return nil
	}
	found := r.timers[i]
	r.timers = slices.Delete(r.timers, i, i+1)
	return found
}

// advance lets d pass and runs what is due, in its order.
func (r *timedRig) advance(d time.Duration) {
	for end := r.now.Add(d); ; {
		r.mu.Lock()
		slices.SortStableFunc(r.timers, func(a, b *testTimer) int { return a.at.Compare(b.at) })
		r.mu.Unlock()
		due := r.take(func(x *testTimer) bool { return !x.at.After(end) })
		if due == nil {
			r.now = end
			return
		}
		r.now = due.at
		due.f()
	}
}

// do is a command as ADMIN in a session of its own, so that no time-out matters.
func (r *timedRig) do(t *testing.T, f wire.NetFn, cmd byte, data ...byte) (byte, []byte) {
	t.Helper()
	c := admin(t, r.rig)
	cc, d := c.call(f, cmd, data...)
	c.call(wire.App, 0x3c, byte(c.ex.ManagedID), byte(c.ex.ManagedID>>8), byte(c.ex.ManagedID>>16), byte(c.ex.ManagedID>>24))
	return cc, d
}

// arm sets the watchdog to 10 s and starts it.
func (r *timedRig) arm(t *testing.T, use, actions, pre byte) {
	t.Helper()
	cc, d := r.do(t, wire.App, 0x24, use, actions, pre, 0x3e, 100, 0)
	want(t, "set watchdog", cc, d, ccOK)
	cc, d = r.do(t, wire.App, 0x22)
	want(t, "start watchdog", cc, d, ccOK)
}

// watchdogRecords are the event data of the watchdog's records.
func watchdogRecords(b *BMC) (all [][3]byte) {
	for _, r := range b.Events() {
		if e := r.Event(); e.SensorType == typeWatchdog2 && e.Sensor == sensorWatchdog && e.EventType == 0x6f {
			all = append(all, e.Data)
		}
	}
	return all
}

func TestWatchdogActsOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		use, action byte
		log         string // of the machine
		on          byte
		event       [3]byte
		cause       [2]byte
		expired     byte
	}{
		"none":        {4, 0, "on", 1, [3]byte{0xc0, 0x04, 0xff}, [2]byte{1, 1}, 0x10},
		"hard reset":  {4, 1, "on reset", 1, [3]byte{0xc1, 0x04, 0xff}, [2]byte{4, 0}, 0x10},
		"power off":   {1, 2, "on off", 0, [3]byte{0xc2, 0x01, 0xff}, [2]byte{1, 1}, 0x02},
		"power cycle": {5, 3, "on cycle", 1, [3]byte{0xc3, 0x05, 0xff}, [2]byte{4, 0}, 0x20},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
			r.do(t, wire.Chassis, 2, 1)
			r.arm(t, tc.use, tc.action, 0)
			r.advance(9900 * time.Millisecond)
			if log := strings.Join(r.m.Log(), " "); log != "on" {
				t.Errorf("before its time: %s", log)
			}
			cc, d := r.do(t, wire.App, 0x25)
			want(t, "counting", cc, d, ccOK, 0x40|tc.use, tc.action, 0, 0, 100, 0, 1, 0)
			r.advance(time.Minute)
			if log := strings.Join(r.m.Log(), " "); log != tc.log {
				t.Errorf("operations %q, want %q", log, tc.log)
			}
			if got := watchdogRecords(r.BMC); len(got) != 1 || got[0] != tc.event {
				t.Errorf("records % x, want % x", got, tc.event)
			}
			cc, d = r.do(t, wire.App, 0x25)
			want(t, "expired", cc, d, ccOK, tc.use, tc.action, 0, tc.expired, 100, 0, 0, 0)
			cc, d = r.do(t, wire.Chassis, 7)
			want(t, "restart cause", cc, d, ccOK, tc.cause[:]...)
			_, d = r.do(t, wire.Chassis, 1)
			if d[0]&1 != tc.on {
				t.Errorf("power %d, want %d", d[0]&1, tc.on)
			}
			r.do(t, wire.App, 0x24, tc.use, 0, 0, tc.expired, 50, 0)
			cc, d = r.do(t, wire.App, 0x25)
			want(t, "flag cleared", cc, d, ccOK, tc.use, 0, 0, 0, 50, 0, 50, 0)
		})
	}
}

func TestWatchdogKickedDoesNothing(t *testing.T) {
	r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
	cc, d := r.do(t, wire.App, 0x25)
	want(t, "never set", cc, d, ccOK, 0, 0, 0, 0, 0, 0, 0, 0)
	cc, d = r.do(t, wire.App, 0x22)
	want(t, "start of what was never set", cc, d, ccWatchdogUnset)
	r.do(t, wire.Chassis, 2, 1)
	r.arm(t, 4, 1, 0)
	for range 5 {
		r.advance(9 * time.Second)
		r.do(t, wire.App, 0x22)
	}
	r.advance(4 * time.Second)
	cc, d = r.do(t, wire.App, 0x24, 0x44, 1, 0, 0, 200, 0)
	want(t, "set without a stop", cc, d, ccOK)
	r.advance(15 * time.Second)
	cc, d = r.do(t, wire.App, 0x25)
	want(t, "goes on from the new value", cc, d, ccOK, 0x44, 1, 0, 0, 200, 0, 50, 0)
	cc, d = r.do(t, wire.App, 0x24, 4, 1, 0, 0, 200, 0)
	want(t, "set with a stop", cc, d, ccOK)
	r.advance(time.Hour)
	if log := r.m.Log(); len(log) != 1 {
		t.Errorf("operations %v", log)
	}
	r.do(t, wire.App, 0x24, 0x44, 1, 0, 0, 200, 0)
	cc, d = r.do(t, wire.App, 0x25)
	want(t, "without a stop: one that stands is not started", cc, d, ccOK, 4, 1, 0, 0, 200, 0, 200, 0)
}

func TestWatchdogRefusals(t *testing.T) {
	r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
	for name, tc := range map[string]struct {
		data []byte
		cc   byte
	}{
		"use 0":           {[]byte{0, 1, 0, 0, 100, 0}, ccDataInvalid},
		"use 6":           {[]byte{6, 1, 0, 0, 100, 0}, ccDataInvalid},
		"action 4":        {[]byte{4, 4, 0, 0, 100, 0}, ccDataInvalid},
		"SMI":             {[]byte{4, 0x11, 1, 0, 100, 0}, ccDataInvalid},
		"interrupt 4":     {[]byte{4, 0x41, 1, 0, 100, 0}, ccDataInvalid},
		"interrupt early": {[]byte{4, 0x21, 11, 0, 100, 0}, ccDataInvalid},
		"no interrupt":    {[]byte{4, 0x01, 11, 0, 100, 0}, ccOK},
		"short":           {[]byte{4, 1, 0, 0, 100}, ccLength},
	} {
		cc, d := r.do(t, wire.App, 0x24, tc.data...)
		want(t, name, cc, d, tc.cc)
	}
	c := newClient(t, r.BMC, wire.Suite17()).mustLogin(privUser)
	for cmd, wantCC := range map[byte]byte{0x22: ccPrivilege, 0x24: ccPrivilege, 0x25: ccOK} {
		var data []byte
		if cmd == 0x24 {
			data = make([]byte, 6)
		}
		if cc, _ := c.call(wire.App, cmd, data...); cc != wantCC {
			t.Errorf("command %#x as USER: %#x, want %#x", cmd, cc, wantCC)
		}
	}
}

func TestWatchdogInterrupt(t *testing.T) {
	r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
	r.do(t, wire.Chassis, 2, 1)
	r.arm(t, 3, 0x21, 4)
	r.advance(6 * time.Second)
	if log := strings.Join(r.m.Log(), " "); log != "on diag" {
		t.Errorf("at the interrupt: %s", log)
	}
	r.advance(4 * time.Second)
	if log := strings.Join(r.m.Log(), " "); log != "on diag reset" {
		t.Errorf("at the end: %s", log)
	}
	records := watchdogRecords(r.BMC)
	if len(records) != 2 || records[0] != [3]byte{0xc8, 0x23, 0xff} || records[1] != [3]byte{0xc1, 0x23, 0xff} {
		t.Errorf("records % x", records)
	}
	r.arm(t, 0x83, 1, 0) // don't log holds for one expiry
	r.advance(10 * time.Second)
	if n := len(watchdogRecords(r.BMC)); n != 2 {
		t.Errorf("%d records with don't log", n)
	}
	r.do(t, wire.App, 0x22)
	r.advance(10 * time.Second)
	if n := len(watchdogRecords(r.BMC)); n != 3 {
		t.Errorf("%d records after don't log was spent", n)
	}
}

// TestWatchdogStandsAfter: what it watched over is no more, or has begun anew.
func TestWatchdogStandsAfter(t *testing.T) {
	for name, happens := range map[string]func(r *timedRig){
		"power off":       func(r *timedRig) { r.do(t, wire.Chassis, 2, 0) },
		"hard reset":      func(r *timedRig) { r.do(t, wire.Chassis, 2, 3) },
		"guest's reboot":  func(r *timedRig) { r.m.Reboot() },
		"guest's end":     func(r *timedRig) { r.m.ShutDown() },
		"crash":           func(r *timedRig) { r.m.Crash() },
		"off in the dark": func(r *timedRig) { r.m.Lose(); r.m.Return(false) },
		"gone":            func(r *timedRig) { r.m.Vanish() },
		"cold reset":      func(r *timedRig) { admin(t, r.rig).call(wire.App, 2) },
		"BMC closed":      func(r *timedRig) { r.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
			r.do(t, wire.Chassis, 2, 1)
			r.arm(t, 4, 3, 0)
			happens(r)
			before := len(r.m.Log())
			r.advance(time.Hour)
			if log := r.m.Log(); len(log) != before || len(watchdogRecords(r.BMC)) != 0 {
				t.Errorf("operations %v, records % x", log, watchdogRecords(r.BMC))
			}
		})
	}
	r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
	r.do(t, wire.Chassis, 2, 1)
	r.arm(t, 4, 3, 0)
	r.m.Lose()
	r.m.Return(true)
	r.advance(10 * time.Second)
	if log := r.m.Log(); len(log) != 2 {
		t.Errorf("after a gap of the connection: %v", log)
	}
}

// TestWatchdogBootFlags: parameter 3 bit 2 says whether its restart uses the flags.
func TestWatchdogBootFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		clearing, flags byte
		want            domain.Device
		left            byte
	}{
		"dropped":    {0, 0x80, domain.None, 0},
		"kept":       {keepAtWatchdog, 0x80, domain.PXE, 0},
		"persistent": {0, 0xc0, domain.PXE, 0x80},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
			r.do(t, wire.Chassis, 2, 1)
			r.do(t, wire.Chassis, 8, 3, tc.clearing)
			r.do(t, wire.Chassis, 8, 5, tc.flags, 4, 0, 0, 0)
			r.arm(t, 4, 1, 0)
			r.advance(10 * time.Second)
			wantStart(t, r.m, tc.want)
			if _, d := r.do(t, wire.Chassis, 9, 5, 0, 0); d[2]&0x80 != tc.left {
				t.Errorf("flags % x", d)
			}
		})
	}
}

// FuzzChassisCommands gives every row of these groups any data of a good length.
func FuzzChassisCommands(f *testing.F) {
	f.Add(uint16(key(wire.App, 0x24)), []byte{0x44, 0x21, 2, 0x3e, 100, 0})
	f.Add(uint16(key(wire.App, 0x22)), []byte{})
	f.Add(uint16(key(wire.Chassis, 0x08)), []byte{5, 0xa0, 0x24, 0, 0, 0})
	f.Add(uint16(key(wire.Chassis, 0x06)), []byte{2})
	f.Add(uint16(key(wire.Chassis, 0x0f)), []byte{})
	b, err := New(Config{
		Machine: fake.New([16]byte{1}), Username: "a", Password: "b",
		After: func(time.Duration, func()) func() bool { return func() bool { return true } },
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, k uint16, data []byte) {
		for _, group := range []map[uint16]command{chassisCommands(), watchdogCommands()} {
			row, ok := group[k]
			if !ok || len(data) < row.min || len(data) > row.max {
				continue
			}
			cc, d := row.run(b, request{ctx: t.Context(), data: bytes.Clone(data)})
			if cc != ccOK && len(d) > 0 {
				t.Errorf("%s: code %#x with data % x", row.name, cc, d)
			}
			if _, d = getWatchdog(b, request{}); len(d) != 8 {
				t.Errorf("watchdog % x", d)
			}
		}
	})
}
