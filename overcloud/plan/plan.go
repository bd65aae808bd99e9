// Package plan turns a tree of templates, roles, networks, environments and
// passwords into a Plan: which roles, how many machines, and what each machine
// must be made to do in steps 1–5. It is pure: the tree comes in as an fs.FS,
// nothing is read or written elsewhere.
package plan

import (
	"trefoil/overcloud/resource"
)

// Steps is the number of configuration steps, each with a barrier over all roles.
const Steps = 5

// Plan is what a deployment of one stack is to become.
type Plan struct {
	Stack       string            `json:"stack"`
	Roles       []Role            `json:"roles"`
	Parameters  map[string]any    `json:"parameters"` // merged parameter_defaults; secrets included
	Passwords   map[string]string `json:"passwords"`
	Warnings    []string          `json:"warnings,omitempty"` // unused, deprecated, misspelt
	CloudDomain string            `json:"cloud_domain"`
	// Configure evaluates service templates for real machines; see Configure in configure.go.
}

// Role is one kind of machine.
type Role struct {
	Name           string   `json:"name"`
	Count          int      `json:"count"`
	Flavor         string   `json:"flavor"`
	Image          string   `json:"image"`
	HostnameFormat string   `json:"hostname_format"` // with %stackname% and %index%
	Tags           []string `json:"tags"`            // primary, controller, …
	Services       []string `json:"services"`        // OS::TripleO::Services::… that are enabled
	Networks       []string `json:"networks"`
	Packages       []string `json:"packages"` // Debian packages its services need in the image
	Summary        []string `json:"summary"`  // one line a service: what it will do, for --dry-run
}

// Node is a machine that has been given a role, a name and an address.
type Node struct {
	Name    string `json:"name"` // overcloud-controller-0
	Role    string `json:"role"`
	Index   int    `json:"index"`   // within its role
	Address string `json:"address"` // ctlplane, without prefix length
	UUID    string `json:"uuid"`    // bare-metal node
}

// Config is what every node must do: node name → documents of steps 1–5.
type Config map[string][]resource.Document
