package ironic

import (
	"context"
	"time"

	"trefoil/internal/errs"
)

// Portgroup is ports of one node that a switch or the system treats as one: a bond.
type Portgroup struct {
	ID                       int64
	UUID                     string
	Name                     string // empty: none; unique otherwise
	NodeUUID                 string
	Address                  string // lower case, colons; empty: that of a port
	Mode                     string // Linux's bonding mode
	Properties               map[string]any
	Extra                    map[string]any
	InternalInfo             map[string]any
	StandalonePortsSupported bool // whether its ports work without it
	PhysicalNetwork          string
	Category                 string
	CreatedAt                time.Time
	UpdatedAt                *time.Time
}

// Takes says whether p may be one of the group's ports. Invalid: its node is another one.
func (g *Portgroup) Takes(p *Port) error {
	if g.NodeUUID != p.NodeUUID {
		return errs.New(errs.Invalid, "Port can not be added to a portgroup belonging to a different node.")
	}
	return nil
}

// PortgroupFilter narrows a list of portgroups.
type PortgroupFilter struct {
	NodeUUID string
	Address  string // any case
	OfNodes
}

// PortgroupStore keeps portgroups; the rules of Store hold for it too. Errors:
// NotFound, Conflict for a duplicate name, uuid or address.
type PortgroupStore interface {
	// CreatePortgroup stores p of an existing node and fills ID and CreatedAt.
	CreatePortgroup(ctx context.Context, p *Portgroup) error
	// Portgroup finds one by uuid, name or address.
	Portgroup(ctx context.Context, ident string) (*Portgroup, error)
	Portgroups(ctx context.Context, f PortgroupFilter) ([]*Portgroup, error)
	// UpdatePortgroup edits one as UpdatePort does. Invalid: its node changes while it has ports.
	UpdatePortgroup(ctx context.Context, uuid string, change func(*Portgroup) error) (*Portgroup, error)
	// UpdateWiring lets change edit all ports and portgroups of a node in one transaction, in
	// which nobody else writes them. An error from change leaves all as it was and is returned as is.
	UpdateWiring(ctx context.Context, nodeUUID string, change func([]*Port, []*Portgroup) error) error
	// DeletePortgroup removes it as DeletePort does, if may allows it. Invalid while it has ports.
	DeletePortgroup(ctx context.Context, uuid string, may func(*Portgroup) error) error
}
