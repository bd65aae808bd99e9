package placement_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"trefoil/internal/errs"
	"trefoil/overcloud/placement"
)

func node(name, profile string) placement.Node {
	caps := map[string]string{}
	if profile != "" {
		caps["profile"] = profile
	}
	return placement.Node{UUID: "uuid-" + name, Name: name, State: "available", PowerState: "power off", ResourceClass: "baremetal", Capabilities: caps, LocalGB: 60}
}

func TestArticle(t *testing.T) {
	nodes := []placement.Node{node("control-1", "control"), node("storage-1", "ceph-storage"), node("storage-2", "ceph-storage"), node("compute-1", "compute"), node("compute-2", "compute")}
	wants := []placement.Want{{Role: "Controller", Count: 1, Profile: "control"}, {Role: "Compute", Count: 2, Profile: "compute"}, {Role: "CephStorage", Count: 2, Profile: "ceph-storage"}}
	got, err := placement.Place(nodes, wants, nil)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, c := range got {
		s = append(s, fmt.Sprintf("%s=%s-%d", c.Node.Name, c.Role, c.Index))
	}
	want := "control-1=Controller-0 compute-1=Compute-0 compute-2=Compute-1 storage-1=CephStorage-0 storage-2=CephStorage-1"
	if strings.Join(s, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(s, " "), want)
	}
}

func TestScaleUpFillsTheGap(t *testing.T) {
	got, err := placement.Place([]placement.Node{node("a", "compute"), node("b", "compute")},
		[]placement.Want{{Role: "Compute", Count: 2, Profile: "compute"}}, []placement.Given{{NodeUUID: "uuid-a", Role: "Compute", Index: 1}})
	if err != nil || len(got) != 1 || got[0].Node.Name != "b" || got[0].Index != 0 {
		t.Errorf("%+v %v", got, err)
	}
}

func TestRoleWithProfileChoosesFirst(t *testing.T) {
	got, err := placement.Place([]placement.Node{node("a", "compute"), node("b", "")},
		[]placement.Want{{Role: "Any", Count: 1}, {Role: "Compute", Count: 1, Profile: "compute"}}, nil)
	if err != nil || len(got) != 2 || got[0].Node.Name != "b" || got[1].Node.Name != "a" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestRefusalsNameRuleAndRemedy(t *testing.T) {
	bad := func(f func(*placement.Node)) placement.Node { n := node("n", "control"); f(&n); return n }
	cases := []struct {
		name         string
		n            placement.Node
		rule, remedy string
	}{
		{"no profile", bad(func(n *placement.Node) { n.Capabilities = nil }), "has no profile", "profile:control,boot_option:local"},
		{"other profile", bad(func(n *placement.Node) { n.Capabilities["profile"] = "compute" }), "profile is compute", "node set --property"},
		{"manageable", bad(func(n *placement.Node) { n.State = "manageable" }), "provision state is manageable", "openstack overcloud node provide n"},
		{"maintenance", bad(func(n *placement.Node) { n.Maintenance = true }), "in maintenance", "maintenance unset n"},
		{"power unknown", bad(func(n *placement.Node) { n.PowerState = "" }), "power state is unknown", "validate n"},
		{"small disk", bad(func(n *placement.Node) { n.LocalGB = 4 }), "disk of 4 GiB is smaller than the image's 6 GiB", "larger disk"},
		{"resource class", bad(func(n *placement.Node) { n.ResourceClass = "gpu" }), `resource class is "gpu"`, "--resource-class baremetal"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := placement.Place([]placement.Node{c.n}, []placement.Want{{Role: "Controller", Count: 1, Profile: "control", ResourceClass: "baremetal", MinDiskGB: 6}}, nil)
			var no *placement.NoFit
			if !errors.As(err, &no) || !errs.Is(err, errs.Conflict) {
				t.Fatalf("got %v", err)
			}
			if len(no.Rows) != 1 || !strings.Contains(no.Rows[0].Rule, c.rule) || !strings.Contains(no.Rows[0].Remedy, c.remedy) {
				t.Errorf("%+v", no.Rows)
			}
		})
	}
}

// Whatever the nodes and wants: no node twice, no index twice, counts met, or a
// refusal for every node that was left.
func TestPlaceProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		profiles := rapid.SampledFrom([]string{"", "a", "b"})
		var nodes []placement.Node
		for i := range rapid.IntRange(0, 8).Draw(t, "nodes") {
			n := node(fmt.Sprint(i), profiles.Draw(t, "profile"))
			n.State = rapid.SampledFrom([]string{"available", "available", "manageable"}).Draw(t, "state")
			nodes = append(nodes, n)
		}
		wants := []placement.Want{{Role: "A", Profile: "a", Count: rapid.IntRange(0, 3).Draw(t, "a")}, {Role: "B", Profile: "b", Count: rapid.IntRange(0, 3).Draw(t, "b")}, {Role: "Any", Count: rapid.IntRange(0, 3).Draw(t, "any")}}
		got, err := placement.Place(nodes, wants, nil)
		if err != nil {
			var no *placement.NoFit
			if !errors.As(err, &no) || len(no.Rows) == 0 {
				t.Fatalf("no explanation: %v", err)
			}
			return
		}
		seen, count := map[string]bool{}, map[string]int{}
		for _, c := range got {
			if seen[c.Node.UUID] || seen[fmt.Sprint(c.Role, c.Index)] {
				t.Fatalf("twice: %+v", got)
			}
			seen[c.Node.UUID], seen[fmt.Sprint(c.Role, c.Index)] = true, true
			count[c.Role]++
		}
		for _, w := range wants {
			if count[w.Role] != w.Count {
				t.Fatalf("%s: %d of %d", w.Role, count[w.Role], w.Count)
			}
		}
	})
}
