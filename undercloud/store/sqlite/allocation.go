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

const allocationColumns = "id, uuid, doc"

// CreateAllocation stores a, with its node if it has one already.
func (d *DB) CreateAllocation(ctx context.Context, a *ironic.Allocation, fits func(*ironic.Node) error) error {
	stored := *a
	stored.CreatedAt = now()
	err := d.Update(ctx, func(tx *sql.Tx) error {
		node := stored.NodeUUID
		stored.NodeUUID = ""
		doc, err := json.Marshal(&stored)
		if err != nil {
			return fmt.Errorf("encode allocation %s: %w", a.UUID, err)
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO allocations (uuid, name, state, resource_class, owner, doc) VALUES (?,?,?,?,?,?)`,
			stored.UUID, null(stored.Name), stored.State, stored.ResourceClass, stored.Owner, string(doc))
		if err != nil {
			return allocationConflict(&stored, err)
		}
		if stored.ID, err = res.LastInsertId(); err != nil {
			return err
		}
		if node == "" {
			return nil
		}
		return assign(ctx, tx, &stored, node, fits)
	})
	if err == nil {
		*a = stored
	}
	return err
}

// allocationConflict says which rule of uniqueness an allocation broke, in Ironic's words.
func allocationConflict(a *ironic.Allocation, err error) error {
	switch field, ok := uniqueField(err); {
	case !ok:
		return fmt.Errorf("store allocation %s: %w", a.UUID, err)
	case field == "allocations.name":
		return errs.New(errs.Conflict, "An allocation with name %s already exists.", a.Name)
	default:
		return errs.New(errs.Conflict, "An allocation with UUID %s already exists.", a.UUID)
	}
}

func scanAllocation(s scanner) (*ironic.Allocation, error) {
	var a ironic.Allocation
	var id int64
	var uuid, doc string
	if err := s.Scan(&id, &uuid, &doc); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(doc), &a); err != nil {
		return nil, fmt.Errorf("decode allocation %s: %w", uuid, err)
	}
	a.ID, a.UUID = id, uuid
	return &a, nil
}

func findAllocation(ctx context.Context, q queryer, ident string) (*ironic.Allocation, error) {
	a, err := scanAllocation(q.QueryRowContext(ctx, "SELECT "+allocationColumns+" FROM allocations WHERE uuid = ? OR name = ?", ident, ident))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "Allocation %s could not be found.", ident)
	}
	if err != nil {
		return nil, fmt.Errorf("read allocation %s: %w", ident, err)
	}
	return a, nil
}

// Allocation finds one by uuid or name.
func (d *DB) Allocation(ctx context.Context, ident string) (*ironic.Allocation, error) {
	return findAllocation(ctx, d.read, ident)
}

// Allocations lists what the filter lets through, in order of creation.
func (d *DB) Allocations(ctx context.Context, f ironic.AllocationFilter) ([]*ironic.Allocation, error) {
	var w where
	w.equal("node_uuid", f.NodeUUID)
	w.equal("resource_class", f.ResourceClass)
	w.equal("state", f.State)
	w.equal("owner", f.Owner)
	rows, err := d.read.QueryContext(ctx, "SELECT "+allocationColumns+" FROM allocations"+w.sql()+" ORDER BY id", w.args...)
	if err != nil {
		return nil, fmt.Errorf("list allocations: %w", err)
	}
	defer rows.Close()
	var out []*ironic.Allocation
	for rows.Next() {
		a, err := scanAllocation(rows)
		if err != nil {
			return nil, fmt.Errorf("list allocations: %w", err)
		}
		out = append(out, a)
	}
	return out, rows.Err()
}

// UpdateAllocation lets change edit an allocation inside one write transaction.
func (d *DB) UpdateAllocation(ctx context.Context, uuid string, change func(*ironic.Allocation) error) (*ironic.Allocation, error) {
	var out *ironic.Allocation
	err := d.Update(ctx, func(tx *sql.Tx) error {
		a, err := findAllocation(ctx, tx, uuid)
		if err != nil {
			return err
		}
		was := *a
		if err := change(a); err != nil {
			return err
		}
		a.ID, a.UUID, a.NodeUUID, a.CreatedAt = was.ID, was.UUID, was.NodeUUID, was.CreatedAt
		out = a
		return writeAllocation(ctx, tx, a)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func writeAllocation(ctx context.Context, tx *sql.Tx, a *ironic.Allocation) error {
	t := now()
	a.UpdatedAt = &t
	doc, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode allocation %s: %w", a.UUID, err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE allocations SET name=?, node_uuid=?, state=?, resource_class=?, owner=?, doc=? WHERE id=?`,
		null(a.Name), null(a.NodeUUID), a.State, a.ResourceClass, a.Owner, string(doc), a.ID)
	if err != nil {
		return allocationConflict(a, err)
	}
	return nil
}

// Assign makes a node the allocation's in one write transaction.
func (d *DB) Assign(ctx context.Context, uuid, nodeUUID string, fits func(*ironic.Node) error) (*ironic.Allocation, error) {
	var out *ironic.Allocation
	err := d.Update(ctx, func(tx *sql.Tx) error {
		a, err := findAllocation(ctx, tx, uuid)
		if err != nil {
			return err
		}
		out = a
		return assign(ctx, tx, a, nodeUUID, fits)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func assign(ctx context.Context, tx *sql.Tx, a *ironic.Allocation, nodeUUID string, fits func(*ironic.Node) error) error {
	n, err := findNode(ctx, tx, nodeUUID)
	if err != nil {
		return err
	}
	was := stored(n)
	if fresh, err := a.Give(n, fits); err != nil || !fresh {
		return err
	}
	if err := writeNode(ctx, tx, was, n); err != nil {
		return err
	}
	return writeAllocation(ctx, tx, a)
}

// endAllocation removes the allocation of a node that is about to be written
// without the allocation's instance.
func endAllocation(ctx context.Context, tx *sql.Tx, n *ironic.Node) error {
	if n.AllocationUUID == "" || n.InstanceUUID == n.AllocationUUID {
		return nil
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM allocations WHERE uuid = ?", n.AllocationUUID); err != nil {
		return fmt.Errorf("delete allocation %s: %w", n.AllocationUUID, err)
	}
	n.AllocationUUID = ""
	return nil
}

// DeleteAllocation removes an allocation and frees its node in one write transaction.
func (d *DB) DeleteAllocation(ctx context.Context, uuid string, may func(*ironic.Allocation, *ironic.Node) error) (*ironic.Allocation, error) {
	var out *ironic.Allocation
	err := d.Update(ctx, func(tx *sql.Tx) error {
		a, err := findAllocation(ctx, tx, uuid)
		if err != nil {
			return err
		}
		out = a
		if a.NodeUUID != "" {
			n, err := findNode(ctx, tx, a.NodeUUID)
			if err != nil {
				return err
			}
			if err := may(a, n); err != nil {
				return err
			}
			was := stored(n)
			n.InstanceUUID, n.AllocationUUID = "", ""
			if err := writeNode(ctx, tx, was, n); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM allocations WHERE id = ?", a.ID); err != nil {
			return fmt.Errorf("delete allocation %s: %w", a.UUID, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
