package deploy

import (
	"context"
	"errors"
	"slices"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// away is a machine that an earlier deployment has configured and that does not let us in: it is no
// reason to keep the others from what they are to get, where its role tolerates that or it is listed.
type away struct{ error }

func (a away) Unwrap() error { return a.error }

// configured tells whether a step was ever done on a machine.
func configured(n stack.Node) bool { return len(n.Hashes) > 0 }

// untouched tells whether a machine stays as it is: one of before that the user leaves out.
func (r *run) untouched(p *plan.Plan, n stack.Node) bool {
	return configured(n) && n.Address != "" && r.outside(p, n.Node)
}

// outside tells whether a machine is not taken through steps.
func (r *run) outside(p *plan.Plan, n plan.Node) bool {
	return !r.s.Input.Limits.Allow(n) || slices.Contains(p.Blacklist, n.Name)
}

// reachAgain waits for a machine that was configured before, as long as for one that goes away in a step,
// and tells of it.
func (r *run) reachAgain(ctx context.Context, n stack.Node) error {
	began := r.Now()
	err := r.reach(ctx, n, serverName(n), n.InstanceUUID, "waits until it lets us in", comesBackIn)
	if err == nil || ctx.Err() != nil || !errs.Is(err, errs.Unavailable) {
		return err
	}
	return away{errs.Wrap(errs.Unavailable, err, "%s (%s) was configured before and does not let us in; it was waited for %s", n.Name, n.Address, r.Now().Sub(began).Round(time.Second)).
		WithHint("is it on? openstack baremetal node show %s; to go on without it: %sMaxFailPercentage, or its name in %s; to give it back: openstack overcloud node delete %s", n.UUID, n.Role, plan.BlacklistParameter, n.Name)}
}

// tolerateAway takes machines that are away out of what failed, where their roles tolerate as many. They
// fail in their first step: it is told with all that is gone on without at the end.
func (r *run) tolerateAway(p *plan.Plan, nodes []stack.Node, failed map[string]error) {
	r.away = map[string]error{}
	for _, role := range p.Roles {
		size, gone := 0, map[string]error{}
		for _, n := range nodes {
			if n.Role != role.Name {
				continue
			}
			size++
			if err := failed[n.Name]; errors.As(err, new(away)) {
				gone[n.Name] = err
			}
		}
		if len(gone)*100 > role.MaxFailPercentage*size {
			continue
		}
		for name, err := range gone {
			r.log.Warn("gone on without", "node", name, "error", err)
			r.away[name] = err
			delete(failed, name)
		}
	}
}

// there are the machines that let us in.
func (r *run) there(nodes []stack.Node) []stack.Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n stack.Node) bool { return r.away[n.Name] != nil })
}
