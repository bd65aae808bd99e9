package conductor

import (
	"context"
	"slices"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/driver"
	"trefoil/ironic/fsm"
	"trefoil/ironic/steps"
)

// servicing is the job behind service: steps on a machine that has an instance,
// which it boots again afterwards. Where no step needs the agent the machine is
// not taken out of its instance at all.
func (t *task) servicing() error {
	f := serviceFlow()
	_, err := t.flow(f, func(offered []steps.Step, noRamdisk bool) ([]steps.Step, error) {
		asked, _, err := askedSteps(t.node, f)
		if err != nil {
			return nil, err
		}
		return steps.Resolve(f.kind, asked, offered, noRamdisk)
	})
	if err != nil {
		return err
	}
	if !bare(t.node) {
		if err := t.step("boot instance", t.backToInstance); err != nil {
			return err
		}
	}
	return t.step("done", func(ctx context.Context) error {
		t.note("transition", "serviced; the instance runs")
		return t.enter(ctx, fsm.Active, forgetSteps)
	})
}

// backToInstance takes the machine out of the ramdisk into its instance.
func (t *task) backToInstance(ctx context.Context) error {
	if err := t.powerOff(ctx); err != nil {
		return err
	}
	if bootsRamdisk(t.node) {
		if err := t.bootFromDisk(ctx); err != nil {
			return err
		}
	}
	return t.powerOn(ctx)
}

// restore is the job behind an abort that ends a failed service: the machine goes
// back to its instance, if it was taken out of it.
func (t *task) restore() error {
	err := t.step("boot instance", func(ctx context.Context) error {
		if bare(t.node) || !bootsRamdisk(t.node) {
			return nil
		}
		return t.backToInstance(ctx)
	})
	if err != nil {
		return err
	}
	return t.step("done", func(ctx context.Context) error {
		return t.update(ctx, func(n *ironic.Node) {
			forgetSteps(n)
			unassign(n)
		})
	})
}

// checkService looks whether a node may be serviced with the steps, and can boot the
// ramdisk if one of them needs it.
func (c *Conductor) checkService(ctx context.Context, drv driver.Driver, n *ironic.Node, req api.ProvisionRequest) error {
	if n.Maintenance && n.Fault != faultService {
		return inMaintenance("service", n)
	}
	if len(req.ServiceSteps) == 0 {
		return errs.New(errs.Invalid, "\"service_steps\" is required when setting target provision state to service")
	}
	asked, err := steps.Parse(steps.Service, req.ServiceSteps)
	if err == nil {
		err = mayRun(drv, n, steps.Service, asked)
	}
	if err == nil {
		err = c.checkChildren(ctx, n, steps.Service, asked)
	}
	if err != nil || req.DisableRamdisk || !usesAgent(n) {
		return err
	}
	list, err := steps.Resolve(steps.Service, asked, ownSteps(drv, n, steps.Service), false)
	if err == nil && !slices.ContainsFunc(list, needsRamdisk) {
		return nil
	}
	return c.canBoot(ctx, drv, n, serviceFlow().purpose)
}

func inMaintenance(op string, n *ironic.Node) error {
	return errs.New(errs.Invalid, "The %s operation can't be performed on node %s because it's in maintenance mode.", op, n.UUID)
}
