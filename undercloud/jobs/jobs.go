// Package jobs runs long actions durably: a job is a function made of named
// steps, each step's result is kept, and after a crash the job goes on behind
// the last step that finished. Behind it stands DBOS Transact on SQLite; this
// interface is all the rest of the program knows of it.
package jobs

import (
	"context"
	"encoding/json"
	"time"
)

// Step runs f once and remembers its result under name; when the job is run
// again after a crash the remembered result is returned and f is not run.
// f may run more than once if the crash fell inside it: it must be idempotent.
// Names must be unique within a job and in the same order at each run.
// An error ends the step, too: after a crash its text is returned again, without
// its code. What is worth another try is tried inside f.
type Run interface {
	context.Context
	// ID is the job's.
	ID() string
	// Step marshals what f returns; decode it with json.Unmarshal, or use Do.
	Step(name string, f func(ctx context.Context) (any, error)) (json.RawMessage, error)
}

// Handler is a job's code. Its error is the job's.
type Handler func(r Run, input json.RawMessage) error

// State of a job.
type State string

// The states; a job that was interrupted by a crash is Running again after start.
const (
	Pending   State = "pending"
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Status is what is known of a job.
type Status struct {
	ID        string
	Kind      string
	State     State
	Error     string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Runner keeps and runs jobs. Safe for concurrent use.
type Runner interface {
	// Register names a handler; all kinds are registered before Start.
	Register(kind string, h Handler)
	// Start recovers unfinished jobs and begins to work. While it does, all methods below
	// wait for it, or for the end of their context, which is Unavailable; before, they are refused.
	Start(ctx context.Context) error
	// Enqueue stores a job and returns; it runs soon. A job whose id exists is left
	// as it is: the id is the caller's idempotency key.
	Enqueue(ctx context.Context, kind, id string, input any) error
	// Cancel ends a job: its context is cancelled at once and no further step starts.
	Cancel(ctx context.Context, id string) error
	Status(ctx context.Context, id string) (*Status, error)
	List(ctx context.Context, kind string, states ...State) ([]Status, error)
	// Stop waits for running steps to see the cancelled context, then returns.
	// Jobs stay unfinished and go on at the next Start.
	Stop(ctx context.Context) error
}

// Do is Step with a typed result.
func Do[T any](r Run, name string, f func(ctx context.Context) (T, error)) (T, error) {
	var out T
	raw, err := r.Step(name, func(ctx context.Context) (any, error) { return f(ctx) })
	if err != nil {
		return out, err
	}
	err = json.Unmarshal(raw, &out)
	return out, err
}
