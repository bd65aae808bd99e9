package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// healthLimit is how long a node may take to tell how its services are.
const healthLimit = 45 * time.Second // less than a client waits for an answer

// Observer looks at a node's services and changes nothing.
type Observer interface {
	Health(ctx context.Context, n stack.Node, checks []resource.Check) ([]resource.Health, error)
}

// healthCommand looks at a node's services; what to look at comes on standard input.
const healthCommand = "sudo /usr/local/bin/os-apply-config health"

// Health tells how every service of every machine of a stack is, in the order of
// the roles, the machines and their services. All machines are asked at once; one
// that does not answer is a row of its own. Safe for concurrent use.
func (e *Engine) Health(ctx context.Context, s *stack.Stack) ([]stack.ServiceHealth, error) {
	nodes, cfg, err := e.configuration(ctx, s)
	if err != nil {
		return nil, err
	}
	rows := make([][]stack.ServiceHealth, len(nodes))
	index := map[string]int{}
	for i, n := range nodes {
		index[n.Name] = i
	}
	each(nodes, func(n stack.Node) error {
		ctx, cancel := context.WithTimeout(ctx, healthLimit)
		defer cancel()
		rows[index[n.Name]] = e.healthOf(ctx, n, resource.Checks(cfg[n.Name]))
		return nil
	})
	return slices.Concat(rows...), nil
}

func (e *Engine) healthOf(ctx context.Context, n stack.Node, checks []resource.Check) []stack.ServiceHealth {
	found, err := e.Observer.Health(ctx, n, checks)
	if err != nil {
		return []stack.ServiceHealth{{Node: n.Name, Role: n.Role, Service: "ssh", State: stack.Unreachable, Detail: err.Error()}}
	}
	var out []stack.ServiceHealth
	for _, h := range found {
		state := stack.Healthy
		if !h.OK {
			state = stack.Unhealthy
		}
		out = append(out, stack.ServiceHealth{Node: n.Name, Role: n.Role, Service: h.Service, State: state, Detail: h.Detail})
	}
	return out
}

// configuration is what every machine of a stack that was deployed is to be, machines
// in the order of the roles and their indexes.
func (e *Engine) configuration(ctx context.Context, s *stack.Stack) ([]stack.Node, plan.Config, error) {
	nodes, err := e.Store.StackNodes(ctx, s.ID)
	if err != nil || len(nodes) == 0 {
		return nil, nil, err
	}
	machines := plainNodes(nodes)
	p, err := e.Plan(ctx, s.Whole(), machines...)
	if err != nil {
		return nil, nil, fmt.Errorf("make the plan of stack %s: %w", s.Name, err)
	}
	order := map[string]int{}
	for i, r := range p.Roles {
		order[r.Name] = i
	}
	slices.SortStableFunc(nodes, func(a, b stack.Node) int {
		if a.Role != b.Role {
			return order[a.Role] - order[b.Role]
		}
		return a.Index - b.Index
	})
	cfg, err := p.Configure(machines)
	return nodes, cfg, err
}

// Health implements Observer, with a login of its own: a deployment may be using
// the one that is kept.
func (r *Remote) Health(ctx context.Context, n stack.Node, checks []resource.Check) ([]resource.Health, error) {
	body, err := json.Marshal(checks)
	if err != nil {
		return nil, fmt.Errorf("encode checks: %w", err)
	}
	c, err := r.Dialer.Dial(ctx, target(n))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var out []resource.Health
	err = c.Run(ctx, healthCommand, body, func(line []byte) {
		var h resource.Health
		if json.Unmarshal(line, &h) == nil && h.Service != "" {
			out = append(out, h)
		}
	})
	if err == nil && len(out) != len(checks) {
		err = fmt.Errorf("os-apply-config told of %d of %d services", len(out), len(checks))
	}
	return out, err
}
