package conductor

import (
	"context"
	"fmt"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/fsm"
	"trefoil/ironic/steps"
	"trefoil/undercloud/jobs"
)

// The jobs of this file are those of versions without lists of steps. Nothing
// starts them any more; one that was under way when the service was replaced goes
// on with the steps it knows, in their order.

// cleanBefore is the cleaning of then: of itself it only erased metadata.
func (t *task) cleanBefore() error {
	if err := t.runCleaningBefore(); err != nil {
		return err
	}
	return t.endCleaning(manual(t.node))
}

// tearDownBefore is tearDown with it.
func (t *task) tearDownBefore() error {
	if err := t.dropInstance(); err != nil {
		return err
	}
	if t.cleansAfterInstance() {
		if err := t.runCleaningBefore(); err != nil {
			return err
		}
	}
	return t.endCleaning(false)
}

func (t *task) runCleaningBefore() error {
	if !usesAgent(t.node) {
		return nil
	}
	f := cleanFlow()
	asked, given, err := askedBefore(t.node, f)
	if err != nil {
		return err
	}
	if !given {
		asked = []steps.Step{{Interface: "deploy", Name: "erase_devices_metadata"}}
	}
	if err := t.bootRamdisk(jobClean); err != nil {
		return err
	}
	if err := t.awaitAgent(f.wait, f.work); err != nil {
		return err
	}
	for i, s := range asked {
		name := fmt.Sprintf("clean %d %s", i, s.Name)
		if err := t.step(name, func(ctx context.Context) error { return t.cleanStepBefore(ctx, f, s, name) }); err != nil {
			return err
		}
	}
	return t.step("power off after cleaning", t.dropRamdisk)
}

// askedBefore is askedSteps of then: the API took a priority, too, which was never heeded,
// since what a person asks for runs in the order it was asked for.
func askedBefore(n *ironic.Node, f flow) ([]steps.Step, bool, error) {
	var list []map[string]any
	if err := recode(n.DriverInternalInfo[f.asked], &list); err != nil || list == nil {
		return askedSteps(n, f) // which tells what is wrong
	}
	for _, s := range list {
		delete(s, "priority")
	}
	return askedSteps(&ironic.Node{UUID: n.UUID, Name: n.Name, DriverInternalInfo: map[string]any{f.asked: list}}, f)
}

func (t *task) cleanStepBefore(ctx context.Context, f flow, s steps.Step, name string) error {
	if begun, err := t.begun(ctx, name, "clean.execute_clean_step"); err != nil {
		return err
	} else if begun {
		return t.inBand(ctx, f, s, name, nil)
	}
	offered, versions, err := t.agentSteps(ctx, f.kind)
	if err != nil {
		return err
	}
	list, err := steps.Resolve(f.kind, []steps.Step{s}, offered, false)
	if err != nil {
		return err
	}
	if !list[0].RequiresRamdisk {
		return errs.New(errs.Invalid, "clean step %s can not be gone on with: ask for the cleaning again", s)
	}
	if err := t.showStep(ctx, f, list[0], 0); err != nil {
		return err
	}
	return t.inBand(ctx, f, list[0], name, versions)
}

// deployBefore is the deployment of then.
func (t *task) deployBefore() error {
	if usesAgent(t.node) {
		info, err := jobs.Do(t.run, "image", t.prepareImage)
		if err != nil {
			return err
		}
		t.image = info
		if err := t.bootRamdisk(jobDeploy); err != nil {
			return err
		}
		if err := t.awaitAgent(fsm.DeployWait, fsm.Deploying); err != nil {
			return err
		}
		for _, s := range []struct {
			name string
			run  func(context.Context) error
		}{{"write image", t.writeImage}, {"install bootloader", t.installBootloader},
			{"shut down ramdisk", t.powerOffByAgent}, {"boot from disk", t.bootFromDisk}} {
			if err := t.step(s.name, s.run); err != nil {
				return err
			}
		}
	}
	if err := t.step("boot instance", t.powerOn); err != nil {
		return err
	}
	return t.step("done", t.endDeploy)
}
