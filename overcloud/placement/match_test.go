package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"trefoil/overcloud/placement"
)

func TestMatch(t *testing.T) {
	node := func(name, state, caps string) placement.Node {
		return placement.Node{UUID: name, Name: name, State: state, PowerState: "power off", Capabilities: placement.ParseCapabilities(caps)}
	}
	control := func(n int) placement.Want {
		return placement.Want{Role: "Controller", Flavor: "control", Profile: "control", Count: n}
	}
	compute := func(n int) placement.Want {
		return placement.Want{Role: "Compute", Flavor: "compute", Profile: "compute", Count: n}
	}
	anything := placement.Want{Role: "BlockStorage", Flavor: "baremetal", Count: 1}
	recommend := func(p string) string {
		return "Recommendation: tag more nodes using openstack baremetal node set --property capabilities='profile:" + p + ",boot_option:local' <NODE ID>"
	}
	maintenance := node("m", "available", "profile:control")
	maintenance.Maintenance = true
	for _, c := range []struct {
		name                   string
		nodes                  []placement.Node
		wants                  []placement.Want
		tags, errors, warnings []string
		given                  int
	}{
		{name: "those that are tagged", nodes: []placement.Node{node("a", "available", "profile:control")}, wants: []placement.Want{control(1)}},
		{name: "a tagged node goes before one that may be tagged",
			nodes: []placement.Node{node("a", "available", "control_profile:1"), node("b", "available", "profile:control")}, wants: []placement.Want{control(1)},
			warnings: []string{"There are 1 ironic nodes with no profile that will not be used: a"}},
		{name: "those that may be tagged", wants: []placement.Want{control(1), compute(1)},
			nodes: []placement.Node{node("a", "available", "control_profile:1,compute_profile:1"), node("b", "available", "compute_profile:True")}, tags: []string{"a control", "b compute"}},
		{name: "only 1 and true mean yes", nodes: []placement.Node{node("a", "available", "control_profile:0")}, wants: []placement.Want{control(1)},
			errors:   []string{"only 0 of 1 requested ironic nodes are tagged to profile control (for flavor control)", recommend("control")},
			warnings: []string{"There are 1 ironic nodes with no profile that will not be used: a"}},
		{name: "a tag of another profile is kept", nodes: []placement.Node{node("a", "available", "profile:compute,control_profile:1")}, wants: []placement.Want{control(1)},
			errors: []string{"only 0 of 1 requested ironic nodes are tagged to profile control (for flavor control)", recommend("control")}},
		{name: "a deployed node counts when tagged, and is never tagged anew", wants: []placement.Want{control(1), compute(1)},
			nodes:  []placement.Node{node("a", "active", "profile:control"), node("b", "active", "compute_profile:1")},
			errors: []string{"only 0 of 1 requested ironic nodes are tagged to profile compute (for flavor compute)", recommend("compute")},
			given:  1, warnings: []string{"There are 1 ironic nodes with no profile that will not be used: b"}},
		{name: "more than wanted", nodes: []placement.Node{node("a", "available", "profile:control"), node("b", "available", "profile:control")},
			wants: []placement.Want{control(1)}, warnings: []string{"1 nodes with profile control won't be used for deployment now"}},
		{name: "maintenance and other states do not count", nodes: []placement.Node{maintenance, node("e", "enroll", "profile:control")}, wants: []placement.Want{control(1)},
			errors: []string{"only 0 of 1 requested ironic nodes are tagged to profile control (for flavor control)", recommend("control")}},
		{name: "a flavor without a profile beside another", nodes: []placement.Node{node("a", "available", "profile:control")}, wants: []placement.Want{control(1), anything},
			errors: []string{"The baremetal flavor has no profile associated", "Recommendation: assign a profile with openstack flavor set --property \"capabilities:profile\"=\"PROFILE_NAME\" baremetal"}},
		{name: "a flavor without a profile alone", nodes: []placement.Node{node("a", "available", "")}, wants: []placement.Want{anything}},
		{name: "two roles of one flavor share its nodes", nodes: []placement.Node{node("a", "active", "profile:control"), node("b", "available", "profile:control")},
			wants: []placement.Want{control(1), {Role: "Networker", Flavor: "control", Profile: "control", Count: 1}}, given: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := fmt.Sprint(c.nodes)
			m := placement.Match(c.nodes, c.wants)
			var tags []string
			for _, tag := range m.Tags {
				tags = append(tags, tag.Node.UUID+" "+tag.Profile)
			}
			if !slices.Equal(tags, c.tags) || !slices.Equal(m.Errors, c.errors) || !slices.Equal(m.Warnings, c.warnings) || len(m.Given) != c.given {
				t.Errorf("tags %q\nerrors %q\nwarnings %q\ngiven %v", tags, m.Errors, m.Warnings, m.Given)
			}
			if fmt.Sprint(c.nodes) != before {
				t.Error("the nodes of the caller were changed")
			}
			if len(c.errors) == 0 {
				if _, err := placement.Place(m.Nodes, c.wants, m.Given); err != nil {
					t.Errorf("a match that cannot be placed: %v", err)
				}
			}
		})
	}
}
