package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// step does one step of one machine, if it has anything to do; one that stands is only
// recorded. The error is a *Failed.
func (r *run) step(ctx context.Context, n stack.Node, docs []resource.Document, step int, stands bool) error {
	if err := r.away[n.Name]; err != nil {
		return join("provisioning", map[string]error{n.Name: err})
	}
	i := slices.IndexFunc(docs, func(d resource.Document) bool { return d.Step == step })
	if i < 0 || len(docs[i].Resources) == 0 {
		return nil
	}
	err := r.around(ctx, stack.StepPath(n.Role, strconv.Itoa(step), n.Index), "", func() error {
		if stands {
			for _, x := range docs[i].Resources {
				r.blame.begun(n.Name, x.Key())
			}
			return nil
		}
		return r.apply(ctx, n, docs[i])
	})
	return join(phaseOf(step), map[string]error{n.Name: err})
}

// apply runs one document on one node, and again when it waits for machines that are
// gone on without from now on, or when the node went away and came back.
func (r *run) apply(ctx context.Context, n stack.Node, doc resource.Document) error {
	for lost := 0; ; {
		err := r.applyOnce(ctx, n, doc, r.gone())
		var away *wentAway
		switch {
		case errors.Is(err, errLeftOut):
			r.log.Info("no longer waited for", "node", n.Name, "step", doc.Step, "left out", r.gone())
		case errors.As(err, &away):
			if lost++; lost > mostLost || !r.comesBack(ctx, n, doc, away) {
				return away.Failed
			}
		default:
			return err
		}
	}
}

// applyOnce runs a document without the machines that are gone, and turns its last failed
// event into the cause. errLeftOut: more are gone that it waits for; *wentAway: the node is.
func (r *run) applyOnce(ctx context.Context, n stack.Node, whole resource.Document, gone []string) error {
	doc := r.without(whole, gone)
	ctx, end := context.WithCancelCause(ctx)
	f := &following{r: r, node: n, whole: whole, doc: doc, gone: gone, end: end, waits: waits{doc: doc}, heard: r.Now()}
	defer f.asking.Wait()
	defer end(nil)
	f.asking.Go(func() { f.tellSilence(ctx) })
	err := r.Nodes.Apply(ctx, n, doc, func(ev resource.Event) { f.see(ctx, ev) })
	r.mu.Lock()
	r.summary.Changed += f.changed
	r.mu.Unlock()
	if cause := context.Cause(ctx); !f.done && (errors.As(cause, new(*Failed)) || errors.Is(cause, errLeftOut)) {
		return cause
	}
	if f.last.Event == "failed" {
		return r.failedBy(ctx, n, whole, doc, f.last)
	}
	if errs.Is(err, errs.Unavailable) && ctx.Err() == nil {
		return &wentAway{f.nodeLost(err)}
	}
	if err == nil && !f.done {
		err = errors.New("os-apply-config ended without saying that it is done")
	}
	if err != nil {
		return &Failed{[]stack.Failure{{Node: n.Name, Phase: phaseOf(doc.Step), Error: err.Error(), Hint: "run the deploy again: it goes on where it stopped"}}}
	}
	switch {
	case doc.Hash != "":
		n.Hashes[doc.Step] = doc.Hash
	case n.Hashes[doc.Step] != "": // of some services: the whole step is to be done again, on a machine that has been brought to its end
		n.Hashes[doc.Step] = partly
	}
	return r.Store.PutStackNode(ctx, r.s.ID, r.withSpent(n))
}

// failedBy is the failure that a machine told of. One of a wait is of the machines that it
// waited for in vain; errLeftOut: those are gone on without from now on.
func (r *run) failedBy(ctx context.Context, n stack.Node, whole, doc resource.Document, ev resource.Event) error {
	var all []stack.Failure
	if strings.HasPrefix(ev.Key, "wait:") && ctx.Err() == nil {
		tolerated := true
		for _, a := range r.blame.ask(ctx, ev.Error) {
			if r.fatal(a.node.Name) {
				continue // its own failure is told
			}
			all = append(all, a.failure())
			tolerated = tolerated && a.node.Name != n.Name && r.leaveOut(a.node, &Failed{[]stack.Failure{a.failure()}})
		}
		if tolerated && len(all) > 0 && r.outdated(whole, doc) {
			return errLeftOut
		}
	}
	return &Failed{append(all, stack.Failure{Node: n.Name, Phase: phaseOf(doc.Step), Service: serviceOf(doc, ev.Key),
		Key: ev.Key, Error: ev.Error, Hint: ev.Hint, Tail: ev.Tail})}
}

// phaseOf is what failures call a step.
func phaseOf(step int) string { return fmt.Sprintf("step %d", step) }

// nodeLost tells of a node that went away in the middle of a document. What it began last
// is named as the place, if it told of anything that was under way.
func (f *following) nodeLost(err error) *Failed {
	n, doc := f.node, f.doc
	at, underWay := "", ""
	switch last := len(f.started) - 1; {
	case last == 0:
		at, underWay = f.started[0], ", "+f.started[0]+" was under way"
	case last > 0:
		at, underWay = f.started[last], ", "+strings.Join(f.started, ", ")+" were under way"
	}
	return &Failed{[]stack.Failure{{Node: n.Name, Phase: phaseOf(doc.Step), Service: serviceOf(doc, at), Key: at,
		Error: fmt.Sprintf("node %s (%s) cannot be reached any more, %d of %d resources were done%s: %v", n.Name, n.Address, f.seen, len(doc.Resources), underWay, err),
		Hint: fmt.Sprintf("is it on? openstack baremetal node show %s; look at its console; when it answers again (ssh %s@%s), run the same deploy: it goes on with step %d and repeats nothing that is done",
			n.UUID, RemoteUser, n.Address, doc.Step)}}}
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
