package conductor

import (
	"context"
	"errors"
	"slices"
	"time"

	"trefoil/ironic"
)

// errMoved: the rows are no more what the rules saw.
var errMoved = errors.New("the node changed meanwhile")

// digested is a node with its ports and inventory as they were read, for rules to edit, and what tells
// whether somebody else has written them since.
type digested struct {
	node    *ironic.Node
	ports   []*ironic.Port
	inv     *ironic.Inventory
	version int64
	stamps  []portStamp
	taken   time.Time // the inventory's
}

type portStamp struct {
	uuid             string
	created, updated time.Time
}

func stamps(ports []*ironic.Port) []portStamp {
	var out []portStamp
	for _, p := range ports {
		s := portStamp{uuid: p.UUID, created: p.CreatedAt.UTC()}
		if p.UpdatedAt != nil {
			s.updated = p.UpdatedAt.UTC()
		}
		out = append(out, s)
	}
	return out
}

// digested reads them. A write between two of the reads is found by write.
func (c *Conductor) digested(ctx context.Context, uuid string) (*digested, error) {
	n, err := c.Store.Node(ctx, uuid)
	if err != nil {
		return nil, err
	}
	d := &digested{node: n, version: n.Version}
	if d.ports, err = c.Store.Ports(ctx, ironic.PortFilter{NodeUUID: n.UUID}); err != nil {
		return nil, err
	}
	if d.inv, err = c.Store.Inventory(ctx, n.UUID); err != nil {
		return nil, err
	}
	d.stamps, d.taken = stamps(d.ports), d.inv.CreatedAt
	return d, nil
}

// write puts the copies in the place of the rows, or is errMoved.
func (d *digested) write(n *ironic.Node, ports []*ironic.Port, inv *ironic.Inventory) error {
	if n.Version != d.version || !inv.CreatedAt.Equal(d.taken) || !slices.Equal(stamps(ports), d.stamps) {
		return errMoved
	}
	*n = *d.node
	for i := range ports {
		*ports[i] = *d.ports[i]
	}
	*inv = *d.inv
	return nil
}
