package conductor

import (
	"context"
	"fmt"

	"trefoil/ironic"
)

// detachVIFs takes the instance's virtual interfaces off the node's ports and portgroups.
func (c *Conductor) detachVIFs(ctx context.Context, uuid string) error {
	ports, err := c.Store.Ports(ctx, ironic.PortFilter{NodeUUID: uuid})
	if err != nil {
		return err
	}
	groups, err := c.Store.Portgroups(ctx, ironic.PortgroupFilter{NodeUUID: uuid})
	if err != nil {
		return err
	}
	for _, p := range ports {
		if p.VIF() == "" {
			continue
		}
		if _, err := c.Store.UpdatePort(ctx, p.UUID, func(p *ironic.Port) error { p.SetVIF(""); return nil }); err != nil {
			return fmt.Errorf("detach the virtual interface of port %s: %w", p.Address, err)
		}
	}
	for _, g := range groups {
		if g.VIF() == "" {
			continue
		}
		if _, err := c.Store.UpdatePortgroup(ctx, g.UUID, func(g *ironic.Portgroup) error { g.SetVIF(""); return nil }); err != nil {
			return fmt.Errorf("detach the virtual interface of portgroup %s: %w", g.UUID, err)
		}
	}
	return nil
}
