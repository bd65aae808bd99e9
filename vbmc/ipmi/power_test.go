package ipmi

import (
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// TestWhyItIsOn: only a start by a command counts as one, and the cause of the latest
// restart is the real one.
func TestWhyItIsOn(t *testing.T) {
	control := func(r *timedRig, ops ...byte) {
		for _, op := range ops {
			r.do(t, wire.Chassis, 2, op)
		}
	}
	for name, tc := range map[string]struct {
		happens        func(r *timedRig)
		event          byte
		cause, channel byte
	}{
		"power on":            {func(r *timedRig) { control(r, 1) }, 0x10, 1, 1},
		"started by others":   {func(r *timedRig) { r.m.StartByOther() }, 0, 0, 0},
		"on what runs":        {func(r *timedRig) { r.m.StartByOther(); control(r, 1) }, 0, 0, 0},
		"reset what runs":     {func(r *timedRig) { r.m.StartByOther(); control(r, 3) }, 0, 1, 1},
		"cycle what runs":     {func(r *timedRig) { r.m.StartByOther(); control(r, 2) }, 0x10, 1, 1},
		"off, then by others": {func(r *timedRig) { control(r, 1, 0); r.m.StartByOther() }, 0, 0, 0},
		"guest's reboot":      {func(r *timedRig) { control(r, 1); r.m.Reboot() }, 0x10, 0x0a, 0},
		"crash, then on":      {func(r *timedRig) { control(r, 1); r.m.Crash(); control(r, 1) }, 0x18, 1, 1},
		"diag and failure":    {func(r *timedRig) { control(r, 2, 3); r.m.StartByOther(); control(r, 4) }, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
			tc.happens(r)
			cc, d := r.do(t, wire.Chassis, 1)
			want(t, "status", cc, d, ccOK, 1, tc.event, 0x40, 0)
			cc, d = r.do(t, wire.Chassis, 7)
			want(t, "restart cause", cc, d, ccOK, tc.cause, tc.channel)
		})
	}
}

// TestPowerOnTime counts while the machine is on, also over a restart of the BMC.
func TestPowerOnTime(t *testing.T) {
	s := NewMemStore()
	r := newTimedRig(t, fake.New([16]byte{1}), s)
	r.do(t, wire.Chassis, 2, 1)
	r.advance(90 * time.Minute)
	cc, d := r.do(t, wire.Chassis, 0x0f)
	want(t, "on", cc, d, ccOK, 1, 90, 0, 0, 0)
	r.m.ShutDown()
	r.advance(8 * time.Hour)
	r.do(t, wire.Chassis, 2, 1)
	r.advance(5 * time.Minute)
	r.start(t, s)
	r.advance(300 * time.Minute)
	cc, d = r.do(t, wire.Chassis, 0x0f)
	want(t, "on, off, on", cc, d, ccOK, 1, 395-256, 1, 0, 0)
	cc, d = r.do(t, wire.Chassis, 7)
	want(t, "cause after a restart of the BMC", cc, d, ccOK, 1, 1)
	r.m.Lose()
	r.advance(time.Hour)
	r.m.Return(false)
	cc, d = r.do(t, wire.Chassis, 0x0f)
	want(t, "off in the dark", cc, d, ccOK, 1, 395-256, 1, 0, 0)
}

// TestRestorePolicy: the policy acts after a restart of the host and never else.
func TestRestorePolicy(t *testing.T) {
	newBoot := func(r *timedRig, on bool) { r.m.Lose(); r.host = "boot 2"; r.m.Return(on) }
	for name, tc := range map[string]struct {
		policy       byte
		host         string
		happens      func(r *timedRig, s Store)
		on           bool
		event, cause byte
	}{
		"off":                     {0, "boot 1", func(r *timedRig, _ Store) { newBoot(r, false) }, false, 0x01, 1},
		"previous, was on":        {1, "boot 1", func(r *timedRig, _ Store) { newBoot(r, false) }, true, 0x01, 7},
		"previous, was off":       {1, "boot 1", func(r *timedRig, _ Store) { r.m.StopByOther(); newBoot(r, false) }, false, 0, 1},
		"always, was on":          {2, "boot 1", func(r *timedRig, _ Store) { newBoot(r, false) }, true, 0x01, 6},
		"always, was off":         {2, "boot 1", func(r *timedRig, _ Store) { r.m.StopByOther(); newBoot(r, false) }, true, 0, 6},
		"on by the host itself":   {2, "boot 1", func(r *timedRig, _ Store) { newBoot(r, true) }, true, 0x01, 0},
		"hypervisor restarted":    {2, "boot 1", func(r *timedRig, _ Store) { r.m.StopByOther(); r.m.Lose(); r.m.Return(false) }, false, 0, 1},
		"user's destroy":          {2, "boot 1", func(r *timedRig, _ Store) { r.m.StopByOther() }, false, 0, 1},
		"both restarted":          {1, "boot 1", func(r *timedRig, s Store) { r.start(t, s); newBoot(r, false) }, true, 0x01, 7},
		"daemon restarted":        {2, "boot 1", func(r *timedRig, s Store) { r.m.StopByOther(); r.start(t, s); r.m.Return(false) }, false, 0, 1},
		"remote, was on":          {1, "", func(r *timedRig, _ Store) { r.m.Lose(); r.m.Return(false) }, true, 0x01, 7},
		"remote, was off, always": {2, "", func(r *timedRig, _ Store) { r.m.StopByOther(); r.m.Lose(); r.m.Return(false) }, false, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewMemStore()
			r := newTimedRig(t, fake.New([16]byte{1}), s)
			r.host = tc.host
			r.m.Return(false)
			cc, d := r.do(t, wire.Chassis, 6, tc.policy)
			want(t, "set policy", cc, d, ccOK, 7)
			r.do(t, wire.Chassis, 2, 1)
			r.advance(0)
			tc.happens(r, s)
			r.advance(time.Hour)
			power := byte(0)
			if tc.on {
				power = 1
			}
			cc, d = r.do(t, wire.Chassis, 1)
			want(t, "status", cc, d, ccOK, tc.policy<<5|power, tc.event, 0x40, 0)
			if _, d = r.do(t, wire.Chassis, 7); d[0] != tc.cause {
				t.Errorf("restart cause %d, want %d", d[0], tc.cause)
			}
		})
	}
}

// refuseStarts lets operations fail.
func refuseStarts(r *timedRig) { r.m.Fail(domain.ErrNotSupported) }

// TestRestoreIsTriedAgain: a host that just came up may not be ready. A command of a
// user ends it.
func TestRestoreIsTriedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		command bool
		log     string
	}{"ready later": {false, "on restore"}, "user decides": {true, "on off"}} {
		t.Run(name, func(t *testing.T) {
			r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
			r.host = "boot 1"
			r.m.Return(false)
			r.do(t, wire.Chassis, 6, 2)
			r.do(t, wire.Chassis, 2, 1)
			r.host = "boot 2"
			r.m.Lose()
			r.m.Return(false)
			refuseStarts(r)
			r.advance(65 * time.Second)
			r.m.Fail(nil)
			if tc.command {
				r.do(t, wire.Chassis, 2, 0)
			}
			r.advance(time.Hour)
			if log := strings.Join(r.m.Log(), " "); log != tc.log {
				t.Errorf("operations %q, want %q", log, tc.log)
			}
		})
	}
}

func TestRestorePolicyValues(t *testing.T) {
	s := NewMemStore()
	r := newTimedRig(t, fake.New([16]byte{1}), s)
	for policy, bits := range map[byte]byte{0: 0, 1: 0x20, 2: 0x40} {
		r.do(t, wire.Chassis, 6, policy)
		cc, d := r.do(t, wire.Chassis, 6, 3)
		want(t, "ask", cc, d, ccOK, 7)
		r.start(t, s)
		cc, d = r.do(t, wire.Chassis, 1)
		want(t, "status after a restart of the BMC", cc, d, ccOK, bits, 0, 0x40, 0)
	}
	cc, d := r.do(t, wire.Chassis, 6, 4)
	want(t, "policy 4", cc, d, ccDataInvalid)
	cc, d = r.do(t, wire.Chassis, 8, 5, 0x80, 9<<2, 0, 0, 0)
	want(t, "primary remote medium", cc, d, ccOK)
	if o := r.m.Override(); o.Device != domain.CDROM {
		t.Errorf("override %v", o)
	}
	r.do(t, wire.Chassis, 4, 0, 1)
	if _, d = r.do(t, wire.Chassis, 1); d[2] != 0x60 || !r.Identify() {
		t.Errorf("identify for ever: %x", d[2])
	}
}

// TestRestoreTakesNoLapsedOverride: a one-time boot device holds for sixty seconds, also
// when the start is the restore policy's.
func TestRestoreTakesNoLapsedOverride(t *testing.T) {
	for name, tc := range map[string]struct {
		keep byte
		away time.Duration
		want domain.Device
	}{
		"in time": {0, 30 * time.Second, domain.PXE},
		"lapsed":  {0, time.Hour, domain.None},
		"kept":    {8, time.Hour, domain.PXE},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
			r.host = "boot 1"
			r.m.Return(false)
			r.do(t, wire.Chassis, 6, 2)
			r.do(t, wire.Chassis, 8, 3, tc.keep)
			r.do(t, wire.Chassis, 8, 5, 0xa0, 4, 0, 0, 0)
			r.m.Lose()
			r.advance(tc.away)
			r.host = "boot 2"
			r.m.Return(false)
			r.advance(0)
			wantStart(t, r.m, tc.want)
			cc, d := r.do(t, wire.Chassis, 9, 5, 0, 0)
			if cc != ccOK || d[2]&flagValid != 0 {
				t.Errorf("flags after the start: %#x % x", cc, d)
			}
		})
	}
}

// TestRestoreLetsASavedGuestGoOn: the policy brings back what was, and a one-time boot device
// waits for a boot that somebody asks for.
func TestRestoreLetsASavedGuestGoOn(t *testing.T) {
	r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
	r.host = "boot 1"
	r.m.Return(false)
	r.do(t, wire.Chassis, 6, 2)
	r.do(t, wire.Chassis, 2, 1)
	r.m.Save()
	r.do(t, wire.Chassis, 8, 5, 0xa0, 4, 0, 0, 0)
	r.m.Lose()
	r.host = "boot 2"
	r.m.Return(false)
	r.advance(0)
	if on, err := r.m.Power(); !on || err != nil || len(r.m.Starts()) != 1 {
		t.Errorf("on %v, %v, starts %v", on, err, r.m.Starts())
	}
	if cc, d := r.do(t, wire.Chassis, 9, 5, 0, 0); cc != ccOK || d[2]&flagValid == 0 {
		t.Errorf("flags after the restore: %#x % x", cc, d)
	}
	r.do(t, wire.Chassis, 2, 3)
	wantStart(t, r.m, domain.PXE)
}
