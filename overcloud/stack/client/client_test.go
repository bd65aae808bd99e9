package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
	"trefoil/overcloud/stack"
	"trefoil/overcloud/stack/api"
	"trefoil/overcloud/stack/client"
	"trefoil/undercloud/undercloudtest"
)

type world struct {
	*undercloudtest.Cloud
	c  *client.Client
	id string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	u := undercloudtest.New(t)
	s, err := session.Open(t.Context(), gophercloud.AuthOptions{IdentityEndpoint: u.AuthURL + "/v3", Username: "admin", Password: undercloudtest.Password,
		DomainName: "Default", Scope: &gophercloud.AuthScope{ProjectName: "admin", DomainName: "Default"}}, gophercloud.EndpointOpts{}, nil, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(s)
	if err != nil {
		t.Fatal(err)
	}
	c.Poll = time.Millisecond
	id, err := c.Create(t.Context(), api.Request{Name: "overcloud", TimeoutMins: 240, Input: &stack.Input{}})
	if err != nil {
		t.Fatal(err)
	}
	return &world{u, c, id}
}

func (w *world) record(t *testing.T, resource, status string) {
	t.Helper()
	if err := w.DB.Record(context.Background(), &stack.Event{StackID: w.id, StackName: "overcloud", Resource: resource, Status: status,
		Reason: "state changed", Time: time.Date(2020, 8, 14, 8, 39, 21, 0, time.UTC)}); err != nil {
		t.Error(err)
	}
}

func (w *world) end(t *testing.T, state string) {
	t.Helper()
	if _, err := w.DB.UpdateStack(context.Background(), w.id, func(s *stack.Stack) error { s.State = state; return nil }); err != nil {
		t.Error(err)
	}
}

// buffer is written by Follow and read by the test at the same time.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// until waits for text to be printed.
func (b *buffer) until(t *testing.T, text string) {
	t.Helper()
	for !strings.Contains(b.String(), text) {
		if t.Context().Err() != nil {
			t.Fatal("the test is over")
		}
		time.Sleep(time.Millisecond)
	}
}

type end struct {
	s   *client.Stack
	err error
}

func (w *world) follow(ctx context.Context, after string, out, progress io.Writer) chan end {
	done := make(chan end, 1)
	go func() {
		s, err := w.c.Follow(ctx, "overcloud", w.id, after, out, progress)
		done <- end{s, err}
	}()
	return done
}

// Every event is printed once, in order, although the undercloud goes away in between.
func TestFollowAcrossARestart(t *testing.T) {
	w := newWorld(t)
	var out, progress buffer
	done := w.follow(t.Context(), "", &out, &progress)
	var want []string
	add := func(i int) {
		r := fmt.Sprintf("Controller.%d", i)
		w.record(t, r, "CREATE_COMPLETE")
		want = append(want, "2020-08-14 08:39:21Z [overcloud."+r+"]: CREATE_COMPLETE  state changed")
	}
	for i := range 5 {
		add(i)
	}
	out.until(t, "Controller.4]")
	w.Stop()
	progress.until(t, "the undercloud does not answer")
	for i := range 5 {
		add(5 + i)
	}
	w.Start()
	progress.until(t, "the undercloud is back after")
	w.record(t, "", "CREATE_COMPLETE")
	w.end(t, stack.Complete)
	got := <-done
	if got.err != nil || got.s == nil || got.s.Status != "CREATE_COMPLETE" {
		t.Fatalf("%+v", got)
	}
	want = append(want, "2020-08-14 08:39:21Z [overcloud]: CREATE_COMPLETE  state changed")
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); !slices.Equal(lines, want) {
		t.Errorf("printed\n%s", out.String())
	}
	if strings.Count(progress.String(), "does not answer") != 1 {
		t.Errorf("told more than once: %s", progress.String())
	}
}

func TestFollowEnds(t *testing.T) {
	t.Run("failed", func(t *testing.T) {
		w := newWorld(t)
		if _, err := w.DB.UpdateStack(t.Context(), w.id, func(s *stack.Stack) error {
			s.State, s.Failures = stack.Failed, []stack.Failure{{Node: "overcloud-controller-0", Phase: "step 3", Error: "no"}}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		got := <-w.follow(t.Context(), "", io.Discard, io.Discard)
		if got.err != nil || got.s.Status != "CREATE_FAILED" || len(got.s.Failures) != 1 || got.s.Failures[0].Line() != "overcloud-controller-0: step 3: no" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("only what is new", func(t *testing.T) {
		w := newWorld(t)
		w.record(t, "Controller", "CREATE_COMPLETE")
		after, err := w.c.LastEvent(t.Context(), w.id)
		if err != nil {
			t.Fatal(err)
		}
		w.record(t, "Compute", "UPDATE_COMPLETE")
		w.end(t, stack.Complete)
		var out buffer
		<-w.follow(t.Context(), after, &out, io.Discard)
		if s := out.String(); strings.Contains(s, "Controller") || !strings.Contains(s, "Compute") {
			t.Errorf("printed %s", s)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		w := newWorld(t)
		var out buffer
		done := w.follow(t.Context(), "", &out, io.Discard)
		w.record(t, "Controller", "DELETE_COMPLETE")
		out.until(t, "Controller")
		if err := w.DB.DeleteStack(t.Context(), w.id); err != nil {
			t.Fatal(err)
		}
		if got := <-done; got.s != nil || got.err != nil {
			t.Errorf("%+v", got)
		}
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		w := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		var out buffer
		done := w.follow(ctx, "", &out, io.Discard)
		w.record(t, "Controller", "CREATE_IN_PROGRESS")
		out.until(t, "Controller")
		cancel()
		if got := <-done; !errors.Is(got.err, context.Canceled) {
			t.Errorf("%+v", got)
		}
	})
}

func TestCalls(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if _, err := w.c.Create(ctx, api.Request{Name: "overcloud", Input: &stack.Input{}}); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "Unable to deploy as the stack 'overcloud' status is 'CREATE_IN_PROGRESS'") {
		t.Errorf("a deploy while another runs: %v", err)
	}
	if err := w.c.Update(ctx, "overcloud", api.Request{Input: &stack.Input{}}); !errs.Is(err, errs.Conflict) {
		t.Errorf("an update while another runs: %v", err)
	}
	if err := w.c.Cancel(ctx, "overcloud"); err != nil {
		t.Error(err)
	}
	w.end(t, stack.Failed)
	if err := w.c.Cancel(ctx, "overcloud"); !errs.Is(err, errs.Conflict) {
		t.Errorf("nothing to cancel: %v", err)
	}
	if err := w.c.Update(ctx, "overcloud", api.Request{Input: &stack.Input{}}); err != nil {
		t.Error(err)
	}
	w.end(t, stack.Complete)
	if err := w.c.Delete(ctx, "overcloud"); err != nil {
		t.Error(err)
	}
	if all, err := w.c.List(ctx, nil); err != nil || len(all) != 1 || all[0].Status != "DELETE_IN_PROGRESS" {
		t.Errorf("%+v %v", all, err)
	}
	if _, err := w.c.Stack(ctx, "no such/stack"); !errs.Is(err, errs.NotFound) {
		t.Errorf("%v", err)
	}
	want := []string{"stack-" + w.id + "-1", "stack-" + w.id + "-2", "stack-" + w.id + "-3"}
	if got := w.Enqueued(); !slices.Equal(got, want) {
		t.Errorf("jobs %v", got)
	}
}
