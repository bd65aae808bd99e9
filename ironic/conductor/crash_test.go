package conductor_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"trefoil/undercloud/jobs"
)

// crasher stops the conductor at a step, before it runs or after it ran but was not recorded.
type crasher struct {
	step  string
	after bool
	hit   chan struct{}
	once  sync.Once
}

// crashRunner lets a crasher into the steps of each job.
type crashRunner struct {
	jobs.Runner
	w *world
}

func (r *crashRunner) Register(kind string, h jobs.Handler) {
	r.Runner.Register(kind, func(run jobs.Run, in json.RawMessage) error { return h(&crashRun{run, r.w}, in) })
}

func (r *crashRunner) Enqueue(ctx context.Context, kind, id string, input any) error {
	r.w.mu.Lock()
	refuse := r.w.noJobs
	r.w.mu.Unlock()
	if refuse {
		return errors.New("disk full")
	}
	return r.Runner.Enqueue(ctx, kind, id, input)
}

type crashRun struct {
	jobs.Run
	w *world
}

func (r *crashRun) Step(name string, f func(context.Context) (any, error)) (json.RawMessage, error) {
	return r.Run.Step(name, func(ctx context.Context) (any, error) {
		r.w.mu.Lock()
		cr := r.w.crash
		r.w.mu.Unlock()
		if cr == nil || cr.step != name {
			return f(ctx)
		}
		var out any
		var err error
		if cr.after {
			out, err = f(ctx)
		}
		hit := false
		cr.once.Do(func() { hit = true; close(cr.hit) })
		if !hit {
			return out, err
		}
		<-ctx.Done() // the process is going down
		return nil, ctx.Err()
	})
}

// crashAt lets the action run into a crash at a step and brings a new conductor up.
func (w *world) crashAt(step string, after bool, action func()) {
	w.t.Helper()
	cr := &crasher{step: step, after: after, hit: make(chan struct{})}
	w.mu.Lock()
	w.crash = cr
	w.mu.Unlock()
	action()
	select {
	case <-cr.hit:
	case <-time.After(time.Minute):
		w.t.Fatalf("step %q was never reached", step)
	}
	// A killed process leaves its lock behind.
	before, err := w.db.Node(context.Background(), "control-1")
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.crash = nil
	w.mu.Unlock()
	w.stop()
	w.start()
	if before.Reservation != "" {
		w.t.Logf("killed while %s held the node", before.Reservation)
	}
}

// refuseJobs makes storing a job fail, or work again.
func (w *world) refuseJobs(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noJobs = on
}
