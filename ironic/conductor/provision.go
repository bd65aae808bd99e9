package conductor

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/fsm"
)

// Kinds of jobs. Those with another name than the verb's have lists of steps; the
// verb's name belongs to jobs from before there were any (see inflight.go), and is
// also what a ramdisk is booted for.
const (
	jobVerify     = "verify"
	jobInspect    = "inspect"
	jobClean      = "clean"
	jobCleaning   = "cleaning"
	jobDeploy     = "deploy"
	jobDeployment = "deployment"
	jobDelete     = "delete"
	jobTearDown   = "tear-down"
	jobAdopt      = "adopt"
	jobServicing  = "servicing"
	jobRescue     = "rescue"
	jobUnrescue   = "unrescue"
	jobRestore    = "restore"
	jobSettle     = "settle"
	jobPower      = "power"
)

// works names the work behind each kind of job.
func (c *Conductor) works() map[string]func(*task) error {
	return map[string]func(*task) error{
		jobVerify:     (*task).verify,
		jobInspect:    (*task).inspect,
		jobClean:      (*task).cleanBefore,
		jobCleaning:   (*task).cleaning,
		jobDeploy:     (*task).deployBefore,
		jobDeployment: (*task).deployment,
		jobDelete:     (*task).tearDownBefore,
		jobTearDown:   (*task).tearDown,
		jobAdopt:      (*task).adopt,
		jobServicing:  (*task).servicing,
		jobRescue:     (*task).rescue,
		jobUnrescue:   (*task).unrescue,
		jobRestore:    (*task).restore,
		jobSettle:     (*task).settle,
		jobPower:      (*task).power,
	}
}

// jobFor names the job that carries a node through a state that a verb leads to.
func jobFor(s fsm.State) string {
	return map[fsm.State]string{
		fsm.Verifying: jobVerify, fsm.Inspecting: jobInspect, fsm.Adopting: jobAdopt, fsm.Deleting: jobTearDown,
		fsm.Cleaning: jobCleaning, fsm.CleanWait: jobCleaning,
		fsm.Deploying: jobDeployment, fsm.DeployWait: jobDeployment,
		fsm.Servicing: jobServicing, fsm.ServiceWait: jobServicing,
		fsm.Rescuing: jobRescue, fsm.Unrescuing: jobUnrescue,
	}[s]
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
	templates, err := c.chosen(ctx, n, verb.Event, req)
	if err != nil {
		return err
	}
	return c.start(ctx, n, verb.Event, req, templates)
}

// legal checks a verb against the state table. Where somebody holds the node
// the state may be about to change: that is a matter of waiting, not of a wrong request.
func (c *Conductor) legal(n *ironic.Node, v fsm.Verb) error {
	if _, err := fsm.Next(fsm.State(n.ProvisionState), v.Event); err == nil {
		return nil
	}
	if purpose, since, held := c.locks.holder(n.UUID); held && n.Reservation != "" && fsm.Busy(fsm.State(n.ProvisionState)) {
		return ironic.Hold{Host: n.Reservation, Purpose: purpose, Since: since}.Refusal(n.UUID)
	}
	return errs.New(errs.Invalid, "The requested action \"%s\" can not be performed on node \"%s\" while it is in state \"%s\".",
		v.Name, n.UUID, n.ProvisionState)
}

// allowed checks what the state table does not know.
func (c *Conductor) allowed(ctx context.Context, n *ironic.Node, e fsm.Event, req api.ProvisionRequest) error {
	drv, err := c.driver(n)
	if err != nil {
		return err
	}
	switch e {
	case fsm.EvManage:
		if req.ThenInspect {
			return mayInspect(n)
		}
	case fsm.EvDeploy, fsm.EvRebuild:
		if n.Maintenance {
			return inMaintenance("provisioning", n)
		}
		if e == fsm.EvRebuild && n.Protected {
			return protected(n)
		}
		if err := drv.Validate(n); err != nil {
			return err
		}
		if e == fsm.EvDeploy {
			if err := mayLease(n); err != nil {
				return err
			}
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
		return c.checkClean(ctx, drv, n, req)
	case fsm.EvInspect:
		return c.checkInspect(ctx, drv, n, req.BootedByOthers)
	case fsm.EvService:
		if err := drv.Validate(n); err != nil {
			return err
		}
		return c.checkService(ctx, drv, n, req)
	case fsm.EvRescue, fsm.EvUnrescue:
		return c.checkRescue(ctx, drv, n, e, req)
	}
	return nil
}

func protected(n *ironic.Node) error {
	return errs.New(errs.Forbidden, "Node %s is protected and can not be undeployed, rebuilt or deleted.", title(n))
}

// start writes the new state and gives the node its job.
func (c *Conductor) start(ctx context.Context, n *ironic.Node, e fsm.Event, req api.ProvisionRequest, templates []any) error {
	next, err := fsm.Next(fsm.State(n.ProvisionState), e)
	if err != nil {
		return err
	}
	if e == fsm.EvAbort {
		return c.abort(ctx, n, next)
	}
	kind := jobFor(next)
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
		c.prepare(n, e, req, templates)
		c.place(n, next)
		if e == fsm.EvProvide && !c.cleansOnProvide(n) {
			c.place(n, fsm.Available)
			kind = ""
		}
		unassign(n)
		if kind != "" {
			j = assign(n, kind, ironic.User(ctx))
		}
		return nil
	})
	if err != nil {
		return err
	}
	asked := req.Target
	if req.Runbook != "" {
		asked += " by runbook " + req.Runbook
	}
	c.note(ctx, n.UUID, "transition", "INFO", fmt.Sprintf("%s was asked for: %s → %s", asked, from, next))
	c.overtaken(ctx, n.UUID, askOf(&before))
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

func (c *Conductor) beginInspection(n *ironic.Node, byOthers bool) {
	now := c.Now().UTC()
	n.InspectionStartedAt, n.InspectionFinishedAt = &now, nil
	delete(n.DriverInternalInfo, keyReceived)
	if byOthers {
		put(n, api.KeyBootedByOthers, true)
	}
}

// prepare writes what a verb brings along.
func (c *Conductor) prepare(n *ironic.Node, e fsm.Event, req api.ProvisionRequest, templates []any) {
	out := n.ProvisionState != string(fsm.Active) && !bare(n) // of its instance, by a service or a rescue
	if e != fsm.EvUnhold {
		forgetSteps(n)
	}
	if n.ProvisionState == string(fsm.ServiceFailed) {
		healed(n, faultService)
	}
	switch e {
	case fsm.EvManage:
		if n.ProvisionState == string(fsm.CleanFailed) {
			healed(n, faultClean)
		}
		delete(n.DriverInternalInfo, api.KeyThenInspect) // of one that failed
		if req.ThenInspect && n.ProvisionState == string(fsm.Enroll) {
			put(n, api.KeyThenInspect, true)
			c.beginInspection(n, req.BootedByOthers)
		}
	case fsm.EvInspect:
		c.beginInspection(n, req.BootedByOthers)
	case fsm.EvDeploy, fsm.EvRebuild:
		if e == fsm.EvDeploy {
			lease(n)
		}
		if req.ConfigDrive != nil {
			if n.InstanceInfo == nil {
				n.InstanceInfo = map[string]any{}
			}
			n.InstanceInfo["configdrive"] = req.ConfigDrive
		}
		if len(req.DeploySteps) > 0 {
			put(n, deployFlow().asked, req.DeploySteps)
		}
		if len(templates) > 0 {
			put(n, keyTemplates, templates)
		}
	case fsm.EvClean:
		put(n, keyManual, req.CleanSteps)
		if req.DisableRamdisk {
			put(n, keyDisabled, true)
			put(n, keyBare, true)
		}
	case fsm.EvRescue:
		prepareRescue(n, *req.RescuePassword)
		if !out {
			put(n, keyBare, true) // until the ramdisk is booted
		}
	case fsm.EvService:
		put(n, serviceFlow().asked, req.ServiceSteps)
		if !out {
			put(n, keyBare, true) // until the ramdisk is booted
		}
		if req.DisableRamdisk {
			put(n, keyDisabled, true)
		}
	}
}
