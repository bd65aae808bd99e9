package stack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

func TestPlanBeforeItsStack(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.warnings = []string{"unused"}
	p, warnings, err := w.CreatePlan(ctx, stack.NewPlan{Name: "overcloud", Input: stack.Input{RolesFile: "r.yaml"}, Passwords: map[string]string{"AdminPassword": "kept"}})
	if err != nil || p.Version != 1 || p.Passwords["AdminPassword"] != "kept" || len(warnings) != 1 {
		t.Fatalf("%+v %v %v", p, warnings, err)
	}
	if _, _, err := w.CreatePlan(ctx, stack.NewPlan{Name: "overcloud"}); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("a second plan: %v", err)
	}
	s, err := w.DeployPlan(ctx, "overcloud", 60)
	if err != nil || s.Input.RolesFile != "r.yaml" || s.Passwords["AdminPassword"] != "kept" || s.TimeoutMins != 60 || len(w.jobs) != 1 {
		t.Fatalf("%+v %v %v", s, err, w.jobs)
	}
	if err := w.DeletePlan(ctx, "overcloud"); !errs.Is(err, errs.Conflict) || err.Error() != "Cannot delete a plan that has an associated stack." {
		t.Errorf("a plan in use: %v", err)
	}
	if _, err := w.DeployPlan(ctx, "overcloud", 60); !errs.Is(err, errs.Conflict) {
		t.Errorf("a deploy while another runs: %v", err)
	}
	w.end(t, s.ID)
	if _, _, err := w.UpdatePlan(ctx, "overcloud", stack.Input{RolesFile: "other.yaml"}); err != nil {
		t.Fatal(err)
	}
	if now, _ := w.Store.Stack(ctx, "overcloud"); now.Input.RolesFile != "r.yaml" {
		t.Errorf("the plan's change reached the stack before it was deployed: %+v", now.Input)
	}
	if _, err := w.DeployPlan(ctx, "overcloud", 60); err != nil {
		t.Fatal(err)
	}
	if now, _ := w.Store.Stack(ctx, "overcloud"); now.Input.RolesFile != "other.yaml" || now.Passwords["AdminPassword"] != "kept" || now.Generation != 2 {
		t.Errorf("%+v", now)
	}
	if err := w.Store.DeleteStack(ctx, s.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.DeletePlan(ctx, "overcloud"); err != nil {
		t.Error(err)
	}
}

// A deployment keeps its plan, and the plan its passwords when the stack is gone.
func TestDeployKeepsThePlan(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s, err := w.Create(ctx, "overcloud", 240, stack.Input{RolesFile: "one.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	w.end(t, s.ID)
	if err := w.Update(ctx, "overcloud", 240, stack.Input{RolesFile: "two.yaml"}); err != nil {
		t.Fatal(err)
	}
	p, err := w.Plan(ctx, "overcloud")
	if err != nil || p.Input.RolesFile != "two.yaml" || p.Version != 2 || p.UpdatedAt == nil || p.Passwords["AdminPassword"] != "first" {
		t.Errorf("%+v %v", p, err)
	}
	if err := w.Store.DeleteStack(ctx, s.ID); err != nil {
		t.Fatal(err)
	}
	w.Service.Passwords = func(old map[string]string) (map[string]string, error) {
		if old["AdminPassword"] != "first" {
			return nil, fmt.Errorf("the passwords are lost: %v", old)
		}
		return old, nil
	}
	if s, err = w.Create(ctx, "overcloud", 240, stack.Input{}); err != nil || s.Passwords["AdminPassword"] != "first" {
		t.Errorf("%+v %v", s, err)
	}
}

// What somebody else does while a plan is checked is neither lost nor half undone.
func TestOvertakenWhileChecking(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	meanwhile := func(f func()) {
		w.Service.Check = func(context.Context, *stack.Stack) (*plan.Plan, error) {
			w.Service.Check = func(context.Context, *stack.Stack) (*plan.Plan, error) { return &plan.Plan{}, nil }
			f()
			return &plan.Plan{}, nil
		}
	}
	meanwhile(func() {
		if _, err := w.Create(ctx, "overcloud", 1, stack.Input{RolesFile: "one.yaml"}); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := w.Create(ctx, "overcloud", 1, stack.Input{RolesFile: "two.yaml"}); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "CREATE_IN_PROGRESS") {
		t.Errorf("a second create: %v", err)
	}
	s, err := w.Store.Stack(ctx, "overcloud")
	if err != nil {
		t.Fatal(err)
	}
	w.end(t, s.ID)
	plan := func(version int, roles string) {
		t.Helper()
		if p, err := w.Plan(ctx, "overcloud"); err != nil || p.Version != version || p.Input.RolesFile != roles {
			t.Errorf("version %d of %s, %v; want %d of %s", p.Version, p.Input.RolesFile, err, version, roles)
		}
	}
	plan(1, "one.yaml")
	meanwhile(func() {
		if err := w.Delete(ctx, "overcloud"); err != nil {
			t.Fatal(err)
		}
	})
	if err := w.Update(ctx, "overcloud", 1, stack.Input{RolesFile: "two.yaml"}); !errs.Is(err, errs.Conflict) {
		t.Errorf("an update of what is deleted: %v", err)
	}
	plan(1, "one.yaml")
	other := func() {
		if _, _, err := w.UpdatePlan(ctx, "overcloud", stack.Input{RolesFile: "three.yaml"}); err != nil {
			t.Fatal(err)
		}
	}
	meanwhile(other)
	if _, err := w.SetParameters(ctx, "overcloud", "p.yaml", []byte("A: 1\n")); !errs.Is(err, errs.Conflict) || errs.HintOf(err) == "" {
		t.Errorf("parameters that were checked with another plan: %v", err)
	}
	plan(2, "three.yaml")
	meanwhile(other)
	if _, _, err := w.UpdatePlan(ctx, "overcloud", stack.Input{RolesFile: "two.yaml"}); !errs.Is(err, errs.Conflict) {
		t.Errorf("an update of another plan: %v", err)
	}
	plan(3, "three.yaml")
}

func TestGivenPasswords(t *testing.T) {
	w := newWorld(t)
	w.Service.Passwords = func(old map[string]string) (map[string]string, error) {
		made := maps.Clone(old)
		made["NovaPassword"], made[plan.SeedName] = "generated", "seed"
		return made, nil
	}
	p, _, err := w.CreatePlan(t.Context(), stack.NewPlan{Name: "p", Given: true, Passwords: map[string]string{"AdminPassword": "mine"}})
	if err != nil || p.Passwords["AdminPassword"] != "mine" || p.Passwords["NovaPassword"] != "" || p.Passwords[plan.SeedName] != "seed" {
		t.Fatalf("%+v %v", p, err)
	}
	if s, err := w.DeployPlan(t.Context(), "p", 1); err != nil || s.Passwords["AdminPassword"] != "mine" {
		t.Errorf("%+v %v", s, err)
	}
}

// A plan that is refused leaves nothing behind.
func TestPlanRefusals(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, name := range []string{"", "a_b", "../x", "ü"} {
		if _, _, err := w.CreatePlan(ctx, stack.NewPlan{Name: name}); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "only contain letters, numbers or dashes") {
			t.Errorf("%q: %v", name, err)
		}
		if _, _, err := w.UpdatePlan(ctx, name, stack.Input{}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	w.check = errs.New(errs.Invalid, "overcloud.yaml:3: unknown function")
	if _, _, err := w.CreatePlan(ctx, stack.NewPlan{Name: "bad"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
	if all, err := w.Store.Plans(ctx); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
	w.check = nil
	if _, _, err := w.CreatePlan(ctx, stack.NewPlan{Name: "overcloud", Input: stack.Input{RolesFile: "good.yaml"}}); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"plan":   func() error { _, err := w.Plan(ctx, "overclod"); return err }(),
		"delete": w.DeletePlan(ctx, "overclod"),
		"deploy": func() error { _, err := w.DeployPlan(ctx, "overclod", 1); return err }(),
		"set":    func() error { _, err := w.SetParameters(ctx, "overclod", "p.yaml", []byte("A: 1")); return err }(),
	} {
		if !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), `did you mean "overcloud"?`) {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.check = errs.New(errs.Invalid, "no")
	if _, _, err := w.UpdatePlan(ctx, "overcloud", stack.Input{RolesFile: "bad.yaml"}); err == nil {
		t.Error("a broken update is taken")
	}
	if p, _ := w.Plan(ctx, "overcloud"); p.Input.RolesFile != "good.yaml" || p.Version != 1 {
		t.Errorf("%+v", p)
	}
}

func TestSetParameters(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if _, _, err := w.CreatePlan(ctx, stack.NewPlan{Name: "p", Input: stack.Input{Counts: map[string]int{"Compute": 1, "Controller": 1},
		Flavors: map[string]string{"Compute": "small"}, Parameters: map[string]any{"Kept": "old"}}}); err != nil {
		t.Fatal(err)
	}
	var seen *stack.Stack
	w.Service.Check = func(_ context.Context, s *stack.Stack) (*plan.Plan, error) {
		seen = s
		return &plan.Plan{Warnings: []string{s.Input.Environments[0] + ":2: parameter Debg is not used by any template", "roles_data.yaml: other"}}, nil
	}
	warnings, err := w.SetParameters(ctx, "p", "/home/stack/params.json", []byte("{\"ComputeCount\": 3,\n \"Debg\": true,\n\n \"OvercloudComputeFlavor\": \"large\", \"M\": {\"a\": [1, 2.5, null]}}"))
	if err != nil || len(warnings) != 1 || warnings[0] != "/home/stack/params.json:2: parameter Debg is not used by any template" {
		t.Errorf("%v %v", warnings, err)
	}
	if got := seen.Input.Files[seen.Input.Environments[0]]; got != "{parameter_defaults: {\"ComputeCount\": 3, \n\"Debg\": true, \n\n\"M\": {\"a\":[1,2.5,null]}, \"OvercloudComputeFlavor\": \"large\", }}\n" {
		t.Errorf("checked as %q", got)
	}
	p, err := w.Plan(ctx, "p")
	if err != nil || p.Version != 2 || fmt.Sprint(p.Input.Parameters) != "map[ComputeCount:3 Debg:true Kept:old M:map[a:[1 2.5 <nil>]] OvercloudComputeFlavor:large]" ||
		!maps.Equal(p.Input.Counts, map[string]int{"Controller": 1}) || len(p.Input.Flavors) != 0 || len(p.Input.Environments) != 0 || len(p.Input.Files) != 0 {
		t.Errorf("%+v %v", p, err)
	}
	w.Service.Check = func(_ context.Context, s *stack.Stack) (*plan.Plan, error) {
		return nil, errs.New(errs.Invalid, "%s:2: Debug must be a boolean", s.Input.Environments[0]).WithHint("say true")
	}
	_, err = w.SetParameters(ctx, "p", "x.yaml", []byte("parameter_defaults:\n  Debug: maybe\n"))
	if err == nil || err.Error() != "x.yaml:2: Debug must be a boolean" || errs.HintOf(err) != "say true" {
		t.Errorf("%v", err)
	}
	if again, _ := w.Plan(ctx, "p"); again.Version != 2 {
		t.Errorf("a refused file changed the plan: %+v", again)
	}
	for file, text := range map[string]string{"x.txt": "A: 1", "list.yaml": "[1]", "empty.yaml": "", "twice.yaml": "A: 1\nA: 2\n", "broken.json": "{\"A\": ", "list2.yaml": "parameter_defaults: [1]", "self.yaml": "A: &a {b: *a}\n",
		"bomb.yaml": "A: &a [x,x,x,x,x,x,x,x,x,x]\nB: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nC: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nD: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\nE: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nF: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"} {
		if _, err := w.SetParameters(ctx, "p", file, []byte(text)); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// A file means the same whether it is set or given with -e.
func TestParametersReadAsEnvironments(t *testing.T) {
	const text = "parameter_defaults:\n  Base: &b {x: yes, y: 1}\n  A: yes\n  B: 1e3\n  C: 0o17\n  D: 017\n  E: {<<: *b, y: off}\n  F: 3.0\n  G: 1.5e+30\n  H: 1:30\n  I: 2020-08-14\n  J: 1_000\n  K: \"yes\"\n  <<: {L: on, A: 1}\n"
	want, err := hot.ParseEnvironment("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	params, env, err := stack.ParseParameters("p.yaml", []byte(text))
	if err != nil || !reflect.DeepEqual(params, want.Defaults) {
		t.Errorf("set %#v\n -e %#v, %v", params, want.Defaults, err)
	}
	if params["A"] != true || params["B"] != "1e3" || params["L"] != true || params["F"] != 3.0 || params["D"] != 15 {
		t.Errorf("not as Heat reads it: %#v", params)
	}
	checked, err := hot.ParseEnvironment("p.yaml", []byte(env))
	if err != nil || !reflect.DeepEqual(checked.Defaults, want.Defaults) {
		t.Errorf("checked %#v, %v\n%s", checked, err, env)
	}
	in := stack.Input{Parameters: params}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var back stack.Input
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back.Parameters, params) {
		t.Errorf("kept as %#v, %v", back.Parameters, err)
	}
}

func TestNumbersThatDoNotFit(t *testing.T) {
	var in stack.Input
	if err := json.Unmarshal([]byte(`{"parameters": {"A": [{"b": 1e400}]}}`), &in); err == nil || !strings.Contains(err.Error(), "parameter A: the number 1e400 is too large") {
		t.Errorf("%v %v", in.Parameters, err)
	}
}

func FuzzSetParameters(f *testing.F) {
	f.Add([]byte("A: 1\nB: [x, {c: null}]\n"))
	f.Add([]byte(`{"parameter_defaults": {"A": 1}}`))
	f.Add([]byte("a: &a [1]\nb: *a\n"))
	f.Add([]byte("a: &a {b: *a}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		params, env, err := stack.ParseParameters("x.yaml", data)
		if err != nil {
			return
		}
		e, err := hot.ParseEnvironment("x.yaml", []byte(env))
		if err != nil {
			t.Fatalf("%q became %q: %v", data, env, err)
		}
		for name := range params {
			if _, ok := e.Defaults[name]; !ok {
				t.Errorf("%q lost %q: %q", data, name, env)
			}
		}
	})
}

// overtaken is a store in which somebody changes a plan while a stack is looked up.
type overtaken struct {
	stack.Store
	change func()
}

func (o *overtaken) Stack(ctx context.Context, ident string) (*stack.Stack, error) {
	if f := o.change; f != nil {
		o.change = nil
		f()
	}
	return o.Store.Stack(ctx, ident)
}

// A plan that is changed after DeployPlan read it is not overwritten with what it was.
func TestDeployPlanOvertaken(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.Service.Check = func(context.Context, *stack.Stack) (*plan.Plan, error) { return &plan.Plan{}, nil }
	if _, _, err := w.CreatePlan(ctx, stack.NewPlan{Name: "overcloud", Input: stack.Input{RolesFile: "one.yaml"}}); err != nil {
		t.Fatal(err)
	}
	w.Service.Store = &overtaken{w.Service.Store, func() {
		if _, _, err := w.UpdatePlan(ctx, "overcloud", stack.Input{RolesFile: "two.yaml"}); err != nil {
			t.Error(err)
		}
	}}
	if _, err := w.DeployPlan(ctx, "overcloud", 1); !errs.Is(err, errs.Conflict) {
		t.Errorf("the plan was changed meanwhile: %v", err)
	}
	if p, err := w.Plan(ctx, "overcloud"); err != nil || p.Input.RolesFile != "two.yaml" {
		t.Errorf("the plan has %s, %v; want two.yaml", p.Input.RolesFile, err)
	}
}
