package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"

	"modernc.org/sqlite"
)

var _ ironic.Store = (*DB)(nil)

const nodeColumns = "id, uuid, reservation, version, doc"

// SQLite's extended result codes for a broken UNIQUE or PRIMARY KEY rule.
const (
	constraintPrimaryKey = 1555
	constraintUnique     = 2067
)

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// CreateNode stores n with its ports in one transaction.
func (d *DB) CreateNode(ctx context.Context, n *ironic.Node, ports ...*ironic.Port) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		n.CreatedAt, n.Version = now(), 1
		if err := checkChassis(ctx, tx, n.ChassisUUID); err != nil {
			return err
		}
		doc, err := encode(nodeShape(), n)
		if err != nil {
			return fmt.Errorf("encode node %s: %w", n.UUID, err)
		}
		names, marks, args := "version, doc", "?,?", []any{n.Version, doc}
		for _, c := range nodeRow(n) {
			names, marks, args = names+", "+c.name, marks+",?", append(args, c.value)
		}
		res, err := tx.ExecContext(ctx, "INSERT INTO nodes ("+names+") VALUES ("+marks+")", args...)
		if err != nil {
			return nodeConflict(n, err)
		}
		if n.ID, err = res.LastInsertId(); err != nil {
			return err
		}
		for _, p := range ports {
			p.NodeUUID = n.UUID
			if err := insertPort(ctx, tx, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// nodeConflict says which rule of uniqueness a node broke, in Ironic's words.
func nodeConflict(n *ironic.Node, err error) error {
	field, ok := uniqueField(err)
	if !ok {
		return fmt.Errorf("store node %s: %w", n.UUID, err)
	}
	switch field {
	case "nodes.name":
		return errs.New(errs.Conflict, "A node with name %s already exists.", n.Name)
	case "nodes.instance_uuid":
		return errs.New(errs.Conflict, "Instance %s is already associated with a node, it cannot be associated with this other node %s",
			n.InstanceUUID, n.UUID)
	default:
		return errs.New(errs.Conflict, "A node with UUID %s already exists.", n.UUID)
	}
}

// uniqueField names the "table.column" whose uniqueness err says was broken.
func uniqueField(err error) (string, bool) {
	var se *sqlite.Error
	if !errors.As(err, &se) || (se.Code() != constraintUnique && se.Code() != constraintPrimaryKey) {
		return "", false
	}
	// "constraint failed: UNIQUE constraint failed: nodes.name (2067)"
	words := strings.Fields(se.Error())
	return words[max(0, len(words)-2)], true
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

type scanner interface{ Scan(...any) error }

var nodeShape = sync.OnceValue(shapeOf[ironic.Node])

func scanNode(s scanner) (*ironic.Node, error) {
	n, err := scanStored(s)
	if err != nil {
		return nil, err
	}
	return n.Read()
}

func scanStored(s scanner) (ironic.StoredNode, error) {
	var row ironic.StoredNode
	var reservation, doc string
	if err := s.Scan(&row.ID, &row.UUID, &reservation, &row.Version, &doc); err != nil {
		return row, err
	}
	id, uuid, version := row.ID, row.UUID, row.Version
	row.Read = func() (*ironic.Node, error) {
		var n ironic.Node
		if err := decode(nodeShape(), doc, &n); err != nil {
			return nil, fmt.Errorf("decode node %s: %w", uuid, err)
		}
		n.ID, n.UUID, n.Reservation, n.Version = id, uuid, reservation, version
		return &n, nil
	}
	return row, nil
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// findStored asks for the uuid first and then for the name: with both in one condition SQLite looks in both indexes each time.
func findStored(ctx context.Context, q queryer, ident string) (ironic.StoredNode, error) {
	for _, column := range []string{"uuid", "name"} {
		n, err := scanStored(q.QueryRowContext(ctx, "SELECT "+nodeColumns+" FROM nodes WHERE "+column+" = ?", ident))
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return n, fmt.Errorf("read node %s: %w", ident, err)
		}
		return n, nil
	}
	return ironic.StoredNode{}, errs.New(errs.NotFound, "Node %s could not be found.", ident)
}

func findNode(ctx context.Context, q queryer, ident string) (*ironic.Node, error) {
	n, err := findStored(ctx, q, ident)
	if err != nil {
		return nil, err
	}
	return n.Read()
}

// StoredNode finds one by uuid or name.
func (d *DB) StoredNode(ctx context.Context, ident string) (ironic.StoredNode, error) {
	return findStored(ctx, d.one, ident)
}

// Node is StoredNode, read.
func (d *DB) Node(ctx context.Context, ident string) (*ironic.Node, error) {
	return findNode(ctx, d.one, ident)
}

// UpdateNode lets change edit a node inside one write transaction.
func (d *DB) UpdateNode(ctx context.Context, uuid string, change func(*ironic.Node) error) (*ironic.Node, error) {
	var out *ironic.Node
	err := d.Update(ctx, func(tx *sql.Tx) (err error) {
		out, err = changeNode(ctx, tx, uuid, change)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func changeNode(ctx context.Context, tx *sql.Tx, uuid string, change func(*ironic.Node) error) (*ironic.Node, error) {
	n, err := findNode(ctx, tx, uuid)
	if err != nil {
		return nil, err
	}
	was := stored(n)
	id, created, allocation, chassis := n.ID, n.CreatedAt, n.AllocationUUID, n.ChassisUUID
	if err := change(n); err != nil {
		return nil, err
	}
	if n.ChassisUUID != chassis {
		if err := checkChassis(ctx, tx, n.ChassisUUID); err != nil {
			return nil, err
		}
	}
	n.ID, n.CreatedAt, n.AllocationUUID = id, created, allocation
	if err := endAllocation(ctx, tx, n); err != nil {
		return nil, err
	}
	return n, writeNode(ctx, tx, was, n)
}

// storedNode is what the row of a node is like before a change of it.
type storedNode struct {
	version int64
	row     []column
}

func stored(n *ironic.Node) storedNode { return storedNode{n.Version, nodeRow(n)} }

// writeNode stores a node that was read in the same transaction. Columns that did not
// change are left out: indexes are written anew for all that are named.
func writeNode(ctx context.Context, tx *sql.Tx, was storedNode, n *ironic.Node) error {
	t := now()
	n.UpdatedAt, n.Version = &t, was.version+1
	doc, err := encode(nodeShape(), n)
	if err != nil {
		return fmt.Errorf("encode node %s: %w", n.UUID, err)
	}
	set, args := "version=?, doc=?", []any{n.Version, doc}
	for i, c := range nodeRow(n) {
		if c.value != was.row[i].value {
			set, args = set+", "+c.name+"=?", append(args, c.value)
		}
	}
	if _, err := tx.ExecContext(ctx, "UPDATE nodes SET "+set+" WHERE id=?", append(args, n.ID)...); err != nil {
		return nodeConflict(n, err)
	}
	return nil
}

// DeleteNode removes the node with all that hangs on it.
func (d *DB) DeleteNode(ctx context.Context, uuid string) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM nodes WHERE uuid = ?", uuid)
		if err != nil {
			return fmt.Errorf("delete node %s: %w", uuid, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errs.New(errs.NotFound, "Node %s could not be found.", uuid))
		}
		return nil
	})
}

// Reserve takes the node's lock for holder.
func (d *DB) Reserve(ctx context.Context, uuid, holder, purpose string) (*ironic.Node, error) {
	var out *ironic.Node
	err := d.Update(ctx, func(tx *sql.Tx) error {
		n, err := findNode(ctx, tx, uuid)
		if err != nil {
			return err
		}
		if n.Reservation != "" && n.Reservation != holder {
			h, err := findHold(ctx, tx, uuid)
			if err != nil {
				return err
			}
			return h.Refusal(n.UUID)
		}
		was := stored(n)
		n.Reservation = holder
		if err := writeNode(ctx, tx, was, n); err != nil {
			return err
		}
		out = n
		_, err = tx.ExecContext(ctx, "UPDATE nodes SET reserved_for=?, reserved_at=? WHERE id=?",
			purpose, now().Format(time.RFC3339), n.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Hold tells who has a node, for what and since when.
func (d *DB) Hold(ctx context.Context, uuid string) (ironic.Hold, error) {
	return findHold(ctx, d.one, uuid)
}

func findHold(ctx context.Context, q queryer, uuid string) (ironic.Hold, error) {
	n, err := findNode(ctx, q, uuid)
	if err != nil || n.Reservation == "" {
		return ironic.Hold{}, err
	}
	h, at := ironic.Hold{Host: n.Reservation}, ""
	if err := q.QueryRowContext(ctx, "SELECT reserved_for, reserved_at FROM nodes WHERE id=?", n.ID).Scan(&h.Purpose, &at); err != nil {
		return h, fmt.Errorf("read the lock of node %s: %w", n.UUID, err)
	}
	if t, err := time.Parse(time.RFC3339, at); err == nil {
		h.Since = t
	}
	return h, nil
}

// Release gives the lock back.
func (d *DB) Release(ctx context.Context, uuid, holder string) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		n, err := findNode(ctx, tx, uuid)
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		if err != nil || n.Reservation != holder {
			return err
		}
		was := stored(n)
		n.Reservation = ""
		return writeNode(ctx, tx, was, n)
	})
}
