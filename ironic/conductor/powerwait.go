package conductor

import (
	"context"

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
// action, who need not be who asked for the job.
func (t *task) powerMeanwhile(ctx context.Context) error {
	if err := t.hold(); err != nil {
		return err
	}
	defer t.yield()
	defer func(user string) { t.user = user }(t.user)
	t.user = text(t.node.DriverInternalInfo, keyPowerUser)
	target := powerAsked(t.node)
	err := t.switchWaiting(ctx, target)
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

// switchWaiting switches a machine that is to boot its ramdisk.
func (t *task) switchWaiting(ctx context.Context, target string) error {
	if target != ironic.PowerOn { // the ramdisk ends, and the next one needs a token of its own
		if err := t.update(ctx, forgetAgent); err != nil {
			return err
		}
	}
	if finalPower(target) == ironic.PowerOn && !bootedByOthers(t.node) { // the start before has spent the choice
		if err := t.setBoot(ctx, ironic.BootPXE, false); err != nil {
			return err
		}
	}
	return t.switchAsAsked(ctx, target)
}
