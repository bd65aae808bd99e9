package deploy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"trefoil/overcloud/stack"
)

// silentFor is how long a machine that is configured may say nothing until that is told:
// what waits or runs a program says so every few seconds.
const silentFor = 2 * time.Minute

// tellSilence tells each minute of a machine that says nothing any more, until ctx ends.
func (f *following) tellSilence(ctx context.Context) {
	tick := time.NewTicker(tellWaits)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		text := f.silence(f.r.Now())
		if text == "" {
			continue
		}
		err := f.r.event(ctx, stack.StepPath(f.node.Role, fmt.Sprint(f.doc.Step), f.node.Index), f.r.s.Action, stack.InProgress, text, "")
		if err != nil && ctx.Err() == nil {
			f.r.log.Warn("the silence of a node could not be told", "node", f.node.Name, "error", err)
		}
	}
}

// silence is what there is to tell of a machine that says nothing; "" of one that does.
func (f *following) silence(now time.Time) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	so := now.Sub(f.heard)
	if so < silentFor {
		return ""
	}
	underWay := "nothing is under way that takes time"
	if len(f.started) > 0 {
		underWay = "under way: " + strings.Join(f.started, ", ")
	}
	return fmt.Sprintf("has said nothing for %.0f s; %s; is it busy? ssh %s@%s, or its console", so.Seconds(), underWay, RemoteUser, f.node.Address)
}
