package deploy

import (
	"context"
	"slices"
	"sync"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// standing finds out in one look at each machine which steps need not be done again.
// It gives, by machine, how many from the first on stand: the machine has them as
// recorded, and so have all machines that the step waits for; what is done anew
// somewhere is looked at again wherever somebody waits for it. A machine that cannot
// tell has its steps done one by one.
func (r *run) standing(ctx context.Context, nodes []stack.Node, cfg plan.Config, gates map[string][plan.Steps]plan.Gate) map[string]int {
	var mu sync.Mutex
	recorded := map[string]int{}
	each(nodes, func(n stack.Node) error {
		steps := r.recorded(ctx, n, cfg[n.Name])
		mu.Lock()
		defer mu.Unlock()
		recorded[n.Name] = steps
		return nil
	})
	return settled(nodes, recorded, gates)
}

// recorded is how many steps, from the first on, a machine has as its documents say.
func (r *run) recorded(ctx context.Context, n stack.Node, docs []resource.Document) int {
	var ask []resource.Document
	last := 0
	for ; last < len(docs); last++ {
		if len(docs[last].Resources) == 0 {
			continue
		}
		if n.Hashes[docs[last].Step] != docs[last].Hash {
			break // this one was never done: no need to ask
		}
		ask = append(ask, docs[last])
	}
	if len(ask) == 0 {
		return 0
	}
	ok, err := r.Nodes.Verify(ctx, n, ask)
	if err != nil {
		r.log.Warn("node does not tell what it has done, its steps are looked at one by one", "node", n.Name, "error", err)
		return 0
	}
	for i, d := range docs[:last] {
		if len(d.Resources) > 0 && !ok[d.Step] {
			return i
		}
	}
	return last
}

// settled leaves of the recorded steps those whose gates have nothing to wait for. A
// role without machines among nodes has nothing to do.
func settled(nodes []stack.Node, recorded map[string]int, gates map[string][plan.Steps]plan.Gate) map[string]int {
	out := map[string]int{}
	moving := map[string]bool{} // roles that do the step before anew on some machine
	for step := 1; step <= plan.Steps; step++ {
		next := map[string]bool{}
		for _, n := range nodes {
			waits := slices.ContainsFunc(gates[n.Role][step-1].Roles, func(role string) bool { return moving[role] })
			if out[n.Name] == step-1 && recorded[n.Name] >= step && !waits {
				out[n.Name] = step
			} else {
				next[n.Role] = true
			}
		}
		moving = next
	}
	return out
}
