package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// catalogStep is the step behind which the deployed Keystone answers.
const catalogStep = 3

// configure runs the steps. The barrier after each is the return of r.step. The
// plan is made again: now the machines' addresses are known.
func (r *run) configure(ctx context.Context) error {
	nodes, err := r.Store.StackNodes(ctx, r.s.ID)
	if err != nil {
		return err
	}
	machines := make([]plan.Node, len(nodes))
	for i, n := range nodes {
		machines[i] = n.Node
	}
	p, err := r.Plan(ctx, r.s, machines...)
	if err != nil {
		return &Failed{[]stack.Failure{{Phase: "plan", Error: err.Error(), Hint: errs.HintOf(err)}}}
	}
	cfg, err := p.Configure(machines)
	if err != nil {
		return &Failed{[]stack.Failure{{Phase: "plan", Error: err.Error(), Hint: errs.HintOf(err)}}}
	}
	outputs, err := outputs(p, machines)
	if err != nil {
		return &Failed{[]stack.Failure{{Phase: "plan", Error: err.Error(), Hint: errs.HintOf(err)}}}
	}
	return r.around(ctx, stack.DeploySteps, "", func() error {
		for step := 1; step <= plan.Steps; step++ {
			name := fmt.Sprintf("step %d", step)
			if err := r.timed(name, func() error { return r.step(ctx, p, nodes, cfg, step) }); err != nil {
				return err
			}
			if err := r.keep(ctx); err != nil {
				return err
			}
			if url, _ := outputs["KeystoneURL"].(string); step == catalogStep && url != "" {
				if err := r.Catalog.Ensure(ctx, url, p.Passwords["AdminPassword"]); err != nil {
					return &Failed{[]stack.Failure{{Phase: "keystone resources", Service: "keystone", Error: err.Error(), Hint: errs.HintOf(err)}}}
				}
			}
		}
		hidden := hiddenOutputs(p, outputs)
		_, err := r.Store.UpdateStack(ctx, r.s.ID, func(s *stack.Stack) error { s.Outputs, s.Secret = outputs, hidden; return nil })
		return err
	})
}

// outputs are those of overcloud.yaml, how the machines find one another, and what
// the user needs to log in. Without a controller there is no Keystone, and the
// outputs that name it are left out.
func outputs(p *plan.Plan, nodes []plan.Node) (map[string]any, error) {
	out := map[string]any{}
	for _, role := range p.Roles {
		i := slices.IndexFunc(nodes, func(n plan.Node) bool { return n.Role == role.Name })
		if i < 0 || !slices.Contains(role.Tags, "controller") {
			continue
		}
		var err error
		if out, err = p.OutputsFor(nodes); err != nil {
			return nil, err
		}
		out["KeystoneURL"] = "http://" + nodes[i].Address + ":5000/"
		out["ControllerAddress"] = nodes[i].Address
		break
	}
	out["AdminPassword"] = p.Passwords["AdminPassword"]
	if out["HostsEntry"] == nil {
		lines := []any{}
		for _, n := range nodes {
			lines = append(lines, fmt.Sprintf("%s %s.%s %s", n.Address, n.Name, p.CloudDomain, n.Name))
		}
		out["HostsEntry"] = lines
	}
	return out, nil
}

// hiddenOutputs names those that hold a password or a hidden parameter.
func hiddenOutputs(p *plan.Plan, outputs map[string]any) []string {
	secrets := stack.Secrets(p)
	var out []string
	for _, name := range sortedKeys(outputs) {
		if name == "AdminPassword" || stack.HoldsSecret(outputs[name], secrets) {
			out = append(out, name)
		}
	}
	return out
}

func (r *run) step(ctx context.Context, p *plan.Plan, nodes []stack.Node, cfg plan.Config, step int) error {
	group := func(role string) string { return stack.StepGroup(role, strconv.Itoa(step)) }
	roles := slices.DeleteFunc(slices.Clone(p.Roles), func(role plan.Role) bool { return role.Count == 0 })
	for _, role := range roles {
		if err := r.event(ctx, group(role.Name), r.s.Action, stack.InProgress, "state changed", ""); err != nil {
			return err
		}
	}
	failed := each(nodes, func(n stack.Node) error {
		docs := cfg[n.Name]
		i := slices.IndexFunc(docs, func(d resource.Document) bool { return d.Step == step })
		if i < 0 || len(docs[i].Resources) == 0 {
			return nil
		}
		return r.around(ctx, stack.StepPath(n.Role, strconv.Itoa(step), n.Index), "", func() error { return r.apply(ctx, n, docs[i]) })
	})
	return r.closeRoles(ctx, roles, nodes, failed, fmt.Sprintf("step %d", step), group)
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
