package conductor

import (
	"context"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
)

// keyReset stands in a node whose machine would have been switched off, and runs on
// because of disable_power_off: whatever runs there must end with a reset.
const keyReset = "reset_due"

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
	return t.update(ctx, func(n *ironic.Node) {
		n.PowerState = ironic.PowerOn
		delete(n.DriverInternalInfo, keyReset)
	})
}

// lockAgent makes a ramdisk ready for the reset that follows: what it wrote is on the disk,
// and it obeys nobody any more. Older agents know no lockdown. It may run twice, and an agent
// that is locked does not answer the second time. All agents write an image to the medium
// before they say that it is written, so that one that is gone loses nothing.
func (t *task) lockAgent(ctx context.Context) error {
	for _, name := range []string{"standby.sync", "system.lockdown"} {
		st, err := t.Agents.Run(ctx, target(t.node), agentapi.Command{Name: name, Params: map[string]any{}}, true)
		switch {
		case err != nil && !errs.Is(err, errs.Unavailable) && !errs.Is(err, errs.NotFound):
			return err
		case err != nil:
			t.note("power", "the agent did not take %s (%v): the machine is reset all the same", name, err)
		case st.Status == agentapi.Failed:
			_, err := commandResult(name, st)
			return err
		}
	}
	return t.powerOff(ctx)
}
