package conductor

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/driver"
	"trefoil/ironic/fsm"
	"trefoil/ironic/steps"
)

// cleaning is the job behind provide with cleaning, and behind clean.
func (t *task) cleaning() error {
	if err := t.clean(); err != nil {
		return err
	}
	return t.endCleaning(manual(t.node))
}

// manual reports whether a person asked for the cleaning, and the node is to be
// manageable after it.
func manual(n *ironic.Node) bool { return n.DriverInternalInfo[keyManual] != nil }

// checkClean looks whether a node may be cleaned with the steps that a person asks for, and
// can boot the ramdisk for them.
func (c *Conductor) checkClean(ctx context.Context, drv driver.Driver, n *ironic.Node, req api.ProvisionRequest) error {
	if n.Maintenance {
		return inMaintenance("cleaning", n)
	}
	if len(req.CleanSteps) == 0 {
		return errs.New(errs.Invalid, "clean_steps is required when setting the target provision state to clean")
	}
	list, err := steps.Parse(steps.Clean, req.CleanSteps)
	if err := cmp.Or(err, mayRun(drv, n, steps.Clean, list)); err != nil {
		return err
	}
	if err := c.checkChildren(ctx, n, steps.Clean, list); err != nil {
		return err
	}
	if err := drv.Validate(n); err != nil {
		return errs.Wrap(errs.CodeOf(err), err, "Validation of node %s for cleaning failed", n.UUID)
	}
	if req.DisableRamdisk || !usesAgent(n) {
		return nil
	}
	return orWithout(c.canBoot(ctx, drv, n, jobClean), drv, n, list)
}

// orWithout adds to the refusal of a cleaning whose ramdisk cannot be booted that it can be left out, where none of the
// steps needs it.
func orWithout(err error, drv driver.Driver, n *ironic.Node, asked []steps.Step) error {
	if err == nil {
		return nil
	}
	if _, needs := steps.Resolve(steps.Clean, asked, ownSteps(drv, n, steps.Clean), true); needs != nil {
		return err
	}
	hint := `none of these steps needs a ramdisk: "disable_ramdisk": true beside them, or in the runbook, leaves it out`
	if first := errs.HintOf(err); first != "" {
		hint = first + "; or, as " + hint
	}
	return errs.Wrap(errs.CodeOf(err), err, "cleaning").WithHint("%s", hint)
}

// clean runs the steps a person asked for, or those that have a priority.
func (t *task) clean() error {
	f := cleanFlow()
	p, err := t.flow(f, func(offered []steps.Step, noRamdisk bool) ([]steps.Step, error) {
		asked, given, err := askedSteps(t.node, f)
		if err != nil {
			return nil, err
		}
		if given {
			return steps.Resolve(f.kind, asked, offered, noRamdisk)
		}
		return steps.Automated(offered, t.CleanPriorities), nil
	})
	if err != nil || !p.Ramdisk {
		return err
	}
	return t.step("power off after cleaning", t.dropRamdisk)
}

// endCleaning lets the node rest: manageable after a manual clean, or when it is retired; else available.
func (t *task) endCleaning(manual bool) error {
	return t.step("done", func(ctx context.Context) error {
		to := fsm.Available
		if manual || t.node.Retired {
			to = fsm.Manageable
		}
		t.note("transition", "cleaned; now %s", to)
		return t.enter(ctx, to, forgetSteps)
	})
}

// tearDown is the job behind undeploy: the instance goes, its disks are cleaned,
// the node becomes available again.
func (t *task) tearDown() error {
	if err := t.dropInstance(); err != nil {
		return err
	}
	if t.cleansAfterInstance() {
		if err := t.clean(); err != nil {
			return err
		}
	}
	return t.endCleaning(false)
}

// cleansAfterInstance reports whether disks are erased when an instance is deleted.
func (t *task) cleansAfterInstance() bool {
	return usesAgent(t.node) && !t.SkipTearDown && (t.node.AutomatedClean == nil || *t.node.AutomatedClean)
}

// dropInstance switches the machine off and forgets what it was used for.
func (t *task) dropInstance() error {
	err := t.step("tear down", func(ctx context.Context) error {
		if err := t.stopConsole(ctx); err != nil {
			return err
		}
		if bootsRamdisk(t.node) && t.NetBoot != nil {
			if err := t.NetBoot.Remove(ctx, t.uuid); err != nil {
				return fmt.Errorf("remove node %s from network boot: %w", title(t.node), err)
			}
		}
		return t.powerOff(ctx)
	})
	if err != nil {
		return err
	}
	return t.step("forget instance", func(ctx context.Context) error {
		if err := t.detachVIFs(ctx, t.uuid); err != nil {
			return err
		}
		t.note("transition", "the instance is torn down")
		return t.enter(ctx, fsm.Cleaning, func(n *ironic.Node) {
			forgetInstance(n)
			delete(n.DriverInternalInfo, keyManual)
		})
	})
}

// forgetInstance drops all that belongs to the instance and not to the machine.
func forgetInstance(n *ironic.Node) {
	n.InstanceInfo, n.InstanceUUID, n.InstanceName, n.DeployStep, n.AllocationUUID = map[string]any{}, "", "", nil, ""
	forgetAgent(n)
	if auto, _ := n.DriverInternalInfo[api.KeyAutomaticLessee].(bool); auto {
		n.Lessee = ""
		delete(n.DriverInternalInfo, api.KeyAutomaticLessee)
	}
}

// maxLessee is how many characters the API takes as a node's lessee.
const maxLessee = 255

// mayLease refuses a project of an instance that a PATCH would not take as the node's lessee either.
func mayLease(n *ironic.Node) error {
	if n.Lessee != "" {
		return nil
	}
	if err := isText(n, "project_id"); err != nil {
		return err
	}
	project := text(n.InstanceInfo, "project_id")
	if utf8.RuneCountInString(project) > maxLessee || strings.ContainsFunc(project, unicode.IsControl) {
		return errs.New(errs.Invalid, "Node %s can not be deployed: instance_info/project_id, which becomes its lessee, is longer than %d characters or has control characters in it.",
			title(n), maxLessee).WithHint("openstack baremetal node set %s --instance-info project_id=PROJECT", n.UUID)
	}
	return nil
}

// lease makes the project that an instance is for the node's lessee, as Ironic does where nothing else is
// configured: the project sees its machine then. A lessee that somebody chose stays.
func lease(n *ironic.Node) {
	if project := text(n.InstanceInfo, "project_id"); project != "" && n.Lessee == "" {
		n.Lessee = project
		put(n, api.KeyAutomaticLessee, true)
	}
}
