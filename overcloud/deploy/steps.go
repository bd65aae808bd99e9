package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"trefoil/internal/errs"
	"trefoil/overcloud/catalog"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// configure runs the steps. The plan is made again: now the machines' addresses are
// known.
func (r *run) configure(ctx context.Context) error {
	nodes, err := r.Store.StackNodes(ctx, r.s.ID)
	if err != nil {
		return err
	}
	defer func() {
		for _, n := range nodes {
			r.Nodes.Leave(n)
		}
	}()
	machines := plainNodes(nodes)
	p, err := r.Plan(ctx, r.s, machines...)
	if err != nil {
		return &Failed{[]stack.Failure{{Phase: "plan", Error: err.Error(), Hint: errs.HintOf(err)}}}
	}
	cfg, err := p.Configure(machines)
	if err != nil {
		return &Failed{[]stack.Failure{{Phase: "plan", Error: err.Error(), Hint: errs.HintOf(err)}}}
	}
	if err := r.keepAddresses(ctx, p); err != nil {
		return err
	}
	outputs, err := outputs(p, machines)
	if err != nil {
		return &Failed{[]stack.Failure{{Phase: "plan", Error: err.Error(), Hint: errs.HintOf(err)}}}
	}
	return r.around(ctx, stack.DeploySteps, "", func() error {
		if err := r.steps(ctx, p, nodes, cfg, outputs); err != nil {
			return err
		}
		hidden := hiddenOutputs(p, outputs)
		_, err := r.Store.UpdateStack(ctx, r.s.ID, func(s *stack.Stack) error { s.Outputs, s.Secret = outputs, hidden; return nil })
		return err
	})
}

// steps takes all machines through their steps.
func (r *run) steps(ctx context.Context, p *plan.Plan, nodes []stack.Node, cfg plan.Config, outputs map[string]any) error {
	machines := plainNodes(nodes)
	limits := r.s.Input.Limits
	all := nodes
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(n stack.Node) bool { return r.outside(p, n.Node) })
	group := func(role string, step int) string { return stack.StepGroup(role, strconv.Itoa(step)) }
	clock := r.stepClock()
	gates := p.Gates(machines, limits.Tags)
	r.blame = &blame{observer: r.Observer, nodes: all, cfg: cfg, hide: masking(stack.Secrets(p))}
	r.blame.beyond(func(n plan.Node) bool { return !r.outside(p, n) }, limits)
	stands := r.standing(ctx, r.there(nodes), cfg, gates)
	line := &pipeline{nodes: nodes, gates: gates, now: r.Now, busy: serving(r.s.Action, nodes, cfg), atATime: map[string]int{}, maxFail: map[string]int{},
		step: func(ctx context.Context, n stack.Node, step int) error {
			if step < limits.FromStep {
				return nil
			}
			return r.step(ctx, n, only(cfg[n.Name], limits.Tags), step, stands[n.Name] >= step)
		},
		opened: func(ctx context.Context, role string, step int) error {
			if step < limits.FromStep {
				return nil
			}
			if err := clock.begin(ctx, step); err != nil {
				return err
			}
			return r.event(ctx, group(role, step), r.s.Action, stack.InProgress, "state changed", "")
		},
		closed: func(ctx context.Context, role string, step int, failed map[string]error) error {
			if step < limits.FromStep {
				return nil
			}
			clock.end(step)
			return errors.Join(r.keep(ctx), r.closeGroup(ctx, group(role, step), failed))
		},
	}
	for _, role := range p.Roles {
		line.atATime[role.Name], line.maxFail[role.Name] = role.UpdateSerial, role.MaxFailPercentage
	}
	if url, _ := outputs["KeystoneURL"].(string); url != "" && withCatalog(limits) {
		line.keystone = p.Running(plan.KeystoneService, plainNodes(nodes))
		line.catalog = func(ctx context.Context) error {
			return r.timed(ctx, "keystone resources", func() error { return r.catalog(ctx, p, machines, url) })
		}
	}
	r.gone, r.leaveOut, r.fatal = line.gone, line.leaveOut, line.fatal
	r.without = func(doc resource.Document, gone []string) resource.Document {
		return r.awaitingOnly(p, machines, doc, gone)
	}
	err := line.run(ctx)
	r.timing(line.path())
	if err == nil {
		r.leave(line.tolerated())
	}
	return err
}

// partly stands in place of a step's hash where some services of it were done since.
const partly = "partly"

// serving are machines that an earlier deployment has brought to their end.
func serving(action string, nodes []stack.Node, cfg plan.Config) map[string]bool {
	out := map[string]bool{}
	for _, n := range nodes {
		out[n.Name] = action == stack.Update && !slices.ContainsFunc(cfg[n.Name], func(d resource.Document) bool {
			return len(d.Resources) > 0 && n.Hashes[d.Step] == ""
		})
	}
	return out
}

// leave remembers the failures of machines that were gone on without.
func (r *run) leave(failures []stack.Failure) {
	r.leftOut = failures
	for _, f := range failures {
		if !slices.Contains(r.summary.LeftOut, f.Node) {
			r.summary.LeftOut = append(r.summary.LeftOut, f.Node)
		}
	}
}

// withCatalog tells whether the catalog is made within limits.
func withCatalog(l stack.Limits) bool {
	return l.FromStep <= plan.CatalogStep+1 && (len(l.Tags) == 0 || slices.Contains(l.Tags, plan.KeystoneService))
}

// only leaves of documents what services ask for; none: all. What is left has no
// hash: it is not what the deployment wants of a step.
func only(docs []resource.Document, services []string) []resource.Document {
	if len(services) == 0 {
		return docs
	}
	out := slices.Clone(docs)
	for i := range out {
		out[i].Hash = ""
		out[i].Resources = slices.DeleteFunc(slices.Clone(out[i].Resources), func(x resource.Resource) bool { return !slices.Contains(services, x.Service) })
	}
	return out
}

// closeGroup ends the resource of a role's step: failed where a machine of it is.
func (r *run) closeGroup(ctx context.Context, name string, failed map[string]error) error {
	state, reason := stack.Complete, "state changed"
	for _, node := range sortedKeys(failed) {
		state, reason = stack.Failed, failed[node].Error()
		if errors.Is(failed[node], errAborted) {
			reason = r.s.Action + " aborted"
		}
	}
	return r.event(ctx, name, r.s.Action, state, reason, "")
}

// catalog makes the deployed Keystone hold what the services of all machines say.
func (r *run) catalog(ctx context.Context, p *plan.Plan, machines []plan.Node, url string) error {
	resources, err := p.KeystoneResources(machines)
	var changes []string
	if err == nil {
		changes, err = r.Catalog.Ensure(ctx, catalog.Want{Stack: r.s.Name, URL: url, AdminPassword: p.Passwords["AdminPassword"], Resources: resources})
	}
	for _, what := range changes {
		r.log.Info("changed in keystone", "what", what)
	}
	r.mu.Lock()
	r.summary.Changed += len(changes)
	r.mu.Unlock()
	if err != nil {
		return &Failed{[]stack.Failure{{Phase: "keystone resources", Service: plan.KeystoneService, Error: err.Error(), Hint: catalogHint(err)}}}
	}
	return nil
}

// catalogHint is what to do about a catalog that could not be made; a Keystone that is
// away is the deployed cloud's.
func catalogHint(err error) string {
	if hint := errs.HintOf(err); hint != "" || !errs.Is(err, errs.Unavailable) {
		return hint
	}
	return "systemctl status keystone on the controller; openstack overcloud status"
}

// plain is a node as plans know it.
func plain(n stack.Node) plan.Node {
	n.Configured = configured(n)
	return n.Node
}

func plainNodes(nodes []stack.Node) []plan.Node {
	out := make([]plan.Node, len(nodes))
	for i, n := range nodes {
		out[i] = plain(n)
	}
	return out
}

// keepAddresses writes the addresses on isolated networks down before the first
// machine gets one: a machine that leaves later does not move those of others.
func (r *run) keepAddresses(ctx context.Context, p *plan.Plan) error {
	isolated := p.Isolated()
	if maps.Equal(isolated, r.s.Addresses) {
		return nil
	}
	_, err := r.Store.UpdateStack(ctx, r.s.ID, func(s *stack.Stack) error { s.Addresses = isolated; return nil })
	r.s.Addresses = isolated
	return err
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
		out["KeystoneURL"] = "http://" + p.CloudAddress(nodes) + ":5000/"
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
