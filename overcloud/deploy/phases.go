package deploy

import (
	"context"
	"time"
)

// begun is when a phase began in this action: now, or before a restart, which is written
// down so that the time from before a kill is not lost.
func (r *run) begun(ctx context.Context, phase string) (time.Time, error) {
	r.mu.Lock()
	at, resumed := r.summary.Begun[phase]
	if !resumed {
		at = r.Now()
		r.summary.Begun[phase] = at
	}
	r.mu.Unlock()
	if resumed {
		return at, nil
	}
	return at, r.keep(ctx)
}

// timed adds up how long a phase takes each time that it is gone through. One that is
// stopped with the service goes on in the next run.
func (r *run) timed(ctx context.Context, phase string, f func() error) error {
	began, err := r.begun(ctx, phase)
	if err != nil {
		return err
	}
	err = f()
	if ctx.Err() != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.summary.Begun, phase)
	r.summary.Seconds[phase] += r.since(began)
	return err
}

// stepClock times steps, each from when the first role begins it until the last that has begun
// it has ended it. A role whose machines have failed before never begins it, so that nobody waits
// for one. Not safe for concurrent use.
type stepClock struct {
	*run
	began map[int]time.Time // by step
	open  map[int]int       // roles that are at a step
}

func (r *run) stepClock() *stepClock { return &stepClock{r, map[int]time.Time{}, map[int]int{}} }

func (c *stepClock) begin(ctx context.Context, step int) (err error) {
	c.open[step]++
	if c.open[step] == 1 && !c.began[step].IsZero() { // all that were at it had ended it
		c.mu.Lock()
		c.summary.Begun[phaseOf(step)] = c.began[step]
		c.mu.Unlock()
		return c.keep(ctx)
	}
	c.began[step], err = c.begun(ctx, phaseOf(step))
	return err
}

func (c *stepClock) end(step int) {
	c.open[step]--
	c.took(phaseOf(step), c.began[step], c.open[step] == 0)
}

// took sets the time that a step has taken since it began, on the machines that have ended it;
// ended: all have. One that stood before a restart is looked at once more, and keeps its time.
func (r *run) took(phase string, began time.Time, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ended {
		delete(r.summary.Begun, phase)
	}
	r.summary.Seconds[phase] = max(r.summary.Seconds[phase], r.since(began))
}

// endAll ends the phases that are under way as the action ends: nothing goes on with them.
// The caller is alone.
func (r *run) endAll() {
	for phase, began := range r.summary.Begun {
		r.summary.Seconds[phase] = max(r.summary.Seconds[phase], r.since(began))
	}
	r.summary.Begun = nil
}

// since are whole seconds.
func (r *run) since(began time.Time) int { return int(r.Now().Sub(began).Round(time.Second).Seconds()) }
