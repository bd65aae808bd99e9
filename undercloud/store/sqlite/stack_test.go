package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
	"trefoil/undercloud/store/sqlite"
)

func TestStackSurvivesReopen(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2020, 8, 14, 8, 39, 21, 0, time.UTC)
	s := &stack.Stack{ID: "id-1", Name: "overcloud", Action: stack.Create, State: stack.InProgress, CreatedAt: now,
		Input: stack.Input{Tree: []byte("zip"), Files: map[string]string{"a.yaml": "b"}}, Passwords: map[string]string{"AdminPassword": "x"}}
	check(t, db.CreateStack(ctx, s))
	if err := db.CreateStack(ctx, s); !errs.Is(err, errs.Conflict) {
		t.Errorf("second create: %v", err)
	}
	check(t, db.Record(ctx, &stack.Event{StackID: "id-1", Resource: "Controller.0", Status: "CREATE_IN_PROGRESS", Time: now, PhysicalID: "p"}))
	check(t, db.Record(ctx, &stack.Event{StackID: "id-1", Resource: "Controller.0", Status: "CREATE_COMPLETE", Time: now}))
	check(t, db.Record(ctx, &stack.Event{StackID: "id-1", Resource: "Controller.01", Status: "CREATE_COMPLETE", Time: now}))
	check(t, db.PutStackNode(ctx, "id-1", stack.Node{Node: plan.Node{Name: "n0"}, Hashes: map[int]string{1: "h"}}))
	check(t, db.Close())

	db, err = sqlite.Open(ctx, path)
	check(t, err)
	defer db.Close()
	got, err := db.Stack(ctx, "overcloud")
	check(t, err)
	if got.Input.Files["a.yaml"] != "b" || got.Passwords["AdminPassword"] != "x" || got.Status() != "CREATE_IN_PROGRESS" {
		t.Errorf("%+v", got)
	}
	evs, err := db.Events(ctx, "id-1", 1, 0)
	check(t, err)
	if len(evs) != 2 || evs[0].Status != "CREATE_COMPLETE" || evs[0].StackName != "overcloud" {
		t.Errorf("events after 1: %+v", evs)
	}
	rs, err := db.Resources(ctx, "id-1")
	check(t, err)
	if len(rs) != 2 || rs[0].PhysicalID != "p" || rs[0].Status != "CREATE_COMPLETE" {
		t.Errorf("resources: %+v", rs)
	}
	check(t, db.RemoveResources(ctx, "id-1", "Controller.0"))
	if rs, _ = db.Resources(ctx, "id-1"); len(rs) != 1 || rs[0].Name != "Controller.01" {
		t.Errorf("after removal: %+v", rs)
	}
	ns, err := db.StackNodes(ctx, "id-1")
	check(t, err)
	if len(ns) != 1 || ns[0].Hashes[1] != "h" {
		t.Errorf("nodes: %+v", ns)
	}
	check(t, db.DeleteStack(ctx, "id-1"))
	if _, err := db.Stack(ctx, "overcloud"); !errs.Is(err, errs.NotFound) {
		t.Errorf("after delete: %v", err)
	}
	if ns, _ = db.StackNodes(ctx, "id-1"); len(ns) != 0 {
		t.Errorf("nodes outlived their stack: %+v", ns)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
