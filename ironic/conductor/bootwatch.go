package conductor

import (
	"context"
	"errors"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/driver"
)

// phaseInterval is how often a wait looks how far the network boot has come.
const phaseInterval = 2 * time.Second

// maxRestarts bounds how often a machine whose network boot stands still is
// started anew.
const maxRestarts = 2

// keyRestarts counts these restarts in driver_internal_info.
const keyRestarts = "boot_restarts"

// bootWatch is how far a network boot has come, and since when.
type bootWatch struct {
	phase driver.BootPhase
	since time.Time
}

// watchBoot writes into the history how far the network boot has come. A machine
// that stands still is started again: one that missed its network boot, say
// because the undercloud was down for longer than the firmware tries, never
// comes back by itself.
func (t *task) watchBoot(ctx context.Context, w *bootWatch, left time.Duration) error {
	if bootedByOthers(t.node) {
		return nil
	}
	now := t.NetBoot.Phase(t.uuid)
	if now != w.phase {
		w.phase, w.since = now, t.Now()
		if now != driver.PhaseNone {
			t.note("boot", "network boot: %s", reachedWords(now))
		}
		return nil
	}
	stood := t.Now().Sub(w.since)
	if left < t.BootStall || stood < t.bootPatience(now) || number(t.node.DriverInternalInfo, keyRestarts) >= maxRestarts || t.called() {
		return nil
	}
	err := t.restartBoot(ctx, now, stood)
	*w = bootWatch{since: t.Now()}
	return err
}

// bootPatience is how long a boot may stay in a phase. Files on their way and a
// kernel at work take longer than a question for an address.
func (t *task) bootPatience(p driver.BootPhase) time.Duration {
	if p == driver.PhaseNone || p == driver.PhaseDHCP {
		return t.BootStall
	}
	return 3 * t.BootStall
}

// called reports whether the ramdisk has given a sign of life.
func (t *task) called() bool {
	info := t.node.DriverInternalInfo
	return text(info, agentToken) != "" || t.purpose == jobInspect && text(info, keyReceived) != ""
}

// restartBoot boots the ramdisk once more. Its failure ends nothing: the wait goes
// on, and has an end of its own.
func (t *task) restartBoot(ctx context.Context, at driver.BootPhase, stood time.Duration) error {
	if err := t.hold(); err != nil {
		return err
	}
	defer t.yield()
	if t.called() {
		return nil
	}
	count := number(t.node.DriverInternalInfo, keyRestarts) + 1
	words, _ := phase(at)
	t.note("boot", "for %s %s: the machine is started anew (%d of %d)", stood.Round(time.Second), words, count, maxRestarts)
	err := t.startAgain(ctx)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errSuperseded), errs.Is(err, errs.NotFound):
		return err
	case err != nil:
		t.note("boot", "the machine could not be started again: %v", err)
	}
	// Counted last: a crash before leaves a machine that is off to the next try.
	return t.update(ctx, func(n *ironic.Node) { put(n, keyRestarts, count) })
}

func (t *task) startAgain(ctx context.Context) error {
	if err := t.checkBoot(ctx, t.purpose); err != nil {
		return err
	}
	if err := t.powerOff(ctx); err != nil {
		return err
	}
	if err := t.publish(ctx, t.purpose); err != nil {
		return err
	}
	if err := t.setBoot(ctx, ironic.BootPXE, false); err != nil {
		return err
	}
	return t.powerOn(ctx)
}

// forgetBoot drops what was known of a ramdisk that is gone.
func forgetBoot(n *ironic.Node) {
	forgetAgent(n)
	delete(n.DriverInternalInfo, keyRestarts)
}

// reachedWords says how far a boot has come while it goes on; phase says the
// same of one that came no further.
func reachedWords(p driver.BootPhase) string {
	switch p {
	case driver.PhaseDHCP:
		return "the node has an address"
	case driver.PhaseScript:
		return "iPXE has its script"
	case driver.PhaseKernel:
		return "the kernel is fetched"
	default:
		return "kernel and ramdisk are fetched, the agent starts"
	}
}
