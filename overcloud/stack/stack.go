// Package stack is the domain of deployments: stacks, their events, resources
// and nodes, as OpenStack Heat names them, and the contract of the store that
// keeps them. It does no I/O.
package stack

import (
	"context"
	"slices"
	"strings"
	"time"

	"trefoil/overcloud/plan"
)

// Actions and their states; a Status is ACTION_STATE, e.g. CREATE_COMPLETE.
const (
	Create = "CREATE"
	Update = "UPDATE"
	Delete = "DELETE"

	InProgress = "IN_PROGRESS"
	Complete   = "COMPLETE"
	Failed     = "FAILED"
)

// Input is what a deployment was asked to be: everything needed to make the plan again.
type Input struct {
	Tree         []byte            `json:"tree"`         // zip of the template tree
	Files        map[string]string `json:"files"`        // what lies outside it, by cleaned path
	Environments []string          `json:"environments"` // names in Files or in the tree; later wins
	RolesFile    string            `json:"roles_file"`   // likewise; empty: the tree's
	NetworksFile string            `json:"networks_file"`
	VIPFile      string            `json:"vip_file,omitempty"` // likewise; empty: virtual addresses are chosen
	Counts       map[string]int    `json:"counts"`             // machines by role, from flags
	Flavors      map[string]string `json:"flavors"`            // flavors by role, from flags
	Parameters   map[string]any    `json:"parameters"`         // from other flags: NtpServer, …

	BaremetalFile string   `json:"baremetal_file,omitempty"` // a baremetal_deployment file in Files: roles, counts, and on what machines
	SSHKeys       string   `json:"ssh_keys,omitempty"`       // public keys that may log in to its machines, one a line
	Only          string   `json:"only,omitempty"`           // "" is all; else OnlyProvision, OnlyUnprovision or OnlyDelete
	Unprovision   []string `json:"unprovision,omitempty"`    // with OnlyUnprovision and OnlyDelete: the nodes to give back, by name
	Force         bool     `json:"force,omitempty"`          // likewise: also those with which something is lost

	Limits Limits `json:"limits,omitzero"` // of the steps of this action alone

	// Removed are the indexes of machines that were deleted, by role: they are never
	// given again while the stack is there. Only the deployer writes it.
	Removed map[string][]int `json:"removed,omitempty"`
}

// Stack is one deployment.
type Stack struct {
	ID          string
	Name        string
	Action      string
	State       string
	Reason      string
	TimeoutMins int
	Generation  int // grows with each create and update; part of the job's id
	Input       Input
	Passwords   map[string]string // secret; made once, kept on update
	Outputs     map[string]any    // of overcloud.yaml, and AdminPassword (secret)
	Secret      []string          // names in Outputs that hold a secret; see SecretOutput
	Addresses   map[string]string // planned on isolated networks, by port; the next plan keeps them
	Failures    []Failure         // of the last action
	Summary     Summary           // of the last action
	// NewPasswords are names of those that came with a deployment that failed: some machines may
	// have them and others not, until one of the whole cloud ends well.
	NewPasswords []string
	CreatedAt    time.Time
	UpdatedAt    *time.Time
	StartedAt    time.Time // of the last action

	CancelRequested bool // the user asked for the running action to end
}

// Status is how Heat shows it: CREATE_IN_PROGRESS.
func (s *Stack) Status() string { return s.Action + "_" + s.State }

// SecretOutput tells which outputs are shown only when asked for by name.
func (s *Stack) SecretOutput(name string) bool {
	return name == "AdminPassword" || slices.Contains(s.Secret, name)
}

// Summary says what an action did.
type Summary struct {
	NodesAdded   int                  `json:"nodes_added"`
	NodesRemoved int                  `json:"nodes_removed"`
	Changed      int                  `json:"changed"`            // resources changed on nodes
	Seconds      map[string]int       `json:"seconds"`            // phase → how long
	Begun        map[string]time.Time `json:"begun,omitempty"`    // phases that are under way; they go on after a restart
	Total        int                  `json:"total,omitempty"`    // seconds from the start of the action to its end
	Path         []Hop                `json:"path,omitempty"`     // the critical path of the steps
	Spent        []Spent              `json:"spent,omitempty"`    // what steps cost the machines; none of a step that stood
	Limited      string               `json:"limited,omitempty"`  // what alone was done; empty: all
	LeftOut      []string             `json:"left_out,omitempty"` // machines that failed and were gone on without
}

// Failure is why an action failed: the cause first.
type Failure struct {
	Node    string   `json:"node,omitempty"`
	Phase   string   `json:"phase"` // placement, provisioning, ssh, step 3
	Service string   `json:"service,omitempty"`
	Key     string   `json:"key,omitempty"` // unit:keystone
	Error   string   `json:"error"`
	Hint    string   `json:"hint,omitempty"`
	Tail    []string `json:"tail,omitempty"` // last lines of the log of what failed
}

// Line is the failure in one line: where, what.
func (f Failure) Line() string {
	s := f.Phase
	if f.Node != "" {
		s = f.Node + ": " + s
	}
	if f.Service != "" {
		s += ": " + f.Service
	}
	if f.Key != "" {
		s += ": " + f.Key
	}
	return s + ": " + f.Error
}

// Text is the failure in full: the line, what to do, and the log's last lines.
func (f Failure) Text() string {
	s := f.Line()
	if f.Hint != "" {
		s += "\nto try: " + f.Hint
	}
	return strings.Join(append([]string{s}, f.Tail...), "\n")
}

// Node is a machine of a stack with what the deployer must remember of it.
type Node struct {
	plan.Node
	InstanceUUID string         `json:"instance_uuid"`
	PortID       string         `json:"port_id"`
	HostKeyPEM   string         `json:"host_key_pem"` // private half of HostKey; secret, goes into the config drive
	Flavor       string         `json:"flavor"`
	Image        string         `json:"image"`
	Resource     string         `json:"resource"` // name of the server in events: NovaCompute
	Hashes       map[int]string `json:"hashes"`   // step → hash of what was applied

	Spent   []Spent   `json:"spent,omitempty"` // of the action that began at SpentOf
	SpentOf time.Time `json:"spent_of,omitzero"`
}

// Resource is one row of `openstack stack resource list`.
type Resource struct {
	Name       string // dotted path below the stack: Controller.0
	Type       string
	PhysicalID string
	Status     string // CREATE_COMPLETE
	Reason     string
	UpdatedAt  time.Time
}

// Event is one change of a resource's status.
type Event struct {
	ID         int64
	StackID    string
	StackName  string
	Resource   string // "" is the stack itself
	Type       string
	PhysicalID string
	Status     string
	Reason     string
	Time       time.Time
}

// Acceptance is an action that has been checked.
type Acceptance struct {
	Was   int   // version of the plan of the stack's name that was checked; 0: there was none
	Plan  *Plan // what becomes of it; nil: it stays
	Stack *Stack
	// Change edits the stack as it is by then; nil: Stack is a new one.
	Change func(*Stack) error
}

// Store keeps stacks. Safe for concurrent use; each method is one transaction.
// Unknown stacks give errs.NotFound, a second stack of a name errs.Conflict.
type Store interface {
	CreateStack(ctx context.Context, s *Stack) error
	// Stack finds one by name or id.
	Stack(ctx context.Context, ident string) (*Stack, error)
	Stacks(ctx context.Context) ([]*Stack, error)
	// UpdateStack reads, lets change edit, and writes back in one transaction.
	UpdateStack(ctx context.Context, id string, change func(*Stack) error) (*Stack, error)
	// Accept writes down an action and the plan that it follows, both or neither.
	// The plan must be of the version that was checked, or this is a Conflict.
	Accept(ctx context.Context, a Acceptance) (*Stack, error)
	// DeleteStack forgets the stack with its nodes, resources and events.
	DeleteStack(ctx context.Context, id string) error

	// Record stores the event and the resource row that follows from it, and fills e.ID.
	Record(ctx context.Context, e *Event) error
	// Events with an id above after, oldest first; limit 0 means all.
	Events(ctx context.Context, stackID string, after int64, limit int) ([]Event, error)
	Resources(ctx context.Context, stackID string) ([]Resource, error)
	// RemoveResources drops rows whose name is prefix or begins with prefix+".".
	RemoveResources(ctx context.Context, stackID, prefix string) error

	PlanStore

	StackNodes(ctx context.Context, stackID string) ([]Node, error)
	PutStackNode(ctx context.Context, stackID string, n Node) error
	DeleteStackNode(ctx context.Context, stackID, name string) error
}
