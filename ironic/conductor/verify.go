package conductor

import (
	"context"

	"trefoil/internal/errs"
	"trefoil/ironic"
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
		return t.enter(ctx, fsm.Manageable, func(n *ironic.Node) { n.PowerState = state })
	})
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
