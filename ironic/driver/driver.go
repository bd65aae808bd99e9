// Package driver holds the contracts between the conductor and the hardware:
// Power, Management and NetBoot. Implementations live in subdirectories; the
// conformance suite they all pass is in drivertest.
package driver

import (
	"context"

	"trefoil/ironic"
)

// Power switches a machine. Implementations are safe for concurrent use on
// different nodes; the conductor never calls two methods for one node at once.
type Power interface {
	// PowerState returns ironic.PowerOn, ironic.PowerOff or ironic.PowerError.
	PowerState(ctx context.Context, n *ironic.Node) (string, error)
	// SetPower reaches target (PowerOn, PowerOff, Rebooting, SoftPowerOff,
	// SoftRebooting) and returns when the machine is there or ctx ends.
	// It is idempotent: a machine already there is left alone, except for reboots.
	// Rebooting never switches off a node with DisablePowerOff: it is a reset.
	SetPower(ctx context.Context, n *ironic.Node, target string) error
}

// Management chooses what a machine boots from.
type Management interface {
	SupportedBootDevices(n *ironic.Node) []string
	// SetBootDevice chooses the device for the next start, or for all when persistent.
	// The firmware mode follows the node's capability boot_mode.
	SetBootDevice(ctx context.Context, n *ironic.Node, device string, persistent bool) error
	BootDevice(ctx context.Context, n *ironic.Node) (device string, persistent bool, err error)
}

// Driver is one hardware type: "ipmi", "fake-hardware".
type Driver interface {
	Power
	Management
	// Properties names the driver_info keys it understands, each with a sentence.
	Properties() map[string]string
	// Validate checks driver_info without any I/O; the error names the key.
	Validate(n *ironic.Node) error
	// Close gives back what the driver keeps open for a node (an IPMI session, a console).
	Close(ctx context.Context, nodeUUID string) error
}

// Pretender is a driver whose machines do not exist. What the conductor leaves out for them
// because an interface is "fake" (inspect, deploy, rescue) may take its time there, or fail.
type Pretender interface {
	Pretend(ctx context.Context, n *ironic.Node, kind string) error
}

// BootEntry is what one machine boots from the network until it is removed.
type BootEntry struct {
	NodeUUID string   `json:"node_uuid"`
	MACs     []string `json:"macs"` // lower case
	BootMode string   `json:"boot_mode"`
	Kernel   string   `json:"kernel"`  // path of a file on the undercloud
	Ramdisk  string   `json:"ramdisk"` // path of a file on the undercloud
	Params   []string `json:"params"`  // kernel command line, e.g. ipa-api-url=http://…
	Purpose  string   `json:"purpose"` // inspect, clean, deploy: for people
}

// UnknownNode stands for a node's uuid where a machine boots that is no node's.
const UnknownNode = "00000000-0000-0000-0000-000000000000"

// BootPhase is how far a network boot has come, for people who wait.
type BootPhase string

// Phases in the order a healthy boot passes them.
const (
	PhaseNone    BootPhase = ""               // nothing seen since Publish
	PhaseDHCP    BootPhase = "dhcp"           // the firmware asked for an address
	PhaseScript  BootPhase = "ipxe script"    // iPXE fetched its script
	PhaseKernel  BootPhase = "kernel fetched" // kernel was sent whole
	PhaseRamdisk BootPhase = "ramdisk fetched"
)

// NetBoot publishes what machines boot over the network (DHCP, TFTP, HTTP).
// It remembers entries across restarts. Safe for concurrent use.
type NetBoot interface {
	// Publish makes the entry take effect before it returns; publishing again replaces it
	// and starts its phase anew.
	Publish(ctx context.Context, e BootEntry) error
	// Remove makes DHCP silent for the node's MACs. Removing what is not there is no error.
	Remove(ctx context.Context, nodeUUID string) error
	// Phase tells how far the node's boot has come since Publish.
	Phase(nodeUUID string) BootPhase
}
