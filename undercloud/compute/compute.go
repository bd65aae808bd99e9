// Package compute is the part of Nova v2.1 that the undercloud needs: flavors,
// key pairs, and a view of deployed bare-metal nodes as servers. It starts and
// stops nothing: machines are deployed through the bare-metal API.
package compute

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"trefoil/internal/errs"
)

// Flavor says what a role asks of a node.
type Flavor struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	VCPUs       int               `json:"vcpus"`
	RAM         int               `json:"ram"`  // MiB
	Disk        int               `json:"disk"` // GiB
	Ephemeral   int               `json:"ephemeral"`
	Swap        int               `json:"swap"`
	RxTxFactor  float64           `json:"rxtx_factor"`
	Public      bool              `json:"public"`
	Description string            `json:"description"`
	ExtraSpecs  map[string]string `json:"extra_specs"`
}

// Keypair is a public SSH key under a name.
type Keypair struct {
	Name        string    `json:"name"`
	PublicKey   string    `json:"public_key"`
	Fingerprint string    `json:"fingerprint"` // MD5 with colons, as Nova shows it
	Type        string    `json:"type"`
	UserID      string    `json:"user_id"`
	CreatedAt   time.Time `json:"created_at"`
}

// Store keeps flavors and key pairs. Safe for concurrent use. Unknown is an
// errs.NotFound, a second thing of one id or name an errs.Conflict.
type Store interface {
	Flavors(ctx context.Context) ([]*Flavor, error) // in the order of creation
	CreateFlavor(ctx context.Context, f *Flavor) error
	// UpdateFlavor lets change edit the flavor in a transaction.
	UpdateFlavor(ctx context.Context, id string, change func(*Flavor) error) error
	DeleteFlavor(ctx context.Context, id string) error
	Keypairs(ctx context.Context) ([]*Keypair, error)
	CreateKeypair(ctx context.Context, k *Keypair) error
	DeleteKeypair(ctx context.Context, name string) error
}

// Server is a deployed (or being deployed) node as Nova shows an instance.
type Server struct {
	ID         string // instance uuid
	Name       string // display name
	Status     string // ACTIVE, BUILD, ERROR, SHUTOFF, DELETED
	TaskState  string // spawning, deleting or empty
	PowerState int    // 1 running, 4 shut down, 0 none
	Addresses  map[string][]Address
	ImageID    string
	FlavorName string
	NodeUUID   string
	KeyName    string
	ProjectID  string
	Fault      string // why the status is ERROR
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Address is one address of a server on a network.
type Address struct {
	IP  string
	MAC string
}

// ServerSource lists servers. See Nodes, which makes them from bare-metal nodes.
type ServerSource interface {
	Servers(ctx context.Context) ([]Server, error)
}

// Config is what a Service is made from. Store, Servers and Hostname are required.
type Config struct {
	Store    Store
	Servers  ServerSource
	Hostname string // of the undercloud: the host list's name
	Now      func() time.Time
	NewID    func() string
	Log      *slog.Logger
}

// Service answers the compute API. Safe for concurrent use.
type Service struct {
	cfg     Config
	started time.Time
}

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = uuid.NewString
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, started: cfg.Now().UTC()}
}

// DefaultFlavors returns TripleO's six flavors, without ids.
func DefaultFlavors() []Flavor {
	var out []Flavor
	for _, name := range []string{"baremetal", "control", "compute", "ceph-storage", "block-storage", "swift-storage"} {
		f := Flavor{Name: name, VCPUs: 1, RAM: 4096, Disk: 40, RxTxFactor: 1, Public: true, ExtraSpecs: map[string]string{
			"resources:CUSTOM_BAREMETAL": "1", "resources:VCPU": "0", "resources:MEMORY_MB": "0", "resources:DISK_GB": "0",
			"capabilities:boot_option": "local"}}
		if name != "baremetal" {
			f.ExtraSpecs["capabilities:profile"] = name
		}
		out = append(out, f)
	}
	return out
}

// Flavor finds a flavor by id or name; an unknown one is an errs.NotFound that names those there are.
func (s *Service) Flavor(ctx context.Context, ref string) (*Flavor, error) {
	all, err := s.cfg.Store.Flavors(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range all {
		if f.ID == ref || f.Name == ref {
			return f, nil
		}
	}
	return nil, errs.New(errs.NotFound, "Flavor %s could not be found.", ref).WithHint("see openstack flavor list")
}
