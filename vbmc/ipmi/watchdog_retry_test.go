package ipmi

import (
	"context"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

// powerFailures counts the records of a power unit that did not respond.
func powerFailures(b *BMC) (n int) {
	for _, e := range events(b) {
		if e == [4]byte{typePowerUnit, sensorPowerUnit, readingSpecific, powerUnitNoResponse} {
			n++
		}
	}
	return n
}

// TestWatchdogWhileTheHypervisorIsAway: the action is tried again for a while, and the
// record says what happened and not what was meant to.
func TestWatchdogWhileTheHypervisorIsAway(t *testing.T) {
	for name, tc := range map[string]struct {
		then     func(*testing.T, *timedRig)
		log      string // of the machine
		record   byte
		failures int
	}{
		"it comes back":      {func(_ *testing.T, r *timedRig) { r.m.Fail(nil) }, "on reset", 0xc1, 0},
		"it stays away":      {func(*testing.T, *timedRig) {}, "on", 0xc0, 1},
		"the domain is gone": {func(_ *testing.T, r *timedRig) { r.m.Fail(domain.ErrNotFound) }, "on", 0xc0, 1},
		"the timer is set again": {func(t *testing.T, r *timedRig) {
			r.do(t, wire.App, 0x24, 4, 0, 0, 0, 100, 0)
			r.m.Fail(nil)
		}, "on", 0xc0, 0},
		"it is off when it comes back": {func(_ *testing.T, r *timedRig) { r.m.Return(false) }, "on", 0xc0, 0},
		"the BMC ends":                 {func(_ *testing.T, r *timedRig) { r.Close(); r.m.Fail(nil) }, "on", 0xc0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
			r.do(t, wire.Chassis, 2, 1)
			r.arm(t, 4, 1, 0)
			r.m.Fail(domain.ErrUnavailable)
			r.advance(12 * time.Second)
			if got := watchdogRecords(r.BMC); len(got) != 0 {
				t.Errorf("before anything happened there are records: % x", got)
			}
			tc.then(t, r)
			r.advance(10 * time.Minute)
			if log := strings.Join(r.m.Log(), " "); log != tc.log {
				t.Errorf("operations %q, want %q", log, tc.log)
			}
			if got := watchdogRecords(r.BMC); len(got) != 1 || got[0][0] != tc.record {
				t.Errorf("records % x, want one of %x", got, tc.record)
			}
			if n := powerFailures(r.BMC); n != tc.failures {
				t.Errorf("%d power failures, want %d", n, tc.failures)
			}
			if len(r.timers) != 0 {
				t.Errorf("%d timers are left", len(r.timers))
			}
		})
	}
}

// afterAll is a machine that looks at the log while it is reset.
type afterAll struct {
	*fake.Machine
	look func()
}

func (m afterAll) Reset(ctx context.Context) error { m.look(); return m.Machine.Reset(ctx) }

// TestWatchdogRecordsWhatIsDone: an action that never ended has no record of success.
func TestWatchdogRecordsWhatIsDone(t *testing.T) {
	r := newTimedRig(t, fake.New([16]byte{1}), NewMemStore())
	r.do(t, wire.Chassis, 2, 1)
	looked := 0
	r.machine = afterAll{r.m, func() {
		looked++
		if got := watchdogRecords(r.BMC); len(got) != 0 {
			t.Errorf("during the reset: % x", got)
		}
	}}
	r.arm(t, 4, 1, 0)
	r.advance(10 * time.Second)
	if got := watchdogRecords(r.BMC); looked != 1 || len(got) != 1 {
		t.Errorf("looked %d times, records % x", looked, got)
	}
}
