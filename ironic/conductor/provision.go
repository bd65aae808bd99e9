package conductor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/fsm"
)

// Kinds of jobs.
const (
	jobVerify  = "verify"
	jobInspect = "inspect"
	jobClean   = "clean"
	jobDeploy  = "deploy"
	jobDelete  = "delete"
	jobAdopt   = "adopt"
	jobSettle  = "settle"
	jobPower   = "power"
)

// works names the work behind each kind of job.
func (c *Conductor) works() map[string]func(*task) error {
	return map[string]func(*task) error{
		jobVerify:  (*task).verify,
		jobInspect: (*task).inspect,
		jobClean:   (*task).clean,
		jobDeploy:  (*task).deploy,
		jobDelete:  (*task).tearDown,
		jobAdopt:   (*task).adopt,
		jobSettle:  (*task).settle,
		jobPower:   (*task).power,
	}
}

// Provision starts the transition behind a verb.
func (c *Conductor) Provision(ctx context.Context, ident string, req api.ProvisionRequest) error {
	verb, ok := fsm.VerbOf(req.Target)
	if !ok {
		return errs.New(errs.Invalid, "Invalid state: %q is no provision target.", req.Target)
	}
	n, err := c.Store.Node(ctx, ident)
	if err != nil {
		return err
	}
	if err := c.legal(n, verb); err != nil {
		return err
	}
	n, release, err := c.hold(ctx, ident, "provision state "+req.Target)
	if err != nil {
		return err
	}
	defer release()
	if err := c.legal(n, verb); err != nil {
		return err
	}
	if err := c.allowed(ctx, n, verb.Event, req); err != nil {
		return err
	}
	return c.start(ctx, n, verb.Event, req)
}

// legal checks a verb against the state table. Where somebody holds the node
// the state may be about to change: that is a matter of waiting, not of a wrong request.
func (c *Conductor) legal(n *ironic.Node, v fsm.Verb) error {
	if _, err := fsm.Next(fsm.State(n.ProvisionState), v.Event); err == nil {
		return nil
	}
	if holder := c.locks.holder(n.UUID); holder != "" && n.Reservation != "" && fsm.Busy(fsm.State(n.ProvisionState)) {
		return lockedBy(n, n.Reservation, holder)
	}
	return errs.New(errs.Invalid, "The requested action \"%s\" can not be performed on node \"%s\" while it is in state \"%s\".",
		v.Name, n.UUID, n.ProvisionState).WithHint("from here these lead on: %v", userVerbs(fsm.State(n.ProvisionState)))
}

// userVerbs names what a person may ask for in a state.
func userVerbs(s fsm.State) []string {
	var out []string
	for _, e := range fsm.Events(s) {
		for _, v := range fsm.Verbs() {
			if v.Event == e {
				out = append(out, v.Name)
				break
			}
		}
	}
	return out
}

// allowed checks what the state table does not know.
func (c *Conductor) allowed(ctx context.Context, n *ironic.Node, e fsm.Event, req api.ProvisionRequest) error {
	drv, err := c.driver(n)
	if err != nil {
		return err
	}
	switch e {
	case fsm.EvDeploy, fsm.EvRebuild:
		if len(req.DeploySteps) > 0 && usesAgent(n) {
			return errs.New(errs.Invalid, "deploy_steps are not supported: a deployment writes the image and boots it")
		}
		if n.Maintenance {
			return errs.New(errs.Invalid, "The %s operation can't be performed on node %s because it's in maintenance mode.", req.Target, n.UUID)
		}
		if e == fsm.EvRebuild && n.Protected {
			return protected(n)
		}
		if err := drv.Validate(n); err != nil {
			return err
		}
		return c.checkDeploy(ctx, n)
	case fsm.EvDelete:
		if n.Protected {
			return protected(n)
		}
	case fsm.EvProvide:
		if n.Retired {
			return errs.New(errs.Invalid, "Node %s can not be provided: it is retired.", n.UUID)
		}
	case fsm.EvClean:
		if len(req.CleanSteps) == 0 {
			return errs.New(errs.Invalid, "clean_steps is required when setting the target provision state to clean")
		}
		if req.DisableRamdisk && usesAgent(n) {
			return errs.New(errs.Invalid, "disable_ramdisk is not supported: all clean steps run in the ramdisk")
		}
		return checkCleanSteps(req.CleanSteps)
	case fsm.EvInspect:
		if n.Interfaces["inspect"] == "no-inspect" {
			return errs.New(errs.Invalid, "Driver %s does not support inspect (disabled or not implemented).", n.Driver)
		}
	case fsm.EvRescue, fsm.EvUnrescue, fsm.EvService, fsm.EvUnhold:
		return errs.New(errs.Invalid, "Driver %s does not support %s (disabled or not implemented).", n.Driver, e)
	}
	return nil
}

func protected(n *ironic.Node) error {
	return errs.New(errs.Forbidden, "Node %s is protected and can not be undeployed, rebuilt or deleted.", title(n))
}

// start writes the new state and gives the node its job.
func (c *Conductor) start(ctx context.Context, n *ironic.Node, e fsm.Event, req api.ProvisionRequest) error {
	next, err := fsm.Next(fsm.State(n.ProvisionState), e)
	if err != nil {
		return err
	}
	if e == fsm.EvAbort {
		return c.abort(ctx, n, next)
	}
	kind := map[fsm.State]string{fsm.Verifying: jobVerify, fsm.Cleaning: jobClean, fsm.Inspecting: jobInspect,
		fsm.Deploying: jobDeploy, fsm.Deleting: jobDelete, fsm.Adopting: jobAdopt}[next]
	var j, old jobRef
	var before ironic.Node
	from := n.ProvisionState
	_, err = c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
		if n.ProvisionState != from {
			return errs.New(errs.Locked, "Node %s changed to state %q meanwhile, please retry.", n.UUID, n.ProvisionState)
		}
		old, _ = jobOf(n)
		before = *n
		before.DriverInternalInfo, before.InstanceInfo = maps.Clone(n.DriverInternalInfo), maps.Clone(n.InstanceInfo)
		n.LastError = ""
		c.prepare(n, e, req)
		c.place(n, next)
		if e == fsm.EvProvide && !c.cleansOnProvide(n) {
			c.place(n, fsm.Available)
			kind = ""
		}
		unassign(n)
		if kind != "" {
			j = assign(n, kind)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.note(ctx, n.UUID, "transition", "INFO", fmt.Sprintf("%s was asked for: %s → %s", req.Target, from, next))
	c.cancelOld(ctx, old)
	if kind == "" {
		return nil
	}
	err = c.enqueue(ctx, n, j)
	if err == nil {
		return nil
	}
	if old.ID != "" { // the job before is gone: there is no way back
		return errors.Join(err, c.settleFailure(context.WithoutCancel(ctx), n.UUID, j, err))
	}
	return errors.Join(err, c.takeBack(context.WithoutCancel(ctx), n.UUID, j, err, func(n *ironic.Node) { restoreState(n, &before) }))
}

// cleansOnProvide reports whether a node is cleaned before it becomes available.
func (c *Conductor) cleansOnProvide(n *ironic.Node) bool {
	if n.AutomatedClean != nil {
		return *n.AutomatedClean
	}
	return c.CleanOnProvide
}

// prepare writes what a verb brings along.
func (c *Conductor) prepare(n *ironic.Node, e fsm.Event, req api.ProvisionRequest) {
	switch e {
	case fsm.EvManage:
		if n.ProvisionState == string(fsm.CleanFailed) && n.Fault == faultClean {
			n.Maintenance, n.MaintenanceReason, n.Fault = false, "", ""
		}
	case fsm.EvInspect:
		now := c.Now().UTC()
		n.InspectionStartedAt, n.InspectionFinishedAt = &now, nil
		delete(n.DriverInternalInfo, keyReceived)
	case fsm.EvDeploy, fsm.EvRebuild:
		if req.ConfigDrive != nil {
			if n.InstanceInfo == nil {
				n.InstanceInfo = map[string]any{}
			}
			n.InstanceInfo["configdrive"] = req.ConfigDrive
		}
	case fsm.EvClean:
		put(n, keyManual, req.CleanSteps)
	case fsm.EvProvide, fsm.EvDelete:
		delete(n.DriverInternalInfo, keyManual)
	}
}

// Faults that the conductor sets.
const (
	faultPower = "power failure"
	faultClean = "clean failure"
)

// abort ends the wait of a node and leaves the tidying up to a job.
func (c *Conductor) abort(ctx context.Context, n *ironic.Node, to fsm.State) error {
	var old, j jobRef
	_, err := c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
		if _, err := fsm.Next(fsm.State(n.ProvisionState), fsm.EvAbort); err != nil {
			return errs.New(errs.Locked, "Node %s went on to state %q meanwhile, please retry.", n.UUID, n.ProvisionState)
		}
		old, _ = jobOf(n)
		n.LastError = fmt.Sprintf("By request, the %s of node %s was aborted while it was in state %q.", old.Kind, title(n), n.ProvisionState)
		if to == fsm.InspectFailed {
			n.LastError = "Inspection was aborted by request."
		}
		c.place(n, to)
		n.TargetProvisionState = ""
		n.CleanStep, n.DeployStep = nil, nil
		j = assign(n, jobSettle)
		return nil
	})
	if err != nil {
		return err
	}
	c.note(ctx, n.UUID, "transition", "INFO", fmt.Sprintf("aborted by request: %s → %s", n.ProvisionState, to))
	c.cancelOld(ctx, old)
	if err := c.enqueue(ctx, n, j); err != nil {
		// The wait is over all the same; what the job would tidy up is tidied up here.
		return errors.Join(err, c.settleFailure(context.WithoutCancel(ctx), n.UUID, j, err))
	}
	return nil
}

// settle tidies up after an abort: the machine off, its network boot gone.
func (t *task) settle() error {
	if err := t.step("tidy up", t.dropRamdisk); err != nil {
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
	words := cause.Error()
	if h := errs.HintOf(cause); h != "" {
		words += ". Try: " + strings.TrimPrefix(h, "try: ")
	}
	if j.Kind != jobVerify && j.Kind != jobAdopt && j.Kind != jobPower {
		if err := c.afterFailure(ctx, n); err != nil {
			words += "; also, tidying up failed: " + err.Error()
		}
	}
	from := n.ProvisionState
	if from == string(fsm.Deleting) { // its instance is forgotten all the same
		if err := c.detachVIFs(ctx, uuid); err != nil {
			words += "; also, " + err.Error()
		}
	}
	_, err = c.Store.UpdateNode(ctx, uuid, func(n *ironic.Node) error {
		if cur, ok := jobOf(n); !ok || cur.ID != j.ID {
			return nil
		}
		n.LastError = words
		c.rest(n, j, words)
		unassign(n)
		return nil
	})
	c.note(ctx, uuid, "transition", "ERROR", fmt.Sprintf("%s failed in state %q: %s", j.Kind, from, words))
	c.Log.Error("node action failed", "node", title(n), "uuid", uuid, "action", j.Kind, "error", words)
	return err
}

// rest moves a node into the state of its failure.
func (c *Conductor) rest(n *ironic.Node, j jobRef, words string) {
	state := fsm.State(n.ProvisionState)
	if j.Kind == jobPower {
		n.TargetPowerState = ""
		return
	}
	if next, err := fsm.Next(state, fsm.EvFail); err == nil {
		c.place(n, next)
		n.TargetProvisionState = ""
		if n.DriverInternalInfo[keyManual] != nil {
			n.TargetProvisionState = string(fsm.Manageable)
		}
	}
	if fsm.State(n.ProvisionState) == fsm.CleanFailed && len(n.CleanStep) > 0 {
		n.Maintenance, n.MaintenanceReason, n.Fault = true, words, faultClean
	}
	n.CleanStep, n.DeployStep = nil, nil
	if state == fsm.Deleting {
		forgetInstance(n)
	}
}

// afterFailure switches the machine off and takes it off the network boot. It
// works also when the BMC is what failed: then it says so.
func (c *Conductor) afterFailure(ctx context.Context, n *ironic.Node) error {
	if !bootsRamdisk(n) {
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
