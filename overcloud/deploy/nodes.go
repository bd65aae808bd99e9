package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/google/uuid"

	"trefoil/internal/errs"
	"trefoil/overcloud/baremetal"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/ssh"
	"trefoil/overcloud/stack"
)

// assign makes the stack's nodes match the plan's counts: surplus machines are
// given back, missing ones are chosen and written down with name and keys. That
// all will fit is known before the first machine is given back.
func (r *run) assign(ctx context.Context, p *plan.Plan) error {
	have, err := r.Store.StackNodes(ctx, r.s.ID)
	if err != nil {
		return err
	}
	have, surplus := Split(have, p, r.machines, r.s.Input.Only)
	wants, images, err := Wants(ctx, r.Cloud, p, r.machines)
	if err != nil {
		return err
	}
	choices, err := r.place(ctx, wants, have, surplus)
	if err != nil {
		return err
	}
	if err := CheckDisks(ctx, r.Cloud, p, have, choices); err != nil {
		return &Failed{[]stack.Failure{{Phase: "placement", Error: err.Error(), Hint: errs.HintOf(err)}}}
	}
	if len(surplus) > 0 {
		d, err := r.depart(ctx, func() (*plan.Plan, error) { return p, nil }, surplus, have)
		if err != nil {
			return err
		}
		if err := r.giveBack(ctx, surplus, d.forget); err != nil {
			return err
		}
		if choices, err = r.place(ctx, wants, have, nil); err != nil {
			return err
		}
	}
	for _, c := range choices {
		role := p.Roles[slices.IndexFunc(p.Roles, func(x plan.Role) bool { return x.Name == c.Role })]
		n, err := r.newNode(p, c, role, images[r.image(c, role)])
		if err != nil {
			return err
		}
		if err := r.Store.PutStackNode(ctx, r.s.ID, *n); err != nil {
			return err
		}
	}
	r.mu.Lock()
	r.summary.NodesAdded += len(choices)
	r.summary.NodesRemoved += len(surplus)
	r.mu.Unlock()
	return r.keep(ctx)
}

// place chooses machines; those in free count as available though they are not yet.
func (r *run) place(ctx context.Context, wants []placement.Want, have, free []stack.Node) ([]placement.Choice, error) {
	machines, err := r.Cloud.Nodes(ctx)
	if err != nil {
		return nil, fmt.Errorf("list bare-metal nodes: %w", err)
	}
	choices, err := Choose(machines, wants, have, free)
	if err != nil {
		return nil, placementFailed(err)
	}
	return choices, nil
}

// Choose places what is wanted on machines, beside the nodes that a stack keeps.
// Those in free count as available though they are not yet. The error is placement.Place's.
func Choose(machines []placement.Node, wants []placement.Want, keep, free []stack.Node) ([]placement.Choice, error) {
	machines = slices.Clone(machines)
	for i, m := range machines {
		if slices.ContainsFunc(free, func(n stack.Node) bool { return n.UUID == m.UUID }) {
			machines[i].State, machines[i].InstanceUUID = "available", ""
		}
	}
	given := make([]placement.Given, len(keep))
	for i, n := range keep {
		given[i] = placement.Given{NodeUUID: n.UUID, Role: n.Role, Index: n.Index, Name: n.Name}
	}
	return placement.Place(machines, wants, given)
}

// Split separates the nodes that are still wanted from those beyond: those that
// the file of instances (d, may be nil) does not list, that a role's removal
// policies name, or beyond a role's count, highest index first. An action that only provisions gives nothing back.
func Split(have []stack.Node, p *plan.Plan, d *baremetal.Deployment, only string) (keep, surplus []stack.Node) {
	have = slices.Clone(have)
	sort.SliceStable(have, func(a, b int) bool { return have[a].Index < have[b].Index })
	left, listed, removed := map[string]int{}, rolesOf(d), map[string][]int{}
	for _, role := range p.Roles {
		left[role.Name], removed[role.Name] = role.Count, role.Removed
	}
	for _, n := range have {
		gone := slices.Contains(removed[n.Role], n.Index)
		wanted := left[n.Role] > 0 && !gone
		if listed[n.Role] {
			wanted = instanceOf(d, n.Name).Role == n.Role
		}
		if !gone {
			left[n.Role]--
		}
		if wanted || only == stack.OnlyProvision {
			keep = append(keep, n)
		} else {
			surplus = append(surplus, n)
		}
	}
	return keep, surplus
}

func placementFailed(err error) error {
	var no *placement.NoFit
	if !errors.As(err, &no) {
		return err
	}
	f := stack.Failure{Phase: "placement", Error: no.Error(), Hint: "openstack overcloud profiles list"}
	for _, row := range no.Rows {
		f.Tail = append(f.Tail, fmt.Sprintf("%s: %s: %s; to cure it: %s", row.Role, row.Node, row.Rule, row.Remedy))
	}
	return &Failed{[]stack.Failure{f}}
}

func (r *run) newNode(p *plan.Plan, c placement.Choice, role plan.Role, image string) (*stack.Node, error) {
	name := nodeName(p, c, role)
	pub, pem, err := ssh.NewHostKey(r.Rand, name)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewRandomFromReader(r.Rand)
	if err != nil {
		return nil, fmt.Errorf("make instance uuid: %w", err)
	}
	return &stack.Node{
		Node:         plan.Node{Name: name, Role: role.Name, Index: c.Index, UUID: c.Node.UUID, HostKey: pub},
		InstanceUUID: id.String(), HostKeyPEM: pem, Flavor: role.Flavor, Image: image, Resource: role.ServerResource, Hashes: map[int]string{},
	}, nil
}

// serverName is the resource below a role's index: Controller.0.Controller, Compute.0.NovaCompute.
func serverName(n stack.Node) string {
	inner := n.Resource
	if inner == "" {
		inner = n.Role
	}
	return memberName(n) + "." + inner
}

// memberName is the machine's place in its role's group: Controller.0.
func memberName(n stack.Node) string { return fmt.Sprintf("%s.%d", n.Role, n.Index) }

// provision brings every node from bare metal to an SSH login, all at once: the
// bare-metal service knows how many it can serve. As in Heat a role without machines
// has a group too, an empty one.
func (r *run) provision(ctx context.Context, p *plan.Plan, nodes []stack.Node) error {
	for _, role := range p.Roles {
		if err := r.event(ctx, role.Name, r.s.Action, stack.InProgress, "state changed", ""); err != nil {
			return err
		}
	}
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(n stack.Node) bool { return r.untouched(p, n) })
	failed := each(nodes, func(n stack.Node) error {
		return r.around(ctx, memberName(n), "", func() error {
			return r.around(ctx, serverName(n), n.InstanceUUID, func() error { return r.provisionNode(ctx, p, n) })
		})
	})
	r.tolerateAway(p, nodes, failed)
	return r.closeRoles(ctx, p.Roles, nodes, failed, "provisioning", func(role string) string { return role })
}

// each runs f for all nodes at the same time and returns what went wrong, by name.
func each(nodes []stack.Node, f func(stack.Node) error) map[string]error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed := map[string]error{}
	for _, n := range nodes {
		wg.Go(func() {
			if err := f(n); err != nil {
				mu.Lock()
				failed[n.Name] = err
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}

// closeRoles ends the resource of each of roles: failed where one of its own nodes did.
func (r *run) closeRoles(ctx context.Context, roles []plan.Role, nodes []stack.Node, failed map[string]error, phase string, resource func(role string) string) error {
	cause := join(phase, failed)
	if cause != nil && ctx.Err() != nil {
		return cause // stopped, not failed: the next run closes them
	}
	for _, role := range roles {
		state, reason := stack.Complete, "state changed"
		for _, n := range nodes {
			if err := failed[n.Name]; n.Role == role.Name && err != nil {
				state, reason = stack.Failed, err.Error()
			}
		}
		if err := r.event(ctx, resource(role.Name), r.s.Action, state, reason, ""); err != nil {
			return err
		}
	}
	return cause
}

func (r *run) provisionNode(ctx context.Context, p *plan.Plan, n stack.Node) error {
	in := instanceOf(r.machines, n.Name)
	addr, err := r.Cloud.EnsurePort(ctx, n.UUID, n.Name, n.InstanceUUID, r.askedFor(p, n))
	if err != nil {
		return fmt.Errorf("give %s an address: %w", n.Name, err)
	}
	if n.Address != addr.IP || n.PortID != addr.PortID {
		n.Address, n.PortID = addr.IP, addr.PortID
		if err := r.Store.PutStackNode(ctx, r.s.ID, n); err != nil {
			return err
		}
	}
	err = r.Cloud.Deploy(ctx, n.UUID, Instance{UUID: n.InstanceUUID, Name: n.Name, Flavor: n.Flavor, Image: n.Image, Domain: p.CloudDomain,
		PublicKeys: append(slices.Clone(r.PublicKeys), keys(in.SSHKeys())...), HostKey: n.HostKey, HostKeyPEM: n.HostKeyPEM, Address: addr,
		RootGB: in.RootGB(), SwapMB: in.SwapMB(), CloudConfig: in.CloudConfig(), MetaData: in.MetaData()})
	if err != nil {
		return fmt.Errorf("deploy %s: %w", n.Name, err)
	}
	if err := r.waitState(ctx, n, "active", "deploy failed", "error", "deleting", "cleaning", "clean wait", "clean failed", "manageable"); err != nil {
		return err
	}
	if configured(n) {
		return r.reachAgain(ctx, n)
	}
	return r.reach(ctx, n, serverName(n), n.InstanceUUID, "boots its image, and does not let us in", loginTimeout)
}

// waitState waits until the machine is in want, or in one of bad. One that has left
// available and is back there was taken from us meanwhile: it would be waited for in vain.
func (r *run) waitState(ctx context.Context, n stack.Node, want string, bad ...string) error {
	began := r.Now()
	for left := false; ; {
		st, err := r.Cloud.State(ctx, n.UUID)
		if err == nil && st.Provision == want {
			return nil
		}
		if errs.Is(err, errs.NotFound) {
			return errs.Wrap(errs.NotFound, err, "bare-metal node %s was deleted while %s was waited for", n.UUID, n.Name)
		}
		back := left && st.Provision == "available"
		if err == nil && (back || slices.Contains(bad, st.Provision)) {
			return errs.New(errs.Conflict, "bare-metal node %s is in state %q: %s", n.UUID, st.Provision, cmp.Or(st.LastError, "was it aborted or undeployed meanwhile?")).
				WithHint("openstack baremetal node show %s; openstack baremetal node history list %s", n.UUID, n.UUID)
		}
		left = left || err == nil && st.Provision != "available"
		select {
		case <-ctx.Done():
			return fmt.Errorf("node %s did not reach state %q, the state is %q after %s: %w", n.Name, want, st.Provision, r.Now().Sub(began).Round(time.Second), ctx.Err())
		case <-time.After(r.Poll):
		}
	}
}

// giveBack undeploys nodes and waits until each is available again, off. Then
// forget is called, before its row goes: killed anywhere, the next run goes on.
func (r *run) giveBack(ctx context.Context, nodes []stack.Node, forget func(context.Context, stack.Node) error) error {
	return join("removal", each(nodes, func(n stack.Node) error {
		err := r.deleteEvent(ctx, n, stack.InProgress)
		if err != nil {
			return err
		}
		if err := r.Cloud.Undeploy(ctx, n.UUID, n.InstanceUUID); err != nil && !errs.Is(err, errs.NotFound) {
			return fmt.Errorf("undeploy %s: %w", n.Name, err)
		} else if err == nil {
			if err := r.waitState(ctx, n, "available", "error", "clean failed"); err != nil {
				return err
			}
		}
		if err := forget(ctx, n); err != nil {
			return err
		}
		if err := r.Cloud.DeletePorts(ctx, n.InstanceUUID); err != nil {
			return fmt.Errorf("release the address of %s: %w", n.Name, err)
		}
		if err := r.deleteEvent(ctx, n, stack.Complete); err != nil {
			return err
		}
		if err := r.Store.RemoveResources(ctx, r.s.ID, memberName(n)); err != nil {
			return err
		}
		return r.Store.DeleteStackNode(ctx, r.s.ID, n.Name)
	}))
}

func (r *run) deleteEvent(ctx context.Context, n stack.Node, state string) error {
	return r.event(ctx, serverName(n), stack.Delete, state, "state changed", n.InstanceUUID)
}

func (r *run) remove(ctx context.Context) error {
	if err := r.event(ctx, "", stack.Delete, stack.InProgress, "Stack DELETE started", ""); err != nil {
		return err
	}
	nodes, err := r.Store.StackNodes(ctx, r.s.ID)
	if err != nil {
		return err
	}
	if err := r.giveBack(ctx, nodes, (*departure)(nil).forget); err != nil { // the cloud goes with them
		return err
	}
	if err := r.Cloud.DeletePorts(ctx, r.s.ID); err != nil {
		return fmt.Errorf("release the virtual address: %w", err)
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
