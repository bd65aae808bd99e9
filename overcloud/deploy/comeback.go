package deploy

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

const (
	// comesBackIn is how long a machine that went away in the middle of a step may take until it
	// lets us in again: the firmware of a server takes minutes.
	comesBackIn = 10 * time.Minute
	// mostLost is how often it may go away in one step: what it is told may be what kills it.
	mostLost = 3
)

// wentAway is a machine that cannot be reached any more, as it is told when it stays away.
type wentAway struct{ *Failed }

// comesBack waits for a machine that went away to let us in again, and tells of it; false: it
// does not, or the deployment was stopped.
func (r *run) comesBack(ctx context.Context, n stack.Node, doc resource.Document, away *wentAway) bool {
	began := r.Now()
	tell := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if err := r.event(ctx, stack.StepPath(n.Role, strconv.Itoa(doc.Step), n.Index), r.s.Action, stack.InProgress, text, ""); err != nil && ctx.Err() == nil {
			r.log.Warn("that a node went away could not be told", "node", n.Name, "error", err)
		}
	}
	tell("%v; waits until it lets us in again, %s at most; is it on? its console tells more", away.Failed, comesBackIn)
	err := r.reach(ctx, n, stack.StepPath(n.Role, strconv.Itoa(doc.Step), n.Index), "", "cannot be reached", comesBackIn)
	if err != nil {
		away.Failures[0].Error += fmt.Sprintf("; it was waited for %.0f s: %v", r.Now().Sub(began).Seconds(), err)
		return false
	}
	tell("answers again after %.0f s: step %d goes on, and repeats nothing that is done", r.Now().Sub(began).Seconds(), doc.Step)
	return true
}
