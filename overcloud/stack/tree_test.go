package stack_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"trefoil/overcloud/stack"
)

func TestResourceTypes(t *testing.T) {
	for path, want := range map[string]string{
		"": "OS::Heat::Stack", "Compute": "OS::Heat::ResourceGroup", "Compute.10": "OS::TripleO::Compute", "Compute.0.NovaCompute": "OS::TripleO::ComputeServer",
		"AllNodesDeploySteps": "OS::TripleO::PostDeploySteps", stack.StepGroup("Compute", "3"): "OS::Heat::StructuredDeploymentGroup",
		stack.StepPath("Compute", "3", 1): "OS::Heat::StructuredDeployment", "Networks.InternalNetwork": "OS::TripleO::InternalNetwork",
	} {
		if got := stack.ResourceType(path); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}

func TestTree(t *testing.T) {
	s := &stack.Stack{ID: "b4b2cf4a-b7ca-4095-af13-cc83be21c4f5", Name: "overcloud", Action: stack.Update, State: stack.InProgress}
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	tree := stack.NewTree(s, []stack.Resource{
		{Name: "Compute.10.NovaCompute", Status: "UPDATE_FAILED", Reason: "no", UpdatedAt: at(3), PhysicalID: "i10"},
		{Name: "Compute.2.NovaCompute", Status: "CREATE_COMPLETE", UpdatedAt: at(9), PhysicalID: "i2"},
		{Name: "Compute", Status: "UPDATE_IN_PROGRESS", UpdatedAt: at(1)},
		{Name: "Lone.Child", Status: "UPDATE_IN_PROGRESS", UpdatedAt: at(5)},
	})
	var lines []string
	for _, r := range tree.Root.Deep(9) {
		lines = append(lines, fmt.Sprintf("%s%s %s %s %d", strings.Repeat("  ", r.Level.Depth()), r.Name, r.Status, r.Reason, r.UpdatedAt.Unix()))
	}
	want := `Compute UPDATE_IN_PROGRESS  1
  2 CREATE_COMPLETE  9
    NovaCompute CREATE_COMPLETE  9
  10 UPDATE_FAILED no 3
    NovaCompute UPDATE_FAILED no 3
Lone UPDATE_IN_PROGRESS  5
  Child UPDATE_IN_PROGRESS  5`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	r := tree.Root.Row("Compute.10.NovaCompute")
	if r == nil || r.PhysicalID != "i10" || r.Level.Resource() != "10" || r.Level.Parent.Resource() != "Compute" {
		t.Fatalf("%+v", r)
	}
	for _, ident := range []string{r.Level.ID, r.Level.Name} {
		if tree.Level(ident) != r.Level {
			t.Errorf("no level %s", ident)
		}
	}
	if !regexp.MustCompile(`^overcloud-Compute-[a-z2-7]{12}-10-[a-z2-7]{12}$`).MatchString(r.Level.Name) {
		t.Errorf("name %s", r.Level.Name)
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(r.Level.ID) {
		t.Errorf("id %s", r.Level.ID)
	}
	if tree.Level("nope") != nil || tree.Root.Row("Compute.11") != nil || tree.Root.Row("Compute.10.NovaCompute.x") != nil || len(tree.Root.Deep(0)) != 2 {
		t.Error("what is not there is found")
	}
	if other := stack.ResourceID("another", "Compute"); other == stack.ResourceID(s.ID, "Compute") {
		t.Error("two stacks share an id")
	}
}

// Without a failed resource the phases that failed stand in for it, each once.
func TestTreeOfAFailedPhase(t *testing.T) {
	s := &stack.Stack{ID: "1", Name: "overcloud", Action: stack.Create, State: stack.Failed,
		Failures: []stack.Failure{{Phase: "keystone resources", Error: "refused"}, {Phase: "keystone resources", Error: "again"}, {Phase: "plan", Error: "x"}}}
	rows := stack.NewTree(s, nil).Root.Rows
	if len(rows) != 2 || rows[0].Name != "KeystoneResources" || rows[0].Reason != "keystone resources: refused" || rows[0].Nested != nil || rows[1].Name != "Plan" {
		t.Errorf("%+v", rows)
	}
	if rows := stack.NewTree(s, []stack.Resource{{Name: "Compute", Status: "CREATE_FAILED"}}).Root.Rows; len(rows) != 1 {
		t.Errorf("%+v", rows)
	}
}
