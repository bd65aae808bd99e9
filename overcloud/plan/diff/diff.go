// Package diff tells what a deployment would change: it compares the plan that
// is deployed with the plan that is asked for, machine by machine and step by
// step. It is pure and deterministic, and nothing secret is in what it returns.
package diff

import (
	"errors"
	"slices"

	"trefoil/overcloud/plan"
)

// Change says what happens to a thing.
type Change string

// The changes.
const (
	Added   Change = "added"
	Removed Change = "removed"
	Changed Change = "changed"
)

// Hidden stands in the place of every secret.
const Hidden = "******"

// Side is one of the two things that are compared.
type Side struct {
	Plan     *plan.Plan // nil: nothing is deployed
	Machines []Machine
	// Applied are the hashes of the steps that were applied, by node and step.
	Applied map[string]map[int]string
}

// Machine is a node of the overcloud with the bare-metal machine that it is. An
// empty Address is one that is not given yet.
type Machine struct {
	plan.Node
	Machine string // the bare-metal node's name, else its UUID
	Flavor  string
}

// Diff is what a deployment would change. Its JSON form is for programs: fields
// may be added, none is renamed. Lists are never null; they are empty where
// nothing changes. Secrets are replaced by Hidden, everywhere.
type Diff struct {
	Stack   string `json:"stack"`
	Action  string `json:"action"`            // create: nothing is deployed yet; update
	Changes bool   `json:"changes"`           // whether a deployment would change anything
	Running string `json:"running,omitempty"` // the action that is under way, UPDATE_IN_PROGRESS; what is deployed is what it was asked for
	// Notes are sentences for people: what the comparison could not see, environments that are no longer given.
	Notes []string `json:"notes"`
	// Refused is why the deployment would not begin.
	Refused []Refusal `json:"refused"`
	// Findings are parameters that no template uses, and deprecated ones.
	Findings []plan.Finding `json:"findings"`
	// Warnings are the plan's others; the command line adds those of the machines chosen for it.
	Warnings []string `json:"warnings"`

	Nodes      []Node      `json:"nodes"`      // machines to add or remove
	Roles      []Role      `json:"roles"`      // counts, services, networks, packages
	Networks   []Network   `json:"networks"`   // removed ones come first
	Addresses  []Address   `json:"addresses"`  // that move
	Parameters []Parameter `json:"parameters"` // that some template declares
	Registry   []Mapping   `json:"registry"`   // types that mean something else

	// The following are of machines that stay; all of it is new on machines that are added.
	Resources   []Resource   `json:"resources"`   // files, services … of machines, by step
	Deployments []Deployment `json:"deployments"` // software configurations that templates give to machines
	Tasks       []Task       `json:"tasks"`       // the services' role_data, beside the resources
	NotApplied  []NotApplied `json:"not_applied"` // what the last deployment left undone
}

// Refusal is why a deployment would not begin, and what to do.
type Refusal struct {
	Reason string `json:"reason"`
	Hint   string `json:"hint,omitempty"`
}

// Node is a machine that would be added or removed.
type Node struct {
	Change      Change `json:"change"`
	Name        string `json:"name"`
	Role        string `json:"role"`
	Index       int    `json:"index"`
	Machine     string `json:"machine"` // bare-metal node: its name, else its UUID
	MachineUUID string `json:"machine_uuid"`
	Flavor      string `json:"flavor"`
	Address     string `json:"address,omitempty"` // ctlplane; none for machines to come
}

// Field is one value that changes.
type Field struct {
	Name string `json:"name"`
	Old  any    `json:"old"`
	New  any    `json:"new"`
}

// Names are names that come and go.
type Names struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
}

func (n Names) none() bool { return len(n.Added)+len(n.Removed) == 0 }

// Role is a role that changes.
type Role struct {
	Change   Change   `json:"change"`
	Name     string   `json:"name"`
	Fields   []Field  `json:"fields"`   // count, flavor, image, hostname_format, tags
	Services Names    `json:"services"` // OS::TripleO::Services::…
	Networks Names    `json:"networks"`
	Packages Names    `json:"packages"` // that must be in the image
	Summary  []string `json:"summary"`  // of roles that are added: a line a service
}

// Network is one that changes.
type Network struct {
	Change  Change         `json:"change"`
	Name    string         `json:"name"`
	Subnets []SubnetChange `json:"subnets"`
}

// SubnetChange is a subnet of a network.
type SubnetChange struct {
	Change Change  `json:"change"`
	Name   string  `json:"name"`
	CIDR   string  `json:"cidr"`
	Fields []Field `json:"fields"` // cidr, gateway, pools, dns, mtu
}

// Address is one that moves.
type Address struct {
	Of      string `json:"of"`      // a machine's name, or the path of a port
	Network string `json:"network"` // as in network_data's name_lower
	Old     string `json:"old"`     // empty: it had none
	New     string `json:"new"`     // empty: it will have none
}

// Parameter is one whose value changes. Old and New of hidden ones are Hidden.
type Parameter struct {
	Change Change `json:"change"`
	Name   string `json:"name"`
	Hidden bool   `json:"hidden"`
	Old    any    `json:"old"`
	New    any    `json:"new"`
	// Secret names the keys of a map that differ and look the same, being secret.
	Secret []string `json:"secret"`
}

// Mapping is a resource type whose registry entry points elsewhere.
type Mapping struct {
	Change Change `json:"change"`
	Type   string `json:"type"`
	Old    string `json:"old"`
	New    string `json:"new"`
}

// Resource is a file, a service … that changes on machines, the same way on all of Nodes.
type Resource struct {
	Change  Change   `json:"change"`
	Step    int      `json:"step"`
	Key     string   `json:"key"`     // file:/etc/hosts; order: only the order of the step's resources
	Service string   `json:"service"` // whose template asks for it
	Nodes   []string `json:"nodes"`
	Fields  []Field  `json:"fields"` // beside a file's content
	Diff    []string `json:"diff"`   // of a file's content, unified, without names
	// Secret names the fields that differ and are secret.
	Secret []string `json:"secret"`
}

// Deployment is a software configuration that changes.
type Deployment struct {
	Change Change   `json:"change"`
	Names  []string `json:"names"` // those that change the same way
	Nodes  []string `json:"nodes"`
	Group  string   `json:"group"` // hiera, script, ansible …
	Diff   []string `json:"diff"`  // of config, input_values and options as YAML
}

// Task is a key of a service's role_data that changes, the same way in all of Roles.
type Task struct {
	Change  Change   `json:"change"`
	Roles   []string `json:"roles"`
	Service string   `json:"service"` // empty: the role's services together
	Key     string   `json:"key"`     // deploy_steps_tasks, docker_config …
	Diff    []string `json:"diff"`    // of the value as YAML
}

// NotApplied is a step of the deployed plan that is not what the machines have.
type NotApplied struct {
	Step  int      `json:"step"`
	Nodes []string `json:"nodes"`
	Why   string   `json:"why"`
}

// Compare tells what leads from one side to the other. An error is one of the
// new side's plan, as Configure gives it; where the old one's fails, a note says
// so and only the machines are compared, as without an old plan.
func Compare(before, after Side) (*Diff, error) {
	if before.Plan == nil {
		before.Plan = &plan.Plan{}
		return first(before, after)
	}
	c, err := newComparison(before, after)
	if broken := (*oldSideError)(nil); errors.As(err, &broken) {
		before.Plan = &plan.Plan{}
		d, err := first(before, after)
		if err != nil {
			return nil, err
		}
		d.Notes = append(d.Notes, "what is deployed cannot be worked out again, so that only machines are compared: "+broken.err.Error())
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	d := empty(after.Plan, "update")
	c.machines(d)
	c.roles(d)
	c.networks(d)
	c.addresses(d)
	c.parameters(d)
	c.registry(d)
	c.resources(d)
	c.deployments(d)
	c.tasks(d)
	c.notApplied(d)
	d.Changes = len(d.Nodes)+len(d.Roles)+len(d.Networks)+len(d.Addresses)+len(d.Parameters)+len(d.Registry)+
		len(d.Resources)+len(d.Deployments)+len(d.Tasks)+len(d.NotApplied) > 0
	return d, nil
}

// first is the diff of a deployment where there is none: everything comes, so
// only what a person chose is in it.
func first(before, after Side) (*Diff, error) {
	c, err := newComparison(before, after)
	if err != nil {
		return nil, err
	}
	d := empty(after.Plan, "create")
	d.Changes = true
	c.machines(d)
	c.roles(d)
	c.networks(d)
	c.given(d)
	return d, nil
}

// warnings are those of a plan that are no findings.
func warnings(p *plan.Plan) []string {
	return slices.DeleteFunc(append([]string{}, p.Warnings...), func(w string) bool {
		return slices.ContainsFunc(p.Findings, func(f plan.Finding) bool { return f.String() == w })
	})
}

// empty is a diff in which nothing changes.
func empty(p *plan.Plan, action string) *Diff {
	return &Diff{Stack: p.Stack, Action: action, Notes: []string{}, Refused: []Refusal{}, Findings: append([]plan.Finding{}, p.Findings...), Warnings: warnings(p), Nodes: []Node{}, Roles: []Role{},
		Networks: []Network{}, Addresses: []Address{}, Parameters: []Parameter{}, Registry: []Mapping{}, Resources: []Resource{},
		Deployments: []Deployment{}, Tasks: []Task{}, NotApplied: []NotApplied{}}
}
