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
