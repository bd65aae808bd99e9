// Package plan turns a tree of templates, roles, networks, environments and
// passwords into a Plan: which roles, how many machines, and what each machine
// must be made to do in steps 1–5. It is pure: the tree comes in as an fs.FS,
// nothing is read or written elsewhere.
package plan

import (
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack/eval"
)

// Steps is the number of configuration steps. Between two of them a machine waits
// for what its services need; see Gate.
const Steps = 5

// Plan is what a deployment of one stack is to become.
type Plan struct {
	Stack       string            `json:"stack"`
	Roles       []Role            `json:"roles"`
	Servers     []Server          `json:"servers"` // every machine, in the order of the roles and their indexes
	Networks    []eval.Network    `json:"networks"`
	Deployments []Deployment      `json:"deployments,omitempty"` // software configurations that the templates give to machines
	Parameters  map[string]any    `json:"parameters"`            // merged parameter_defaults; secrets included
	Hidden      []string          `json:"hidden,omitempty"`      // names in Parameters that must not be shown
	Registry    map[string]string `json:"registry"`              // type → template, type or OS::Heat::None
	Passwords   map[string]string `json:"passwords"`             // as they take effect: an environment may set one
	Warnings    []string          `json:"warnings,omitempty"`    // unused, deprecated, misspelt
	Findings    []Finding         `json:"findings,omitempty"`    // the same of parameters, for programs
	Given       []string          `json:"given,omitempty"`       // parameters that a person set
	Declared    []string          `json:"declared,omitempty"`    // parameters that some evaluated template has
	Secrets     []string          `json:"-"`                     // random texts that templates made, passwords of service users
	CloudDomain string            `json:"cloud_domain"`
	Outputs     map[string]any    `json:"outputs,omitempty"`   // of overcloud.yaml, with %{…} where an address is not known yet
	Addresses   map[string]string `json:"addresses,omitempty"` // planned, by port and network; give them to the next plan to keep them

	CopiesBy string `json:"copies_by,omitempty"` // the parameter for the copies of Ceph's data, with the place where it was set

	NetworkLabels map[string]string `json:"network_labels,omitempty"` // enabled networks by name_lower, as host names have them

	MTU map[string]int `json:"mtu,omitempty"` // bytes of a packet by network, ctlplane included

	NetworkConfigs map[string]any `json:"network_configs,omitempty"` // by role, where RoleNetworkConfigMap names a software configuration

	Blacklist []string `json:"blacklist,omitempty"` // names of machines that stay as they are; see Listed
	listedBy  string   // who set it, as a message begins

	standing standing // what is there already, for Shared
	external bool     // another load balancer answers at the virtual address

	Sketched     bool   `json:"-"`                       // see Options.Sketch: of each role one machine stands in Servers
	Unseeded     bool   `json:"unseeded,omitempty"`      // random texts follow from their names alone: nobody gave a seed
	RootTemplate []byte `json:"root_template,omitempty"` // overcloud.yaml as it was rendered
	// Configure evaluates service templates for real machines; see Configure in configure.go.
}

// Role is one kind of machine.
type Role struct {
	Name           string   `json:"name"`
	Count          int      `json:"count"`
	Removed        []int    `json:"removed,omitempty"` // indexes that are not to be, from its removal policies
	Flavor         string   `json:"flavor"`
	Image          string   `json:"image"`
	HostnameFormat string   `json:"hostname_format"` // with %stackname% and %index%
	Tags           []string `json:"tags"`            // primary, controller, …
	Services       []string `json:"services"`        // OS::TripleO::Services::… that are enabled
	Networks       []string `json:"networks"`
	Packages       []string `json:"packages"` // Debian packages its services need in the image
	Summary        []string `json:"summary"`  // one line a service: what it will do, for --dry-run

	UpdateSerial      int `json:"update_serial"`                 // machines that are updated at a time
	MaxFailPercentage int `json:"max_fail_percentage,omitempty"` // of its machines that may fail without the rest being given up

	ServerResource string         `json:"server_resource"` // name in events: Controller, NovaCompute
	Data           []ServiceData  `json:"data"`            // what the services' templates gave; secrets included
	RoleData       map[string]any `json:"role_data"`       // the same of all services together, as the tree combines it
}

// Server is one machine of a role as it is planned, before a node is chosen.
type Server struct {
	Name     string            `json:"name"`
	Role     string            `json:"role"`
	Index    int               `json:"index"`
	ID       string            `json:"id"` // of the server resource, as the templates see it
	Path     string            `json:"path"`
	Flavor   string            `json:"flavor"`
	Image    string            `json:"image"`
	Networks map[string]string `json:"networks"` // address by network, ctlplane first of all
	Outputs  map[string]any    `json:"outputs"`  // of the role's template for this machine
}

// Deployment is a software configuration that a template gives to machines.
type Deployment struct {
	Name    string         `json:"name"`
	Path    string         `json:"path"`
	Servers []string       `json:"servers"` // names
	Group   string         `json:"group"`   // hiera, os-apply-config, script, ansible …
	Config  any            `json:"config"`
	Inputs  map[string]any `json:"inputs,omitempty"`
	Options map[string]any `json:"options,omitempty"`

	ConfigInputs  []any `json:"config_inputs,omitempty"`  // declared: name, description, type, default
	ConfigOutputs []any `json:"config_outputs,omitempty"` // declared: name, description, type
}

// ServiceData is the role_data output of one service template.
type ServiceData struct {
	Name      string         `json:"name"`     // service_name
	Template  string         `json:"template"` // file, for errors
	Packages  []string       `json:"packages,omitempty"`
	Summary   string         `json:"summary,omitempty"`
	Network   string         `json:"network,omitempty"`    // that it is asked on and speaks from; empty: ctlplane
	Needs     []string       `json:"needs"`                // services whose step before must be done, ? behind those that may be missing; nil: all machines'
	NeedsHere []string       `json:"needs_here,omitempty"` // services without which it cannot work on the same machine
	Steps     [Steps][]Entry `json:"steps"`
	Settings  map[string]any `json:"settings,omitempty"` // config_settings
	Firewall  map[string]any `json:"firewall,omitempty"` // firewall_rules
	Frontend  *Frontend      `json:"frontend,omitempty"` // haproxy
	Takes     Takes          `json:"takes,omitzero"`
	Raw       map[string]any `json:"raw,omitempty"` // role_data as the template gave it

	Keystone []KeystoneResource `json:"-"` // keystone_resources, names not filled in; secrets included
}

// Entry is one resource as a template wrote it: it may hold %{…} names that
// only a machine can fill in, and may be meant for some machines only.
type Entry struct {
	Resource       map[string]any `json:"resource"`
	ForEachPeer    string         `json:"for_each_peer,omitempty"`    // once for every other node that runs this service
	OnlyBeside     string         `json:"only_beside,omitempty"`      // on nodes that also run this service
	BootstrapOnly  bool           `json:"bootstrap_only,omitempty"`   // on the first node that runs the service
	NotOnBootstrap bool           `json:"not_on_bootstrap,omitempty"` // on all others
}

// Node is a machine that has been given a role, a name and an address.
type Node struct {
	Name    string `json:"name"` // overcloud-controller-0
	Role    string `json:"role"`
	Index   int    `json:"index"`              // within its role
	Address string `json:"address"`            // ctlplane, without prefix length
	UUID    string `json:"uuid"`               // bare-metal node
	HostKey string `json:"host_key,omitempty"` // its public SSH key, as in authorized_keys; empty: not made yet

	Configured bool `json:"-"` // it has done a step of some deployment
}

// Config is what every node must do: node name → documents of steps 1–5.
type Config map[string][]resource.Document
