package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/driver"
	"trefoil/ironic/fsm"
	"trefoil/ironic/steps"
	"trefoil/undercloud/jobs"
)

// Keys of driver_internal_info that the lists of steps use. What a person asked
// for stands under clean_steps, user_deploy_steps and service_steps as in Ironic.
const (
	keyPlan = "step_plan"             // the list at work, see plan
	keyBare = "steps_without_ramdisk" // the machine was not taken into a ramdisk
	keyWait = "step_wait"             // what a wait step waits for

	keyDisabled = "disable_ramdisk" // the machine must not be taken into a ramdisk
)

// errHeld ends a job whose node rests in a hold: unhold gives it a new one.
var errHeld = errors.New("the node is on hold")

// flow is what one kind of steps means for a node: where it works, waits and is
// held, and where it keeps what it was asked for.
type flow struct {
	kind             steps.Kind
	work, wait, held fsm.State
	asked            string // key of driver_internal_info
	purpose          string // of its ramdisk
}

func cleanFlow() flow {
	return flow{steps.Clean, fsm.Cleaning, fsm.CleanWait, fsm.CleanHold, keyManual, jobClean}
}

func deployFlow() flow {
	return flow{steps.Deploy, fsm.Deploying, fsm.DeployWait, fsm.DeployHold, "user_deploy_steps", jobDeploy}
}

func serviceFlow() flow {
	return flow{steps.Service, fsm.Servicing, fsm.ServiceWait, fsm.ServiceHold, "service_steps", "service"}
}

func flows() []flow { return []flow{cleanFlow(), deployFlow(), serviceFlow()} }

// flowOf finds the flow that a state belongs to.
func flowOf(s fsm.State) (flow, bool) {
	for _, f := range flows() {
		if s == f.work || s == f.wait || s == f.held {
			return f, true
		}
	}
	return flow{}, false
}

// index is the key of the step that is at work, or next.
func (f flow) index() string { return string(f.kind) + "_step_index" }

// field is where the node shows the step at work.
func (f flow) field(n *ironic.Node) *map[string]any {
	switch f.kind {
	case steps.Clean:
		return &n.CleanStep
	case steps.Deploy:
		return &n.DeployStep
	}
	return &n.ServiceStep
}

// flowKeys are all keys of driver_internal_info that belong to a list of steps, or say how the machine is
// not booted for an action.
func flowKeys() []string {
	keys := []string{keyPlan, keyBare, keyWait, keyDisabled, keyTemplates, api.KeyBootedByOthers}
	for _, f := range flows() {
		keys = append(keys, f.asked, f.index())
	}
	return keys
}

func forgetSteps(n *ironic.Node) {
	for _, k := range flowKeys() {
		delete(n.DriverInternalInfo, k)
	}
	n.CleanStep, n.DeployStep, n.ServiceStep = nil, nil, nil
}

// endSteps drops the list but not who asked for it, nor whether there was a ramdisk.
func endSteps(n *ironic.Node) {
	delete(n.DriverInternalInfo, keyPlan)
	delete(n.DriverInternalInfo, keyWait)
	for _, f := range flows() {
		delete(n.DriverInternalInfo, f.index())
	}
	n.CleanStep, n.DeployStep, n.ServiceStep = nil, nil, nil
}

// bare reports whether the machine is left as it is: its steps need no ramdisk.
func bare(n *ironic.Node) bool {
	b, _ := n.DriverInternalInfo[keyBare].(bool)
	return b
}

// plan is a list of steps with the place to begin at. The node keeps it, so that
// a job after a hold goes on, and each job remembers the one it began with.
type plan struct {
	Steps    []steps.Step   `json:"steps"`
	Versions map[string]any `json:"versions,omitempty"` // of the agent's hardware managers
	Ramdisk  bool           `json:"ramdisk"`
	Round    int            `json:"round,omitempty"` // how often it was listed anew, see errOtherVersions
	Start    int            `json:"start,omitempty"`
	Resumed  bool           `json:"resumed,omitempty"`
}

// planOf reads the plan that a node keeps; nil if it keeps none.
func planOf(n *ironic.Node) (*plan, error) {
	v, ok := n.DriverInternalInfo[keyPlan]
	if !ok {
		return nil, nil
	}
	var p plan
	if err := recode(v, &p); err != nil {
		return nil, fmt.Errorf("read the list of steps of node %s: %w", title(n), err)
	}
	return &p, nil
}

// recode turns loose JSON into a type, or the other way round.
func recode(from, to any) error {
	b, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}

// compose makes the list of a flow out of the steps that the node has. It is
// asked twice where a ramdisk is used: first without the agent's steps.
type compose func(offered []steps.Step, noRamdisk bool) ([]steps.Step, error)

// remembered is Step with a typed result, on a node that was read anew.
func remembered[T any](t *task, name string, f func(ctx context.Context) (T, error)) (T, error) {
	return jobs.Do(t.run, name, func(ctx context.Context) (T, error) {
		if err := t.refresh(ctx); err != nil {
			var none T
			return none, err
		}
		return f(ctx)
	})
}

// flow makes the list of steps, boots the ramdisk where it needs one, and runs
// it. It returns the plan for whoever puts the machine in order afterwards.
func (t *task) flow(f flow, c compose) (*plan, error) {
	t.purpose = f.purpose
	p, err := remembered(t, "plan", func(ctx context.Context) (*plan, error) { return t.plan(ctx, f, c) })
	if err != nil {
		return nil, err
	}
	if p.Ramdisk && !p.Resumed {
		if err := t.bootRamdisk(f.purpose); err != nil {
			return nil, err
		}
		if err := t.awaitAgent(f.wait, f.work); err != nil {
			return nil, err
		}
		if p, err = remembered(t, "steps", func(ctx context.Context) (*plan, error) { return t.wholePlan(ctx, f, c, 0) }); err != nil {
			return nil, err
		}
	}
	for {
		err := t.runSteps(f, p)
		if !errors.Is(err, errListAnew) {
			return p, err
		}
		round := p.Round + 1
		if p, err = remembered(t, fmt.Sprintf("steps anew %d", round), func(ctx context.Context) (*plan, error) { return t.wholePlan(ctx, f, c, round) }); err != nil {
			return nil, err
		}
	}
}

// plan goes on with the list that the node keeps, or begins one.
func (t *task) plan(ctx context.Context, f flow, c compose) (*plan, error) {
	if err := t.enter(ctx, f.work, nil); err != nil {
		return nil, err
	}
	if p, err := planOf(t.node); err != nil || p != nil {
		if p != nil {
			p.Resumed, p.Start = true, int(number(t.node.DriverInternalInfo, f.index()))
		}
		return p, err
	}
	noRamdisk := !usesAgent(t.node) || f.refusesRamdisk(t.node)
	list, err := c(ownSteps(t.drv, t.node, f.kind), noRamdisk)
	needs := err != nil || slices.ContainsFunc(list, needsRamdisk)
	if noRamdisk && err == nil {
		err = refuseRamdisk(f.kind, list)
	}
	switch {
	case noRamdisk && err != nil:
		return nil, err
	case noRamdisk, f.kind == steps.Service && !needs:
		return t.keepPlan(ctx, f, &plan{Steps: list})
	}
	return &plan{Ramdisk: true}, nil
}

// refusesRamdisk reports whether the person who asked wants none.
func (f flow) refusesRamdisk(n *ironic.Node) bool {
	if f.kind != steps.Deploy {
		return n.DriverInternalInfo[keyDisabled] == true
	}
	asked, _ := askedOfDeployment(n) // who makes the list tells what is wrong with it
	return withoutRamdisk(n, asked)
}

// ownSteps are those of the hardware type.
func ownSteps(drv driver.Driver, n *ironic.Node, kind steps.Kind) []steps.Step {
	if d, ok := drv.(driver.Stepper); ok {
		return d.Steps(n, kind)
	}
	return nil
}

// needsRamdisk reports whether the agent runs a step.
func needsRamdisk(s steps.Step) bool { return s.RequiresRamdisk }

// wholePlan asks the agent for its steps and makes the list with them, for the round-th time after the first.
func (t *task) wholePlan(ctx context.Context, f flow, c compose, round int) (*plan, error) {
	offered, versions, err := t.agentSteps(ctx, f.kind)
	if err != nil {
		return nil, err
	}
	list, err := c(steps.Merge(ownSteps(t.drv, t.node, f.kind), offered), false)
	if err != nil {
		return nil, err
	}
	return t.keepPlan(ctx, f, &plan{Steps: list, Versions: versions, Ramdisk: true, Round: round})
}

// agentSteps asks the agent what it can do, and for the versions it wants to be told.
func (t *task) agentSteps(ctx context.Context, kind steps.Kind) ([]steps.Step, map[string]any, error) {
	ports, err := t.wirePorts(ctx)
	if err != nil {
		return nil, nil, err
	}
	answer, err := t.call(ctx, fmt.Sprintf("%s.get_%s_steps", kind, kind), map[string]any{"node": t.wireNode(), "ports": ports})
	if err != nil {
		return nil, nil, err
	}
	return steps.Offered(kind, answer)
}

// keepPlan writes the list into the node.
func (t *task) keepPlan(ctx context.Context, f flow, p *plan) (*plan, error) {
	var kept map[string]any
	if err := recode(p, &kept); err != nil {
		return nil, fmt.Errorf("write the list of steps of node %s: %w", title(t.node), err)
	}
	return p, t.update(ctx, func(n *ironic.Node) {
		put(n, keyPlan, kept)
		put(n, f.index(), 0)
	})
}

// askedSteps reads what a person asked for; false if nobody did. It was checked when it
// was asked for, maybe by an earlier version of this program: what cannot be read now is
// an error, for a disk that was not erased must not count as erased.
func askedSteps(n *ironic.Node, f flow) (list []steps.Step, given bool, err error) {
	v, ok := n.DriverInternalInfo[f.asked]
	if !ok {
		return nil, false, nil
	}
	var raw []any
	if err = recode(v, &raw); err == nil {
		list, err = steps.Parse(f.kind, raw)
	}
	if err != nil {
		return nil, true, errs.Wrap(errs.Invalid, err, "the %s steps that were asked for of node %s cannot be read", f.kind, title(n))
	}
	return list, true, nil
}
