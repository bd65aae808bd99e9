package stack_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

// rotating is a world with a deployed stack whose environment sets NovaPassword.
func rotating(t *testing.T) (*world, *stack.Stack) {
	t.Helper()
	w := newWorld(t)
	random := rand.NewChaCha8([32]byte{7})
	w.Service.Passwords = func(have map[string]string) (map[string]string, error) { return plan.GeneratePasswords(have, random) }
	w.Service.Check = func(_ context.Context, s *stack.Stack) (*plan.Plan, error) {
		made := &plan.Plan{Passwords: maps.Clone(s.Passwords)}
		made.Passwords["NovaPassword"] = "of the environment"
		return made, nil
	}
	s, err := w.Create(t.Context(), "overcloud", 1, stack.Input{RolesFile: "r"})
	if err != nil {
		t.Fatal(err)
	}
	w.end(t, s.ID)
	return w, s
}

func TestRotatedPasswordsReachTheStackWithTheNextDeployment(t *testing.T) {
	w, s := rotating(t)
	done, err := w.RotatePasswords(t.Context(), "overcloud", []string{"AdminPassword"})
	if err != nil || !slices.Equal(done.Names, []string{"AdminPassword"}) || len(done.Kept) != 0 {
		t.Fatalf("%+v %v", done, err)
	}
	p, err := w.Plan(t.Context(), "overcloud")
	if err != nil || p.Passwords["AdminPassword"] == s.Passwords["AdminPassword"] || p.Passwords["GlancePassword"] != s.Passwords["GlancePassword"] || p.Input.RolesFile != "r" || p.Version != 2 {
		t.Errorf("plan: version %d, %v", p.Version, err)
	}
	if now, _ := w.Store.Stack(t.Context(), "overcloud"); now.Passwords["AdminPassword"] != s.Passwords["AdminPassword"] {
		t.Error("what is deployed has a password that the cloud does not have")
	}
	if err := w.Update(t.Context(), "overcloud", 1, stack.Input{RolesFile: "r"}); err != nil {
		t.Fatal(err)
	}
	if now, _ := w.Store.Stack(t.Context(), "overcloud"); now.Passwords["AdminPassword"] != p.Passwords["AdminPassword"] {
		t.Error("the deployment does not have the new password")
	}
}

func TestPasswordsOfEnvironmentsAreNotRotated(t *testing.T) {
	w, s := rotating(t)
	if _, err := w.RotatePasswords(t.Context(), "overcloud", []string{"AdminPassword", "NovaPassword"}); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "sets NovaPassword: nothing was rotated") {
		t.Errorf("%v", err)
	}
	if p, _ := w.Plan(t.Context(), "overcloud"); !maps.Equal(p.Passwords, s.Passwords) {
		t.Error("refused, and rotated all the same")
	}
	done, err := w.RotatePasswords(t.Context(), "overcloud", nil)
	if err != nil || !slices.Equal(done.Kept, []string{"NovaPassword"}) || slices.Contains(done.Names, "NovaPassword") || !slices.Contains(done.Names, "AdminPassword") {
		t.Errorf("%+v %v", done, err)
	}
	if p, _ := w.Plan(t.Context(), "overcloud"); p.Passwords["NovaPassword"] != s.Passwords["NovaPassword"] || p.Passwords["AdminPassword"] == s.Passwords["AdminPassword"] {
		t.Error("the plan has what its environment hides, or not what it says")
	}
}

func TestGivenPasswordsAreNotRotated(t *testing.T) {
	w, _ := rotating(t)
	if _, _, err := w.CreatePlan(t.Context(), stack.NewPlan{Name: "given", Given: true, Passwords: map[string]string{"AdminPassword": "x"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.RotatePasswords(t.Context(), "given", nil); !errs.Is(err, errs.Conflict) {
		t.Errorf("%v", err)
	}
}

// TestNewPasswordsReachTheWholeCloud: a part of it would log in with what databases and
// Keystone do not know yet; and what configures nothing carries none.
func TestNewPasswordsReachTheWholeCloud(t *testing.T) {
	w, s := rotating(t)
	if _, err := w.RotatePasswords(t.Context(), "overcloud", []string{"AdminPassword", "GlancePassword"}); err != nil {
		t.Fatal(err)
	}
	narrowed := stack.Input{RolesFile: "r", Limits: stack.Limits{FromStep: 4}}
	err := w.Update(t.Context(), "overcloud", 1, narrowed)
	if !errs.Is(err, errs.Invalid) || !strings.HasPrefix(err.Error(), "AdminPassword, GlancePassword: new since the last deployment, and this one is limited (from step 4 on)") || errs.HintOf(err) == "" {
		t.Errorf("limited: %v", err)
	}
	if now, _ := w.Store.Stack(t.Context(), "overcloud"); now.State != stack.Complete || !maps.Equal(now.Passwords, s.Passwords) {
		t.Errorf("the refusal changed the stack: %s", now.State)
	}
	if err := w.Update(t.Context(), "overcloud", 1, stack.Input{Only: stack.OnlyUnprovision, Unprovision: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	w.end(t, s.ID)
	if now, _ := w.Store.Stack(t.Context(), "overcloud"); !maps.Equal(now.Passwords, s.Passwords) {
		t.Error("an action that configures nothing has the new passwords")
	}
	if err := w.Update(t.Context(), "overcloud", 1, narrowed); err == nil {
		t.Error("limited, after an action that carried none: no error")
	}
	if err := w.Update(t.Context(), "overcloud", 1, stack.Input{RolesFile: "r"}); err != nil {
		t.Fatal(err)
	}
	w.end(t, s.ID)
	if err := w.Update(t.Context(), "overcloud", 1, narrowed); err != nil {
		t.Errorf("limited, when the cloud has them: %v", err)
	}
}

// TestFewOfManyNewPasswordsAreNamed: those that this cloud has a use for come first.
func TestFewOfManyNewPasswordsAreNamed(t *testing.T) {
	s := &stack.Stack{}
	next := &plan.Plan{Declared: []string{"NovaPassword", "KeystonePassword"}, Passwords: map[string]string{}}
	deployed := &plan.Plan{Passwords: map[string]string{}}
	for _, name := range []string{"AodhPassword", "BarbicanPassword", "KeystonePassword", "NovaPassword"} {
		deployed.Passwords[name], next.Passwords[name] = "secret-of-old", "secret-of-new"
	}
	told := func() string {
		_, err := s.Reach("only Compute", nil, deployed, nil, next)
		if err == nil {
			t.Fatal("no error")
		}
		names, _, _ := strings.Cut(err.Error(), ":")
		return names
	}
	if got := told(); got != "KeystonePassword, NovaPassword, AodhPassword, BarbicanPassword" {
		t.Errorf("four: %s", got)
	}
	deployed.Passwords["CinderPassword"], next.Passwords["CinderPassword"] = "secret-of-old", "secret-of-new"
	if got := told(); got != "KeystonePassword, NovaPassword, AodhPassword and 2 more" {
		t.Errorf("five: %s", got)
	}
	s.NewPasswords, deployed.Passwords = []string{"A1", "A2", "A3", "A4", "NovaPassword"}, next.Passwords
	if got := told(); got != "NovaPassword, A1, A2 and 2 more" {
		t.Errorf("of a deployment that failed: %s", got)
	}
}

// given is a world whose plans have the passwords that parameters set, and the stack in it
// with a machine that has done a step.
func given(t *testing.T) *world {
	t.Helper()
	w, s := rotating(t)
	w.Service.Check = func(_ context.Context, s *stack.Stack) (*plan.Plan, error) {
		if s.Input.RolesFile == "" {
			return nil, errors.New("not a tree of today")
		}
		made := &plan.Plan{Passwords: maps.Clone(s.Passwords), Parameters: s.Input.Parameters, Declared: []string{"RabbitPassword"}}
		for name, v := range s.Input.Parameters {
			made.Passwords[name] = v.(string)
		}
		return made, nil
	}
	if err := w.Store.PutStackNode(t.Context(), s.ID, stack.Node{Node: plan.Node{Name: "c0", Role: "Controller"}, Hashes: map[int]string{1: "h"}}); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestPasswordsOfEnvironmentsReachTheWholeCloud: one that an environment sets is new like any other.
func TestPasswordsOfEnvironmentsReachTheWholeCloud(t *testing.T) {
	w := given(t)
	in := func(limits stack.Limits, nova string) stack.Input {
		return stack.Input{RolesFile: "r", Limits: limits, Parameters: map[string]any{"NovaPassword": nova}}
	}
	for _, limits := range []stack.Limits{{FromStep: 4}, {FromStep: 2}} {
		err := w.Update(t.Context(), "overcloud", 1, in(limits, "secret-of-nova"))
		if !errs.Is(err, errs.Invalid) || !strings.HasPrefix(err.Error(), "NovaPassword: new since the last deployment") || strings.Contains(err.Error()+errs.HintOf(err), "secret-of") {
			t.Errorf("%s: %v", limits, err)
		}
	}
	if err := w.Update(t.Context(), "overcloud", 1, in(stack.Limits{}, "secret-of-nova")); err != nil {
		t.Fatal(err)
	}
	w.end(t, "id1")
	if err := w.Update(t.Context(), "overcloud", 1, in(stack.Limits{FromStep: 4}, "secret-of-nova")); err != nil {
		t.Errorf("the cloud has it: %v", err)
	}
	w.end(t, "id1")
	if err := w.Update(t.Context(), "overcloud", 1, stack.Input{RolesFile: "r", Limits: stack.Limits{FromStep: 4}}); err == nil {
		t.Error("the environment is forgotten, so that the generated one is new: no error")
	}
}

// TestPasswordsOfAFailedDeploymentReachTheWholeCloud: it was accepted with them, and nobody knows
// how far they came, so that a limited one does not bring them to its machines.
func TestPasswordsOfAFailedDeploymentReachTheWholeCloud(t *testing.T) {
	w := given(t)
	in := stack.Input{RolesFile: "r", Parameters: map[string]any{"NovaPassword": "secret-of-nova"}}
	narrowed := in
	narrowed.Limits = stack.Limits{FromStep: 4}
	for range 2 { // the second one brings nothing that is new since the first
		if err := w.Update(t.Context(), "overcloud", 1, in); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Store.UpdateStack(t.Context(), "id1", func(s *stack.Stack) error { s.State = stack.Failed; return nil }); err != nil {
			t.Fatal(err)
		}
		err := w.Update(t.Context(), "overcloud", 1, narrowed)
		if !errs.Is(err, errs.Invalid) || !strings.HasPrefix(err.Error(), "NovaPassword: new in a deployment that failed, and this one is limited (from step 4 on)") {
			t.Errorf("%v", err)
		}
	}
	if err := w.Update(t.Context(), "overcloud", 1, in); err != nil {
		t.Fatal(err)
	}
	w.end(t, "id1")
	if err := w.Update(t.Context(), "overcloud", 1, narrowed); err != nil {
		t.Errorf("one of all ended well: %v", err)
	}
}

// TestNewPasswordsReachMachinesThatAreListed: the cloud has them, and a machine that stays as it is logs in
// with those of before.
func TestNewPasswordsReachMachinesThatAreListed(t *testing.T) {
	w := given(t)
	check := w.Check
	w.Check = func(ctx context.Context, s *stack.Stack) (*stack.Made, error) {
		made, err := check(ctx, s)
		if s.Input.Parameters["DeploymentServerBlacklist"] != nil {
			made.Blacklist, made.Servers = []string{"c1"}, []plan.Server{{Name: "c1"}}
		}
		return made, err
	}
	in := stack.Input{RolesFile: "r", Parameters: map[string]any{"NovaPassword": "secret-of-nova", "DeploymentServerBlacklist": "c1"}}
	err := w.Update(t.Context(), "overcloud", 1, in)
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "this one is limited (not c1 (DeploymentServerBlacklist))") || !strings.Contains(errs.HintOf(err), "DeploymentServerBlacklist") {
		t.Errorf("%v", err)
	}
	delete(in.Parameters, "NovaPassword")
	if err := w.Update(t.Context(), "overcloud", 1, in); err != nil {
		t.Errorf("none is new: %v", err)
	}
}

// TestWhatTheCloudKeepsIsNotChangedByAnEnvironment: where machines have done steps, and not before.
func TestWhatTheCloudKeepsIsNotChangedByAnEnvironment(t *testing.T) {
	w := given(t)
	other := stack.Input{RolesFile: "r", Parameters: map[string]any{"RabbitPassword": "secret-of-rabbit"}}
	err := w.Update(t.Context(), "overcloud", 1, other)
	if !errs.Is(err, errs.Invalid) || !strings.HasPrefix(err.Error(), "RabbitPassword is another one than was deployed") {
		t.Errorf("%v", err)
	}
	if s, _ := w.Store.Stack(t.Context(), "overcloud"); s.State != stack.Complete || len(s.Input.Parameters) > 0 {
		t.Errorf("the refusal changed the stack: %s, %v", s.State, s.Input.Parameters)
	}
	if err := w.Store.DeleteStackNode(t.Context(), "id1", "c0"); err != nil {
		t.Fatal(err)
	}
	if err := w.Update(t.Context(), "overcloud", 1, other); err != nil {
		t.Errorf("no machine has done a step: %v", err)
	}
}

// TestWhatCannotBePlannedAgainIsMended: nobody knows which passwords it had; a deployment of
// the whole cloud takes its place, one of a part does not.
func TestWhatCannotBePlannedAgainIsMended(t *testing.T) {
	w := given(t)
	if _, err := w.Store.UpdateStack(t.Context(), "id1", func(s *stack.Stack) error { s.Input.RolesFile = ""; return nil }); err != nil {
		t.Fatal(err)
	}
	err := w.Update(t.Context(), "overcloud", 1, stack.Input{RolesFile: "r", Limits: stack.Limits{FromStep: 4}})
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "not a tree of today") || errs.HintOf(err) == "" {
		t.Errorf("limited: %v", err)
	}
	if err := w.Update(t.Context(), "overcloud", 1, stack.Input{RolesFile: "r"}); err != nil {
		t.Errorf("of the whole cloud: %v", err)
	}
}
