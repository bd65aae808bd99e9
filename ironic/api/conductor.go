package api

import (
	"context"

	"trefoil/ironic"
	"trefoil/ironic/agentapi"
)

// ProvisionRequest is the body of PUT /v1/nodes/{node}/states/provision.
type ProvisionRequest struct {
	Target         string           `json:"target"`
	ConfigDrive    any              `json:"configdrive,omitempty"` // gzip+base64 text, or {meta_data, network_data, user_data}
	CleanSteps     []map[string]any `json:"clean_steps,omitempty"`
	DeploySteps    []map[string]any `json:"deploy_steps,omitempty"`
	ServiceSteps   []map[string]any `json:"service_steps,omitempty"`
	DisableRamdisk bool             `json:"disable_ramdisk,omitempty"`
	Runbook        string           `json:"runbook,omitempty"`
	RescuePassword *string          `json:"-"` // in the clear: it is kept nowhere
	ThenInspect    bool             `json:"-"` // with manage of a node in enroll: inspect it when its BMC has answered
	BootedByOthers bool             `json:"-"` // with inspect and ThenInspect: only wait for the inventory of a ramdisk that somebody else boots
}

// KeyThenInspect is true in the driver_internal_info of a node that is verified for ThenInspect.
const KeyThenInspect = "then_inspect"

// KeyAutomaticLessee is true in the driver_internal_info of a node whose lessee is its instance's project, and
// goes with the instance. A lessee that somebody chooses afterwards takes it away, as in Ironic.
const KeyAutomaticLessee = "automatic_lessee"

// KeyBootedByOthers is true in the driver_internal_info of a node that is inspected with BootedByOthers.
const KeyBootedByOthers = "inspection_booted_by_others"

// Validation is one row of a node's validation.
type Validation struct {
	Result bool   `json:"result"`
	Reason string `json:"reason,omitempty"`
}

// Conductor is what the API asks for: everything that is more than reading and
// writing a row. Methods return when the work is durably accepted, not done.
// Errors carry errs codes; the API adds nothing to their text.
type Conductor interface {
	// Provision starts the transition behind a verb (manage, provide, inspect, active, deleted, abort, …).
	// Invalid: the verb does not fit the state; Locked: somebody holds the node.
	Provision(ctx context.Context, ident string, req ProvisionRequest) error
	// SetPower starts a power action. timeout is in seconds, 0 means the default.
	SetPower(ctx context.Context, ident, target string, timeout int) error
	SetBootDevice(ctx context.Context, ident, device string, persistent bool) error
	BootDevice(ctx context.Context, ident string) (device string, persistent bool, err error)
	SupportedBootDevices(ctx context.Context, ident string) ([]string, error)
	Validate(ctx context.Context, ident string) (map[string]Validation, error)
	// CheckCreate fills a new node's interfaces, resource class and conductor, or says why it cannot be managed.
	CheckCreate(ctx context.Context, n *ironic.Node) error
	// DeleteNode removes the node if its state allows it.
	DeleteNode(ctx context.Context, ident string) error

	// Lookup answers a ramdisk; only nodes that wait for one are found.
	Lookup(ctx context.Context, macs []string, nodeUUID string) (*agentapi.Lookup, error)
	Heartbeat(ctx context.Context, nodeUUID string, hb agentapi.Heartbeat) error
	// ContinueInspection takes the raw JSON payload of a ramdisk and returns the uuid of its node.
	ContinueInspection(ctx context.Context, payload []byte) (string, error)

	// Drivers lists hardware types; Properties of one.
	Drivers() []string
	DriverProperties(driver string) (map[string]string, error)
	// Host is the conductor's name; it is also the holder of its locks.
	Host() string
}
