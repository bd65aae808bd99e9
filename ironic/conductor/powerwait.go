package conductor

import (
	"context"
	"errors"
	"time"

	"trefoil/ironic"
	"trefoil/ironic/fsm"
)

// Keys of driver_internal_info: a power action that a job which waits is to carry out (see takesPower),
// and who asked for it. They are not jobPower's: what a job of that kind may have left is nothing to wait's.
const (
	keyPowerAsked = "power_action_asked"
	keyPowerUser  = "power_action_user"
)

// takesPower reports whether the node's job does nothing but wait for its ramdisk to call: then it
// also carries out power actions, as somebody needs whose machine hangs on its way there. While an
// agent is at work they are refused, and in all of cleaning, as in Ironic.
func takesPower(n *ironic.Node) bool {
	if j, _ := jobOf(n); j.Kind == jobPower || powerAsked(n) != "" {
		return false // one at a time
	}
	info := n.DriverInternalInfo
	switch fsm.State(n.ProvisionState) {
	case fsm.InspectWait:
		return text(info, keyReceived) == ""
	case fsm.DeployWait, fsm.RescueWait, fsm.ServiceWait:
		return text(info, agentURL) == "" && info[keyWait] == nil
	}
	return false
}

// powerAsked is the power action that the node's job is to carry out while it waits; empty: none.
func powerAsked(n *ironic.Node) string { return text(n.DriverInternalInfo, keyPowerAsked) }

// powerAsk is a power action that a job is to carry out while it waits, and who asked for it.
type powerAsk struct{ action, user string }

func askOf(n *ironic.Node) powerAsk {
	return powerAsk{action: powerAsked(n), user: text(n.DriverInternalInfo, keyPowerUser)}
}

// overtaken tells of a power action that was accepted, and whose wait ended before it was carried out.
func (c *Conductor) overtaken(ctx context.Context, uuid string, ask powerAsk) {
	if ask.action != "" {
		c.noteBy(ctx, ask.user, uuid, "power", "ERROR", ask.action+" was asked for and not carried out: the wait for the ramdisk ended before")
	}
}

// powerMeanwhile carries out the power action that was asked for while the job waits. What it comes
// to ends nothing: the wait goes on, and has an end of its own. The history says it of who asked for the
// action, who need not be who asked for the job. until is when the wait ends.
func (t *task) powerMeanwhile(ctx context.Context, until time.Time) error {
	if err := t.hold(); err != nil {
		return err
	}
	defer t.yield()
	defer func(user string) { t.user = user }(t.user)
	t.user = text(t.node.DriverInternalInfo, keyPowerUser)
	target := powerAsked(t.node)
	err := t.switchWaiting(ctx, target, until)
	if ctx.Err() != nil {
		return context.Cause(ctx) // the next start finds it asked for
	}
	if err != nil {
		t.noteBy(ctx, t.user, t.uuid, "power", "ERROR", err.Error())
	}
	return t.update(ctx, func(n *ironic.Node) {
		forgetPowerAction(n)
		if err != nil {
			n.LastError = ironic.Shortened(err.Error())
			return
		}
		reached(finalPower(target))(n)
		delete(n.DriverInternalInfo, keyRestarts)
		if finalPower(target) == ironic.PowerOff && !bootedByOthers(n) { // it stays off until that person starts it
			put(n, keyRestarts, maxRestarts)
		}
	})
}

// waitingLimit is how long a power action may take in a wait. Meanwhile nobody can end the wait: who asks for the
// action need not be who may, and must not keep him from it by a timeout of years.
func (t *task) waitingLimit(until time.Time) time.Duration {
	limit := min(t.PowerTimeout, until.Sub(t.Now()))
	if s := number(t.node.DriverInternalInfo, keyTimeout); s > 0 {
		limit = min(limit, time.Duration(s)*time.Second)
	}
	return limit
}

// switchWaiting switches a machine that is to boot its ramdisk. The token goes with the ramdisk that has it, and
// not before: whoever asks for one meanwhile would get it in its place.
func (t *task) switchWaiting(ctx context.Context, target string, until time.Time) error {
	if err := maySwitch(t.node, target); err != nil { // the flag may have come since it was asked for
		return err
	}
	short, cancel := context.WithTimeout(ctx, t.waitingLimit(until))
	defer cancel()
	switch {
	case target == ironic.PowerOn:
	case t.node.DisablePowerOff:
		return t.resetWaiting(ctx, short, target)
	default:
		if err := t.setPower(short, ironic.PowerOff, target); err != nil {
			return err
		}
		if err := t.update(ctx, func(n *ironic.Node) { reached(ironic.PowerOff)(n); forgetAgent(n) }); err != nil {
			return err
		}
	}
	if finalPower(target) == ironic.PowerOn {
		if err := t.bootWaiting(short); err != nil {
			return err
		}
		if err := t.setPower(short, ironic.PowerOn, target); err != nil {
			return err
		}
	}
	t.note("power", "%s: done", target)
	return nil
}

// resetWaiting is switchWaiting of a machine that must not be off. While the reset is due no ramdisk is told
// anything (see waitsForAgent): the one of before keeps its token until the BMC has done it, the next one waits.
func (t *task) resetWaiting(ctx, short context.Context, target string) error {
	if err := t.bootWaiting(short); err != nil {
		return err
	}
	before := resetDue(t.node)
	if err := t.update(ctx, func(n *ironic.Node) { put(n, keyReset, true) }); err != nil {
		return err
	}
	failed := t.setPower(short, target, target)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := t.update(ctx, func(n *ironic.Node) {
		switch {
		case failed == nil:
			forgetAgent(n)
			reached(ironic.PowerOn)(n)
		case !before:
			delete(n.DriverInternalInfo, keyReset)
		}
	})
	if failed != nil || err != nil {
		return errors.Join(failed, err)
	}
	t.note("power", "%s: done", target)
	return nil
}

// bootWaiting chooses the network for the next start: the start before has spent the choice.
func (t *task) bootWaiting(ctx context.Context) error {
	if bootedByOthers(t.node) {
		return nil
	}
	return t.setBoot(ctx, ironic.BootPXE, false)
}
