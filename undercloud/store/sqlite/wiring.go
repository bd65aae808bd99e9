package sqlite

import (
	"context"
	"database/sql"
	"reflect"

	"trefoil/ironic"
)

// wiring reads the ports and portgroups of a node in a transaction.
func wiring(ctx context.Context, tx *sql.Tx, nodeUUID string) ([]*ironic.Port, []*ironic.Portgroup, error) {
	ports, err := listPorts(ctx, tx, ironic.PortFilter{NodeUUID: nodeUUID})
	if err != nil {
		return nil, nil, err
	}
	groups, err := listPortgroups(ctx, tx, ironic.PortgroupFilter{NodeUUID: nodeUUID})
	return ports, groups, err
}

// UpdateWiring lets change edit all ports and portgroups of a node inside one write
// transaction; those that it leaves alone are not written.
func (d *DB) UpdateWiring(ctx context.Context, nodeUUID string, change func([]*ironic.Port, []*ironic.Portgroup) error) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		ports, groups, err := wiring(ctx, tx, nodeUUID)
		if err != nil {
			return err
		}
		oldPorts, oldGroups, err := wiring(ctx, tx, nodeUUID)
		if err != nil {
			return err
		}
		if err := change(ports, groups); err != nil {
			return err
		}
		for i, p := range ports {
			if reflect.DeepEqual(p, oldPorts[i]) {
				continue
			}
			if err := changePort(ctx, tx, oldPorts[i], func(old *ironic.Port) error { *old = *p; return nil }); err != nil {
				return err
			}
		}
		for i, g := range groups {
			if reflect.DeepEqual(g, oldGroups[i]) {
				continue
			}
			if err := changePortgroup(ctx, tx, oldGroups[i], func(old *ironic.Portgroup) error { *old = *g; return nil }); err != nil {
				return err
			}
		}
		return nil
	})
}
