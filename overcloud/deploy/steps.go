package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// catalogStep is the step behind which the deployed Keystone answers.
const catalogStep = 3

// configure runs the steps. The barrier after each is the return of r.step.
func (r *run) configure(ctx context.Context, p *plan.Plan) error {
	nodes, err := r.Store.StackNodes(ctx, r.s.ID)
	if err != nil {
		return err
	}
	machines := make([]plan.Node, len(nodes))
	for i, n := range nodes {
		machines[i] = n.Node
	}
	cfg, err := p.Configure(machines)
	if err != nil {
		return &Failed{[]stack.Failure{{Phase: "plan", Error: err.Error(), Hint: errs.HintOf(err)}}}
	}
	outputs := outputs(p, nodes)
	const all = "AllNodesDeploySteps"
	return r.around(ctx, all, "", func() error {
		for step := 1; step <= plan.Steps; step++ {
			name := fmt.Sprintf("step %d", step)
			if err := r.timed(name, func() error { return r.step(ctx, p, nodes, cfg, step) }); err != nil {
				return err
			}
			if err := r.keep(ctx); err != nil {
				return err
			}
			if step == catalogStep && outputs["KeystoneURL"] != "" {
				if err := r.Catalog.Ensure(ctx, outputs["KeystoneURL"], outputs["AdminPassword"]); err != nil {
					return &Failed{[]stack.Failure{{Phase: "keystone resources", Service: "keystone", Error: err.Error(), Hint: errs.HintOf(err)}}}
				}
			}
		}
		_, err := r.Store.UpdateStack(ctx, r.s.ID, func(s *stack.Stack) error { s.Outputs = outputs; return nil })
		return err
	})
}

// outputs are what the user needs to log in. There is no Keystone without a controller.
func outputs(p *plan.Plan, nodes []stack.Node) map[string]string {
	out := map[string]string{"AdminPassword": p.Passwords["AdminPassword"]}
	for _, role := range p.Roles {
		if !slices.Contains(role.Tags, "controller") {
			continue
		}
		for _, n := range nodes {
			if n.Role == role.Name {
				out["KeystoneURL"] = "http://" + n.Address + ":5000/"
				out["ControllerAddress"] = n.Address
				return out
			}
		}
	}
	return out
}

func (r *run) step(ctx context.Context, p *plan.Plan, nodes []stack.Node, cfg plan.Config, step int) error {
	group := func(role string) string { return fmt.Sprintf("AllNodesDeploySteps.%sDeployment_Step%d", role, step) }
	for _, role := range p.Roles {
		if role.Count > 0 {
			if err := r.event(ctx, group(role.Name), r.s.Action, stack.InProgress, "state changed", ""); err != nil {
				return err
			}
		}
	}
	failed := each(nodes, func(n stack.Node) error {
		docs := cfg[n.Name]
		i := slices.IndexFunc(docs, func(d resource.Document) bool { return d.Step == step })
		if i < 0 || len(docs[i].Resources) == 0 {
			return nil
		}
		return r.around(ctx, fmt.Sprintf("%s.%d", group(n.Role), n.Index), "", func() error { return r.apply(ctx, n, docs[i]) })
	})
	return r.closeRoles(ctx, p, nodes, failed, fmt.Sprintf("step %d", step), group)
}

// apply runs one document on one node and turns its last failed event into the cause.
func (r *run) apply(ctx context.Context, n stack.Node, doc resource.Document) error {
	var last resource.Event
	changed, done := 0, false
	err := r.Nodes.Apply(ctx, n, doc, func(ev resource.Event) {
		switch ev.Event {
		case "failed":
			last = ev
		case "done":
			done = true
		case "changed":
			changed++
			r.log.Info("changed on node", "node", n.Name, "step", doc.Step, "resource", ev.Key)
		case "waiting":
			r.log.Info("node waits", "node", n.Name, "step", doc.Step, "for", ev.Key)
		}
	})
	r.mu.Lock()
	r.summary.Changed += changed
	r.mu.Unlock()
	if last.Event == "failed" {
		return &Failed{[]stack.Failure{{Node: n.Name, Phase: fmt.Sprintf("step %d", doc.Step), Service: serviceOf(doc, last.Key),
			Key: last.Key, Error: last.Error, Hint: last.Hint, Tail: last.Tail}}}
	}
	if err == nil && !done {
		err = errors.New("os-apply-config ended without saying that it is done")
	}
	if err != nil {
		return &Failed{[]stack.Failure{{Node: n.Name, Phase: fmt.Sprintf("step %d", doc.Step), Error: err.Error(),
			Hint: "run the deploy again: it goes on where it stopped"}}}
	}
	n.Hashes[doc.Step] = doc.Hash
	return r.Store.PutStackNode(ctx, r.s.ID, n)
}

// serviceOf finds the service template that a resource came from.
func serviceOf(doc resource.Document, key string) string {
	for _, res := range doc.Resources {
		if res.Key() == key {
			return res.Service
		}
	}
	return ""
}
