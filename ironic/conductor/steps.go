package conductor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/driver"
	"trefoil/ironic/fsm"
	"trefoil/ironic/steps"
)

// keyAbortAfter in the step that a node shows asks to end behind it.
const keyAbortAfter = "abort_after"

// runSteps runs a plan from where it begins. A hold ends the job with errHeld; with errListAnew the
// steps are to be listed anew.
// The names of the durable steps come from the plan alone, so that each run of
// the job meets them in the same order.
func (t *task) runSteps(f flow, p *plan) error {
	lost := p.Resumed // the ramdisk of the job before may be gone
	for i := p.Start; i < len(p.Steps); i++ {
		s, name := p.Steps[i], p.name(f, i)
		if s.RequiresRamdisk && lost {
			if err := t.ramdiskFor(f, name); err != nil {
				return err
			}
			lost = false
		}
		then, err := remembered(t, name, func(ctx context.Context) (verdict, error) { return t.oneStep(ctx, f, p, i, name) })
		switch {
		case err != nil:
			return err
		case then == listAnew:
			return errListAnew
		case s.Name == steps.Hold:
			return errHeld
		case then == endHere:
			return errs.New(errs.Conflict, "By request, the %s operation was aborted during or after the completion of step \"%s\"", f.kind, s.ID())
		}
		inside := p.inRamdisk(i) && !s.OnChildren
		switch {
		case inside && s.Name == steps.PowerOff:
			lost = true
		case inside && (s.Name == steps.Reboot || s.Name == steps.PowerOn):
			if err := t.ramdiskFor(f, name); err != nil {
				return err
			}
			lost = false
		case s.RebootRequested && inside:
			if err := t.step("restart after "+name, t.leaveRamdisk); err != nil {
				return err
			}
			lost = true
		}
	}
	return nil
}

// inRamdisk reports whether the ramdisk is, or should be, up during step i.
func (p *plan) inRamdisk(i int) bool {
	gone := func(s steps.Step) bool { return s.ID() == tearDownStep }
	return p.Ramdisk && !slices.ContainsFunc(p.Steps[:i+1], gone)
}

// oneStep runs step i of a plan. It may run twice: what the step begins is found again.
func (t *task) oneStep(ctx context.Context, f flow, p *plan, i int, name string) (verdict, error) {
	s := p.Steps[i]
	if s.Name == steps.Hold {
		t.note("transition", "on hold after %d of %d steps; \"unhold\" goes on", i+1, len(p.Steps))
		return goOn, t.enter(ctx, f.held, func(n *ironic.Node) {
			*f.field(n) = s.Map()
			put(n, f.index(), i+1)
		})
	}
	if err := t.showStep(ctx, f, s, i); err != nil {
		return goOn, err
	}
	err := t.execute(ctx, f, p, i, name)
	switch {
	case err == nil:
		return t.leaveStep(ctx, f, i)
	case ctx.Err() != nil, errors.Is(err, errSuperseded):
		return goOn, err
	case errors.Is(err, errOtherVersions) && t.mayListAnew(f, p):
		t.note("transition", "step %s was listed by another version of the ramdisk: cleaning begins anew", s.Name)
		return listAnew, nil
	}
	return goOn, errs.Wrap(errs.CodeOf(err), err, "Node %s failed step %s", t.uuid, s)
}

// showStep writes which step runs. One that is shown already stays as it is: it
// may carry the wish to end behind it.
func (t *task) showStep(ctx context.Context, f flow, s steps.Step, i int) error {
	info := t.node.DriverInternalInfo
	if shown := *f.field(t.node); len(shown) > 0 && int(number(info, f.index())) == i && text(shown, "step") == s.Name && shown["abortable"] == s.Map()["abortable"] {
		return nil
	}
	if _, core := t.coreSteps()[s.ID()]; !core || f.kind != steps.Deploy { // those tell for themselves what they do
		t.note("transition", "runs %s step %s", f.kind, s.Name)
	}
	return t.update(ctx, func(n *ironic.Node) {
		*f.field(n) = s.Map()
		put(n, f.index(), i)
	})
}

// leaveStep writes that step i is done, and looks whether the list is to end here.
func (t *task) leaveStep(ctx context.Context, f flow, i int) (verdict, error) {
	then := goOn
	err := t.update(ctx, func(n *ironic.Node) {
		stop := (*f.field(n))[keyAbortAfter] == true
		put(n, f.index(), i+1)
		delete(n.DriverInternalInfo, keyWait)
		if then = goOn; stop { // nothing is broken: the node needs no care
			then, *f.field(n) = endHere, nil
			return
		}
		mayAbort(n, f)
	})
	return then, err
}

// mayAbort lets an abort end the list at once: the step that is still shown is done, so
// that nothing is broken off, and the next one must not begin against the wish.
func mayAbort(n *ironic.Node, f flow) {
	if shown := maps.Clone(*f.field(n)); len(shown) > 0 {
		shown["abortable"] = true
		*f.field(n) = shown
	}
}

// execute does what a step is for.
func (t *task) execute(ctx context.Context, f flow, p *plan, i int, name string) error {
	s := p.Steps[i]
	if err := maySteps(t.node, p.Steps[i:i+1]); err != nil { // the flag may have come since the list was taken
		return err
	}
	core, isCore := t.coreSteps()[s.ID()]
	switch {
	case s.OnChildren:
		return t.onChildren(ctx, f, s)
	case f.kind == steps.Deploy && isCore:
		return core(ctx)
	case s.Name == steps.Wait:
		return t.waitStep(ctx, f, s, p.inRamdisk(i))
	case s.Name == steps.PowerOn && p.inRamdisk(i):
		return nil // runSteps starts the ramdisk, if it is not up
	case steps.Reserved(s.Name) && p.inRamdisk(i):
		return t.leaveRamdisk(ctx) // runSteps starts it again
	case steps.Reserved(s.Name):
		return t.powerStep(ctx, s.Name)
	case s.RequiresRamdisk:
		return t.inBand(ctx, f, s, name, p.Versions)
	}
	return t.outOfBand(ctx, f, s)
}

// outOfBand has the hardware type run a step of its own.
func (t *task) outOfBand(ctx context.Context, f flow, s steps.Step) error {
	d, ok := t.drv.(driver.Stepper)
	if !ok {
		return errs.New(errs.Internal, "driver %s has no steps", t.node.Driver)
	}
	ctx, cancel := context.WithTimeout(ctx, t.StepTimeout)
	defer cancel()
	done, err := d.RunStep(ctx, t.node, f.kind, s)
	if err == nil && done != "" {
		t.note(s.Interface, "%s: %s", s.Name, done)
	}
	return err
}

// inBand has the agent run a step. One that was sent before is only followed.
func (t *task) inBand(ctx context.Context, f flow, s steps.Step, name string, versions map[string]any) error {
	return t.versioned(ctx, f, name, versions, func(name string, versions map[string]any) error { return t.inBandOnce(ctx, f, s, name, versions) })
}

func (t *task) inBandOnce(ctx context.Context, f flow, s steps.Step, name string, versions map[string]any) error {
	cmd := agentapi.Command{Name: fmt.Sprintf("%s.execute_%s_step", f.kind, f.kind)}
	begun, err := t.begun(ctx, name, cmd.Name)
	if err != nil {
		return err
	}
	if !begun {
		ports, err := t.wirePorts(ctx)
		if err != nil {
			return err
		}
		cmd.Params = map[string]any{"step": s.Map(), "node": t.wireNode(), "ports": ports, string(f.kind) + "_version": versions}
	}
	res, err := t.command(ctx, name, f.wait, f.work, cmd)
	if err != nil || s.Interface != "raid" || t.node.Interfaces["raid"] != "agent" {
		return err
	}
	return t.keepRAID(ctx, f, s, res)
}

// powerStep switches a machine that is in no ramdisk.
func (t *task) powerStep(ctx context.Context, name string) error {
	switch {
	case name == steps.PowerOn:
		return t.powerOn(ctx)
	case name == steps.PowerOff:
		return t.powerOff(ctx)
	}
	if err := t.patiently(ctx, func() error { return t.switchTo(ctx, ironic.Rebooting) }); err != nil {
		return err
	}
	return t.update(ctx, reached(ironic.PowerOn))
}

// leaveRamdisk switches the machine off, or puts a reset down, and forgets its agent.
func (t *task) leaveRamdisk(ctx context.Context) error {
	if err := t.powerOff(ctx); err != nil {
		return err
	}
	return t.update(ctx, forgetBoot)
}

// ramdiskFor boots the ramdisk again, for a step or after one, unless it is up.
func (t *task) ramdiskFor(f flow, name string) error {
	return t.step("ramdisk for "+name, func(ctx context.Context) error {
		if text(t.node.DriverInternalInfo, agentURL) != "" {
			state, err := t.drv.PowerState(ctx, t.node)
			if err == nil && state == ironic.PowerOn && !resetDue(t.node) {
				return t.enter(ctx, f.work, nil)
			}
			if err := t.update(ctx, forgetBoot); err != nil {
				return err
			}
		}
		if t.node.ProvisionState != string(f.wait) { // else it was begun before a crash
			if err := t.enterRamdisk(); err != nil {
				return err
			}
			if err := t.startAgain(ctx); err != nil {
				return err
			}
		}
		return t.callBack(ctx, f.wait, f.work)
	})
}

// waitStep waits for as long as the step says, or for the ramdisk's next heartbeat.
// When it began is written into the node, so that a crash makes it no longer.
func (t *task) waitStep(ctx context.Context, f flow, s steps.Step, ramdisk bool) error {
	seconds, timed := s.Seconds()
	if !timed && !ramdisk {
		return nil
	}
	begin := func(n *ironic.Node) {
		if n.DriverInternalInfo[keyWait] == nil {
			put(n, keyWait, map[string]any{"since": t.Now().UTC().Format(time.RFC3339Nano), "heartbeat": text(n.DriverInternalInfo, agentSeen)})
		}
	}
	if err := t.enter(ctx, f.wait, begin); err != nil {
		return err
	}
	var began map[string]any
	if err := recode(t.node.DriverInternalInfo[keyWait], &began); err != nil {
		return err
	}
	since, err := time.Parse(time.RFC3339Nano, text(began, "since"))
	if err != nil {
		return fmt.Errorf("read since when node %s waits: %w", title(t.node), err)
	}
	until := since.Add(time.Duration(seconds) * time.Second)
	if !timed {
		until = since.Add(t.callbackTimeout(f.wait))
	}
	came, err := t.linger(ctx, until, func(n *ironic.Node) bool {
		return !timed && text(n.DriverInternalInfo, agentSeen) != text(began, "heartbeat")
	})
	if err == nil && !timed && !came {
		err = errs.New(errs.Unavailable, "Timeout reached while waiting for a heartbeat of node %s", title(t.node))
	}
	if err != nil {
		return err
	}
	return t.enter(ctx, f.work, nil)
}

// linger waits without the lock until done says so (true) or the time is up.
func (t *task) linger(ctx context.Context, until time.Time, done func(*ironic.Node) bool) (bool, error) {
	t.yield()
	for {
		bell := t.bells.listen(t.uuid)
		if err := t.refresh(ctx); err != nil {
			return false, err
		}
		came, left := done(t.node), until.Sub(t.Now())
		if came || left <= 0 {
			return came, t.hold()
		}
		timer := time.NewTimer(left)
		select {
		case <-bell:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
	}
}

// keptWhole is the name of the step at work that an abort does not break off; empty: there is none, or the abort was
// asked for before. A step that never ends must not keep its node for ever.
func keptWhole(n *ironic.Node) string {
	f, ok := flowOf(fsm.State(n.ProvisionState))
	if !ok || f.kind == steps.Deploy || n.ProvisionState != string(f.wait) {
		return ""
	}
	if shown := *f.field(n); shown["abortable"] == false && shown[keyAbortAfter] != true {
		return text(shown, "step")
	}
	return ""
}

// abortLater asks a step that must not be broken off to end its list; false: the
// node's step, if it has one, may be broken off, be it since it was asked before.
func (c *Conductor) abortLater(ctx context.Context, n *ironic.Node) (bool, error) {
	name := keptWhole(n)
	if name == "" {
		return false, nil
	}
	f, _ := flowOf(fsm.State(n.ProvisionState))
	n, err := c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
		if keptWhole(n) != name {
			return errs.New(errs.Locked, "Node %s went on to another step meanwhile, please retry.", n.UUID)
		}
		shown := maps.Clone(*f.field(n))
		shown[keyAbortAfter] = true
		*f.field(n) = shown
		return nil
	})
	if err != nil {
		return true, err
	}
	c.note(ctx, n.UUID, "transition", "INFO", fmt.Sprintf("abort was asked for: the %s operation ends after step %s, which should not be broken off; a second abort breaks it off", f.kind, name))
	return true, nil
}
