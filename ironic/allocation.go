package ironic

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/fsm"
)

// States of an allocation.
const (
	AllocationAllocating = "allocating" // its node is yet to be found
	AllocationActive     = "active"     // it has a node
	AllocationError      = "error"      // no node was found; LastError says why
)

// Allocation is somebody's claim to one node with certain qualities. The node's
// instance is the allocation's: its InstanceUUID and AllocationUUID are the
// allocation's UUID for as long as the allocation lives, and no longer.
type Allocation struct {
	ID             int64 // insertion order; never used again
	UUID           string
	Name           string // empty: null
	State          string
	NodeUUID       string // empty: none yet
	LastError      string
	ResourceClass  string
	Owner          string
	Traits         []string // the node has all of them
	CandidateNodes []string // UUIDs; empty: any node will do
	Extra          map[string]any
	CreatedAt      time.Time
	UpdatedAt      *time.Time
}

// AllocationFilter narrows a list. Zero values do not filter.
type AllocationFilter struct {
	NodeUUID      string
	ResourceClass string
	State         string
	Owner         string
}

// AllocationStore keeps allocations together with the nodes they have: in one
// transaction a node becomes an allocation's, and is free again. What else
// changes a node keeps to it: an allocation whose node forgets its InstanceUUID,
// or is deleted, is gone with the same transaction. Methods are safe for
// concurrent use. NotFound is the code of an unknown allocation or node,
// Conflict that of a name or UUID that is taken and of a node that another
// instance has.
type AllocationStore interface {
	// CreateAllocation stores a and fills ID and CreatedAt. With a.NodeUUID that
	// node becomes a's as by Assign.
	CreateAllocation(ctx context.Context, a *Allocation, fits func(*Node) error) error
	// Allocation finds one by uuid or name.
	Allocation(ctx context.Context, ident string) (*Allocation, error)
	// Allocations lists what the filter lets through, in ID order.
	Allocations(ctx context.Context, f AllocationFilter) ([]*Allocation, error)
	// UpdateAllocation lets change edit an allocation. An error from change leaves
	// it as it was and is returned as is. change may run more than once; the node
	// and the UUID stay what they are whatever it does.
	UpdateAllocation(ctx context.Context, uuid string, change func(*Allocation) error) (*Allocation, error)
	// Assign makes a node the allocation's: the allocation is active, the node has
	// its UUID for InstanceUUID and AllocationUUID, and its traits in instance_info.
	// fits sees the node before; its error leaves both as they were and is returned
	// as is. A node that is the allocation's already is no error, and fits is not asked.
	Assign(ctx context.Context, uuid, nodeUUID string, fits func(*Node) error) (*Allocation, error)
	// DeleteAllocation removes the allocation, frees its node, and returns it as it
	// was. may sees the node, if there is one; its error leaves both as they were.
	DeleteAllocation(ctx context.Context, uuid string, may func(*Allocation, *Node) error) (*Allocation, error)
}

// Failed is why an allocation could not be carried out, in Ironic's words.
func (a *Allocation) Failed(format string, args ...any) error {
	return errs.New(errs.Conflict, "Failed to process allocation %s: %s.", a.UUID, fmt.Sprintf(format, args...))
}

// Suits reports whether a node may be given to a. A node whose power state is not
// known was never managed by anybody, so it does not.
func (a *Allocation) Suits(n *Node) bool {
	return a.eligible(n) && hasTraits(n, a.Traits)
}

func (a *Allocation) eligible(n *Node) bool {
	return n.ResourceClass == a.ResourceClass && n.ProvisionState == string(fsm.Available) && !n.Maintenance &&
		n.InstanceUUID == "" && n.PowerState != "" && n.ParentNode == "" &&
		(len(a.CandidateNodes) == 0 || slices.Contains(a.CandidateNodes, n.UUID)) &&
		(a.Owner == "" || n.Owner == a.Owner || n.Lessee == a.Owner)
}

func hasTraits(n *Node, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(t string) bool { return !slices.Contains(n.Traits, t) })
}

// Candidates picks those of nodes that suit a, in the order in which they are to
// be tried: shuffled, so that allocations at the same time do not all try the same
// node first, and before all others the node that has a's name (since 1.79). The
// error says why there are none.
func (a *Allocation) Candidates(nodes []*Node, shuffle func(n int, swap func(i, j int))) ([]*Node, error) {
	var out []*Node
	eligible := false
	for _, n := range nodes {
		if !a.eligible(n) {
			continue
		}
		eligible = true
		if hasTraits(n, a.Traits) {
			out = append(out, n)
		}
	}
	switch {
	case !eligible && len(a.CandidateNodes) > 0:
		return nil, a.Failed("none of the requested nodes are available and match the resource class %s", a.ResourceClass)
	case !eligible:
		return nil, a.Failed("no available nodes match the resource class %s", a.ResourceClass)
	case len(out) == 0:
		return nil, a.Failed("no suitable nodes have the requested traits %s", strings.Join(a.Traits, ", "))
	}
	shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	if i := slices.IndexFunc(out, func(n *Node) bool { return a.Name != "" && n.Name == a.Name }); i > 0 {
		named := out[i]
		out = slices.Insert(slices.Delete(out, i, i+1), 0, named)
	}
	return out, nil
}

// Backfills says whether a may be written down for a node that is deployed
// already without one.
func (a *Allocation) Backfills(n *Node) error {
	var wrong []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	add(n.ProvisionState != string(fsm.Active), "Node must be in the \"active\" state, but the current state is %q", n.ProvisionState)
	add(a.ResourceClass != "" && n.ResourceClass != a.ResourceClass,
		"Resource class %s does not match the requested resource class %s", n.ResourceClass, a.ResourceClass)
	add(!hasTraits(n, a.Traits), "List of traits %s does not match the requested traits %s", quoted(n.Traits), quoted(a.Traits))
	add(len(a.CandidateNodes) > 0 && !slices.Contains(a.CandidateNodes, n.UUID),
		"Candidate nodes must be empty or contain the target node, but got %s", quoted(a.CandidateNodes))
	if wrong == nil {
		return nil
	}
	return a.Failed("Cannot backfill an allocation for node %s: %s", n.UUID, strings.Join(wrong, "; "))
}

// Give makes n the node of a, as AllocationStore.Assign has it; stores call it in
// their transaction. It reports whether there is something to write.
func (a *Allocation) Give(n *Node, fits func(*Node) error) (bool, error) {
	switch {
	case a.NodeUUID == n.UUID:
		return false, nil
	case a.NodeUUID != "":
		return false, errs.New(errs.Conflict, "Allocation %s has node %s already.", a.UUID, a.NodeUUID)
	}
	if err := fits(n); err != nil {
		return false, err
	}
	if n.InstanceUUID != "" && n.InstanceUUID != a.UUID {
		return false, errs.New(errs.Conflict, "Node %s is associated with instance %s.", n.UUID, n.InstanceUUID)
	}
	n.InstanceUUID, n.AllocationUUID = a.UUID, a.UUID
	n.InstanceInfo = maps.Clone(n.InstanceInfo)
	if n.InstanceInfo == nil {
		n.InstanceInfo = map[string]any{}
	}
	n.InstanceInfo["traits"] = append([]string{}, a.Traits...)
	a.NodeUUID, a.State, a.LastError = n.UUID, AllocationActive, ""
	return true, nil
}

func quoted(list []string) string {
	if len(list) == 0 {
		return "[]"
	}
	return "['" + strings.Join(list, "', '") + "']"
}

// MayRemove says whether a may be taken from its node: in maintenance always,
// else neither from an active node nor while the conductor is at work on it.
func (a *Allocation) MayRemove(n *Node) error {
	switch {
	case n.Maintenance:
		return nil
	case !n.Updatable():
		return errs.New(errs.Conflict, "Cannot remove allocation %s for node %s, because the node is in state %s where updates are "+
			"not allowed (and maintenance mode is off)", a.UUID, n.UUID, n.ProvisionState)
	case n.ProvisionState == string(fsm.Active):
		return errs.New(errs.Conflict, "Cannot remove allocation %s for node %s, because the node is active "+
			"(and maintenance mode is off)", a.UUID, n.UUID).WithHint("undeploy the node: that removes its allocation, too")
	}
	return nil
}

// Updatable reports whether clients may change the node: not while the conductor
// carries it from one state into another.
func (n *Node) Updatable() bool {
	open := []fsm.State{fsm.DeployFailed, fsm.InspectFailed, fsm.InspectWait, fsm.CleanFailed, fsm.Error, fsm.Verifying,
		fsm.AdoptFailed, fsm.RescueFailed, fsm.UnrescueFailed, fsm.Servicing, fsm.ServiceWait, fsm.ServiceFailed, fsm.ServiceHold}
	return n.TargetProvisionState == "" || slices.Contains(open, fsm.State(n.ProvisionState))
}
