package stack_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
	"trefoil/undercloud/store/sqlite"
)

type world struct {
	*stack.Service
	jobs     []string
	stopped  []string
	refuse   error // of Enqueue
	ended    bool  // what the jobs say
	silent   bool  // a stopped job writes nothing down
	check    error
	warnings []string
	made     plan.Plan // by Check
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := &world{}
	ids := 0
	w.Service = &stack.Service{Store: db, Now: time.Now,
		NewID: func() string { ids++; return fmt.Sprintf("id%d", ids) },
		Check: func(context.Context, *stack.Stack) (*plan.Plan, error) {
			made := w.made
			made.Warnings = w.warnings
			return &made, w.check
		},
		Passwords: func(old map[string]string) (map[string]string, error) {
			if old != nil {
				return old, nil
			}
			return map[string]string{"AdminPassword": "first"}, nil
		},
		Enqueue: func(_ context.Context, job, _ string) error {
			if w.refuse != nil {
				return w.refuse
			}
			w.jobs = append(w.jobs, job)
			return nil
		},
		Ended: func(context.Context, string) (bool, error) { return w.ended, nil },
		Stop: func(_ context.Context, job string) error {
			w.stopped = append(w.stopped, job)
			if w.silent {
				return nil
			}
			_, err := db.UpdateStack(context.Background(), "id1", func(s *stack.Stack) error { s.State = stack.Failed; return nil })
			return err
		}}
	return w
}

func (w *world) end(t *testing.T, id string) {
	t.Helper()
	if _, err := w.Store.UpdateStack(t.Context(), id, func(s *stack.Stack) error {
		s.State, s.NewPasswords = stack.Complete, nil
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A crash may fall between the row and its job: the next start enqueues the very same job.
func TestResumeAfterACrash(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if _, err := w.Create(ctx, "overcloud", 240, stack.Input{}); err != nil {
		t.Fatal(err)
	}
	w.jobs = nil  // killed before the job was stored
	for range 2 { // a second start before the job has run: the same job again, not another one
		if err := w.Resume(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(w.jobs, []string{"stack-id1-1", "stack-id1-1"}) {
		t.Errorf("jobs %v", w.jobs)
	}
	w.end(t, "id1")
	w.jobs = nil
	if err := w.Resume(ctx); err != nil || len(w.jobs) != 0 {
		t.Errorf("what is finished is resumed: %v %v", w.jobs, err)
	}
	if err := w.Update(ctx, "overcloud", 1, stack.Input{}); err != nil {
		t.Fatal(err)
	}
	w.refuse = errors.New("no")
	if err := w.Resume(ctx); err == nil {
		t.Error("a job that cannot be resumed is passed over in silence")
	}
}

// However an action ends, the stack does not stay busy for ever.
func TestNothingStaysBusy(t *testing.T) {
	status := func(w *world, want, reason string) {
		t.Helper()
		s, err := w.Store.Stack(t.Context(), "overcloud")
		if err != nil || s.Status() != want || !strings.Contains(s.Reason, reason) {
			t.Errorf("%v %s %q, want %s %q", err, s.Status(), s.Reason, want, reason)
		}
	}
	t.Run("the job cannot be stored", func(t *testing.T) {
		w := newWorld(t)
		w.refuse = errors.New("disk full")
		if _, err := w.Create(t.Context(), "overcloud", 240, stack.Input{}); err == nil {
			t.Fatal("no error")
		}
		status(w, "CREATE_FAILED", "disk full")
	})
	t.Run("killed between the job's end and the stack's", func(t *testing.T) {
		w := newWorld(t)
		if _, err := w.Create(t.Context(), "overcloud", 240, stack.Input{}); err != nil {
			t.Fatal(err)
		}
		w.ended = true
		if err := w.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		status(w, "CREATE_FAILED", "interrupted")
		if err := w.Update(t.Context(), "overcloud", 240, stack.Input{}); err != nil {
			t.Errorf("the stack cannot be used again: %v", err)
		}
	})
	t.Run("cancelled before it began", func(t *testing.T) {
		w := newWorld(t)
		if _, err := w.Create(t.Context(), "overcloud", 240, stack.Input{}); err != nil {
			t.Fatal(err)
		}
		w.silent, w.ended = true, true
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		w.Ended = func(context.Context, string) (bool, error) { stop(); return true, nil } // killed while it waits
		_ = w.Cancel(ctx, "overcloud")
		if err := w.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		status(w, "CREATE_FAILED", "cancelled by the user")
	})
}

func TestEachActionIsAGeneration(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s, err := w.Create(ctx, "overcloud", 240, stack.Input{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Cancel(ctx, "overcloud"); err != nil {
		t.Fatal(err)
	}
	w.end(t, s.ID)
	if err := w.Update(ctx, "overcloud", 60, stack.Input{RolesFile: "r.yaml"}); err != nil {
		t.Fatal(err)
	}
	got, err := w.Store.Stack(ctx, "overcloud")
	if err != nil || got.Generation != 2 || got.Status() != "UPDATE_IN_PROGRESS" || got.TimeoutMins != 60 || got.Input.RolesFile != "r.yaml" ||
		got.Passwords["AdminPassword"] != "first" || got.CancelRequested {
		t.Errorf("%+v %v", got, err)
	}
	w.end(t, s.ID)
	if err := w.Delete(ctx, "overcloud"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.jobs, []string{"stack-id1-1", "stack-id1-2", "stack-id1-3"}) || !slices.Equal(w.stopped, []string{"stack-id1-1"}) {
		t.Errorf("jobs %v, stopped %v", w.jobs, w.stopped)
	}
}

// What is refused leaves the stack as it was, and no job.
func TestRefusalsChangeNothing(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.check = errs.New(errs.Invalid, "templates/x.yaml:3: unknown function get_parm")
	if _, err := w.Create(ctx, "overcloud", 240, stack.Input{}); !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
	if all, _ := w.Store.Stacks(ctx); len(all) != 0 || len(w.jobs) != 0 {
		t.Errorf("%d stacks, jobs %v", len(all), w.jobs)
	}
	w.check = nil
	s, err := w.Create(ctx, "overcloud", 240, stack.Input{RolesFile: "good.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"create": func() error { _, err := w.Create(ctx, "overcloud", 1, stack.Input{}); return err },
		"update": func() error { return w.Update(ctx, "overcloud", 1, stack.Input{}) },
		"delete": func() error { return w.Delete(ctx, "overcloud") },
	} {
		if err := f(); !errs.Is(err, errs.Conflict) || errs.HintOf(err) == "" {
			t.Errorf("%s while another runs: %v", name, err)
		}
	}
	w.end(t, s.ID)
	w.check = errs.New(errs.Invalid, "no")
	if err := w.Update(ctx, "overcloud", 1, stack.Input{RolesFile: "bad.yaml"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
	got, err := w.Store.Stack(ctx, "overcloud")
	if err != nil || got.Generation != 1 || got.Status() != "CREATE_COMPLETE" || got.Input.RolesFile != "good.yaml" || len(w.jobs) != 1 {
		t.Errorf("%+v %v, jobs %v", got, err, w.jobs)
	}
	for _, name := range []string{"", "1x", "a_b", "../x"} {
		if _, err := w.Create(ctx, name, 1, stack.Input{}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestSecretsOfAPlan: also those that stand inside maps, and random texts.
func TestSecretsOfAPlan(t *testing.T) {
	p := &plan.Plan{Passwords: map[string]string{"A": "password-a"}, Secrets: []string{"random-text"}, Hidden: []string{"Map", "Number"},
		Parameters: map[string]any{"Map": map[string]any{"k": []any{"inside-a-map"}}, "Number": 1234567, "Open": "not-hidden"}}
	secrets := stack.Secrets(p)
	for _, want := range []string{"password-a", "random-text", "inside-a-map", "1234567"} {
		if !stack.HoldsSecret(map[string]any{"x": []any{"before " + want + " behind"}}, secrets) {
			t.Errorf("%s is not taken for a secret", want)
		}
	}
	if stack.HoldsSecret("not-hidden", secrets) {
		t.Error("what is not hidden is taken for a secret")
	}
}
