package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// RunPlans runs the suite of stack.PlanStore; open returns an empty store, closed
// by the test's clean-up.
func RunPlans(t *testing.T, open func(t *testing.T) stack.Store) {
	for name, f := range map[string]func(*testing.T, stack.Store){
		"a plan comes back as it was stored":  planRoundTrip,
		"names are unique and lists sorted":   planNames,
		"an update of a plan is all or none":  planUpdate,
		"an action and its plan go together":  planAccept,
		"what is not there is said not to be": planMissing,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

func somePlan(name string) *stack.Plan {
	at := time.Date(2020, 8, 14, 8, 39, 21, 0, time.UTC)
	return &stack.Plan{Name: name, Version: 1, CreatedAt: at, UpdatedAt: &at, Passwords: map[string]string{"AdminPassword": "s3cret"},
		Input: stack.Input{Tree: []byte("zip"), Files: map[string]string{"/e.yaml": "{}"}, Environments: []string{"/e.yaml"}, Counts: map[string]int{"Compute": 2},
			Parameters: map[string]any{"Whole": 3, "Part": 1.5, "List": []any{1, "a", nil}, "Map": map[string]any{"yes": true}}}}
}

func planRoundTrip(t *testing.T, s stack.Store) {
	want := somePlan("overcloud")
	must(t, s.CreatePlan(t.Context(), want))
	got, err := s.Plan(t.Context(), "overcloud")
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func planNames(t *testing.T, s stack.Store) {
	for _, n := range []string{"b", "a", "c"} {
		must(t, s.CreatePlan(t.Context(), somePlan(n)))
	}
	code(t, s.CreatePlan(t.Context(), somePlan("a")), errs.Conflict, "a")
	all, err := s.Plans(t.Context())
	must(t, err)
	names := ""
	for _, p := range all {
		names += p.Name
		if p.Passwords != nil || p.Input.Tree != nil {
			t.Errorf("the list has more than it should: %+v", p)
		}
	}
	if names != "abc" {
		t.Errorf("listed %s", names)
	}
}

func planUpdate(t *testing.T, s stack.Store) {
	must(t, s.CreatePlan(t.Context(), somePlan("a")))
	broken := errors.New("broken")
	if _, err := s.UpdatePlan(t.Context(), "a", func(p *stack.Plan) error { p.Version = 9; return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	for range 3 {
		got, err := s.UpdatePlan(t.Context(), "a", func(p *stack.Plan) error {
			p.Version++
			p.Input.Parameters[fmt.Sprint(p.Version)] = p.Version
			return nil
		})
		must(t, err)
		again, err := s.Plan(t.Context(), "a")
		must(t, err)
		if !reflect.DeepEqual(got, again) {
			t.Errorf("\n got %+v\nthen %+v", got, again)
		}
	}
	if got, _ := s.Plan(t.Context(), "a"); got.Version != 4 || got.Input.Parameters["4"] != 4 {
		t.Errorf("%+v", got)
	}
}

func planMissing(t *testing.T, s stack.Store) {
	_, err := s.Plan(t.Context(), "nope")
	code(t, err, errs.NotFound, "nope")
	_, err = s.UpdatePlan(t.Context(), "nope", func(*stack.Plan) error { return nil })
	code(t, err, errs.NotFound, "nope")
	code(t, s.DeletePlan(t.Context(), "nope"), errs.NotFound, "nope")
	must(t, s.CreatePlan(t.Context(), somePlan("a")))
	must(t, s.DeletePlan(t.Context(), "a"))
	_, err = s.Plan(t.Context(), "a")
	code(t, err, errs.NotFound)
	if all, err := s.Plans(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
}

func planAccept(t *testing.T, s stack.Store) {
	st := &stack.Stack{ID: "1", Name: "a", Action: stack.Create, State: stack.InProgress, CreatedAt: time.Date(2020, 8, 14, 0, 0, 0, 0, time.UTC)}
	_, err := s.Accept(t.Context(), stack.Acceptance{Was: 1, Plan: somePlan("a"), Stack: st})
	code(t, err, errs.Conflict, "a")
	if all, err := s.Stacks(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("a stack without its plan: %v %v", all, err)
	}
	_, err = s.Accept(t.Context(), stack.Acceptance{Plan: somePlan("a"), Stack: st})
	must(t, err)
	_, err = s.Accept(t.Context(), stack.Acceptance{Plan: somePlan("a"), Stack: st})
	code(t, err, errs.Conflict, "a")

	second := somePlan("a")
	second.Version = 2
	refused := errors.New("busy")
	for what, a := range map[string]stack.Acceptance{
		"refused":   {Was: 1, Plan: second, Stack: st, Change: func(*stack.Stack) error { return refused }},
		"overtaken": {Was: 7, Plan: second, Stack: st, Change: func(x *stack.Stack) error { x.Reason = "changed"; return nil }},
	} {
		if _, err := s.Accept(t.Context(), a); err == nil {
			t.Errorf("%s: no error", what)
		}
		p, err := s.Plan(t.Context(), "a")
		must(t, err)
		now, err := s.Stack(t.Context(), "a")
		must(t, err)
		if p.Version != 1 || now.Reason != "" {
			t.Errorf("%s: half done: plan %d, stack %q", what, p.Version, now.Reason)
		}
	}
	now, err := s.Accept(t.Context(), stack.Acceptance{Was: 1, Plan: second, Stack: st, Change: func(x *stack.Stack) error { x.Reason = "changed"; return nil }})
	must(t, err)
	if p, err := s.Plan(t.Context(), "a"); err != nil || p.Version != 2 || now.Reason != "changed" {
		t.Errorf("%+v %+v %v", p, now, err)
	}
}
