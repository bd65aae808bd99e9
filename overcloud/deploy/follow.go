package deploy

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// following takes in what a machine tells of one document while it is applied. Where it
// waits, those that it waits for are asked in the background. see is never called twice at a time.
type following struct {
	r          *run
	node       stack.Node
	whole, doc resource.Document // with and without the machines that are gone on without
	gone       []string
	end        context.CancelCauseFunc // ends the document; errLeftOut: more are gone that it waits for

	waits   waits
	asking  sync.WaitGroup
	last    resource.Event // that failed
	changed int
	seen    int  // resources that are as they are to be
	done    bool // the document

	mu      sync.Mutex // what follows is also looked at by who tells of silence
	heard   time.Time  // from the machine, the last time
	started []string   // keys of those that are under way, the latest last: services are done side by side
}

func (f *following) see(ctx context.Context, ev resource.Event) {
	f.r.longestOf(f.node, f.doc, ev)
	f.r.spentOf(ctx, f.node, f.doc.Step, ev)
	if text := f.waits.see(ev, f.r.Now()); text != "" {
		missing := f.waits.missing()
		f.asking.Go(func() { f.r.askWhy(ctx, f.end, f.node, f.doc, text, missing) })
	}
	f.keepStarted(ev)
	switch ev.Event {
	case "failed":
		f.last = ev
	case "done":
		f.done = true
	case "unchanged", "changed":
		f.seen++
		f.r.blame.begun(f.node.Name, ev.Key)
		if ev.Event == "changed" {
			f.changed++
			f.r.log.Info("changed on node", "node", f.node.Name, "step", f.doc.Step, "resource", ev.Key)
		}
	case "told":
		f.r.log.Warn("node tells", "node", f.node.Name, "step", f.doc.Step, "of", ev.Key, "text", ev.Told)
		at := stack.StepPath(f.node.Role, fmt.Sprint(f.doc.Step), f.node.Index)
		if err := f.r.event(ctx, at, f.r.s.Action, stack.InProgress, ev.Told, ""); err != nil && ctx.Err() == nil {
			f.r.log.Warn("what a node tells could not be told", "node", f.node.Name, "error", err)
		}
	case "waiting":
		f.r.log.Info("node waits", "node", f.node.Name, "step", f.doc.Step, "for", ev.Key, "missing", ev.Missing)
		if now := f.r.gone(); !slices.Equal(now, f.gone) {
			if f.gone = now; f.r.outdated(f.whole, f.doc) {
				f.end(errLeftOut)
			}
		}
	}
}

// keepStarted notes that the machine was heard, and which resources are under way. One that
// takes no time is told of only when it is done.
func (f *following) keepStarted(ev resource.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = f.r.Now()
	switch ev.Event {
	case "start":
		f.started = append(f.started, ev.Key)
	case "unchanged", "changed", "failed":
		f.started = slices.DeleteFunc(f.started, func(key string) bool { return key == ev.Key })
	}
}
