package placement_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/placement"
)

// rack is four machines, each with something that can be asked for.
func rack() []placement.Node {
	nodes := []placement.Node{node("n0", ""), node("n1", "control"), node("n2", ""), node("n3", "")}
	nodes[2].Traits = []string{"CUSTOM_GPU"}
	nodes[3].ConductorGroup, nodes[3].ResourceClass = "rack2", "large"
	return nodes
}

func names(choices []placement.Choice) string {
	var out []string
	for _, c := range choices {
		out = append(out, fmt.Sprintf("%s.%d=%s/%s", c.Role, c.Index, c.Name, c.Node.Name))
	}
	return strings.Join(out, " ")
}

func TestPinsChooseTheStrictestFirst(t *testing.T) {
	wants := []placement.Want{{Role: "Compute", Pins: []placement.Pin{
		{Name: "any", Index: 0, ResourceClass: "baremetal"},
		{Name: "gpu", Index: 1, Traits: []string{"CUSTOM_GPU"}},
		{Name: "far", Index: 2, ConductorGroup: "rack2", ResourceClass: "large"},
	}}, {Role: "Controller", Pins: []placement.Pin{{Name: "ctl", Index: 5, Node: "n0"}}}}
	got, err := placement.Place(rack(), wants, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := names(got); n != "Compute.1=gpu/n2 Compute.2=far/n3 Compute.0=any/n1 Controller.5=ctl/n0" {
		t.Errorf("got %s", n)
	}
}

func TestPinsThatAreGivenAreNotChosenAgain(t *testing.T) {
	wants := []placement.Want{{Role: "Compute", Pins: []placement.Pin{{Name: "a"}, {Name: "b", Index: 1}}}}
	got, err := placement.Place(rack(), wants, []placement.Given{{NodeUUID: rack()[1].UUID, Role: "Compute", Index: 0, Name: "a"}})
	if err != nil || names(got) != "Compute.1=b/n0" {
		t.Errorf("got %s, %v", names(got), err)
	}
}

func TestPinsThatDoNotFitSayWhy(t *testing.T) {
	nodes := rack()
	given := []placement.Given{{NodeUUID: nodes[0].UUID, Role: "Compute", Index: 0, Name: "old"}}
	wants := []placement.Want{{Role: "Compute", Pins: []placement.Pin{
		{Name: "clash", Index: 0},
		{Name: "typo", Index: 1, Node: "n22"},
		{Name: "busy", Index: 2, Node: "n0"},
		{Name: "wrong", Index: 3, Node: "n1", ResourceClass: "large", ConductorGroup: "rack9", Capabilities: map[string]string{"profile": "compute"}, Traits: []string{"CUSTOM_FAST"}},
	}}}
	_, err := placement.Place(nodes, wants, given)
	var no *placement.NoFit
	if !errs.Is(err, errs.Conflict) || !errors.As(err, &no) {
		t.Fatalf("got %v", err)
	}
	var rows []string
	for _, r := range no.Rows {
		rows = append(rows, r.Node+": "+r.Rule)
	}
	all := strings.Join(append(no.Short, rows...), "\n")
	for _, want := range []string{"index 0 of the role is taken by another machine than clash", "no machine for typo (node n22)",
		`n22: no node has that name or UUID; did you mean "n2"?`, "n0: already has a role", `n1: resource class is "baremetal", wrong wants "large"`,
		`n1: conductor group is "", wrong wants "rack9"`, `n1: capability profile is "control", wrong wants "compute"`, "n1: lacks the trait CUSTOM_FAST that wrong wants"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}
