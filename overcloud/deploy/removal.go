package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/scaledown"
	"trefoil/overcloud/stack"
)

// Overcloud is the deployed cloud as machines leave it; they are given by host
// name. Its methods are idempotent.
type Overcloud interface {
	// Blocking tells what would be lost with the machines.
	Blocking(ctx context.Context, machines []string) ([]scaledown.Blocker, error)
	// Disable has nothing new scheduled on them; Enable undoes it.
	Disable(ctx context.Context, machines []string) error
	Enable(ctx context.Context, machines []string) error
	// Forget has a machine's services and agents leave the catalog, once it is off. sql,
	// if not nil, reaches the database for what no API deletes. left tells what stays,
	// and how to remove it.
	Forget(ctx context.Context, machine string, sql scaledown.SQL) (left []string, err error)
}

// Login opens the deployed cloud, as its admin.
type Login func(ctx context.Context, keystoneURL, adminPassword string) (Overcloud, error)

// departure is machines that leave while others stay.
type departure struct {
	r     *run
	gone  []stack.Node
	stay  []stack.Node
	plan  *plan.Plan // of what is deployed; nil: nobody needs it
	cloud Overcloud  // nil: there is none that could know them
}

// depart makes sure that nodes may leave, before the first of them is touched:
// nothing is lost with them, and nothing new comes to them. Where the operator
// forces it, what is lost is told and the nodes go all the same. Where all nodes
// go the cloud goes with them, and nobody is asked. planned is the plan of what is
// deployed.
func (r *run) depart(ctx context.Context, planned func() (*plan.Plan, error), gone, stay []stack.Node) (*departure, error) {
	d := &departure{r: r, gone: gone, stay: stay}
	url, _ := r.s.Outputs["KeystoneURL"].(string)
	if r.Overcloud == nil || url == "" || len(gone) == 0 || len(stay) == 0 {
		return d, nil
	}
	p, err := planned()
	if err != nil {
		return nil, err
	}
	d.plan = p
	force := r.s.Input.Force
	refusals := append(loses(p, gone, stay), d.osdsOn(ctx)...)
	last := lastController(p, gone, stay)
	if !last || !force { // forced, the cloud ends with its last controller
		cloud, err := r.login(ctx, url)
		if err == nil {
			d.cloud = cloud
			refusals, err = d.ask(ctx, refusals)
		}
		if err != nil {
			d.cloud = nil
			refusals = append(refusals, stack.Failure{Phase: "removal", Error: fmt.Sprintf("the cloud's API at %s did not say what lies on %s: %v", url, joined(gone), err), Hint: cures(gone, "bring it back")})
		}
	}
	if len(refusals) == 0 {
		return d, nil
	}
	if !force {
		return nil, &Failed{refusals}
	}
	for _, f := range refusals {
		r.log.Warn("removal is forced", "lost", f.Line())
		if err := d.tell(ctx, "forced: "+f.Line()); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// login opens the cloud with the password that it was deployed with, or with the new
// one: a deployment that carries a rotated password may have ended in between.
func (r *run) login(ctx context.Context, url string) (Overcloud, error) {
	deployed, _ := r.s.Outputs["AdminPassword"].(string)
	cloud, err := r.Overcloud(ctx, url, deployed)
	if next := r.s.Passwords["AdminPassword"]; errs.Is(err, errs.Unauthorized) && next != deployed {
		return r.Overcloud(ctx, url, next)
	}
	return cloud, err
}

// ask looks for what lies on the nodes, closes them to new servers, and looks
// again: a server may have come in between. Refused nodes are opened again.
func (d *departure) ask(ctx context.Context, refusals []stack.Failure) ([]stack.Failure, error) {
	force, names := d.r.s.Input.Force, namesOf(d.gone)
	found, err := d.cloud.Blocking(ctx, names)
	if err != nil {
		return refusals, err
	}
	if len(refusals)+len(found) == 0 || force {
		if err := d.cloud.Disable(ctx, names); err != nil {
			return refusals, err
		}
		if found, err = d.cloud.Blocking(ctx, names); err != nil {
			return refusals, err
		}
		if len(found) > 0 && !force {
			if err := d.cloud.Enable(ctx, names); err != nil {
				return refusals, err
			}
		}
	}
	for _, b := range found {
		refusals = append(refusals, stack.Failure{Node: b.Machine, Phase: "removal", Error: b.String(), Hint: cures(d.gone, b.Cure)})
	}
	return refusals, nil
}

// forget has a node that is off leave the cloud: Ceph's monitors and the catalog. What
// stays there is an event.
func (d *departure) forget(ctx context.Context, n stack.Node) error {
	if d == nil {
		return nil
	}
	monitor, err := d.stillNamed(n, "Ceph's map of monitors", d.forgetMonitor(ctx, n))
	if err != nil {
		return err
	}
	left, err := d.forgetServices(ctx, n)
	services, err := d.stillNamed(n, "the cloud's catalog", err)
	if err != nil {
		return err
	}
	for _, what := range slices.Concat(monitor, left, services) {
		d.r.log.Warn("stays in the cloud", "node", n.Name, "what", what)
		if err := d.r.event(ctx, serverName(n), stack.Delete, stack.InProgress, what, n.InstanceUUID); err != nil {
			return err
		}
	}
	return nil
}

// stillNamed is what comes of an error that left a node named in a place: the removal ends with
// it, or, forced, tells what stays there, and what to type.
func (d *departure) stillNamed(n stack.Node, place string, err error) (left []string, failed error) {
	if err == nil {
		return nil, nil
	}
	if !d.r.s.Input.Force {
		return nil, &Failed{[]stack.Failure{{Node: n.Name, Phase: "removal", Error: fmt.Sprintf("take it out of %s: %v", place, err),
			Hint: "the machine is given back already; run the same command again: it goes on where it stopped"}}}
	}
	what := place + " may still name it"
	if hint := errs.HintOf(err); hint != "" {
		what += "; " + hint
	}
	return []string{fmt.Sprintf("%s. It said: %v", what, err)}, nil
}

func (d *departure) forgetServices(ctx context.Context, n stack.Node) ([]string, error) {
	if d.cloud == nil {
		return nil, nil
	}
	return d.cloud.Forget(ctx, n.Name, d.sql())
}

// tell says something of the whole removal in the stack's events.
func (d *departure) tell(ctx context.Context, reason string) error {
	return d.r.event(ctx, serverName(d.gone[0]), stack.Delete, stack.InProgress, reason, d.gone[0].InstanceUUID)
}

// loses are the reasons against a removal that follow from what the nodes are.
func loses(p *plan.Plan, gone, stay []stack.Node) []stack.Failure {
	var out []stack.Failure
	if lastController(p, gone, stay) {
		out = append(out, stack.Failure{Phase: "removal", Error: fmt.Sprintf("with %s the cloud loses its last controller, and its API", joined(gone)),
			Hint: cures(gone, "openstack overcloud delete gives the whole cloud back")})
	}
	return append(out, outvoted(p, gone, stay)...)
}

// outvoted are the clusters that the nodes which stay are no majority of: they would
// stop serving, and all of the cloud with them. Where the last controller goes, that is told.
func outvoted(p *plan.Plan, gone, stay []stack.Node) []stack.Failure {
	var out []stack.Failure
	for _, service := range []string{"mysql", "rabbitmq", monService} {
		of := func(nodes []stack.Node) (n int) {
			for _, node := range nodes {
				if p.Runs(node.Role, service) {
					n++
				}
			}
			return n
		}
		leaving, staying := of(gone), of(stay)
		f := stack.Failure{Phase: "removal", Service: service}
		switch {
		case leaving == 0 || !p.Clustered(service) || 2*staying > leaving+staying || staying == 0 && lastController(p, gone, stay):
			continue
		case staying == 0:
			f.Error = fmt.Sprintf("with %s the cloud loses its last %s", joined(gone), service)
			f.Hint = cures(gone, "add another machine with it first")
		default:
			f.Error = fmt.Sprintf("with %s the cluster of %s on %d machines loses its majority: the %d that would stay stop serving", joined(gone), service, leaving+staying, staying)
			f.Hint = cures(gone, moreFirst(leaving, staying))
		}
		out = append(out, f)
	}
	return out
}

// moreFirst is how a cluster keeps its majority while machines leave it.
func moreFirst(leaving, staying int) string {
	if leaving == 1 {
		return "add a third machine first, so that more than half stay"
	}
	return "remove fewer machines at a time, so that more than half stay, or add others first"
}

// cures is what to do, and how to go on without doing it.
func cures(gone []stack.Node, first string) string {
	if first != "" {
		first += "; "
	}
	return first + "to remove it all the same, and lose what is on it: openstack overcloud node delete --force " + strings.Join(namesOf(gone), " ")
}

// lastController tells whether a controller goes and none stays.
func lastController(p *plan.Plan, gone, stay []stack.Node) bool {
	is := func(n stack.Node) bool {
		return slices.ContainsFunc(p.Roles, func(r plan.Role) bool { return r.Name == n.Role && slices.Contains(r.Tags, "controller") })
	}
	return slices.ContainsFunc(gone, is) && !slices.ContainsFunc(stay, is)
}

func namesOf(nodes []stack.Node) []string {
	out := make([]string, len(nodes))
	for i, n := range nodes {
		out[i] = n.Name
	}
	return out
}

func joined(nodes []stack.Node) string { return strings.Join(namesOf(nodes), ", ") }

// unprovision gives back the nodes that the input names; those that are gone are
// passed over. Deleted ones are not made again: their roles count fewer machines, and
// their indexes are never given again.
func (r *run) unprovision(ctx context.Context) error {
	have, err := r.Store.StackNodes(ctx, r.s.ID)
	if err != nil {
		return err
	}
	named := func(n stack.Node) bool { return slices.Contains(r.s.Input.Unprovision, n.Name) }
	gone := slices.DeleteFunc(slices.Clone(have), func(n stack.Node) bool { return !named(n) })
	stay := slices.DeleteFunc(slices.Clone(have), named)
	if r.s.Input.Only == stack.OnlyDelete {
		if err := r.unlisted(gone); err != nil {
			return err
		}
	}
	d, err := r.depart(ctx, func() (*plan.Plan, error) { return r.whole(ctx, have, gone) }, gone, stay)
	if err != nil {
		return err
	}
	if r.s.Input.Only == stack.OnlyDelete {
		if err := r.remember(ctx, gone, stay); err != nil {
			return err
		}
	}
	if err := r.giveBack(ctx, gone, d.forget); err != nil {
		return err
	}
	r.mu.Lock()
	r.summary.NodesRemoved += len(gone)
	r.mu.Unlock()
	return r.keep(ctx)
}

// unlisted refuses nodes that the stack's file of instances would have made again.
func (r *run) unlisted(gone []stack.Node) error {
	d, err := Machines(r.s)
	if err != nil {
		return err
	}
	for _, n := range gone {
		if instanceOf(d, n.Name).Hostname != "" {
			return &Failed{[]stack.Failure{{Node: n.Name, Phase: "removal", Error: r.s.Input.BaremetalFile + " lists it",
				Hint: "give it provisioned: false there, lower the count of its role, and: openstack overcloud node delete -b " + r.s.Input.BaremetalFile}}}
		}
	}
	return nil
}

// whole is the plan of what is deployed, while the action is a narrowed one. A
// forced removal does without.
func (r *run) whole(ctx context.Context, have, gone []stack.Node) (*plan.Plan, error) {
	there := make([]plan.Node, len(have))
	for i, n := range have {
		there[i] = n.Node
	}
	p, err := r.Plan(ctx, r.s.Whole(), there...)
	if err != nil && r.s.Input.Force {
		r.log.Warn("what is deployed cannot be planned any more", "error", err)
		return &plan.Plan{}, nil
	}
	if err != nil {
		return nil, &Failed{[]stack.Failure{{Phase: "plan", Error: "what is deployed cannot be planned any more: " + err.Error(), Hint: cures(gone, errs.HintOf(err))}}}
	}
	return p, nil
}

// remember writes down, in the stack and in the plan of its name, that deleted
// nodes are not to be made again.
func (r *run) remember(ctx context.Context, gone, stay []stack.Node) error {
	d, err := Machines(r.s)
	if err != nil {
		return err
	}
	counts, listed := map[string]int{}, rolesOf(d) // what a file lists, the file counts
	for _, n := range gone {
		if !listed[n.Role] {
			counts[n.Role] = 0
		}
	}
	for _, n := range stay {
		if _, of := counts[n.Role]; of {
			counts[n.Role]++
		}
	}
	_, err = r.Store.UpdateStack(ctx, r.s.ID, func(s *stack.Stack) error {
		s.Input.Counts = with(s.Input.Counts, counts)
		removed := maps.Clone(s.Input.Removed)
		if removed == nil {
			removed = map[string][]int{}
		}
		for _, n := range gone {
			if !listed[n.Role] && !slices.Contains(removed[n.Role], n.Index) {
				removed[n.Role] = slices.Sorted(slices.Values(append(slices.Clone(removed[n.Role]), n.Index)))
			}
		}
		s.Input.Removed = removed
		return nil
	})
	if err != nil {
		return err
	}
	_, err = r.Store.UpdatePlan(ctx, r.s.Name, func(p *stack.Plan) error {
		now := r.Now()
		p.Input.Counts, p.UpdatedAt = with(p.Input.Counts, counts), &now
		p.Version++
		return nil
	})
	if errs.Is(err, errs.NotFound) {
		return nil // a stack that only ever provisioned has none
	}
	return err
}

func with(m, more map[string]int) map[string]int {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]int{}
	}
	maps.Copy(out, more)
	return out
}
