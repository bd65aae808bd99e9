package placement

import (
	"fmt"
	"maps"
	"slices"

	"trefoil/internal/nearest"
)

// Pin is one machine that is wanted by what it is. Zero fields ask for nothing.
type Pin struct {
	Name           string // host name; a machine that is Given under it is not chosen again
	Index          int    // within its role
	Node           string // name or UUID
	ResourceClass  string
	ConductorGroup string
	Capabilities   map[string]string // the node must have each with that very value
	Traits         []string          // the node must have all
	MinDiskGB      int               // what the image needs
	KVM            bool              // it runs virtual machines with the processor's help
}

// demand is a role's count, or one of its pins.
type demand struct {
	want   Want
	pin    *Pin
	strict int
}

// How much more a named node asks for than any other rule.
const named = 1000

// demands are what is missing, the strictest first.
func demands(wants []Want, given []Given) []demand {
	var out []demand
	for _, w := range wants {
		if len(w.Pins) == 0 {
			d := demand{want: w}
			if w.Profile != "" {
				d.strict = 1
			}
			out = append(out, d)
		}
		for i := range w.Pins {
			p := &w.Pins[i]
			if slices.ContainsFunc(given, func(g Given) bool { return g.Name == p.Name && g.Role == w.Role }) {
				continue
			}
			d := demand{want: w, pin: p, strict: len(p.Capabilities) + len(p.Traits)}
			if p.ConductorGroup != "" {
				d.strict++
			}
			if p.Node != "" {
				d.strict += named
			}
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b demand) int { return b.strict - a.strict })
	return out
}

// pin chooses the machine of one pin.
func (s *search) pin(role string, p Pin) {
	if s.used[role][p.Index] {
		s.noFit.Short = append(s.noFit.Short, fmt.Sprintf("%s: index %d of the role is taken by another machine than %s", role, p.Index, p.Name))
		s.noFit.Rows = append(s.noFit.Rows, Refusal{role, p.Name, fmt.Sprintf("index %d is in use", p.Index),
			"list the machine that has it, by its hostname, in the file of instances, or give it back"})
		return
	}
	var rows []Refusal
	candidates := s.nodes
	if p.Node != "" {
		candidates = slices.DeleteFunc(slices.Clone(s.nodes), func(n Node) bool { return n.UUID != p.Node && n.Name != p.Node })
		if len(candidates) == 0 {
			rows = append(rows, Refusal{role, p.Node, "no node has that name or UUID" + nearest.Hint(p.Node, s.names()), "openstack baremetal node list"})
		}
	} else if len(candidates) == 0 {
		rows = append(rows, Refusal{role, "", "no node is registered", "openstack overcloud node import --introspect --provide inspection.json"})
	}
	for _, n := range candidates {
		if s.taken[n.UUID] {
			rows = append(rows, Refusal{role, n.Label(), "already has a role", "ask for another node, or give that machine back"})
			continue
		}
		no := RefusePin(n, role, p)
		if len(no) == 0 {
			s.give(n, role, p.Index, p.Name)
			return
		}
		rows = append(rows, no...)
	}
	s.noFit.Short = append(s.noFit.Short, fmt.Sprintf("%s: no machine for %s%s", role, p.Name, p.note()))
	s.noFit.Rows = append(s.noFit.Rows, rows...)
}

func (p Pin) note() string {
	if p.Node == "" {
		return ""
	}
	return " (node " + p.Node + ")"
}

func (s *search) names() []string {
	var out []string
	for _, n := range s.nodes {
		out = append(out, n.Label())
	}
	return out
}

// RefusePin lists the rules that n fails for a pin; none means it fits.
func RefusePin(n Node, role string, p Pin) []Refusal {
	r := &refusals{node: n, role: role}
	r.state()
	id := n.Label()
	if p.ResourceClass != "" && n.ResourceClass != p.ResourceClass {
		r.no(fmt.Sprintf("openstack baremetal node set --resource-class %s %s", p.ResourceClass, id), "resource class is %q, %s wants %q", n.ResourceClass, p.Name, p.ResourceClass)
	}
	if p.ConductorGroup != "" && n.ConductorGroup != p.ConductorGroup {
		r.no(fmt.Sprintf("openstack baremetal node set --conductor-group %s %s", p.ConductorGroup, id), "conductor group is %q, %s wants %q", n.ConductorGroup, p.Name, p.ConductorGroup)
	}
	for _, k := range slices.Sorted(maps.Keys(p.Capabilities)) {
		if want := p.Capabilities[k]; n.Capabilities[k] != want {
			r.no(fmt.Sprintf("openstack baremetal node set --property capabilities='%s:%s,…' %s", k, want, id), "capability %s is %q, %s wants %q", k, n.Capabilities[k], p.Name, want)
		}
	}
	for _, t := range p.Traits {
		if !slices.Contains(n.Traits, t) {
			r.no(fmt.Sprintf("openstack baremetal node add trait %s %s", id, t), "lacks the trait %s that %s wants", t, p.Name)
		}
	}
	r.disk(p.MinDiskGB)
	r.kvm(p.KVM)
	return r.rows
}
