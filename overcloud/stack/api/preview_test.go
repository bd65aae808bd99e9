package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"trefoil/overcloud/plan/diff"
	"trefoil/overcloud/stack"
)

func TestPreview(t *testing.T) {
	w := newWorld(t)
	var before, after *stack.Stack
	w.service.Compare = func(_ context.Context, a, b *stack.Stack) (*diff.Diff, error) {
		before, after = a, b
		return &diff.Diff{Stack: b.Name, Changes: true}, nil
	}
	const body = `{"stack_name":"overcloud","input":{"counts":{"Compute":%}}}`
	ask := func(method, path, computes string, want int, text string) {
		t.Helper()
		if code, got := w.do(method, path, strings.ReplaceAll(body, "%", computes)); code != want || !strings.Contains(got, text) {
			t.Errorf("%s %s: %d %s", method, path, code, got)
		}
	}
	ask(http.MethodPost, "/preview", "2", 200, `{"diff":{"stack":"overcloud",`)
	if before != nil || after.Input.Counts["Compute"] != 2 || after.Passwords["AdminPassword"] == "" {
		t.Errorf("create: %+v → %+v", before, after)
	}
	if all, err := w.db.Stacks(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("a preview made %d stacks, %v", len(all), err)
	}
	if code, got := w.do(http.MethodPost, "/preview", `{"stack_name":"no name","input":{}}`); code != 400 || !strings.Contains(got, "is not valid") {
		t.Errorf("%d %s", code, got)
	}
	ask(http.MethodPost, "", "1", 201, "")
	ask(http.MethodPut, "/overcloud/"+strings.Repeat("a", 35)+"1/preview", "3", 200, `"changes":true`) // though an action runs
	if before.Input.Counts["Compute"] != 1 || after.Input.Counts["Compute"] != 3 || after.Passwords["AdminPassword"] != before.Passwords["AdminPassword"] || after.ID != before.ID {
		t.Errorf("update: %+v → %+v", before, after)
	}
	ask(http.MethodPut, "/other/id/preview", "3", 404, "")

	// What was deployed is compared, not the narrow action or the delete that ran last.
	if _, err := w.db.UpdateStack(t.Context(), before.ID, func(s *stack.Stack) error {
		s.Action, s.Input.Only, s.Input.Unprovision = stack.Delete, stack.OnlyUnprovision, []string{"x"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ask(http.MethodPut, "/overcloud/preview", "3", 200, "")
	if before.Input.Only != "" || before.Input.Unprovision != nil || after.Input.Only != "" || before.Action != stack.Update || after.Action != stack.Update {
		t.Errorf("after an unfinished delete: %+v → %+v", before, after)
	}
	if s, err := w.db.Stack(t.Context(), "overcloud"); err != nil || s.Input.Counts["Compute"] != 1 || s.Generation != 1 {
		t.Errorf("a preview changed the stack: %+v %v", s, err)
	}
	if code, got := w.do(http.MethodPut, "/overcloud/preview", `{"template":{}}`); code != 400 || !strings.Contains(got, "overcloud deploy") {
		t.Errorf("a client's own template: %d %s", code, got)
	}
}
