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

	ConductorGroup string
	Traits         []string
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
	KVM           bool   // its machines run virtual machines with the processor's help
	Removed       []int  // indexes that are not given to anybody
	Pins          []Pin  // if there are any, they are what is wanted, and all but Role is not looked at
}

// Given is a machine that has its role already.
type Given struct {
	NodeUUID string
	Role     string
	Index    int
	Name     string // its host name
}

// Choice is a machine that gets a role now.
type Choice struct {
	Node  Node
	Role  string
	Index int
	Name  string // of the pin that it is for
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

// search is one Place under way.
type search struct {
	nodes []Node
	taken map[string]bool         // by UUID
	used  map[string]map[int]bool // indexes by role
	out   []Choice
	noFit NoFit
}

func (s *search) give(n Node, role string, index int, name string) {
	s.use(role, index)
	s.taken[n.UUID] = true
	s.out = append(s.out, Choice{Node: n, Role: role, Index: index, Name: name})
}

func (s *search) use(role string, index int) {
	if s.used[role] == nil {
		s.used[role] = map[int]bool{}
	}
	s.used[role][index] = true
}

// Place gives each role its missing machines: nodes in the order given, indexes
// from the lowest free one up. Machines already given keep their role. All or
// nothing: the error is a *NoFit inside an errs.Conflict.
func Place(nodes []Node, wants []Want, given []Given) ([]Choice, error) {
	s := &search{nodes: nodes, taken: map[string]bool{}, used: map[string]map[int]bool{}}
	for _, g := range given {
		s.taken[g.NodeUUID] = true
		s.use(g.Role, g.Index)
	}
	// Who asks for more chooses first: a role that takes any node must not take
	// away the only one that fits another.
	for _, d := range demands(wants, given) {
		if d.pin != nil {
			s.pin(d.want.Role, *d.pin)
		} else {
			s.count(d.want)
		}
	}
	if len(s.noFit.Short) > 0 {
		return nil, errs.Wrap(errs.Conflict, &s.noFit, "placement")
	}
	slices.SortStableFunc(s.out, func(a, b Choice) int { return rank(wants, a.Role) - rank(wants, b.Role) })
	return s.out, nil
}

// count chooses the machines that a role lacks of its count.
func (s *search) count(w Want) {
	missing, index := w.Count-len(s.used[w.Role]), 0
	for _, n := range s.nodes {
		if missing <= 0 {
			break
		}
		if s.taken[n.UUID] || len(Refuse(n, w)) > 0 {
			continue
		}
		for s.used[w.Role][index] || slices.Contains(w.Removed, index) {
			index++
		}
		s.give(n, w.Role, index, "")
		missing--
	}
	if missing > 0 {
		s.noFit.add(w, missing, s.nodes, s.taken)
	}
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

// refusals gathers the rules that a node fails for a role.
type refusals struct {
	node Node
	role string
	rows []Refusal
}

func (r *refusals) no(remedy, rule string, args ...any) {
	r.rows = append(r.rows, Refusal{r.role, r.node.Label(), fmt.Sprintf(rule, args...), remedy})
}

// state: the node must be free and in order.
func (r *refusals) state() {
	n, no := r.node, r.no
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
}

// disk: the image must fit.
func (r *refusals) disk(needGB int) {
	if needGB > 0 && r.node.LocalGB > 0 && r.node.LocalGB < needGB {
		r.no("use a larger disk, or a root_device hint that chooses one", "disk of %d GiB is smaller than the image's %d GiB", r.node.LocalGB, needGB)
	}
}

// Refuse lists the rules that n fails for w; none means it fits.
func Refuse(n Node, w Want) []Refusal {
	r := &refusals{node: n, role: w.Role}
	r.state()
	id := n.Label()
	if w.ResourceClass != "" && n.ResourceClass != w.ResourceClass {
		r.no(fmt.Sprintf("openstack baremetal node set --resource-class %s %s", w.ResourceClass, id), "resource class is %q, the flavor wants %q", n.ResourceClass, w.ResourceClass)
	}
	if p := n.Capabilities["profile"]; p != w.Profile && w.Profile != "" {
		rule := "profile is " + p
		if p == "" {
			rule = "has no profile"
		}
		r.no(fmt.Sprintf("openstack baremetal node set --property capabilities='profile:%s,boot_option:local' %s", w.Profile, id), "%s, the flavor wants %s", rule, w.Profile)
	}
	r.disk(w.MinDiskGB)
	r.kvm(w.KVM)
	return r.rows
}

// kvm: the processor must be able to. Introspection writes down what it can and not
// what it cannot; where no flag at all stands, it has not looked, or somebody wrote others.
func (r *refusals) kvm(wanted bool) {
	if can, known := r.node.Virtualises(); wanted && known && !can {
		r.no("openstack overcloud deploy --libvirt-type qemu, or switch on (nested) virtualisation and openstack overcloud node introspect --provide "+r.node.Label(),
			"its processor has no virtualisation (introspection saw no cpu_vt), and NovaComputeLibvirtType is kvm")
	}
}

// Virtualises tells what introspection has seen of the processor: whether it can run
// virtual machines by itself.
func (n Node) Virtualises() (can, known bool) {
	for _, flag := range []string{"cpu_vt", "cpu_aes", "cpu_hugepages", "cpu_hugepages_1g", "cpu_txt"} { // introspection's
		_, seen := n.Capabilities[flag]
		known = known || seen
	}
	return n.Capabilities["cpu_vt"] == "true", known
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
