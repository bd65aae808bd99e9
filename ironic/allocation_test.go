package ironic

import (
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
)

func available(name string, change ...func(*Node)) *Node {
	n := &Node{UUID: "uuid-" + name, Name: name, ResourceClass: "baremetal", ProvisionState: "available", PowerState: PowerOff,
		Traits: []string{"CUSTOM_GPU"}}
	for _, f := range change {
		f(n)
	}
	return n
}

func names(nodes []*Node) string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Name)
	}
	return strings.Join(out, " ")
}

func unshuffled(int, func(i, j int)) {}

func TestCandidatesAreWhatTheAllocationAsksFor(t *testing.T) {
	const none = "Failed to process allocation u: no available nodes match the resource class baremetal."
	for name, c := range map[string]struct {
		a      Allocation
		change func(*Node)
		want   string // names, or the error
	}{
		"as asked":            {Allocation{}, func(*Node) {}, "a b"},
		"other class":         {Allocation{}, func(n *Node) { n.ResourceClass = "big" }, none},
		"not available":       {Allocation{}, func(n *Node) { n.ProvisionState = "manageable" }, none},
		"maintenance":         {Allocation{}, func(n *Node) { n.Maintenance = true }, none},
		"has an instance":     {Allocation{}, func(n *Node) { n.InstanceUUID = "i" }, none},
		"part of another":     {Allocation{}, func(n *Node) { n.ParentNode = "server" }, none},
		"power never asked":   {Allocation{}, func(n *Node) { n.PowerState = "" }, none},
		"owner":               {Allocation{Owner: "me"}, func(n *Node) { n.Owner = "me" }, "a b"},
		"lessee":              {Allocation{Owner: "me"}, func(n *Node) { n.Lessee = "me" }, "a b"},
		"somebody else's":     {Allocation{Owner: "me"}, func(n *Node) { n.Owner = "you" }, none},
		"one of those named":  {Allocation{CandidateNodes: []string{"uuid-b", "uuid-c"}}, func(*Node) {}, "b"},
		"none of those named": {Allocation{CandidateNodes: []string{"uuid-c"}}, func(*Node) {}, "Failed to process allocation u: none of the requested nodes are available and match the resource class baremetal."},
		"traits":              {Allocation{Traits: []string{"CUSTOM_GPU"}}, func(*Node) {}, "a b"},
		"one trait too many": {Allocation{Traits: []string{"CUSTOM_GPU", "CUSTOM_X"}}, func(*Node) {},
			"Failed to process allocation u: no suitable nodes have the requested traits CUSTOM_GPU, CUSTOM_X."},
		"its namesake first": {Allocation{Name: "b"}, func(*Node) {}, "b a"},
	} {
		t.Run(name, func(t *testing.T) {
			c.a.UUID, c.a.ResourceClass = "u", "baremetal"
			nodes := []*Node{available("a", c.change), available("b", c.change)}
			got, err := c.a.Candidates(nodes, unshuffled)
			if said := names(got); err == nil && said != c.want {
				t.Errorf("%s, want %s", said, c.want)
			}
			if err != nil && (err.Error() != c.want || !errs.Is(err, errs.Conflict)) {
				t.Errorf("%v, want %s", err, c.want)
			}
			for _, n := range nodes {
				if c.a.Suits(n) != slices.Contains(got, n) {
					t.Errorf("suits %s: %v, candidates %s", n.Name, c.a.Suits(n), names(got))
				}
			}
		})
	}
}

func TestCandidatesAreShuffled(t *testing.T) {
	a := &Allocation{ResourceClass: "baremetal", Name: "b"}
	backwards := func(n int, swap func(i, j int)) {
		for i := range n / 2 {
			swap(i, n-1-i)
		}
	}
	got, err := a.Candidates([]*Node{available("a"), available("b"), available("c"), available("d")}, backwards)
	if err != nil || names(got) != "b d c a" {
		t.Errorf("%s %v", names(got), err)
	}
}

func TestABackfillSaysAllThatDoesNotFit(t *testing.T) {
	n := available("a", func(n *Node) { n.ProvisionState = "active" })
	if err := (&Allocation{ResourceClass: "baremetal", Traits: []string{"CUSTOM_GPU"}, CandidateNodes: []string{"uuid-a"}}).Backfills(n); err != nil {
		t.Error(err)
	}
	n.ProvisionState = "deploying"
	a := &Allocation{UUID: "u", ResourceClass: "big", Traits: []string{"CUSTOM_X"}, CandidateNodes: []string{"b", "c"}}
	want := `Failed to process allocation u: Cannot backfill an allocation for node uuid-a: Node must be in the "active" state, ` +
		`but the current state is "deploying"; Resource class baremetal does not match the requested resource class big; ` +
		`List of traits ['CUSTOM_GPU'] does not match the requested traits ['CUSTOM_X']; ` +
		`Candidate nodes must be empty or contain the target node, but got ['b', 'c'].`
	if err := a.Backfills(n); !errs.Is(err, errs.Conflict) || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestAnAllocationIsNotTakenFromANodeInUse(t *testing.T) {
	a := &Allocation{UUID: "u"}
	for name, c := range map[string]struct {
		n    Node
		want string
	}{
		"available":             {Node{ProvisionState: "available"}, ""},
		"active":                {Node{ProvisionState: "active"}, "Cannot remove allocation u for node n, because the node is active (and maintenance mode is off)"},
		"active in maintenance": {Node{ProvisionState: "active", Maintenance: true}, ""},
		"deploying": {Node{ProvisionState: "deploying", TargetProvisionState: "active"},
			"Cannot remove allocation u for node n, because the node is in state deploying where updates are not allowed (and maintenance mode is off)"},
		"deploy failed": {Node{ProvisionState: "deploy failed", TargetProvisionState: "active"}, ""},
		"manageable":    {Node{ProvisionState: "manageable"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.n.UUID = "n"
			said := ""
			if err := a.MayRemove(&c.n); err != nil {
				said = err.Error()
				if !errs.Is(err, errs.Conflict) {
					t.Errorf("code %s", errs.CodeOf(err))
				}
			}
			if said != c.want {
				t.Errorf("%q, want %q", said, c.want)
			}
		})
	}
}
