package sqlite

import (
	"context"
	"database/sql"

	"trefoil/ironic"
)

// volumes is one of the tables of what nodes have of volumes.
type volumes[T ironic.VolumeKind] struct {
	db   *DB
	rows rows[T]
	row  func(*T) *ironic.VolumeRow
}

// VolumeConnectors keeps the names under which nodes ask for volumes.
func (d *DB) VolumeConnectors() ironic.Volumes[ironic.VolumeConnector] {
	return volumesOf(d, "connector", (*ironic.VolumeConnector).Row, (*ironic.VolumeConnector).Taken)
}

// VolumeTargets keeps the volumes that nodes are to use.
func (d *DB) VolumeTargets() ironic.Volumes[ironic.VolumeTarget] {
	return volumesOf(d, "target", (*ironic.VolumeTarget).Row, (*ironic.VolumeTarget).Taken)
}

func volumesOf[T ironic.VolumeKind](d *DB, noun string, row func(*T) *ironic.VolumeRow, taken func(*T) error) volumes[T] {
	return volumes[T]{d, rows[T]{"volume_" + noun + "s", "Volume " + noun, func(v *T) head {
		r := row(v)
		return head{id: &r.ID, uuid: &r.UUID, created: &r.CreatedAt, updated: &r.UpdatedAt,
			columns: []column{{"node_uuid", r.NodeUUID}}, taken: func() error { return taken(v) }}
	}}, row}
}

// Create stores v of an existing node.
func (s volumes[T]) Create(ctx context.Context, v *T) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := findNode(ctx, tx, s.row(v).NodeUUID); err != nil {
			return err
		}
		return s.rows.insert(ctx, tx, v)
	})
}

// Get finds one by uuid.
func (s volumes[T]) Get(ctx context.Context, uuid string) (*T, error) {
	return s.rows.find(ctx, s.db.read, uuid)
}

// List has those of a node, or all, in order of creation.
func (s volumes[T]) List(ctx context.Context, nodeUUID string) ([]*T, error) {
	var w where
	w.equal("node_uuid", nodeUUID)
	return s.rows.list(ctx, s.db, w)
}

// Update lets change edit one inside one write transaction, if may allows it of its nodes.
func (s volumes[T]) Update(ctx context.Context, uuid string, change func(*T) error, may func(*ironic.Node) error) (*T, error) {
	return s.rows.updateAs(ctx, s.db, uuid, func(tx *sql.Tx, v *T) error {
		was := s.row(v).NodeUUID
		if err := allowed(ctx, tx, was, may); err != nil {
			return err
		}
		if err := change(v); err != nil {
			return err
		}
		if s.row(v).NodeUUID == was {
			return nil
		}
		return notNamed(allowed(ctx, tx, s.row(v).NodeUUID, may))
	})
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
		v, err := s.rows.find(ctx, tx, uuid)
		if err != nil {
			return err
		}
		if err := allowed(ctx, tx, s.row(v).NodeUUID, may); err != nil {
			return err
		}
		return deleteByUUID(ctx, tx, s.rows.table, s.rows.kind, uuid)
	})
}
