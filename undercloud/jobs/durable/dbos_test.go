package durable

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/internal/errs"
	"trefoil/undercloud/jobs"
)

func start(t *testing.T, path string, handlers map[string]jobs.Handler) *Runner {
	t.Helper()
	d := New(Config{Path: path})
	for k, h := range handlers {
		d.Register(k, h)
	}
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, d) })
	return d
}

func stop(t *testing.T, d *Runner) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// waitState polls until a job is in the state or the test's patience ends.
func waitState(t *testing.T, d *Runner, id string, want jobs.State) jobs.Status {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		s, err := d.Status(t.Context(), id)
		if err == nil && s.State == want {
			return *s
		}
		if time.Now().After(deadline) {
			t.Fatalf("job %s: %+v %v, want %s", id, s, err, want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestAJobRunsItsStepsWithTheirResults(t *testing.T) {
	got := make(chan int, 1)
	d := start(t, filepath.Join(t.TempDir(), "jobs", "jobs.db"), map[string]jobs.Handler{"sum": func(r jobs.Run, in json.RawMessage) error {
		var n int
		if err := json.Unmarshal(in, &n); err != nil {
			return err
		}
		a, err := jobs.Do(r, "double", func(context.Context) (int, error) { return n * 2, nil })
		if err != nil {
			return err
		}
		got <- a
		return nil
	}})
	if err := d.Enqueue(t.Context(), "sum", "n/sum/1", 21); err != nil {
		t.Fatal(err)
	}
	if v := <-got; v != 42 {
		t.Errorf("got %d", v)
	}
	s := waitState(t, d, "n/sum/1", jobs.Done)
	if s.Kind != "sum" {
		t.Errorf("kind %q", s.Kind)
	}
	if err := d.Enqueue(t.Context(), "sum", "n/sum/1", 1); err != nil {
		t.Errorf("the same id again: %v", err)
	}
	if list, err := d.List(t.Context(), "sum", jobs.Done); err != nil || len(list) != 1 {
		t.Errorf("%v %v", list, err)
	}
	if fi, err := os.Stat(d.cfg.Path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", fi.Mode(), err)
	}
}

func TestAFailureKeepsItsCode(t *testing.T) {
	seen := make(chan error, 1)
	d := start(t, filepath.Join(t.TempDir(), "jobs.db"), map[string]jobs.Handler{"bad": func(r jobs.Run, _ json.RawMessage) error {
		_, err := r.Step("one", func(context.Context) (any, error) {
			return nil, errs.New(errs.Conflict, "no room").WithHint("make some")
		})
		seen <- err
		return err
	}, "panic": func(jobs.Run, json.RawMessage) error { panic("oops") }})
	if err := d.Enqueue(t.Context(), "bad", "b", nil); err != nil {
		t.Fatal(err)
	}
	if err := <-seen; !errs.Is(err, errs.Conflict) || errs.HintOf(err) != "make some" {
		t.Errorf("%v", err)
	}
	if s := waitState(t, d, "b", jobs.Failed); !strings.Contains(s.Error, "no room") {
		t.Errorf("%+v", s)
	}
	if err := d.Enqueue(t.Context(), "panic", "p", nil); err != nil {
		t.Fatal(err)
	}
	waitState(t, d, "p", jobs.Failed)
	if err := d.Enqueue(t.Context(), "unknown", "u", nil); err == nil {
		t.Error("an unknown kind was taken")
	}
	if _, err := d.Status(t.Context(), "nothing"); !errs.Is(err, errs.NotFound) {
		t.Error(err)
	}
}

// A service that is stopped does not tell of all that it could not do any more.
func TestAStopMakesNoNoiseInTheLog(t *testing.T) {
	out := &syncBuffer{}
	log := slog.New(library{slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})})
	log.Warn("Exception listing database-backed queues", "error", fmt.Errorf("failed to list queues: %w", context.Canceled))
	log.Warn("Exception listing database-backed queues", "error", errors.New("disk I/O error"))
	if text := out.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "disk I/O error") || !strings.Contains(text, "level=DEBUG msg=\"stopped: Exception") {
		t.Error(text)
	}
}

// A failure is no fault of the storage: the log must not warn of how Go's values are kept.
func TestAFailureMakesNoNoiseInTheLog(t *testing.T) {
	for level, words := range map[slog.Level]int{slog.LevelInfo: 0, slog.LevelDebug: 2} {
		out := &syncBuffer{}
		d := New(Config{Path: filepath.Join(t.TempDir(), "jobs.db"), Log: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))})
		d.Register("bad", func(r jobs.Run, _ json.RawMessage) error {
			_, err := r.Step("one", func(context.Context) (any, error) { return nil, errs.New(errs.Conflict, "no room") })
			return fmt.Errorf("a job: %w", err)
		})
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := d.Enqueue(t.Context(), "bad", "b", nil); err != nil {
			t.Fatal(err)
		}
		if s := waitState(t, d, "b", jobs.Failed); s.Error != "a job: no room" {
			t.Errorf("%+v", s)
		}
		stop(t, d)
		if text := out.String(); strings.Contains(text, "gob") || strings.Contains(text, "level=WARN") || strings.Count(text, "no room") != words {
			t.Errorf("level %s, expected %d lines: %s", level, words, text)
		}
	}
}

// syncBuffer is a buffer that many write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestCancelReachesARunningStepAtOnce(t *testing.T) {
	entered, left, after := make(chan bool), make(chan error, 1), make(chan bool, 1)
	d := start(t, filepath.Join(t.TempDir(), "jobs.db"), map[string]jobs.Handler{"long": func(r jobs.Run, _ json.RawMessage) error {
		_, err := r.Step("wait", func(ctx context.Context) (any, error) {
			close(entered)
			<-ctx.Done()
			left <- context.Cause(ctx)
			return nil, ctx.Err()
		})
		if err == nil {
			after <- true
		}
		_, err = r.Step("never", func(context.Context) (any, error) { after <- true; return nil, nil })
		return err
	}})
	if err := d.Enqueue(t.Context(), "long", "l", nil); err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := d.Cancel(t.Context(), "l"); err != nil {
		t.Fatal(err)
	}
	if err := <-left; !errors.Is(err, errCancelled) {
		t.Errorf("cause %v", err)
	}
	waitState(t, d, "l", jobs.Cancelled)
	stop(t, d)
	if len(after) != 0 {
		t.Error("a step ran after Cancel")
	}
}

func TestAStoppedJobGoesOnAtTheNextStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	var ran []string
	entered := make(chan bool)
	block := true
	h := func(r jobs.Run, _ json.RawMessage) error {
		if _, err := r.Step("one", func(context.Context) (any, error) { ran = append(ran, "one"); return nil, nil }); err != nil {
			return err
		}
		_, err := r.Step("two", func(ctx context.Context) (any, error) {
			if block {
				close(entered)
				<-ctx.Done()
				return nil, ctx.Err()
			}
			ran = append(ran, "two")
			return nil, nil
		})
		return err
	}
	d := start(t, path, map[string]jobs.Handler{"k": h})
	if err := d.Enqueue(t.Context(), "k", "j", nil); err != nil {
		t.Fatal(err)
	}
	<-entered
	stop(t, d)
	block = false
	d = start(t, path, map[string]jobs.Handler{"k": h})
	waitState(t, d, "j", jobs.Done)
	if got := strings.Join(ran, " "); got != "one two" {
		t.Errorf("ran %s", got)
	}
}

// killSteps is run in a child process that dies inside step 3 of 4 at its first life.
func killSteps(dir string, mayDie bool) jobs.Handler {
	return func(r jobs.Run, _ json.RawMessage) error {
		for i := 1; i <= 4; i++ {
			_, err := r.Step(fmt.Sprintf("step %d", i), func(context.Context) (any, error) {
				f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
				if err != nil {
					return nil, err
				}
				fmt.Fprintf(f, "%d ", i)
				f.Close()
				if mayDie && i == 3 {
					p, _ := os.FindProcess(os.Getpid())
					_ = p.Kill()
					select {}
				}
				return i, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func TestKilledInStepThreeItGoesOnThere(t *testing.T) {
	if dir := os.Getenv("JOBS_TEST_CHILD"); dir != "" {
		d := New(Config{Path: filepath.Join(dir, "jobs.db")})
		d.Register("k", killSteps(dir, true))
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := d.Enqueue(t.Context(), "k", "j", nil); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledInStepThreeItGoesOnThere$")
	child.Env = append(os.Environ(), "JOBS_TEST_CHILD="+dir)
	if out, err := child.CombinedOutput(); err == nil {
		t.Fatalf("the child lived on: %s", out)
	}
	d := start(t, filepath.Join(dir, "jobs.db"), map[string]jobs.Handler{"k": killSteps(dir, false)})
	waitState(t, d, "j", jobs.Done)
	b, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != "1 2 3 3 4 " {
		t.Errorf("steps ran: %s", b)
	}
}

// The APIs answer before the jobs are there: whoever comes while they are taken up
// waits, and is not told that the service is broken.
func TestAJobThatComesWhileJobsAreTakenUpIsStored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	begun := make(chan bool)
	again := func(r jobs.Run, _ json.RawMessage) error {
		select {
		case begun <- true:
		case <-r.Done():
		}
		<-r.Done()
		return r.Err()
	}
	const many = 10 // so that taking them up takes a while
	first := start(t, path, map[string]jobs.Handler{"again": again})
	for i := range many {
		if err := first.Enqueue(t.Context(), "again", fmt.Sprintf("n%d/again/1", i), nil); err != nil {
			t.Fatal(err)
		}
		<-begun
	}
	stop(t, first)

	second := New(Config{Path: path})
	second.Register("again", again)
	second.Register("new", func(jobs.Run, json.RawMessage) error { return nil })
	stored := make(chan error, 1)
	go func() {
		err := second.Enqueue(t.Context(), "new", "n/new/1", nil)
		for errs.Is(err, errs.Unavailable) && t.Context().Err() == nil { // Start has not begun
			time.Sleep(time.Millisecond)
			err = second.Enqueue(t.Context(), "new", "n/new/1", nil)
		}
		stored <- err
	}()
	if err := second.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stop(t, second)
	if err := <-stored; err != nil {
		t.Errorf("while jobs are taken up: %v", err)
	}
	waitState(t, second, "n/new/1", jobs.Done)
}

// While Start is at work the others wait for it, and no longer than they may.
func TestWhoComesWhileStartIsAtWorkWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.starting = make(chan struct{})
		waited := make(chan error, 1)
		go func() {
			_, err := d.context(t.Context())
			waited <- err
		}()
		synctest.Wait()
		select {
		case err := <-waited:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := d.context(short); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "still starting") {
			t.Errorf("who may not wait: %v", err)
		}
		close(d.starting)
		if err := <-waited; !errs.Is(err, errs.Unavailable) { // this one has failed to start
			t.Errorf("after it: %v", err)
		}
	})
}

// A job that cannot be stored for want of room is refused with what to do.
func TestAFullDiskIsToldAsThat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	stop(t, start(t, path, nil))
	// No page more than there are.
	d := start(t, path+"?_pragma=max_page_count(1)", map[string]jobs.Handler{"x": func(jobs.Run, json.RawMessage) error { return nil }})
	err := d.Enqueue(t.Context(), "x", "big", strings.Repeat("x", 1<<20))
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(errs.HintOf(err), "df -h") {
		t.Errorf("%v (hint %q)", err, errs.HintOf(err))
	}
}

// Who has no time to wait for Start has stopped the runner all the same.
func TestStopDuringStartEndsTheRunner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	begun := make(chan struct{}, 2)
	wait := func(r jobs.Run, _ json.RawMessage) error {
		begun <- struct{}{}
		<-r.Done()
		return r.Err()
	}
	first := start(t, path, map[string]jobs.Handler{"wait": wait})
	if err := first.Enqueue(t.Context(), "wait", "w", nil); err != nil {
		t.Fatal(err)
	}
	<-begun
	stop(t, first)

	d := New(Config{Path: path})
	d.Register("wait", wait)
	d.starting = make(chan struct{}) // what follows is Start, in its parts
	c, err := d.launch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Stop(over); !errs.Is(err, errs.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a stop that may not wait: %v", err)
	}
	if err := d.serve(c); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "was stopped") {
		t.Errorf("the start: %v", err)
	}
	close(d.starting)
	if c.Err() == nil {
		t.Error("DBOS was not ended")
	}
	d.mu.Lock()
	if len(d.running) > 0 {
		t.Errorf("jobs run on: %v", d.running)
	}
	d.mu.Unlock()
	if err := d.Enqueue(t.Context(), "wait", "x", nil); !errs.Is(err, errs.Unavailable) {
		t.Errorf("a new job: %v", err)
	}
	stop(t, d) // once more
	if s := New(Config{Path: path}); s.Stop(t.Context()) != nil || !errs.Is(s.Start(t.Context()), errs.Unavailable) {
		t.Error("one that was stopped before it is started starts")
	}
}
