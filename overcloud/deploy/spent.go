package deploy

import (
	"context"
	"maps"
	"slices"

	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// spentOf takes in what a machine tells of its processors and memory. Where a step begins
// and ends it is written down at once, in the machine's own row: the end of one that is never
// asked for again must not be lost with this run, nor the beginning of one that the next run
// goes on with, even where this program is being stopped.
func (r *run) spentOf(ctx context.Context, n stack.Node, step int, ev resource.Event) {
	if ev.Usage == nil && ev.Event != "changed" {
		return
	}
	r.mu.Lock()
	r.spent[n.Name] = hear(r.spent[n.Name], stepOf{n.Name, step}, ev)
	r.mu.Unlock()
	if ev.Usage == nil || ev.Event == "waiting" {
		return
	}
	if err := r.Store.PutStackNode(context.WithoutCancel(ctx), r.s.ID, r.withSpent(n)); err != nil { // the step's end writes it, too
		r.log.Warn("what a step cost is not written down yet", "node", n.Name, "step", step, "error", err)
	}
}

// withSpent is a machine's row with what it has told in this action.
func (r *run) withSpent(n stack.Node) stack.Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	n.Spent, n.SpentOf = slices.Clone(r.spent[n.Name]), r.s.StartedAt
	return n
}

// recallSpent goes on with what the machines told earlier in this action, before a restart. It is
// called before anything else can write the summary down, or end.
func (r *run) recallSpent(ctx context.Context) error {
	nodes, err := r.Store.StackNodes(ctx, r.s.ID)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range nodes {
		if n.SpentOf.Equal(r.s.StartedAt) {
			r.spent[n.Name] = n.Spent
		}
	}
	return nil
}

// allSpent is what all machines told, in the order of their names. The caller has r.mu, or is alone.
func (r *run) allSpent() (out []stack.Spent) {
	for _, name := range slices.Sorted(maps.Keys(r.spent)) {
		out = append(out, r.spent[name]...)
	}
	return out
}

// hear is what was spent with an event taken in. A machine tells how far the counter of its
// processors is, so that nothing can be counted twice: a step that is done again, because
// this program or the machine's was ended in between, goes on from where the counter stood
// when it began first. Only a boot sets the counter back, and begins a new row.
func hear(all []stack.Spent, at stepOf, ev resource.Event) []stack.Spent {
	boot := ""
	if ev.Usage != nil {
		boot = ev.Usage.Boot
	}
	known := func(x stack.Spent) bool { return x.Node == at.node && x.Step == at.step }
	i := slices.IndexFunc(all, func(x stack.Spent) bool { return known(x) && x.Boot == boot })
	switch {
	case ev.Event == "begun" && boot != "" && i < 0:
		return append(all, stack.Spent{Node: at.node, Step: at.step, Boot: boot, FromMS: ev.Usage.CPUMS, ToMS: ev.Usage.CPUMS,
			MemoryMiB: ev.Usage.MemoryMiB, Open: true})
	case ev.Event == "changed" && !slices.ContainsFunc(all, known): // a program that does not tell what it costs
		return append(all, stack.Spent{Node: at.node, Step: at.step, Open: true})
	case boot == "" || i < 0:
		return all
	}
	x := &all[i]
	x.ToMS, x.MemoryMiB = max(x.ToMS, ev.Usage.CPUMS), max(x.MemoryMiB, ev.Usage.MemoryMiB)
	x.Open = ev.Event != "done" && ev.Event != "failed"
	return all
}
