package node

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
)

// manageNew moves nodes that are in enroll to manageable.
func (w *Workflow) manageNew(ctx context.Context, ids []string) error {
	all, err := w.resolve(ctx, ids)
	if err != nil {
		return err
	}
	var fresh []state
	for _, n := range all {
		if n.Provision == "enroll" {
			fresh = append(fresh, n)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := w.move(ctx, fresh, nodes.TargetManage, "manageable"); err != nil {
		return err
	}
	fmt.Fprintf(w.Out, "%d node(s) successfully moved to the \"manageable\" state.\n", len(fresh))
	return nil
}

// Provide moves nodes, given by uuid or name, to available.
func (w *Workflow) Provide(ctx context.Context, idents []string) error {
	w.started("provide")
	all, err := w.resolve(ctx, idents)
	if err == nil {
		err = w.move(ctx, all, nodes.TargetProvide, "available")
	}
	if err != nil {
		return fmt.Errorf("Failed to set nodes to available state: %w", err) //nolint:staticcheck // TripleO's words
	}
	fmt.Fprintf(w.Out, "%d node(s) successfully moved to the \"available\" state.\n", len(all))
	return nil
}

// move asks for target on all nodes and waits until each is in want. The error
// has a line for each node that is not.
func (w *Workflow) move(ctx context.Context, all []state, target nodes.TargetProvisionState, want string) error {
	failed := map[string]error{}
	var asked []state
	for _, n := range all {
		if n.Provision == want {
			continue
		}
		if err := w.ask(ctx, n, target); err != nil {
			failed[n.UUID] = err
			continue
		}
		asked = append(asked, n)
	}
	for id, err := range w.wait(ctx, asked, want, stateTimeout) {
		failed[id] = err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return joined(all, failed)
}

// joined is the errors of nodes in their order, one a line.
func joined(all []state, failed map[string]error) error {
	var out []error
	for _, n := range all {
		if err := failed[n.UUID]; err != nil {
			out = append(out, err)
		}
	}
	return errors.Join(out...)
}

// ask sends one verb.
func (w *Workflow) ask(ctx context.Context, n state, target nodes.TargetProvisionState) error {
	bm, err := w.client()
	if err != nil {
		return err
	}
	err = session.Ask(ctx, w.Poll, func() error {
		return nodes.ChangeProvisionState(ctx, bm, n.UUID, nodes.ProvisionStateOpts{Target: target}).ExtractErr()
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("Node %s: %w", n.label(), err) //nolint:staticcheck // begins a line
	}
	return err
}

// Introspect inspects nodes, given by uuid or name, over IPMI and PXE; those
// that fail are tried again.
func (w *Workflow) Introspect(ctx context.Context, idents []string) error {
	fmt.Fprintln(w.Out, "Waiting for introspection to finish...")
	w.started("introspect")
	all, err := w.resolve(ctx, idents)
	if err != nil {
		return err
	}
	left, refused := introspectable(all)
	attempts := max(w.Retries, 1)
	var failed map[string]error
	for attempt := 1; attempt <= attempts && len(left) > 0; attempt++ {
		if attempt > 1 {
			fmt.Fprintf(w.Out, "Retrying %d nodes that failed introspection. Attempt %d of %d \n", len(left), attempt, attempts)
		}
		failed = w.introspectOnce(ctx, left)
		if ctx.Err() != nil {
			return fmt.Errorf("introspection: %w", ctx.Err())
		}
		var again []state
		for _, n := range left {
			if failed[n.UUID] != nil {
				again = append(again, n)
			}
		}
		left = again
	}
	if len(left) > 0 {
		return fmt.Errorf("Introspection completed with errors:\nRetry limit reached with %d nodes still failing introspection\n%w", len(left), joined(left, failed)) //nolint:staticcheck // TripleO's words
	}
	if n := len(all) - refused.nodes; n > 0 {
		fmt.Fprintf(w.Out, "Successfully introspected %d node(s).\n", n)
	}
	return refused.err()
}

// refused are nodes in a state in which no new attempt would introspect them.
type refused struct {
	nodes int
	lines []string
}

func (r refused) err() error {
	if r.nodes == 0 {
		return nil
	}
	return errs.New(errs.Conflict, "%s", strings.Join(r.lines, "\n")).
		WithHint("openstack baremetal node manage NODE makes an available node manageable again; one with an instance stays as it is")
}

// introspectable parts the nodes that are refused from the others, before anything is asked for.
func introspectable(all []state) (may []state, not refused) {
	for _, n := range all {
		if n.Provision != "available" && n.Provision != "active" {
			may = append(may, n)
			continue
		}
		not.nodes++
		not.lines = append(not.lines, fmt.Sprintf("Node %s is %q, and only manageable nodes are introspected", n.label(), n.Provision))
	}
	return may, not
}

func (w *Workflow) introspectOnce(ctx context.Context, all []state) map[string]error {
	failed := map[string]error{}
	var asked []state
	for _, n := range all {
		if err := w.ask(ctx, n, nodes.TargetInspect); err != nil {
			failed[n.UUID] = err
			continue
		}
		asked = append(asked, n)
	}
	for id, err := range w.wait(ctx, asked, "manageable", introspectTimeout) {
		failed[id] = err
	}
	if ctx.Err() != nil {
		return failed
	}
	for _, n := range all {
		switch err := failed[n.UUID]; {
		case err == nil:
			fmt.Fprintf(w.Out, "Introspection of node %s completed. Status:SUCCESS. Errors:None\n", n.UUID)
		case errors.Is(err, errTimeout):
			fmt.Fprintf(w.Out, "Introspection of node %s timed out.\n", n.UUID)
		default:
			fmt.Fprintf(w.Out, "Introspection of node %s completed. Status:FAILED. Errors:%v\n", n.UUID, err)
		}
	}
	return failed
}

// Manageable lists nodes that may be introspected or provided.
func (w *Workflow) Manageable(ctx context.Context) ([]string, error) {
	all, err := w.states(ctx, url.Values{"provision_state": {"manageable"}})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, n := range all {
		if !n.Maintenance {
			ids = append(ids, n.UUID)
		}
	}
	return ids, nil
}
