// Package ironic is the bare-metal domain: nodes, ports, their states and the
// contracts of the stores that keep them. It does no I/O.
//
// Names and values are those of OpenStack Ironic's API v1.
package ironic

import (
	"context"
	"time"
)

// Power states as Ironic's API shows them.
const (
	PowerOn       = "power on"
	PowerOff      = "power off"
	Rebooting     = "rebooting"
	SoftPowerOff  = "soft power off"
	SoftRebooting = "soft rebooting"
	PowerError    = "error"
)

// Boot devices as Ironic's API shows them.
const (
	BootPXE   = "pxe"
	BootDisk  = "disk"
	BootCDROM = "cdrom"
	BootBIOS  = "bios"
	BootSafe  = "safe"
)

// Boot modes (capability boot_mode).
const (
	BIOS = "bios"
	UEFI = "uefi"
)

// Node is one bare-metal machine. The zero value of a nullable field means null.
// Times are UTC.
type Node struct {
	ID     int64 // insertion order; the default sort key of lists
	UUID   string
	Name   string // empty: null
	Driver string

	DriverInfo         map[string]any // how to reach the BMC; holds secrets
	DriverInternalInfo map[string]any // the conductor's own notes; holds the agent's token
	Properties         map[string]any // cpus, memory_mb, local_gb, cpu_arch, capabilities, root_device
	InstanceInfo       map[string]any // what to deploy
	Extra              map[string]any

	Interfaces map[string]string // power, management, boot, deploy, inspect, … → implementation

	InstanceUUID   string
	InstanceName   string // for people; follows instance_info.display_name
	ResourceClass  string
	ChassisUUID    string
	Owner          string
	Lessee         string
	Description    string
	ConductorGroup string
	Conductor      string
	Shard          string
	ParentNode     string // uuid of the node that this one is a part of
	AllocationUUID string

	PowerState           string
	TargetPowerState     string
	ProvisionState       string
	TargetProvisionState string
	ProvisionUpdatedAt   *time.Time
	InspectionStartedAt  *time.Time
	InspectionFinishedAt *time.Time

	CleanStep, DeployStep, ServiceStep map[string]any
	RaidConfig, TargetRaidConfig       map[string]any
	NetworkData                        map[string]any
	Traits                             []string

	Maintenance       bool
	MaintenanceReason string
	Fault             string
	LastError         string
	Protected         bool
	ProtectedReason   string
	Retired           bool
	RetiredReason     string
	ConsoleEnabled    bool
	AutomatedClean    *bool
	BootMode          string
	SecureBoot        *bool
	DisablePowerOff   bool
	Health            string // what the BMC says of the machine: OK, Warning, Critical; empty: it does not say

	// Reservation names who holds the node's exclusive lock; empty when nobody does.
	Reservation string

	CreatedAt time.Time
	UpdatedAt *time.Time
	Version   int64 // grows with each write; guards against lost updates
}

// Port is one network interface of a node, known by its MAC address.
type Port struct {
	ID                  int64
	UUID                string
	NodeUUID            string
	Address             string // lower case, colons
	PXEEnabled          bool
	PhysicalNetwork     string
	PortgroupUUID       string
	LocalLinkConnection map[string]any
	InternalInfo        map[string]any
	Extra               map[string]any
	IsSmartNIC          bool
	Name                string // empty: none; unique otherwise
	Description         string
	Vendor              string
	Category            string
	CreatedAt           time.Time
	UpdatedAt           *time.Time
}

// StoredNode is a node that was found and not read yet. Every change of a node gives it another Version,
// and no two nodes ever have the same ID: what has both in common with another one is the same to the letter.
type StoredNode struct {
	ID, Version int64
	UUID        string
	Read        func() (*Node, error)
}

// HistoryEntry is one line of a node's history: what happened, in words.
type HistoryEntry struct {
	UUID      string
	NodeUUID  string
	EventType string // "transition", "power", "inspection", …
	Event     string // the sentence
	Severity  string // INFO or ERROR
	User      string // the id of who asked for what it is about; empty: nobody, or not known
	Conductor string
	CreatedAt time.Time
}

// Inventory is what the ramdisk reported about a node, newest first kept only.
// Inventory follows ironic-python-agent's schema; PluginData is everything else it sent.
type Inventory struct {
	NodeUUID   string
	Inventory  map[string]any
	PluginData map[string]any
	CreatedAt  time.Time
}

// NodeFilter narrows a list. Zero values do not filter. Results are in ID order
// unless the page says another one.
type NodeFilter struct {
	ProvisionState string
	Driver         string
	ResourceClass  string
	InstanceUUID   string
	Associated     *bool
	Maintenance    *bool
	Retired        *bool
	Owner, Lessee  string
	Projects       []string // each of them is the owner or the lessee
	Fault          string
	Chassis        string   // uuid
	Parent         *string  // uuid of the node that they are parts of; "": they are parts of none
	Sharded        *bool    // whether they have a shard
	Shards         []string // one of these; "" is that of nodes without one
	Groups         []string // one of these conductor groups; "" is one
	Description    string   // is a part of theirs
	Conductor      *string
	InstanceName   *string
	Health         *string  // any case
	Unreserved     bool     // nobody holds their lock
	Introspected   bool     // an introspection of theirs has begun, at whatever time
	BegunBefore    *Begun   // their introspection stands behind this one where the latest is first; nil: whatever it is
	ExceptStates   []string // none of these provision states
	UprightOr      string   // a fault: they are not in maintenance, or it is for this one
	AfterID        int64    // their ID is greater
	Page
}

// OfNodes narrows a list of what belongs to nodes by what these are.
type OfNodes struct {
	Shards   []string // one of these; nodes without one have no part in it
	Groups   []string // one of these conductor groups; "" is one
	Projects []string // each of them is the owner or the lessee
}

// PortFilter narrows a list of ports.
type PortFilter struct {
	NodeUUID    string
	Address     string // any case
	Portgroup   string // uuid
	Description string // is a part of theirs
	OfNodes
	Page
}

// Store keeps nodes, ports and allocations. Every method is safe for concurrent use, each is
// one transaction, and what it returned without an error survives a crash.
//
// Errors carry errs codes: NotFound for an unknown node or port, Conflict for a
// duplicate name (also of ports), uuid or MAC, Locked (with holder and age in the message) from Reserve,
// Invalid where a node comes to name a chassis, or a port a portgroup, that is not there (or is of
// another node). What a row named before is not looked at again. A page of a list whose marker nobody
// has is NotFound, in the words for such a row; one with an unknown sort key is Invalid.
type Store interface {
	// CreateNode stores n with its ports in one transaction and fills ID, CreatedAt and Version.
	CreateNode(ctx context.Context, n *Node, ports ...*Port) error
	// Node finds one by uuid or name.
	Node(ctx context.Context, ident string) (*Node, error)
	Nodes(ctx context.Context, f NodeFilter) ([]*Node, error)
	// StoredNode and StoredNodes are the same for whoever may know already what he would read.
	StoredNode(ctx context.Context, ident string) (StoredNode, error)
	StoredNodes(ctx context.Context, f NodeFilter) ([]StoredNode, error)
	// CountShards says how many nodes each shard has; "" is that of nodes without one.
	CountShards(ctx context.Context) (map[string]int, error)
	// UpdateNode reads the node, lets change edit it and writes it back in one
	// transaction. An error from change leaves the row as it was and is returned as is.
	// change may run more than once and must only edit the node; whose allocation
	// it is stays what it is, see AllocationStore.
	UpdateNode(ctx context.Context, uuid string, change func(*Node) error) (*Node, error)
	// DeleteNode removes the node with its ports, portgroups, volume connectors and targets,
	// history, inventory and allocation.
	DeleteNode(ctx context.Context, uuid string) error

	// Reserve takes the node's exclusive lock for holder if nobody has it (or
	// holder itself has), and remembers purpose and time for whoever is refused.
	Reserve(ctx context.Context, uuid, holder, purpose string) (*Node, error)
	// Hold tells who has the node's lock; the zero value: nobody.
	Hold(ctx context.Context, uuid string) (Hold, error)
	// Release gives the lock back; releasing a lock that holder does not hold is no error.
	Release(ctx context.Context, uuid, holder string) error

	CreatePort(ctx context.Context, p *Port) error
	// Port finds one by uuid, MAC address or name.
	Port(ctx context.Context, ident string) (*Port, error)
	Ports(ctx context.Context, f PortFilter) ([]*Port, error)
	// UpdatePort is UpdateNode for a port. change may read the store meanwhile, and sees what nobody else changes.
	UpdatePort(ctx context.Context, uuid string, change func(*Port) error) (*Port, error)
	// DeletePort removes one, if may allows it in the same transaction; may reads the store as change does.
	DeletePort(ctx context.Context, uuid string, may func(*Port) error) error

	AddHistory(ctx context.Context, e HistoryEntry) error
	History(ctx context.Context, nodeUUID string) ([]HistoryEntry, error)

	PortgroupStore
	ChassisStore
	VolumeStore
	DeployTemplateStore
	RunbookStore

	SaveInventory(ctx context.Context, inv Inventory) error
	Inventory(ctx context.Context, nodeUUID string) (*Inventory, error)

	AllocationStore
	InspectionRuleStore
}
