package ipmi

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi/wire"
)

// Fields of the watchdog timer (27.6).
const (
	watchdogDontLog  = 0x80
	watchdogDontStop = 0x40 // in Set; in Get: it runs
	watchdogTick     = 100 * time.Millisecond

	watchdogNothing = 0
	watchdogReset   = 1
	watchdogOff     = 2
	watchdogCycle   = 3

	// An action that the hypervisor could not be asked for is tried again, for half a
	// minute: a libvirtd that restarts is back by then.
	watchdogRetries = 6
	watchdogPause   = 5 * time.Second

	interruptNone = 0
	interruptSMI  = 1
	interruptNMI  = 2

	ccWatchdogUnset = 0x80 // of Reset Watchdog Timer

	// Offsets of sensor type Watchdog 2 (table 42-3); below is the action.
	watchdogInterrupt = 0x08
)

// watchdog is the BMC watchdog timer. It does not outlive the BMC: whoever relies
// on it sets it again, as 80h tells him.
type watchdog struct {
	set       bool
	dontLog   bool
	use       byte
	actions   byte
	pre       byte   // seconds before the end
	expired   byte   // bit for each use
	initial   uint16 // in ticks
	left      uint16 // in ticks, while it stands
	preDue    bool
	running   bool
	deadline  time.Time
	run       uint // a timer of an earlier run does nothing
	stopTimer func() bool
	trying    *expiry // whose action waits to be tried again; nil: none
}

// expiry is an end of the timer, or its interrupt before it, on its way into the log.
type expiry struct {
	use, what, interrupt byte
	dontLog              bool
	run                  uint // of the timer: another one since takes the action back
	again                int  // how often the action was tried again
}

func (w *watchdog) action() byte    { return w.actions & 7 }
func (w *watchdog) interrupt() byte { return w.actions >> 4 & 7 }

// watchdogCommands are the watchdog timer commands of App (section 27).
func watchdogCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.App, 0x22): {name: "Reset Watchdog Timer", priv: privOperator, run: resetWatchdog},
		key(wire.App, 0x24): {name: "Set Watchdog Timer", priv: privOperator, min: 6, max: 6, run: setWatchdog},
		key(wire.App, 0x25): {name: "Get Watchdog Timer", priv: privUser, run: getWatchdog},
	}
}

// resetWatchdog (27.5) starts the timer, from its initial value each time.
func resetWatchdog(b *BMC, _ request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.parts.watchdog.set {
		return ccWatchdogUnset, nil
	}
	b.startWatchdog()
	return ccOK, nil
}

// setWatchdog (27.6) stops a timer that runs, unless it shall go on from the new
// initial value.
func setWatchdog(b *BMC, r request) (byte, []byte) {
	d := r.data
	use, action, interrupt := d[0]&7, d[1]&7, d[1]>>4&7
	initial := binary.LittleEndian.Uint16(d[4:])
	switch {
	case use == 0 || use > 5 || action > watchdogCycle,
		interrupt == interruptSMI || interrupt > 3, // no SMI reaches a virtual machine
		interrupt != 0 && int(d[2])*10 > int(initial):
		return ccDataInvalid, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &b.parts.watchdog
	goesOn := w.running && d[0]&watchdogDontStop != 0
	b.haltWatchdog()
	w.set, w.dontLog, w.use, w.actions, w.pre = true, d[0]&watchdogDontLog != 0, use, d[1]&0x77, d[2]
	w.expired &^= d[3]
	w.initial, w.left = initial, initial
	if goesOn {
		b.startWatchdog()
	}
	b.log.Info("watchdog set", "use", use, "action", action, "after", time.Duration(initial)*watchdogTick, "running", goesOn, "from", r.src)
	return ccOK, nil
}

// getWatchdog (27.7).
func getWatchdog(b *BMC, _ request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &b.parts.watchdog
	use := w.use
	if w.dontLog {
		use |= watchdogDontLog
	}
	if w.running {
		use |= watchdogDontStop
	}
	d := []byte{use, w.actions, w.pre, w.expired}
	d = binary.LittleEndian.AppendUint16(d, w.initial)
	return ccOK, binary.LittleEndian.AppendUint16(d, w.present(b.now()))
}

// present is the countdown now, rounded up: 0 means that it has expired.
func (w *watchdog) present(now time.Time) uint16 {
	if !w.running {
		return w.left
	}
	left := max(0, w.deadline.Sub(now))
	return uint16(min((left+watchdogTick-1)/watchdogTick, time.Duration(w.initial)))
}

// startWatchdog begins the countdown anew. b.mu is held.
func (b *BMC) startWatchdog() {
	b.haltWatchdog()
	if b.closed {
		return
	}
	w := &b.parts.watchdog
	all := time.Duration(w.initial) * watchdogTick
	w.running, w.deadline = true, b.now().Add(all)
	w.preDue = w.interrupt() != 0
	if w.preDue {
		all -= time.Duration(w.pre) * time.Second
	}
	b.timeWatchdog(all)
}

func (b *BMC) timeWatchdog(d time.Duration) {
	w := &b.parts.watchdog
	run := w.run
	w.stopTimer = b.after(d, func() { b.watchdogFires(run) })
}

// haltWatchdog stops the countdown where it is. b.mu is held.
func (b *BMC) haltWatchdog() {
	w := &b.parts.watchdog
	w.run++
	if e := w.trying; e != nil { // somebody decided otherwise, or what it watched over is no more
		w.trying = nil
		given := *e
		given.what = watchdogNothing
		b.noteExpiry(given)
	}
	if !w.running {
		return
	}
	w.left, w.running = w.present(b.now()), false
	w.stopTimer()
}

// stopWatchdog ends the timer without its action: the BMC starts anew or ends. b.mu
// is held.
func (b *BMC) stopWatchdog() {
	b.haltWatchdog()
	b.parts.watchdog = watchdog{run: b.parts.watchdog.run}
}

// watchdogFires runs on the timer's goroutine.
func (b *BMC) watchdogFires(run uint) {
	e, due := b.watchdogDue(run)
	if due {
		b.log.Warn("watchdog", "use", e.use, "action", e.what, "interrupt", e.what == watchdogInterrupt)
		b.watchdogActs(e)
	}
}

// watchdogDue takes what is due now: the interrupt, or the action at the end.
func (b *BMC) watchdogDue(run uint) (e expiry, due bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &b.parts.watchdog
	if w.run != run || !w.running {
		return e, false
	}
	e = expiry{use: w.use, what: w.action(), interrupt: w.interrupt(), dontLog: w.dontLog}
	if w.preDue {
		w.preDue, e.what = false, watchdogInterrupt
		b.timeWatchdog(w.deadline.Sub(b.now()))
	} else {
		b.haltWatchdog()
		w.left = 0
		w.expired |= 1 << w.use
		w.dontLog = false // it holds for one expiry (27.3)
	}
	e.run = w.run
	return e, true
}

// watchdogActs does what an expiry asks for, and then writes down what happened.
func (b *BMC) watchdogActs(e expiry) {
	ctx, cancel := context.WithTimeout(context.Background(), opLimit)
	defer cancel()
	err := b.watchdogAction(ctx, e)
	if b.watchdogAgain(e, err) {
		return
	}
	b.code("watchdog", err)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil && e.what == watchdogInterrupt:
		e.interrupt = interruptNone
	case err != nil:
		e.what = watchdogNothing
	}
	b.noteExpiry(e)
	if e.what == watchdogNothing && err != nil && !errors.Is(err, domain.ErrPoweredOff) {
		b.note(typePowerUnit, sensorPowerUnit, readingSpecific, [3]byte{powerUnitNoResponse, 0xff, 0xff})
	}
}

// watchdogAgain has an action tried once more in a while, if the hypervisor could not be
// asked and nobody has touched the timer since.
func (b *BMC) watchdogAgain(e expiry, err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &b.parts.watchdog
	if !errors.Is(err, domain.ErrUnavailable) || e.what == watchdogInterrupt || e.again >= watchdogRetries ||
		b.closed || w.run != e.run {
		return false
	}
	e.again++
	w.trying = &e
	b.log.Warn("watchdog: the hypervisor is away", "again in", watchdogPause, "reason", err)
	b.after(watchdogPause, func() { b.retryWatchdog(&e) })
	return true
}

// retryWatchdog takes up an expiry, unless it was given up meanwhile.
func (b *BMC) retryWatchdog(e *expiry) {
	var due bool
	b.locked(func() {
		if due = b.parts.watchdog.trying == e; due {
			b.parts.watchdog.trying = nil
		}
	})
	if due {
		b.watchdogActs(*e)
	}
}

// noteExpiry writes an expiry down (table 42-3). b.mu is held.
func (b *BMC) noteExpiry(e expiry) {
	if !e.dontLog {
		b.note(typeWatchdog2, sensorWatchdog, readingSpecific, [3]byte{0xc0 | e.what, e.interrupt<<4 | e.use, 0xff})
	}
}

// watchdogAction does what was asked for the machine.
func (b *BMC) watchdogAction(ctx context.Context, e expiry) error {
	switch {
	case e.what == watchdogInterrupt && e.interrupt == interruptNMI:
		return b.machine.Diag(ctx)
	case e.what == watchdogOff:
		return b.operate(ctx, operation{name: "power off", run: b.machine.Off})
	case e.what == watchdogReset:
		return b.watchdogStarts(ctx, operation{"hard reset", b.machine.Reset, true, causeWatchdog})
	case e.what == watchdogCycle:
		return b.watchdogStarts(ctx, operation{opCycle, b.machine.Cycle, true, causeWatchdog})
	}
	return nil
}

// watchdogStarts restarts the machine. A one-time override is not meant for such a
// start, unless parameter 3 of the boot options says so.
func (b *BMC) watchdogStarts(ctx context.Context, op operation) error {
	b.expireBootFlags(ctx)
	var drop bool
	b.locked(func() { drop = b.boot.pendingOnce() && b.boot.clearing&keepAtWatchdog == 0 })
	if drop {
		b.code("watchdog: clear boot flags", b.clearOnce(ctx))
	}
	err := b.operate(ctx, op)
	if drop {
		b.keepBoot()
	}
	return err
}

// watchdogEvent takes an event of the machine; b.mu is not held. What it watched
// over has ended or begun anew, so the timer stands until somebody starts it again.
func (b *BMC) watchdogEvent(e domain.Event) {
	switch e.Kind {
	case domain.Stopped, domain.ShutDown, domain.Crashed, domain.Rebooted, domain.Gone:
	case domain.Back:
		if e.On {
			return
		}
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.haltWatchdog()
}
