package ironic

import (
	"context"
	"slices"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/fsm"
)

// VolumeRow is what connectors and targets have in common.
type VolumeRow struct {
	ID        int64
	UUID      string
	NodeUUID  string
	Extra     map[string]any
	CreatedAt time.Time
	UpdatedAt *time.Time
}

// Row gives the common part of what it is embedded in.
func (r *VolumeRow) Row() *VolumeRow { return r }

// VolumeConnector is a name under which a node asks for volumes in a storage network.
type VolumeConnector struct {
	VolumeRow
	Type        string // iqn, ip, mac, wwnn, wwpn, port, portgroup; Ironic takes any word
	ConnectorID string // unique within its type
}

// Taken is the Conflict of a connector whose type and id another one has.
func (v *VolumeConnector) Taken() error {
	return errs.New(errs.Conflict, "A volume connector with type %s and connector ID %s already exists.", v.Type, v.ConnectorID)
}

// VolumeTarget is a volume in a storage network that a node is to use.
type VolumeTarget struct {
	VolumeRow
	VolumeType string         // iscsi, fibre_channel; Ironic takes any word
	Properties map[string]any // how the volume is reached; may hold secrets
	BootIndex  int            // 0: the node boots from it; unique within the node
	VolumeID   string
}

// Taken is the Conflict of a target whose boot index another one of its node has.
func (v *VolumeTarget) Taken() error {
	return errs.New(errs.Conflict, "A volume target with boot index '%d' for the same node already exists.", v.BootIndex)
}

// VolumeKind is one of the two things that nodes have of volumes.
type VolumeKind interface{ VolumeConnector | VolumeTarget }

// Volumes keeps the connectors or the targets of nodes; the rules of Store hold
// for it too. Errors: NotFound, Conflict for a duplicate uuid and for what Taken tells.
type Volumes[T VolumeKind] interface {
	// Create stores v of an existing node and fills ID and CreatedAt.
	Create(ctx context.Context, v *T) error
	Get(ctx context.Context, uuid string) (*T, error)
	// List has those of a node, or all where nodeUUID is empty, in order of creation.
	List(ctx context.Context, nodeUUID string) ([]*T, error)
	// Update edits one as UpdatePort does. In the same transaction may is asked about its
	// node, and about the other one when it comes to a new node; its error is returned as
	// is. Invalid: the new node is not there.
	Update(ctx context.Context, uuid string, change func(*T) error, may func(*Node) error) (*T, error)
	// Delete removes one, if may allows it of its node in the same transaction.
	Delete(ctx context.Context, uuid string, may func(*Node) error) error
}

// VolumeStore keeps what nodes have of volumes.
type VolumeStore interface {
	VolumeConnectors() Volumes[VolumeConnector]
	VolumeTargets() Volumes[VolumeTarget]
}

// MayUpdateVolume allows a change of a node's connector or target, which what
// names. Locked: somebody works on the node, Store.Hold says at what. Invalid: its machine is not off.
func (n *Node) MayUpdateVolume(what string) error { return n.mayTouchVolume(what+" update", false) }

// MayDeleteVolume is MayUpdateVolume for a deletion, which a node that may be
// deleted itself allows whether its machine is on or off.
func (n *Node) MayDeleteVolume(what string) error {
	free := slices.Contains([]fsm.State{fsm.Manageable, fsm.Enroll, fsm.AdoptFailed}, fsm.State(n.ProvisionState))
	return n.mayTouchVolume(what+" deletion", free)
}

func (n *Node) mayTouchVolume(action string, whileOn bool) error {
	if n.Reservation != "" {
		return Hold{Host: n.Reservation}.Refusal(n.UUID)
	}
	if n.PowerState == PowerOff || whileOn {
		return nil
	}
	state := n.PowerState
	if state == "" {
		state = "None" // nobody has asked its BMC yet
	}
	return errs.New(errs.Invalid, "The requested action \"%s\" can not be performed on node \"%s\" while it is in state \"%s\".",
		action, n.UUID, state).WithHint("switch it off first: openstack baremetal node power off %s", n.UUID)
}
