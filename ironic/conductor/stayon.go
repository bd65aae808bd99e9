package conductor

import (
	"context"
	"slices"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/driver"
	"trefoil/ironic/steps"
)

// keyReset stands in a node whose machine would have been switched off, and runs on
// because of disable_power_off: whatever runs there must end with a reset.
const keyReset = "reset_due"

// maySwitch refuses a power action in which a machine is off that must not be, be it for a moment.
func maySwitch(n *ironic.Node, target string) error {
	if !n.DisablePowerOff || finalPower(target) == ironic.PowerOn && target != ironic.SoftRebooting {
		return nil
	}
	return errs.New(errs.Invalid, "Node %s must not be switched off: disable_power_off is set.", title(n)).
		WithHint("a reset is possible: openstack baremetal node reboot %s", n.UUID)
}

// mayRun refuses asked steps of the hardware type whose arguments it does not take, and what maySteps
// refuses.
func mayRun(drv driver.Driver, n *ironic.Node, kind steps.Kind, asked []steps.Step) error {
	own := ownSteps(drv, n, kind)
	for _, s := range asked {
		i := slices.IndexFunc(own, func(o steps.Step) bool { return o.ID() == s.ID() })
		if s.OnChildren || i < 0 {
			continue
		}
		if err := own[i].CheckArgs(kind, s); err != nil {
			return err
		}
		if err := drv.(driver.Stepper).CheckStep(n, s); err != nil {
			return errs.Wrap(errs.Invalid, err, "%s step %s", kind, s)
		}
	}
	return maySteps(n, asked)
}

// maySteps is maySwitch for a list of steps.
func maySteps(n *ironic.Node, list []steps.Step) error {
	if slices.ContainsFunc(list, func(s steps.Step) bool { return s.Name == steps.PowerOff && !s.OnChildren }) {
		return maySwitch(n, ironic.PowerOff)
	}
	return nil
}

// reached records where a power action has brought the machine to; what it ran before has ended.
func reached(state string) func(*ironic.Node) {
	return func(n *ironic.Node) {
		n.PowerState = state
		delete(n.DriverInternalInfo, keyReset)
	}
}

func resetDue(n *ironic.Node) bool {
	_, due := n.DriverInternalInfo[keyReset]
	return due
}

// stayOn is powerTo of a machine that must not be off (disable_power_off of Ironic 2024.2:
// the BMC may share its network device with the machine, and is gone with it). Off is put
// down only; on is a reset when off was put down before. Cut off between reset and record it
// resets again.
func (t *task) stayOn(ctx context.Context, state string) error {
	if state == ironic.PowerOff {
		return t.update(ctx, func(n *ironic.Node) { put(n, keyReset, true) })
	}
	if resetDue(t.node) {
		if err := t.update(ctx, forgetAgent); err != nil {
			return err
		}
		state = ironic.Rebooting // also where the flag has gone meanwhile: what runs there must end
	}
	if err := t.patiently(ctx, func() error { return t.switchTo(ctx, state) }); err != nil {
		return err
	}
	return t.update(ctx, reached(ironic.PowerOn))
}

// lockAgent makes a ramdisk ready for the reset that follows: what it wrote is on the disk,
// and it obeys nobody any more. It may run twice. Older agents know no lockdown.
func (t *task) lockAgent(ctx context.Context) error {
	gone, err := t.flush(ctx)
	if err != nil {
		return err
	}
	if !gone {
		if _, err := t.ask(ctx, "system.lockdown"); err != nil {
			t.note("power", "the agent was not locked (%v): the machine is reset all the same", err)
		}
	}
	return t.powerOff(ctx)
}

// flush has the agent bring to the disks what it wrote. One that gives no answer in time and
// still is there is at it, and is asked again. gone: it is not there any more, since it was
// locked before a crash, for example.
func (t *task) flush(ctx context.Context) (gone bool, err error) {
	for until := t.Now().Add(t.StepTimeout); ; {
		_, err := t.ask(ctx, "standby.sync")
		if !errs.Is(err, errs.Unavailable) && !errs.Is(err, errs.Conflict) || !t.Now().Before(until) {
			return false, err
		}
		if _, lerr := t.Agents.Commands(ctx, target(t.node)); lerr != nil && ctx.Err() == nil {
			t.note("power", "the agent has gone (%v): the machine is reset all the same", lerr)
			return true, nil
		}
		if err := t.pause(ctx, t.AgentPoll); err != nil {
			return false, err
		}
	}
}

// ask has the agent do what it does at once.
func (t *task) ask(ctx context.Context, name string) (map[string]any, error) {
	st, err := t.Agents.Run(ctx, target(t.node), agentapi.Command{Name: name, Params: map[string]any{}}, true)
	if err != nil {
		return nil, err
	}
	return commandResult(name, st)
}
