package placement

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Matching is what `overcloud profiles match` finds. Nothing is to be written
// when there are Errors.
type Matching struct {
	Tags     []Tag    // nodes that get a profile
	Nodes    []Node   // all nodes, with the profiles that they will have
	Given    []Given  // nodes that are deployed with a profile that is wanted
	Errors   []string // in TripleO's words
	Warnings []string
}

// Tag is a node that is to get a profile.
type Tag struct {
	Node    Node
	Profile string
}

// flavorWant is what all roles of one flavor want together.
type flavorWant struct {
	flavor, profile string
	count           int
	roles           []Want
}

// Match finds nodes for each flavor: first those that are tagged to its profile,
// then available ones without a profile that have the capability
// <profile>_profile set to 1 or true. Nodes in maintenance do not count.
func Match(nodes []Node, wants []Want) Matching {
	m := Matching{Nodes: slices.Clone(nodes)}
	free := map[int]bool{} // by place in m.Nodes
	for i, n := range m.Nodes {
		if !n.Maintenance && (n.State == "available" || n.State == "active") {
			free[i] = true
		}
	}
	byFlavor := flavorWants(wants)
	for _, w := range byFlavor {
		if w.profile == "" {
			// One flavor that any node fits is fine; beside others it would take their nodes.
			if len(byFlavor) > 1 {
				m.Errors = append(m.Errors, fmt.Sprintf("The %s flavor has no profile associated", w.flavor),
					fmt.Sprintf("Recommendation: assign a profile with openstack flavor set --property \"capabilities:profile\"=\"PROFILE_NAME\" %s", w.flavor))
			}
			continue
		}
		m.fill(w, free)
	}
	var idle []string
	for _, i := range slices.Sorted(maps.Keys(free)) {
		if m.Nodes[i].Capabilities["profile"] == "" {
			idle = append(idle, m.Nodes[i].UUID)
		}
	}
	if len(idle) > 0 && !(len(byFlavor) == 1 && byFlavor[0].profile == "") {
		m.Warnings = append(m.Warnings, fmt.Sprintf("There are %d ironic nodes with no profile that will not be used: %s", len(idle), strings.Join(idle, ", ")))
	}
	return m
}

// flavorWants sums roles up by flavor, in the order they are wanted.
func flavorWants(wants []Want) []flavorWant {
	var out []flavorWant
	for _, w := range wants {
		i := slices.IndexFunc(out, func(f flavorWant) bool { return f.flavor == w.Flavor })
		if i < 0 {
			i = len(out)
			out = append(out, flavorWant{flavor: w.Flavor, profile: w.Profile})
		}
		out[i].count += w.Count
		out[i].roles = append(out[i].roles, w)
	}
	return out
}

// fill takes the nodes of one flavor off free.
func (m *Matching) fill(w flavorWant, free map[int]bool) {
	tagged := 0
	var may []int
	for _, i := range slices.Sorted(maps.Keys(free)) {
		n := m.Nodes[i]
		switch {
		case n.Capabilities["profile"] == w.profile:
			tagged++
			delete(free, i)
			m.give(n, w)
		case n.Capabilities["profile"] == "" && n.State == "available" && isTrue(n.Capabilities[w.profile+"_profile"]):
			may = append(may, i)
		}
	}
	if tagged > w.count {
		m.Warnings = append(m.Warnings, fmt.Sprintf("%d nodes with profile %s won't be used for deployment now", tagged-w.count, w.profile))
	}
	for _, i := range may {
		if tagged >= w.count {
			break
		}
		tagged++
		delete(free, i)
		m.Tags = append(m.Tags, Tag{m.Nodes[i], w.profile})
		caps := maps.Clone(m.Nodes[i].Capabilities)
		caps["profile"] = w.profile
		m.Nodes[i].Capabilities = caps
	}
	if tagged < w.count {
		m.Errors = append(m.Errors, fmt.Sprintf("only %d of %d requested ironic nodes are tagged to profile %s (for flavor %s)", tagged, w.count, w.profile, w.flavor),
			fmt.Sprintf("Recommendation: tag more nodes using openstack baremetal node set --property capabilities='profile:%s,boot_option:local' <NODE ID>", w.profile))
	}
}

// give lets a deployed node count for the first role of its flavor that still wants one.
func (m *Matching) give(n Node, w flavorWant) {
	if n.State != "active" {
		return
	}
	for _, r := range w.roles {
		have := 0
		for _, g := range m.Given {
			if g.Role == r.Role {
				have++
			}
		}
		if have < r.Count {
			m.Given = append(m.Given, Given{NodeUUID: n.UUID, Role: r.Role, Index: have})
			return
		}
	}
}

func isTrue(s string) bool { return s == "1" || strings.EqualFold(s, "true") }
