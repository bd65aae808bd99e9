package stack_test

import (
	"context"
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
