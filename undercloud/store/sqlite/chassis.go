package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// checkChassis wants the chassis that a node comes to name to be there in the same transaction.
func checkChassis(ctx context.Context, q queryer, uuid string) error {
	if uuid == "" {
		return nil
	}
	_, err := chassis().find(ctx, q, uuid)
	return notNamed(err)
}

func chassis() rows[ironic.Chassis] {
	return rows[ironic.Chassis]{"chassis", "Chassis", func(c *ironic.Chassis) head {
		return head{id: &c.ID, uuid: &c.UUID, created: &c.CreatedAt, updated: &c.UpdatedAt}
	}}
}

// CreateChassis stores a chassis.
func (d *DB) CreateChassis(ctx context.Context, c *ironic.Chassis) error {
	return chassis().create(ctx, d, c)
}

// Chassis finds one by uuid.
func (d *DB) Chassis(ctx context.Context, uuid string) (*ironic.Chassis, error) {
	return chassis().find(ctx, d.read, uuid)
}

// AllChassis lists chassis in order of creation.
func (d *DB) AllChassis(ctx context.Context) ([]*ironic.Chassis, error) {
	return chassis().list(ctx, d, where{})
}

// UpdateChassis lets change edit a chassis inside one write transaction.
func (d *DB) UpdateChassis(ctx context.Context, uuid string, change func(*ironic.Chassis) error) (*ironic.Chassis, error) {
	return chassis().update(ctx, d, uuid, change)
}

// DeleteChassis removes a chassis without nodes.
func (d *DB) DeleteChassis(ctx context.Context, uuid string) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		var nodes int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM nodes WHERE chassis_uuid = ? AND chassis_uuid <> ''", uuid).Scan(&nodes); err != nil {
			return fmt.Errorf("count the nodes of chassis %s: %w", uuid, err)
		}
		if nodes > 0 {
			return errs.New(errs.Invalid, "Cannot complete the requested action because chassis %s contains nodes.", uuid)
		}
		return deleteByUUID(ctx, tx, "chassis", "Chassis", uuid)
	})
}
