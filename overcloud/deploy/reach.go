package deploy

import (
	"context"
	"fmt"
	"sync"
	"time"

	"trefoil/overcloud/stack"
)

// loginTimeout is how long a machine that boots its image may take to let us in.
const loginTimeout = 20 * time.Minute

// reach waits until a machine lets us in, for limit at most. That it does not yet is an event of
// path each minute: for how long, and why. what stands before it.
func (r *run) reach(ctx context.Context, n stack.Node, path, physical, what string, limit time.Duration) error {
	began := r.Now()
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var mu sync.Mutex
	reason := "no answer"
	var telling sync.WaitGroup
	over := make(chan struct{})
	telling.Go(func() {
		tick := time.NewTicker(tellWaits)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-limited.Done():
				return
			case <-tick.C:
			}
			mu.Lock()
			why := reason
			mu.Unlock()
			text := fmt.Sprintf("%s, %.0f s so far, %s at most: %s; is it on? its console tells more", what, r.Now().Sub(began).Seconds(), limit, why)
			if err := r.event(ctx, path, r.s.Action, stack.InProgress, text, physical); err != nil && ctx.Err() == nil {
				r.log.Warn("that a node is waited for could not be told", "node", n.Name, "error", err)
			}
		}
	})
	err := r.Nodes.Reach(limited, n, func(why string) {
		mu.Lock()
		reason = why
		mu.Unlock()
		r.log.Info("reaching the node by SSH", "node", n.Name, "address", n.Address, "reason", why)
	})
	close(over)
	telling.Wait()
	return err
}
