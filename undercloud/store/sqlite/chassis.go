package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// checkChassis wants the chassis that a node comes to name to be there in the same transaction.
func checkChassis(ctx context.Context, q queryer, uuid string) error {
	if uuid == "" {
		return nil
	}
	_, err := findChassis(ctx, q, uuid)
	return notNamed(err)
}

// CreateChassis stores a chassis.
func (d *DB) CreateChassis(ctx context.Context, c *ironic.Chassis) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		c.CreatedAt = now()
		doc, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encode chassis %s: %w", c.UUID, err)
		}
		res, err := tx.ExecContext(ctx, "INSERT INTO chassis (uuid, doc) VALUES (?,?)", c.UUID, string(doc))
		if err != nil {
			return chassisConflict(c, err)
		}
		c.ID, err = res.LastInsertId()
		return err
	})
}

func chassisConflict(c *ironic.Chassis, err error) error {
	if _, ok := uniqueField(err); ok {
		return errs.New(errs.Conflict, "A chassis with UUID %s already exists.", c.UUID)
	}
	return fmt.Errorf("store chassis %s: %w", c.UUID, err)
}

func scanChassis(s scanner) (*ironic.Chassis, error) {
	var c ironic.Chassis
	var id int64
	var doc string
	if err := s.Scan(&id, &doc); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(doc), &c); err != nil {
		return nil, fmt.Errorf("decode chassis %d: %w", id, err)
	}
	c.ID = id
	return &c, nil
}

func findChassis(ctx context.Context, q queryer, uuid string) (*ironic.Chassis, error) {
	c, err := scanChassis(q.QueryRowContext(ctx, "SELECT id, doc FROM chassis WHERE uuid = ?", uuid))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "Chassis %s could not be found.", uuid)
	}
	if err != nil {
		return nil, fmt.Errorf("read chassis %s: %w", uuid, err)
	}
	return c, nil
}

// Chassis finds one by uuid.
func (d *DB) Chassis(ctx context.Context, uuid string) (*ironic.Chassis, error) {
	return findChassis(ctx, d.read, uuid)
}

// AllChassis lists chassis in order of creation.
func (d *DB) AllChassis(ctx context.Context) ([]*ironic.Chassis, error) {
	rows, err := d.read.QueryContext(ctx, "SELECT id, doc FROM chassis ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("list chassis: %w", err)
	}
	defer rows.Close()
	var out []*ironic.Chassis
	for rows.Next() {
		c, err := scanChassis(rows)
		if err != nil {
			return nil, fmt.Errorf("list chassis: %w", err)
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// UpdateChassis lets change edit a chassis inside one write transaction.
func (d *DB) UpdateChassis(ctx context.Context, uuid string, change func(*ironic.Chassis) error) (*ironic.Chassis, error) {
	var out *ironic.Chassis
	err := d.Update(ctx, func(tx *sql.Tx) error {
		c, err := findChassis(ctx, tx, uuid)
		if err != nil {
			return err
		}
		id, created := c.ID, c.CreatedAt
		if err := change(c); err != nil {
			return err
		}
		t := now()
		c.ID, c.CreatedAt, c.UpdatedAt = id, created, &t
		doc, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encode chassis %s: %w", c.UUID, err)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE chassis SET uuid=?, doc=? WHERE id=?", c.UUID, string(doc), c.ID); err != nil {
			return chassisConflict(c, err)
		}
		out = c
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
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
