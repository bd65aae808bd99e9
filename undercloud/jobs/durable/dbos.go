// Package durable is jobs.Runner on DBOS Transact with an SQLite file of its own.
//
// What its use rests on: a stable executor name, so that a restart takes up its
// own jobs; a fixed application version, because DBOS leaves jobs of another
// version alone; a context of our own for each job, because DBOS's cancel only
// takes effect at the next step.
package durable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/undercloud/jobs"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	_ "github.com/dbos-inc/dbos-transact-golang/dbos/driver/sqlite" // the backend
)

// formatVersion is part of every stored job. It changes when the meaning of
// stored steps changes, and never with a build: DBOS takes up only jobs of its own version.
const formatVersion = "1"

// Config of a durable Runner.
type Config struct {
	Path     string        // the job file; its directory is made with mode 0700
	Executor string        // stable name of this undercloud; "undercloud" when empty
	Keep     time.Duration // how long finished jobs are remembered; 0: seven days
	Tidy     time.Duration // how often older ones are removed; 0: each hour
	Log      *slog.Logger  // nil: silent
}

// Runner is a jobs.Runner on DBOS Transact with SQLite.
type Runner struct {
	cfg Config
	log *slog.Logger

	mu       sync.Mutex
	handlers map[string]jobs.Handler
	running  map[string]context.CancelCauseFunc
	dbos     dbos.Context
	starting chan struct{} // closed when Start has ended; nil before it
	stopped  bool
	tidying  sync.WaitGroup
	over     chan struct{} // closed by Stop: tidying ends
}

var _ jobs.Runner = (*Runner)(nil)

// errCancelled is the cause of a job's context after Cancel.
var errCancelled = errors.New("job cancelled")

// New makes a Runner; nothing is opened before Start.
func New(cfg Config) *Runner {
	if cfg.Executor == "" {
		cfg.Executor = "undercloud"
	}
	if cfg.Keep == 0 {
		cfg.Keep = 7 * 24 * time.Hour
	}
	if cfg.Tidy == 0 {
		cfg.Tidy = time.Hour
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return &Runner{cfg: cfg, log: log, handlers: map[string]jobs.Handler{}, running: map[string]context.CancelCauseFunc{}, over: make(chan struct{})}
}

// Register names a handler.
func (d *Runner) Register(kind string, h jobs.Handler) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.handlers[kind] = h
}

// envelope is what DBOS stores as a job's input.
type envelope struct {
	Kind  string `json:"kind"`
	Input string `json:"input"` // JSON
}

// Start opens the job file and takes up unfinished jobs where they were. Meanwhile
// the other methods wait: jobs that are taken up make new ones, and the APIs answer
// already, long before DBOS takes any. It is called once. Where Stop came before its end
// it ends what it began, and that is Unavailable.
func (d *Runner) Start(ctx context.Context) error {
	ended := make(chan struct{})
	defer close(ended)
	d.mu.Lock()
	d.starting = ended
	stopped := d.stopped
	d.mu.Unlock()
	if stopped {
		return wasStopped()
	}
	c, err := d.launch(ctx)
	if err != nil {
		return err
	}
	return d.serve(c)
}

// launch opens the job file and has DBOS take up the unfinished jobs.
func (d *Runner) launch(ctx context.Context) (dbos.Context, error) {
	if err := os.MkdirAll(filepath.Dir(d.cfg.Path), 0o700); err != nil {
		return nil, fmt.Errorf("make the job directory: %w", err)
	}
	if err := touch(d.cfg.Path); err != nil {
		return nil, fmt.Errorf("make the job file: %w", err)
	}
	// The jobs outlive ctx, which only bounds the start.
	c, err := dbos.NewContext(context.WithoutCancel(ctx), dbos.Config{
		AppName: "trefoil", DatabaseURL: "sqlite:" + d.cfg.Path, Logger: slog.New(library{d.log.Handler()}),
		ApplicationVersion: formatVersion, ExecutorID: d.cfg.Executor,
		SchedulerPollingInterval: time.Hour,
	})
	if err != nil {
		return nil, fmt.Errorf("open the job file %s: %w", d.cfg.Path, err)
	}
	dbos.RegisterWorkflow(c, d.run, dbos.WithWorkflowName("job"), dbos.WithMaxRecoveryAttempts(math.MaxInt32))
	if err := dbos.Launch(c); err != nil { // it has shut down what it began
		return nil, fmt.Errorf("start the jobs of %s: %w", d.cfg.Path, err)
	}
	return c, nil
}

// serve has the other methods use c, unless Stop came meanwhile: who stopped may have had no time to wait.
func (d *Runner) serve(c dbos.Context) error {
	d.mu.Lock()
	stopped := d.stopped
	if !stopped {
		d.dbos = c
		d.tidying.Go(func() { d.tidy(c) }) // nobody waits for it
	}
	d.mu.Unlock()
	if stopped {
		return errors.Join(wasStopped(), shutdown(c, stopTime))
	}
	return nil
}

func wasStopped() error {
	return errs.New(errs.Unavailable, "the job runner was stopped before it had started")
}

func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// run is the one workflow DBOS knows; the kind chooses the handler.
func (d *Runner) run(c dbos.Context, e envelope) (string, error) {
	id, err := dbos.GetWorkflowID(c)
	if err != nil {
		return "", err
	}
	d.mu.Lock()
	h := d.handlers[e.Kind]
	ctx, cancel := context.WithCancelCause(c)
	d.running[id] = cancel
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.running, id)
		d.mu.Unlock()
		cancel(nil)
	}()
	if h == nil {
		return "", fmt.Errorf("job %s is of kind %q, which this version does not know", id, e.Kind)
	}
	return "", jobs.Guard(d.log, id, func() error {
		return h(&run{Context: ctx, dbos: c, id: id}, json.RawMessage(e.Input))
	})
}

// run is a job's view of itself. Its context ends with Cancel and with Stop.
type run struct {
	context.Context
	dbos dbos.Context
	id   string
}

// ID is the job's.
func (r *run) ID() string { return r.id }

// Step runs f once and remembers what it returned.
func (r *run) Step(name string, f func(ctx context.Context) (any, error)) (json.RawMessage, error) {
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("step %s: %w", name, context.Cause(r))
	}
	var failed error
	out, err := dbos.RunAsStep(r.dbos, func(context.Context) (string, error) {
		v, err := f(r)
		if err != nil {
			failed = err // the original keeps its code and hint; the stored copy is only text
			return "", err
		}
		b, err := json.Marshal(v)
		return string(b), err
	}, dbos.WithStepName(name))
	if failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, fmt.Errorf("step %s: %w", name, err)
	}
	return json.RawMessage(out), nil
}

// context is DBOS's, as soon as Start, if it is at work, has ended.
func (d *Runner) context(ctx context.Context) (dbos.Context, error) {
	if err := d.started(ctx); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dbos == nil || d.stopped {
		return nil, errs.New(errs.Unavailable, "the job runner is not running")
	}
	return d.dbos, nil
}

// started waits until Start, if it is at work, has ended.
func (d *Runner) started(ctx context.Context) error {
	d.mu.Lock()
	starting := d.starting
	d.mu.Unlock()
	if starting == nil {
		return nil
	}
	select {
	case <-starting:
		return nil
	case <-ctx.Done():
		return errs.Wrap(errs.Unavailable, context.Cause(ctx), "the job runner is still starting")
	}
}

// Enqueue stores a job and starts it; a job whose id exists is left as it is.
func (d *Runner) Enqueue(ctx context.Context, kind, id string, input any) error {
	c, err := d.context(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	known := d.handlers[kind] != nil
	d.mu.Unlock()
	if !known {
		return errs.New(errs.Internal, "no handler is registered for jobs of kind %q", kind)
	}
	b, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("encode the input of job %s: %w", id, err)
	}
	_, err = dbos.RunWorkflow(c, d.run, envelope{Kind: kind, Input: string(b)},
		dbos.WithWorkflowID(id), dbos.WithWorkflowAttributes(map[string]any{"kind": kind}))
	if err != nil {
		return errs.NoSpace(fmt.Errorf("store job %s: %w", id, err))
	}
	return nil
}

// Cancel ends a job.
func (d *Runner) Cancel(ctx context.Context, id string) error {
	c, err := d.context(ctx)
	if err != nil {
		return err
	}
	err = dbos.CancelWorkflow(c, id)
	d.mu.Lock()
	cancel := d.running[id]
	d.mu.Unlock()
	if cancel != nil {
		cancel(errCancelled)
	}
	if errors.Is(err, dbos.ErrNonExistentWorkflow) {
		return errs.New(errs.NotFound, "there is no job %s", id)
	}
	if err != nil {
		return fmt.Errorf("cancel job %s: %w", id, err)
	}
	return nil
}

// stopTime is how long running steps have to end where the caller has set no time.
const stopTime = 30 * time.Second

// Stop cancels the contexts of running steps and waits for them; the jobs stay unfinished.
// While Start is at work it waits for that, too, as long as ctx allows; Start ends the runner either way.
func (d *Runner) Stop(ctx context.Context) error {
	d.mu.Lock()
	c, was := d.dbos, d.stopped
	if d.stopped = true; !was {
		close(d.over)
	}
	d.mu.Unlock()
	if c == nil {
		return d.started(ctx)
	}
	if was {
		return nil
	}
	timeout := stopTime
	if dl, ok := ctx.Deadline(); ok {
		timeout = time.Until(dl)
	}
	err := shutdown(c, timeout)
	d.tidying.Wait() // it cannot ask any more
	return err
}

func shutdown(c dbos.Context, timeout time.Duration) error {
	if err := dbos.Shutdown(c, timeout); err != nil {
		return fmt.Errorf("stop the jobs: %w", err)
	}
	return nil
}
