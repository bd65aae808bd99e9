package ipmi

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"trefoil/vbmc/domain"
)

// Causes of a restart (28.11).
const (
	causeUnknown   = 0x00
	causeControl   = 0x01 // Chassis Control
	causeWatchdog  = 0x04
	causeAlwaysOn  = 0x06 // power restore policy
	causePrevious  = 0x07 // power restore policy
	causeSoftReset = 0x0a // the guest's own reboot
)

// Bits of the last power event (28.2).
const (
	eventACFailed = 0x01
	eventFault    = 0x08
	eventCommand  = 0x10
)

// Power restore policies (28.8).
const (
	policyOff      = 0
	policyPrevious = 1
	policyOn       = 2
	policyAsk      = 3
	policies       = 1<<policyOff | 1<<policyPrevious | 1<<policyOn
)

// A host that comes back may not be ready for its guests yet: networks, storage.
const (
	restoreTries = 10
	restorePause = 30 * time.Second
)

// powerState is what a BMC remembers of its machine's power. It is stored.
type powerState struct {
	Policy  byte
	Cause   byte // of the latest restart
	Channel byte // that the restart was asked on
	Command bool // the latest start was an IPMI command
	Down    byte // why it went down the last time, as event bits

	Used     time.Duration // power-on time until Since
	Since    time.Time     // zero: off when last seen
	HostBoot string        // of the hypervisor's host when last seen
}

func (p *powerState) poweredOn(now time.Time) {
	if p.Since.IsZero() {
		p.Since = now
	}
}

func (p *powerState) poweredOff(now time.Time) {
	p.Used, p.Since = p.used(now), time.Time{}
}

// used is the power-on time until now. A clock that was set back adds nothing.
func (p *powerState) used(now time.Time) time.Duration {
	if p.Since.IsZero() {
		return p.Used
	}
	return p.Used + max(0, now.Sub(p.Since))
}

// restarted notes why the machine began anew; fresh: its power was off before.
func (p *powerState) restarted(cause byte, fresh bool) {
	p.Cause, p.Channel = cause, 0
	if cause == causeControl {
		p.Channel = lanChannel
	}
	if fresh {
		p.Command = cause == causeControl
	}
}

func (b *BMC) loadChassis() error {
	_, err := b.recall("chassis", &b.chassis.power)
	return err
}

func (b *BMC) keepChassis() {
	b.keep("chassis", func() any {
		b.chassis.storing = false // what changes from now on needs another write
		return b.chassis.power
	})
}

// chassisChanged has the state stored by another goroutine. b.mu is held.
func (b *BMC) chassisChanged() {
	if !b.chassis.storing && !b.closed {
		b.chassis.storing = true
		b.after(0, b.keepChassis)
	}
}

// operation is something done to the machine's power.
type operation struct {
	name     string
	run      func(context.Context) error
	restarts bool // the system begins anew
	cause    byte // of that restart
}

// operate runs a power operation. Events tell of its effects too, but they may come
// later than the answer, and not every machine has them.
func (b *BMC) operate(ctx context.Context, op operation) error {
	before, _ := b.machine.Power()
	if op.restarts {
		b.locked(func() { b.chassis.doing = op.cause })
	}
	err := op.run(ctx)
	machine := b.machine.Override()
	on, unknown := b.machine.Power()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.boot.follow(machine, b.now()) // a start spends a one-time override
	if err != nil {
		return err
	}
	p := &b.chassis.power
	if op.restarts && (before != on || before && op.name != opOn) {
		p.restarted(op.cause, !before || op.name == opCycle)
	}
	switch {
	case unknown != nil:
	case on:
		p.poweredOn(b.now())
	default:
		p.poweredOff(b.now())
	}
	b.chassisChanged()
	return nil
}

// chassisEvent takes an event of the machine; b.mu is not held.
func (b *BMC) chassisEvent(e domain.Event) {
	if e.Kind == domain.Back {
		b.chassisBack(e, b.hostBoot())
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p, now := &b.chassis.power, b.now()
	switch e.Kind {
	case domain.Started:
		p.restarted(b.chassis.causeOf(e, causeUnknown), true)
		p.poweredOn(now)
	case domain.Rebooted:
		p.restarted(b.chassis.causeOf(e, causeSoftReset), false)
	case domain.Stopped, domain.ShutDown, domain.Gone:
		p.Down = 0
		p.poweredOff(now)
	case domain.Crashed:
		p.Down = eventFault
		if !e.On {
			p.poweredOff(now)
		}
	case domain.Lost: // what comes after is not known to be power-on time
		b.chassis.lost = true
		if !p.Since.IsZero() {
			p.Used, p.Since = p.used(now), now
		}
	}
	b.chassisChanged()
}

// causeOf is why a start happened. One of ours that this BMC did not ask for came
// through another protocol on the same machine, by a command as well.
func (c *chassisState) causeOf(e domain.Event, foreign byte) byte {
	if !e.Ours {
		return foreign
	}
	cause := c.doing
	c.doing = causeUnknown
	if cause == causeUnknown {
		cause = causeControl
	}
	return cause
}

// chassisBack applies the power restore policy when the hypervisor is back after a
// restart of its host, and only then: a machine that somebody switched off stays off.
func (b *BMC) chassisBack(e domain.Event, hostBoot string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, p := &b.chassis, &b.chassis.power
	was := !p.Since.IsZero()
	hostRestarted := p.HostBoot != "" && hostBoot != "" && p.HostBoot != hostBoot
	if hostBoot == "" { // a remote host: a machine dies with its host, not with the connection
		hostRestarted = c.lost && was && !e.On
	}
	c.lost = false
	if hostBoot != "" {
		p.HostBoot = hostBoot
	}
	if hostRestarted && was {
		p.Down, p.Since = eventACFailed, time.Time{} // when it went down is not known
	}
	switch {
	case !e.On:
		p.Since = time.Time{}
	case p.Since.IsZero(): // started while nobody looked
		p.restarted(causeUnknown, true)
		p.poweredOn(b.now())
	}
	b.chassisChanged()
	if !hostRestarted || e.On {
		return
	}
	switch {
	case p.Policy == policyOn:
		b.restoreLater(0, causeAlwaysOn, restoreTries)
	case p.Policy == policyPrevious && was:
		b.restoreLater(0, causePrevious, restoreTries)
	}
}

// restoreLater is called with b.mu held.
func (b *BMC) restoreLater(d time.Duration, cause byte, tries int) {
	b.chassis.restoring++
	run := b.chassis.restoring
	b.after(d, func() { b.restorePower(run, cause, tries) })
}

// restorePower switches the machine on. A later Chassis Control takes it back.
func (b *BMC) restorePower(run uint, cause byte, tries int) {
	var due bool
	b.locked(func() { due = run == b.chassis.restoring && !b.closed })
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), opLimit)
	defer cancel()
	cc, gone := b.restoreNow(ctx, cause)
	b.log.Info("power restore policy: power on after a restart of the host", "cause", cause, "code", cc)
	if cc == ccOK || tries <= 1 || gone {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if run == b.chassis.restoring && !b.closed {
		b.restoreLater(restorePause, cause, tries-1)
	}
}

// restoreNow starts the machine. A one-time boot device that lapsed, while the host was
// away or before, is not for this start either; one in force waits where a saved guest goes on.
func (b *BMC) restoreNow(ctx context.Context, cause byte) (cc byte, gone bool) {
	if cc := b.expireBootFlags(ctx); cc != ccOK {
		return cc, false
	}
	var pending bool
	b.locked(func() { pending = b.boot.pendingOnce() })
	restore := b.machine.On
	if m, ok := b.machine.(domain.Restorer); ok {
		restore = m.Restore
	}
	err := b.operate(ctx, operation{opOn, restore, true, cause})
	if pending { // it may be spent
		b.keepBoot()
	}
	return b.code("power restore policy", err), errors.Is(err, domain.ErrNotFound)
}

// setRestorePolicy (28.8); 3 asks which there are.
func setRestorePolicy(b *BMC, r request) (byte, []byte) {
	policy := r.data[0] & 0x07
	if policy > policyAsk {
		return ccDataInvalid, nil
	}
	if policy != policyAsk {
		b.locked(func() { b.chassis.power.Policy = policy })
		b.keepChassis()
		b.log.Info("power restore policy set", "policy", policy, "from", r.src)
	}
	return ccOK, []byte{policies}
}

// restartCause is Get System Restart Cause (28.11).
func restartCause(b *BMC, _ request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return ccOK, []byte{b.chassis.power.Cause, b.chassis.power.Channel}
}

// powerOnHours is Get POH Counter (28.14). A count is a minute: virtual machines
// seldom run for hours.
func powerOnHours(b *BMC, _ request) (byte, []byte) {
	const minutesPerCount = 1
	on, err := b.machine.Power()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil && on { // it may have run before this BMC came
		b.chassis.power.poweredOn(b.now())
	}
	minutes := b.chassis.power.used(b.now()) / time.Minute
	return ccOK, binary.LittleEndian.AppendUint32([]byte{minutesPerCount}, uint32(minutes))
}
