package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"
	"github.com/hashicorp/go-multierror"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
)

// reportEvery is how often those who are still waited for are named.
const reportEvery = 15 * time.Second

// wait returns when every node is in want, failed or out of time, with the reason
// of each that is not. An undercloud that is away for a while (a restart) is waited for.
func (w *Workflow) wait(ctx context.Context, ids []string, want string, timeout time.Duration) map[string]error {
	began, reported := time.Now(), time.Now()
	left, failed := map[string]string{}, map[string]error{} // uuid → label and state
	for _, id := range ids {
		left[id] = id
	}
	for len(left) > 0 {
		for id := range left {
			n, err := nodes.Get(ctx, w.bm, id).Extract()
			if err = session.Explain(err); err != nil {
				if !errs.Is(err, errs.Unavailable) && ctx.Err() == nil {
					failed[id] = err
					delete(left, id)
				} else {
					left[id] = "the undercloud does not answer"
				}
				continue
			}
			left[id] = fmt.Sprintf("%s: %s", label(n), n.ProvisionState)
			if done, err := reached(n, want); done {
				delete(left, id)
				if err != nil {
					failed[id] = err
				}
			}
		}
		if len(left) == 0 {
			break
		}
		if time.Since(reported) >= reportEvery {
			reported = time.Now()
			fmt.Fprintf(w.Progress, "waiting for %d node(s) to become %s, %s so far: %s\n", len(left), want, time.Since(began).Round(time.Second), join(left))
		}
		if time.Since(began) > timeout || ctx.Err() != nil {
			for id, state := range left {
				failed[id] = errs.New(errs.Unavailable, "%s; did not reach state \"%s\" within %s", state, want, time.Since(began).Round(time.Second)).
					WithHint("openstack baremetal node history list %s", id)
			}
			return failed
		}
		select {
		case <-ctx.Done():
		case <-time.After(w.Poll):
		}
	}
	return failed
}

// reached tells whether waiting is over: the state is there, or has failed.
func reached(n *nodes.Node, want string) (bool, error) {
	switch st := n.ProvisionState; {
	case st == want:
		return true, nil
	case st == "error", strings.HasSuffix(st, "failed"), st == "enroll" && want == "manageable" && n.LastError != "":
		return true, errs.New(errs.Conflict, "Node %s did not reach state \"%s\", the state is \"%s\", error: %s", label(n), want, st, n.LastError).
			WithHint("openstack baremetal node history list %s", n.UUID)
	}
	return false, nil
}

func join(m map[string]string) string {
	out := make([]string, 0, len(m))
	for _, v := range m {
		out = append(out, v)
	}
	if len(out) > 5 {
		out = append(out[:5], "…")
	}
	return strings.Join(out, ", ")
}

// Introspect inspects nodes over IPMI and PXE; those that fail are tried again.
func (w *Workflow) Introspect(ctx context.Context, ids []string) error {
	if _, err := w.client(); err != nil {
		return err
	}
	fmt.Fprintln(w.Out, "Waiting for introspection to finish...")
	w.started("introspect")
	left, total := ids, len(ids)
	var failed map[string]error
	for attempt := 1; attempt <= max(w.Retries, 1) && len(left) > 0; attempt++ {
		if attempt > 1 {
			fmt.Fprintf(w.Out, "Retrying %d nodes that failed introspection. Attempt %d of %d \n", len(left), attempt, w.Retries)
		}
		failed = w.introspectOnce(ctx, left)
		left = left[:0:0]
		for id := range failed {
			left = append(left, id)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(left) > 0 {
		var all *multierror.Error
		for id, err := range failed {
			all = multierror.Append(all, fmt.Errorf("node %s: %w", id, err))
		}
		return fmt.Errorf("Introspection completed with errors: retry limit reached with %d nodes still failing introspection: %w", len(left), all) //nolint:staticcheck // TripleO's words
	}
	fmt.Fprintf(w.Out, "Successfully introspected %d node(s).\n", total)
	return nil
}

func (w *Workflow) introspectOnce(ctx context.Context, ids []string) map[string]error {
	failed := map[string]error{}
	var asked []string
	for _, id := range ids {
		err := session.Explain(nodes.ChangeProvisionState(ctx, w.bm, id, nodes.ProvisionStateOpts{Target: nodes.TargetInspect}).ExtractErr())
		if err != nil {
			failed[id] = err
			continue
		}
		asked = append(asked, id)
	}
	for id, err := range w.wait(ctx, asked, "manageable", introspectTimeout) {
		failed[id] = err
	}
	for _, id := range ids {
		if err := failed[id]; err != nil {
			fmt.Fprintf(w.Out, "Introspection of node %s completed. Status:FAILED. Errors:%v\n", id, err)
		} else {
			fmt.Fprintf(w.Out, "Introspection of node %s completed. Status:SUCCESS. Errors:None\n", id)
		}
	}
	return failed
}

// Manageable lists nodes that may be introspected or provided.
func (w *Workflow) Manageable(ctx context.Context) ([]string, error) {
	bm, err := w.client()
	if err != nil {
		return nil, err
	}
	pages, err := nodes.List(bm, nodes.ListOpts{ProvisionState: "manageable"}).AllPages(ctx)
	if err != nil {
		return nil, session.Explain(err)
	}
	all, err := nodes.ExtractNodes(pages)
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
