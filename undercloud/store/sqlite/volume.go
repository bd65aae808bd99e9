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

// volumes is one of the tables (id, uuid, node_uuid, doc) of what nodes have of volumes.
type volumes[T ironic.VolumeKind] struct {
	db    *DB
	noun  string // connector or target
	row   func(*T) *ironic.VolumeRow
	taken func(*T) error // the error where something but the uuid is another one's
}

// VolumeConnectors keeps the names under which nodes ask for volumes.
func (d *DB) VolumeConnectors() ironic.Volumes[ironic.VolumeConnector] {
	return volumes[ironic.VolumeConnector]{d, "connector", (*ironic.VolumeConnector).Row, (*ironic.VolumeConnector).Taken}
}

// VolumeTargets keeps the volumes that nodes are to use.
func (d *DB) VolumeTargets() ironic.Volumes[ironic.VolumeTarget] {
	return volumes[ironic.VolumeTarget]{d, "target", (*ironic.VolumeTarget).Row, (*ironic.VolumeTarget).Taken}
}

func (s volumes[T]) table() string { return "volume_" + s.noun + "s" }

func (s volumes[T]) conflict(v *T, err error) error {
	uuid := s.row(v).UUID
	switch field, ok := uniqueField(err); {
	case !ok:
		return fmt.Errorf("store volume %s %s: %w", s.noun, uuid, err)
	case field == s.table()+".uuid":
		return errs.New(errs.Conflict, "A volume %s with UUID %s already exists.", s.noun, uuid)
	}
	return s.taken(v)
}

// Create stores v of an existing node.
func (s volumes[T]) Create(ctx context.Context, v *T) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		row := s.row(v)
		row.CreatedAt = now()
		if _, err := findNode(ctx, tx, row.NodeUUID); err != nil {
			return err
		}
		doc, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode volume %s %s: %w", s.noun, row.UUID, err)
		}
		res, err := tx.ExecContext(ctx, "INSERT INTO "+s.table()+" (uuid, node_uuid, doc) VALUES (?,?,?)",
			row.UUID, row.NodeUUID, string(doc))
		if err != nil {
			return s.conflict(v, err)
		}
		row.ID, err = res.LastInsertId()
		return err
	})
}

func (s volumes[T]) scan(from scanner) (*T, error) {
	var id int64
	var doc string
	if err := from.Scan(&id, &doc); err != nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal([]byte(doc), v); err != nil {
		return nil, fmt.Errorf("decode volume %s %d: %w", s.noun, id, err)
	}
	s.row(v).ID = id
	return v, nil
}

func (s volumes[T]) find(ctx context.Context, q queryer, uuid string) (*T, error) {
	v, err := s.scan(q.QueryRowContext(ctx, "SELECT id, doc FROM "+s.table()+" WHERE uuid = ?", uuid))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "Volume %s %s could not be found.", s.noun, uuid)
	}
	if err != nil {
		return nil, fmt.Errorf("read volume %s %s: %w", s.noun, uuid, err)
	}
	return v, nil
}

// Get finds one by uuid.
func (s volumes[T]) Get(ctx context.Context, uuid string) (*T, error) {
	return s.find(ctx, s.db.read, uuid)
}

// List has those of a node, or all, in order of creation.
func (s volumes[T]) List(ctx context.Context, nodeUUID string) ([]*T, error) {
	var w where
	w.equal("node_uuid", nodeUUID)
	rows, err := s.db.read.QueryContext(ctx, "SELECT id, doc FROM "+s.table()+w.sql()+" ORDER BY id", w.args...)
	if err != nil {
		return nil, fmt.Errorf("list volume %ss: %w", s.noun, err)
	}
	defer rows.Close()
	var out []*T
	for rows.Next() {
		v, err := s.scan(rows)
		if err != nil {
			return nil, fmt.Errorf("list volume %ss: %w", s.noun, err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Update lets change edit one inside one write transaction, if may allows it of its nodes.
func (s volumes[T]) Update(ctx context.Context, uuid string, change func(*T) error, may func(*ironic.Node) error) (*T, error) {
	var out *T
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		v, err := s.find(ctx, tx, uuid)
		if err != nil {
			return err
		}
		row := s.row(v)
		was := *row
		if err := allowed(ctx, tx, was.NodeUUID, may); err != nil {
			return err
		}
		if err := change(v); err != nil {
			return err
		}
		if row.NodeUUID != was.NodeUUID {
			if err := allowed(ctx, tx, row.NodeUUID, may); err != nil {
				return notNamed(err)
			}
		}
		t := now()
		row.ID, row.UUID, row.CreatedAt, row.UpdatedAt = was.ID, was.UUID, was.CreatedAt, &t
		doc, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode volume %s %s: %w", s.noun, uuid, err)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE "+s.table()+" SET node_uuid=?, doc=? WHERE id=?", row.NodeUUID, string(doc), row.ID); err != nil {
			return s.conflict(v, err)
		}
		out = v
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// allowed asks may about a node in the caller's transaction.
func allowed(ctx context.Context, q queryer, node string, may func(*ironic.Node) error) error {
	n, err := findNode(ctx, q, node)
	if err != nil {
		return err
	}
	return may(n)
}

// Delete removes one, if may allows it of its node.
func (s volumes[T]) Delete(ctx context.Context, uuid string, may func(*ironic.Node) error) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		v, err := s.find(ctx, tx, uuid)
		if err != nil {
			return err
		}
		if err := allowed(ctx, tx, s.row(v).NodeUUID, may); err != nil {
			return err
		}
		return deleteByUUID(ctx, tx, s.table(), "Volume "+s.noun, uuid)
	})
}
