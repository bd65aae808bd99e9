package conductor

import (
	"context"
	"errors"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/fsm"
)

// verify looks whether the node can be managed: the BMC answers and tells the power state.
func (t *task) verify() error {
	return t.step("verify", func(ctx context.Context) error {
		state, err := t.checkPower(ctx)
		if err != nil {
			return err
		}
		t.note("transition", "the BMC answers; the machine is in %q", state)
		if t.node.DriverInternalInfo[api.KeyThenInspect] == true {
			return t.thenInspect(ctx, state)
		}
		return t.enter(ctx, fsm.Manageable, func(n *ironic.Node) { n.PowerState = state })
	})
}

// thenInspect gives a node that was verified its next job, as a request for inspection would:
// in one write, so that a crash leaves it with the one or with the other.
func (t *task) thenInspect(ctx context.Context, power string) error {
	var j jobRef
	err := t.update(ctx, func(n *ironic.Node) {
		n.PowerState = power
		delete(n.DriverInternalInfo, api.KeyThenInspect)
		t.place(n, fsm.Manageable)
		others := bootedByOthers(n)
		forgetSteps(n)
		t.beginInspection(n, others)
		t.place(n, fsm.Inspecting)
		unassign(n)
		j = assign(n, jobInspect, t.user)
	})
	if err != nil {
		return err
	}
	t.note("transition", "inspect was asked for: manageable → inspecting")
	if err := t.enqueue(ctx, t.node, j); err != nil {
		return errors.Join(err, t.takeBack(context.WithoutCancel(ctx), t.uuid, j, err, func(n *ironic.Node) { t.place(n, fsm.Manageable) }))
	}
	return nil
}

func (t *task) checkPower(ctx context.Context) (string, error) {
	if err := t.drv.Validate(t.node); err != nil {
		return "", errs.Wrap(errs.CodeOf(err), err, "Failed to validate power driver interface for node %s", title(t.node))
	}
	ctx, cancel := context.WithTimeout(ctx, t.PowerTimeout)
	defer cancel()
	state, err := t.drv.PowerState(ctx, t.node)
	if err != nil {
		return "", errs.Wrap(errs.CodeOf(err), err, "Failed to get power state for node %s", title(t.node))
	}
	return state, nil
}

// adopt takes a machine that runs already for an active node.
func (t *task) adopt() error {
	return t.step("adopt", func(ctx context.Context) error {
		state, err := t.checkPower(ctx)
		if err != nil {
			return err
		}
		return t.enter(ctx, fsm.Active, func(n *ironic.Node) { n.PowerState = state })
	})
}
