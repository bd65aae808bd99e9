package node_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
	"trefoil/ironic/driver/fake"
	"trefoil/undercloud/jobs/durable"
	"trefoil/undercloud/store/sqlite"
)

// real is the real conductor with durable jobs and SQLite; machines are the fake
// driver's, under the name ipmi as well.
type real struct {
	w        *world
	dir      string
	machines *fake.Driver
	db       *sqlite.DB
	jobs     *durable.Runner
	c        *conductor.Conductor
}

func (r *real) start(t *testing.T) {
	t.Helper()
	var err error
	if r.db, err = sqlite.Open(context.Background(), filepath.Join(r.dir, "state.db")); err != nil {
		t.Fatal(err)
	}
	r.jobs = durable.New(durable.Config{Path: filepath.Join(r.dir, "jobs.db")})
	r.c = conductor.New(conductor.Config{Store: r.db, Jobs: r.jobs, Host: "undercloud", SyncInterval: -1, BMCPatience: time.Millisecond,
		Drivers: map[string]driver.Driver{fake.Name: r.machines, "ipmi": r.machines}})
	if err := errors.Join(r.jobs.Start(context.Background()), r.c.Start(context.Background())); err != nil {
		t.Fatal(err)
	}
	r.w.ServeBaremetal(r.db, r.c)
}

func (r *real) stop(t *testing.T) {
	t.Helper()
	r.w.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := errors.Join(r.jobs.Stop(ctx), r.c.Stop(ctx), r.db.Close()); err != nil {
		t.Error(err)
	}
}

func (r *real) state(t *testing.T, name string) string {
	t.Helper()
	n, err := r.db.Node(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return n.ProvisionState
}

// The whole way with the real conductor: a BMC that refuses, the same import
// again, an undercloud that restarts while a node is being verified, provide.
func TestWithTheRealConductor(t *testing.T) {
	r := &real{w: newWorld(t), dir: t.TempDir()}
	var mu sync.Mutex
	var wrong error = errs.New(errs.Unauthorized, "wrong user or password")
	verifying, goOn := make(chan struct{}, 1), make(chan struct{})
	r.machines = &fake.Driver{Fail: func(id, action string) error {
		mu.Lock()
		defer mu.Unlock()
		if n, err := r.db.Node(context.Background(), id); err == nil && n.Name == "a" && action == "power state" {
			return wrong
		}
		return nil
	}}
	r.start(t)
	defer func() { r.stop(t) }()
	r.w.Poll = 5 * time.Millisecond
	file := "[" + entryA + "," + entryB + "]"
	_, err := r.w.Register(t.Context(), machines(t, file), false)
	if err == nil || !strings.Contains(err.Error(), `Node a did not reach state "manageable", the state is "enroll", error: `) || !strings.Contains(err.Error(), "wrong user or password") {
		t.Fatalf("got %v", err)
	}
	if a, b := r.state(t, "a"), r.state(t, "b"); a != "enroll" || b != "manageable" {
		t.Errorf("a is %s, b is %s", a, b)
	}

	slow := &fake.Driver{Fail: func(string, string) error {
		select {
		case verifying <- struct{}{}:
		default: // it has been told
		}
		<-goOn
		return nil
	}}
	r.stop(t)
	r.machines = slow
	r.start(t)
	type result struct {
		ids []string
		err error
	}
	done := make(chan result, 1)
	go func() {
		ids, err := r.w.Register(t.Context(), machines(t, file), false)
		done <- result{ids, err}
	}()
	<-verifying
	r.w.Stop() // the operator's command sees nobody for a while
	close(goOn)
	r.stop(t)
	r.start(t)
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	if err := r.w.Provide(t.Context(), got.ids); err != nil {
		t.Fatal(err)
	}
	if a, b := r.state(t, "a"), r.state(t, "b"); a != "available" || b != "available" {
		t.Errorf("a is %s, b is %s", a, b)
	}
}
