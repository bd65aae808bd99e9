package conductor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/fsm"
	"trefoil/undercloud/jobs"
)

// Faults that the conductor sets.
const (
	faultPower   = "power failure"
	faultClean   = "clean failure"
	faultService = "service failure"
)

// healed takes a node out of the maintenance that a fault of ours put it in.
func healed(n *ironic.Node, fault string) {
	if n.Fault == fault {
		n.Maintenance, n.MaintenanceReason, n.Fault = false, "", ""
	}
}

// abort ends the wait of a node and leaves the tidying up to a job. A step that
// must not be broken off is waited for.
func (c *Conductor) abort(ctx context.Context, n *ironic.Node, to fsm.State) error {
	if later, err := c.abortLater(ctx, n); later || err != nil {
		return err
	}
	var old, j jobRef
	var asked powerAsk
	_, err := c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
		if _, err := fsm.Next(fsm.State(n.ProvisionState), fsm.EvAbort); err != nil {
			return errs.New(errs.Locked, "Node %s went on to state %q meanwhile, please retry.", n.UUID, n.ProvisionState)
		}
		old, _ = jobOf(n)
		asked = askOf(n)
		n.LastError = abortWords(n, old)
		c.place(n, to)
		n.TargetProvisionState = ""
		if manual(n) {
			n.TargetProvisionState = string(fsm.Manageable)
		}
		endSteps(n)
		forgetRescue(n)
		kind := jobSettle
		if to == fsm.Active { // of a failed service
			kind, n.LastError = jobRestore, ""
			healed(n, faultService)
		}
		j = assign(n, kind, ironic.User(ctx))
		return nil
	})
	if err != nil {
		return err
	}
	c.note(ctx, n.UUID, "transition", "INFO", fmt.Sprintf("aborted by request: %s → %s", n.ProvisionState, to))
	c.overtaken(ctx, n.UUID, asked)
	c.cancelOld(ctx, old)
	if err := c.enqueue(ctx, n, j); err != nil {
		// The wait is over all the same; what the job would tidy up is tidied up here.
		return errors.Join(err, c.settleFailure(context.WithoutCancel(ctx), n.UUID, j, err))
	}
	return nil
}

// abortWords says what was aborted and where it stood.
func abortWords(n *ironic.Node, old jobRef) string {
	f, ok := flowOf(fsm.State(n.ProvisionState))
	switch {
	case n.ProvisionState == string(fsm.InspectWait):
		return "Inspection was aborted by request."
	case ok && text(*f.field(n), "step") != "":
		return fmt.Sprintf("By request, the %s operation was aborted during or after the completion of step \"%s.%s\"",
			f.kind, text(*f.field(n), "interface"), text(*f.field(n), "step"))
	case ok:
		return fmt.Sprintf("By request, the %s operation was aborted while node %s was in state %q.", f.kind, title(n), n.ProvisionState)
	}
	return fmt.Sprintf("By request, the %s of node %s was aborted while it was in state %q.", old.Kind, title(n), n.ProvisionState)
}

// settle tidies up after an abort: the machine off, its network boot gone.
func (t *task) settle() error {
	if err := t.step("tidy up", func(ctx context.Context) error {
		if bare(t.node) || bootedByOthers(t.node) {
			return nil
		}
		return t.dropRamdisk(ctx)
	}); err != nil {
		return err
	}
	return t.step("done", func(ctx context.Context) error {
		return t.update(ctx, unassign)
	})
}

// settleFailure lets a node rest after its job failed: the failure state, the
// reason in words, the machine off where a deployment or a ramdisk was under way.
func (c *Conductor) settleFailure(ctx context.Context, uuid string, j jobRef, cause error) error {
	n, err := c.Store.Node(ctx, uuid)
	if err != nil {
		return err
	}
	if cur, ok := jobOf(n); !ok || cur.ID != j.ID {
		return nil
	}
	words := ironic.Shortened(cause.Error()) // what the ramdisk says goes into it, and is as long as it likes: what to do stands behind it
	if h := errs.HintOf(cause); h != "" {
		words += ". Try: " + strings.TrimPrefix(h, "try: ")
	}
	if !slices.Contains([]string{jobVerify, jobAdopt, jobPower, jobRestore}, j.Kind) {
		// What panicked may do it again, and the next start comes here, too.
		if err := jobs.Guard(c.Log, j.ID, func() error { return c.afterFailure(ctx, n) }); err != nil {
			words += "; also, tidying up failed: " + err.Error()
		}
	}
	from := n.ProvisionState
	if from == string(fsm.Deleting) { // its instance is forgotten all the same
		if err := c.detachVIFs(ctx, uuid); err != nil {
			words += "; also, " + err.Error()
		}
	}
	var asked powerAsk
	_, err = c.Store.UpdateNode(ctx, uuid, func(n *ironic.Node) error {
		if cur, ok := jobOf(n); !ok || cur.ID != j.ID {
			return nil
		}
		asked = askOf(n)
		n.LastError = words
		c.rest(n, j, words)
		unassign(n)
		return nil
	})
	if err != nil {
		return err
	}
	c.note(ctx, uuid, "transition", "ERROR", fmt.Sprintf("%s failed in state %q: %s", j.Kind, from, words))
	c.overtaken(ctx, uuid, asked)
	c.Log.Error("node action failed", "node", title(n), "uuid", uuid, "action", j.Kind, "error", words)
	return nil
}

// rest moves a node into the state of its failure.
func (c *Conductor) rest(n *ironic.Node, j jobRef, words string) {
	state := fsm.State(n.ProvisionState)
	if j.Kind == jobPower {
		forgetPowerAction(n)
		return
	}
	if next, err := fsm.Next(state, fsm.EvFail); err == nil {
		c.place(n, next)
		n.TargetProvisionState = ""
		if manual(n) && state != fsm.Deleting {
			n.TargetProvisionState = string(fsm.Manageable)
		}
	}
	switch fsm.State(n.ProvisionState) {
	case fsm.CleanFailed:
		if len(n.CleanStep) > 0 {
			n.Maintenance, n.MaintenanceReason, n.Fault = true, words, faultClean
		}
	case fsm.ServiceFailed:
		if len(n.ServiceStep) > 0 {
			n.Maintenance, n.MaintenanceReason, n.Fault = true, words, faultService
		}
	}
	endSteps(n)
	forgetRescue(n)
	if state == fsm.Deleting {
		forgetInstance(n)
	}
}

// afterFailure switches the machine off and takes it off the network boot. It
// works also when the BMC is what failed: then it says so. A machine that was in no
// ramdisk, though its steps were under way, stays as it is.
func (c *Conductor) afterFailure(ctx context.Context, n *ironic.Node) error {
	if !bootsRamdisk(n) || bare(n) || bootedByOthers(n) {
		return nil
	}
	drv, err := c.driver(n)
	if err != nil {
		return err
	}
	t := &task{Conductor: c, uuid: n.UUID, node: n, drv: drv}
	return t.removeRamdisk(ctx, func(change func(*ironic.Node)) error {
		_, err := c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error { change(n); return nil })
		return err
	})
}
