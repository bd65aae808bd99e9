// Package network is the part of Neutron v2.0 that the undercloud needs: the
// provisioning network and those of the overcloud, their subnets, and ports whose addresses come from the
// subnet's allocation pools. Addresses are given out inside one store
// transaction, so that no two ports ever get the same.
package network

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/google/uuid"
)

// Network is a provider network: a wire that nodes are on.
type Network struct {
	ID              string    `json:"id"`
	Name            string    `json:"name"`
	Description     string    `json:"description"`
	ProjectID       string    `json:"project_id"`
	AdminStateUp    bool      `json:"admin_state_up"`
	Shared          bool      `json:"shared"`
	External        bool      `json:"router:external"`
	MTU             int       `json:"mtu"`
	NetworkType     string    `json:"provider:network_type"`
	PhysicalNetwork string    `json:"provider:physical_network"`
	SegmentationID  *int      `json:"provider:segmentation_id"`
	DNSDomain       string    `json:"dns_domain"`
	Tags            []string  `json:"tags"`
	Revision        int       `json:"revision_number"`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
}

// Pool is a range of addresses, both ends included.
type Pool struct {
	Start netip.Addr `json:"start"`
	End   netip.Addr `json:"end"`
}

// Route is a static route given to hosts.
type Route struct {
	Destination string `json:"destination"`
	NextHop     string `json:"nexthop"`
}

// Subnet is a block of addresses on a network.
type Subnet struct {
	ID              string       `json:"id"`
	NetworkID       string       `json:"network_id"`
	Name            string       `json:"name"`
	Description     string       `json:"description"`
	ProjectID       string       `json:"project_id"`
	CIDR            netip.Prefix `json:"cidr"`
	GatewayIP       netip.Addr   `json:"gateway_ip"` // the zero Addr: none
	EnableDHCP      bool         `json:"enable_dhcp"`
	AllocationPools []Pool       `json:"allocation_pools"`
	DNSNameservers  []string     `json:"dns_nameservers"`
	HostRoutes      []Route      `json:"host_routes"`
	IPv6AddressMode string       `json:"ipv6_address_mode,omitempty"` // told, not acted on: no router advertises
	IPv6RAMode      string       `json:"ipv6_ra_mode,omitempty"`
	Tags            []string     `json:"tags"`
	Revision        int          `json:"revision_number"`
	CreatedAt       time.Time    `json:"created_at"`
	UpdatedAt       time.Time    `json:"updated_at"`
}

// FixedIP is an address that a port holds.
type FixedIP struct {
	SubnetID string `json:"subnet_id"`
	Address  string `json:"ip_address"`
}

// Port is a connection of a node, or a virtual address, to a network.
type Port struct {
	ID           string         `json:"id"`
	NetworkID    string         `json:"network_id"`
	Name         string         `json:"name"`
	Description  string         `json:"description"`
	ProjectID    string         `json:"project_id"`
	MACAddress   string         `json:"mac_address"` // lower case, colons
	FixedIPs     []FixedIP      `json:"fixed_ips"`
	DeviceID     string         `json:"device_id"` // the instance uuid of a deployed node
	DeviceOwner  string         `json:"device_owner"`
	AdminStateUp bool           `json:"admin_state_up"`
	DNSName      string         `json:"dns_name"`
	BindingHost  string         `json:"binding:host_id"`
	VNICType     string         `json:"binding:vnic_type"`
	Profile      map[string]any `json:"binding:profile"`
	Tags         []string       `json:"tags"`
	Revision     int            `json:"revision_number"`
	CreatedAt    time.Time      `json:"created_at"`
	UpdatedAt    time.Time      `json:"updated_at"`
}

// Tx is one transaction of a Store. An unknown id is an errs.NotFound. Lists are
// in the order of creation; what they return may be edited and put back.
type Tx interface {
	Networks() ([]*Network, error)
	PutNetwork(*Network) error
	DropNetwork(id string) error
	Subnets() ([]*Subnet, error)
	PutSubnet(*Subnet) error
	DropSubnet(id string) error
	Ports() ([]*Port, error)
	// PutPort is an errs.Conflict when another port holds one of the addresses.
	PutPort(*Port) error
	DropPort(id string) error
}

// Store keeps networks, subnets and ports. Safe for concurrent use.
type Store interface {
	// View runs f on one consistent state.
	View(ctx context.Context, f func(Tx) error) error
	// Update runs f alone: no other Update runs meanwhile. An error undoes what f did.
	Update(ctx context.Context, f func(Tx) error) error
}

// Config is what a Service is made from. Store is required.
type Config struct {
	Store    Store
	Reserved []netip.Addr // never given to a port: local_ip, public and admin address
	Now      func() time.Time
	NewID    func() string
	Rand     io.Reader // MAC addresses
	Log      *slog.Logger
}

// Service answers the network API. Safe for concurrent use.
type Service struct {
	cfg Config
}

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = uuid.NewString
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg}
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Second) }
