package node

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
)

// reportEvery is how often those who are still waited for are named.
const reportEvery = 15 * time.Second

// errTimeout is in the error of a node that was waited for in vain.
var errTimeout = errors.New("timed out")

// state is what waiting must know of a node.
type state struct {
	UUID        string `json:"uuid"`
	Name        string `json:"name"`
	Provision   string `json:"provision_state"`
	LastError   string `json:"last_error"`
	Maintenance bool   `json:"maintenance"`
}

func (s state) label() string {
	if s.Name != "" {
		return s.Name
	}
	return s.UUID
}

// states reads all nodes in one request (a page of it, beyond a thousand). query adds filters.
func (w *Workflow) states(ctx context.Context, query url.Values) ([]state, error) {
	bm, err := w.client()
	if err != nil {
		return nil, err
	}
	if query == nil {
		query = url.Values{}
	}
	query.Set("fields", "uuid,name,provision_state,last_error,maintenance")
	return session.All[state](ctx, bm, "nodes", query)
}

// resolve finds nodes by uuid or name, in the order given, each once. Nothing
// has been asked of any node when one is unknown.
func (w *Workflow) resolve(ctx context.Context, idents []string) ([]state, error) {
	all, err := w.states(ctx, nil)
	if err != nil {
		return nil, err
	}
	by := make(map[string]state, 2*len(all))
	for _, s := range all {
		if s.Name != "" {
			by[s.Name] = s
		}
	}
	for _, s := range all {
		by[s.UUID] = s
	}
	seen := map[string]bool{}
	var out []state
	for _, ident := range idents {
		s, ok := by[ident]
		if !ok {
			return nil, errs.New(errs.NotFound, "Node %s could not be found.", ident).WithHint("openstack baremetal node list")
		}
		if !seen[s.UUID] {
			seen[s.UUID] = true
			out = append(out, s)
		}
	}
	return out, nil
}

// wait returns when every node is in want, failed or out of time, with the reason
// of each that is not, by uuid. One list per look, however many nodes. An
// undercloud that is away for a while (a restart) is waited for.
func (w *Workflow) wait(ctx context.Context, asked []state, want string, timeout time.Duration) map[string]error {
	began, reported := time.Now(), time.Now()
	failed, left := map[string]error{}, asked
	for len(left) > 0 {
		all, err := w.states(ctx, nil)
		away := errs.Is(err, errs.Unavailable)
		switch {
		case ctx.Err() != nil:
			return failAll(failed, left, ctx.Err())
		case err != nil && !away:
			return failAll(failed, left, err)
		case err == nil:
			left = look(left, all, want, failed)
		}
		if len(left) == 0 {
			break
		}
		if time.Since(reported) >= reportEvery {
			reported = time.Now()
			w.report(left, want, away, time.Since(began))
		}
		if time.Since(began) > timeout {
			for _, n := range left {
				failed[n.UUID] = errs.Wrap(errs.Unavailable, errTimeout, "Node %s did not reach state \"%s\" within %s, the state is \"%s\"",
					n.label(), want, timeout, n.Provision).WithHint("openstack baremetal node history list %s", n.UUID)
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

func failAll(failed map[string]error, left []state, err error) map[string]error {
	for _, n := range left {
		failed[n.UUID] = err
	}
	return failed
}

// look takes the nodes for which waiting is over off left and notes in failed why.
func look(left, all []state, want string, failed map[string]error) []state {
	now := make(map[string]state, len(all))
	for _, s := range all {
		now[s.UUID] = s
	}
	var out []state
	for _, n := range left {
		s, there := now[n.UUID]
		if !there {
			failed[n.UUID] = errs.New(errs.NotFound, "Node %s was deleted meanwhile.", n.label())
			continue
		}
		done, err := reached(s, want)
		if err != nil {
			failed[n.UUID] = err
		}
		if !done {
			out = append(out, s)
		}
	}
	return out
}

// reached tells whether waiting is over: the state is there, or has failed.
func reached(n state, want string) (bool, error) {
	switch st := n.Provision; {
	case st == want:
		return true, nil
	case st == "error", strings.HasSuffix(st, "failed"), st == "enroll" && want == "manageable" && n.LastError != "":
		return true, errs.New(errs.Conflict, "Node %s did not reach state \"%s\", the state is \"%s\", error: %s", n.label(), want, st, oneLine(n.LastError)).
			WithHint("openstack baremetal node history list %s", n.UUID)
	}
	return false, nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func (w *Workflow) report(left []state, want string, away bool, since time.Duration) {
	if away {
		fmt.Fprintf(w.Progress, "the undercloud does not answer; waiting for it and for %d node(s), %s so far\n", len(left), since.Round(time.Second))
		return
	}
	var who []string
	for _, n := range left {
		if len(who) == 5 {
			who = append(who, "…")
			break
		}
		who = append(who, n.label()+": "+n.Provision)
	}
	fmt.Fprintf(w.Progress, "waiting for %d node(s) to become %s, %s so far: %s\n", len(left), want, since.Round(time.Second), strings.Join(who, ", "))
}
