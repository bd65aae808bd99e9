// Package placement decides which machine takes which role and, when they do
// not fit, says of every machine which rule it failed and how to cure it.
// It is pure.
package placement

import (
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// Node is what placement must know of a bare-metal node.
type Node struct {
	UUID          string
	Name          string
	State         string // provision state
	PowerState    string // empty: unknown
	Maintenance   bool
	ResourceClass string
	InstanceUUID  string
	Capabilities  map[string]string
	LocalGB       int // 0: unknown
	MemoryMB      int // 0: unknown
}

// Label names a node for people.
func (n Node) Label() string {
	if n.Name != "" {
		return n.Name
	}
	return n.UUID
}

// Want is how many machines a role needs and what they must be.
type Want struct {
	Role          string
	Flavor        string
	Count         int
	Profile       string // of the flavor; empty: any node without one
	ResourceClass string // empty: any
	MinDiskGB     int    // what the image needs
}

// Given is a machine that has its role already.
type Given struct {
	NodeUUID string
	Role     string
	Index    int
}

// Choice is a machine that gets a role now.
type Choice struct {
	Node  Node
	Role  string
	Index int
}

// Refusal is one row of the table that explains why machines do not fit a role.
type Refusal struct {
	Role   string
	Node   string // label; empty: there is no node at all
	Rule   string
	Remedy string // a command, or a sentence
}

// NoFit is the error of Place: what is missing, and the reason per node.
type NoFit struct {
	Short []string // "Controller: 1 wanted, 0 fit"
	Rows  []Refusal
}

// Error says which roles lack how many machines.
func (e *NoFit) Error() string {
	return "not enough baremetal nodes: " + strings.Join(e.Short, "; ")
}

// Place gives each role its missing machines: nodes in the order given, indexes
// from the lowest free one up. Machines already given keep their role. All or
// nothing: the error is a *NoFit inside an errs.Conflict.
func Place(nodes []Node, wants []Want, given []Given) ([]Choice, error) {
	taken := map[string]bool{}
	used := map[string]map[int]bool{}
	for _, g := range given {
		taken[g.NodeUUID] = true
		if used[g.Role] == nil {
			used[g.Role] = map[int]bool{}
		}
		used[g.Role][g.Index] = true
	}
	var out []Choice
	noFit := &NoFit{}
	// Roles that ask for a profile choose first: a role that takes any node must
	// not take away the only one that fits another.
	order := slices.Clone(wants)
	slices.SortStableFunc(order, func(a, b Want) int { return strictness(b) - strictness(a) })
	for _, w := range order {
		missing := w.Count - len(used[w.Role])
		index := 0
		for _, n := range nodes {
			if missing <= 0 {
				break
			}
			if taken[n.UUID] || len(Refuse(n, w)) > 0 {
				continue
			}
			for used[w.Role][index] {
				index++
			}
			if used[w.Role] == nil {
				used[w.Role] = map[int]bool{}
			}
			used[w.Role][index], taken[n.UUID] = true, true
			out = append(out, Choice{Node: n, Role: w.Role, Index: index})
			missing--
		}
		if missing > 0 {
			noFit.add(w, missing, nodes, taken)
		}
	}
	if len(noFit.Short) > 0 {
		return nil, errs.Wrap(errs.Conflict, noFit, "placement")
	}
	slices.SortStableFunc(out, func(a, b Choice) int { return rank(wants, a.Role) - rank(wants, b.Role) })
	return out, nil
}

func strictness(w Want) int {
	if w.Profile != "" {
		return 1
	}
	return 0
}

func rank(wants []Want, role string) int {
	return slices.IndexFunc(wants, func(w Want) bool { return w.Role == role })
}

func (e *NoFit) add(w Want, missing int, nodes []Node, taken map[string]bool) {
	e.Short = append(e.Short, fmt.Sprintf("%s: %d wanted, %d missing (flavor %s%s)", w.Role, w.Count, missing, w.Flavor, profileNote(w)))
	if len(nodes) == 0 {
		e.Rows = append(e.Rows, Refusal{w.Role, "", "no node is registered", "openstack overcloud node import --introspect --provide inspection.json"})
	}
	for _, n := range nodes {
		if taken[n.UUID] {
			e.Rows = append(e.Rows, Refusal{w.Role, n.Label(), "already has a role", "add a machine, or lower another role's count"})
			continue
		}
		e.Rows = append(e.Rows, Refuse(n, w)...)
	}
}

func profileNote(w Want) string {
	if w.Profile == "" {
		return ""
	}
	return ", profile " + w.Profile
}

// Refuse lists the rules that n fails for w; none means it fits.
func Refuse(n Node, w Want) []Refusal {
	var out []Refusal
	no := func(remedy, rule string, args ...any) {
		out = append(out, Refusal{w.Role, n.Label(), fmt.Sprintf(rule, args...), remedy})
	}
	id := n.Label()
	switch n.State {
	case "available":
	case "enroll":
		no("openstack baremetal node manage "+id+" && openstack baremetal node provide "+id, "provision state is enroll, not available")
	case "manageable":
		no("openstack overcloud node provide "+id, "provision state is manageable, not available")
	case "active":
		no("openstack baremetal node undeploy "+id, "provision state is active: it runs something else")
	default:
		no("openstack baremetal node show "+id+" -c last_error -c provision_state", "provision state is %s, not available", n.State)
	}
	if n.Maintenance {
		no("openstack baremetal node maintenance unset "+id, "in maintenance")
	}
	if n.PowerState == "" || n.PowerState == "error" {
		no("openstack baremetal node validate "+id, "power state is unknown: the BMC did not answer")
	}
	if n.InstanceUUID != "" && n.State == "available" {
		no("openstack baremetal node unset --instance-uuid "+id, "belongs to instance %s", n.InstanceUUID)
	}
	if w.ResourceClass != "" && n.ResourceClass != w.ResourceClass {
		no(fmt.Sprintf("openstack baremetal node set --resource-class %s %s", w.ResourceClass, id), "resource class is %q, the flavor wants %q", n.ResourceClass, w.ResourceClass)
	}
	if p := n.Capabilities["profile"]; p != w.Profile && w.Profile != "" {
		rule := "profile is " + p
		if p == "" {
			rule = "has no profile"
		}
		no(fmt.Sprintf("openstack baremetal node set --property capabilities='profile:%s,boot_option:local' %s", w.Profile, id), "%s, the flavor wants %s", rule, w.Profile)
	}
	if w.MinDiskGB > 0 && n.LocalGB > 0 && n.LocalGB < w.MinDiskGB {
		no("use a larger disk, or a root_device hint that chooses one", "disk of %d GiB is smaller than the image's %d GiB", n.LocalGB, w.MinDiskGB)
	}
	return out
}

// ParseCapabilities reads Ironic's "k:v,k:v".
func ParseCapabilities(s string) map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(s, ",") {
		if k, v, ok := strings.Cut(part, ":"); ok {
			out[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	return out
}
