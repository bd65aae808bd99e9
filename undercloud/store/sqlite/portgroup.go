package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// checkGroup wants the portgroup that a port comes to name to be there in the same transaction.
func checkGroup(ctx context.Context, q queryer, p *ironic.Port) error {
	if p.PortgroupUUID == "" {
		return nil
	}
	g, err := findPortgroup(ctx, q, p.PortgroupUUID)
	if err != nil {
		return notNamed(err)
	}
	return g.Takes(p)
}

// notNamed makes what was not found a fault of the row that names it.
func notNamed(err error) error {
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.Invalid, "%s", err.Error())
	}
	return err
}

// CreatePortgroup stores a portgroup of an existing node.
func (d *DB) CreatePortgroup(ctx context.Context, p *ironic.Portgroup) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		p.Address, p.CreatedAt = strings.ToLower(p.Address), now()
		if _, err := findNode(ctx, tx, p.NodeUUID); err != nil {
			return err
		}
		doc, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("encode portgroup %s: %w", p.UUID, err)
		}
		res, err := tx.ExecContext(ctx, "INSERT INTO portgroups (uuid, node_uuid, name, address, doc) VALUES (?,?,?,?,?)",
			p.UUID, p.NodeUUID, null(p.Name), null(p.Address), string(doc))
		if err != nil {
			return portgroupConflict(p, err)
		}
		p.ID, err = res.LastInsertId()
		return err
	})
}

func portgroupConflict(p *ironic.Portgroup, err error) error {
	switch field, ok := uniqueField(err); {
	case !ok:
		return fmt.Errorf("store portgroup %s: %w", p.UUID, err)
	case field == "portgroups.name":
		return errs.New(errs.Conflict, "A portgroup with name %s already exists.", p.Name)
	case field == "portgroups.address":
		return errs.New(errs.Conflict, "A portgroup with MAC address %s already exists.", p.Address)
	default:
		return errs.New(errs.Conflict, "A portgroup with UUID %s already exists.", p.UUID)
	}
}

func scanPortgroup(s scanner) (*ironic.Portgroup, error) {
	var p ironic.Portgroup
	var id int64
	var doc string
	if err := s.Scan(&id, &doc); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(doc), &p); err != nil {
		return nil, fmt.Errorf("decode portgroup %d: %w", id, err)
	}
	p.ID = id
	return &p, nil
}

func findPortgroup(ctx context.Context, q queryer, ident string) (*ironic.Portgroup, error) {
	p, err := scanPortgroup(q.QueryRowContext(ctx, "SELECT id, doc FROM portgroups WHERE uuid = ? OR name = ? OR address = ?",
		ident, ident, strings.ToLower(ident)))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "Portgroup %s could not be found.", ident)
	}
	if err != nil {
		return nil, fmt.Errorf("read portgroup %s: %w", ident, err)
	}
	return p, nil
}

// Portgroup finds one by uuid, name or address.
func (d *DB) Portgroup(ctx context.Context, ident string) (*ironic.Portgroup, error) {
	return findPortgroup(ctx, d.one, ident)
}

// Portgroups lists what the filter lets through, in order of creation.
func (d *DB) Portgroups(ctx context.Context, f ironic.PortgroupFilter) ([]*ironic.Portgroup, error) {
	return listPortgroups(ctx, d.read, f)
}

func listPortgroups(ctx context.Context, q querier, f ironic.PortgroupFilter) ([]*ironic.Portgroup, error) {
	var w where
	w.equal("node_uuid", f.NodeUUID)
	w.equal("address", strings.ToLower(f.Address))
	w.ofNodes(f.OfNodes)
	rows, err := q.QueryContext(ctx, "SELECT id, doc FROM portgroups"+w.sql()+" ORDER BY id", w.args...)
	if err != nil {
		return nil, fmt.Errorf("list portgroups: %w", err)
	}
	defer rows.Close()
	var out []*ironic.Portgroup
	for rows.Next() {
		p, err := scanPortgroup(rows)
		if err != nil {
			return nil, fmt.Errorf("list portgroups: %w", err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// UpdatePortgroup lets change edit a portgroup inside one write transaction.
func (d *DB) UpdatePortgroup(ctx context.Context, uuid string, change func(*ironic.Portgroup) error) (*ironic.Portgroup, error) {
	var out *ironic.Portgroup
	err := d.Update(ctx, func(tx *sql.Tx) error {
		p, err := findPortgroup(ctx, tx, uuid)
		if err != nil {
			return err
		}
		out = p
		return changePortgroup(ctx, tx, p, change)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// changePortgroup lets change edit a portgroup that was read in the same transaction.
func changePortgroup(ctx context.Context, tx *sql.Tx, p *ironic.Portgroup, change func(*ironic.Portgroup) error) error {
	id, created, node := p.ID, p.CreatedAt, p.NodeUUID
	if err := change(p); err != nil {
		return err
	}
	if p.NodeUUID != node {
		if ports, err := hasPorts(ctx, tx, p.UUID); err != nil {
			return err
		} else if ports {
			return errs.New(errs.Invalid, "Portgroup %s can not be associated with node %s because there are ports associated "+
				"with this portgroup.", p.UUID, p.NodeUUID)
		}
	}
	t := now()
	p.ID, p.CreatedAt, p.UpdatedAt, p.Address = id, created, &t, strings.ToLower(p.Address)
	doc, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode portgroup %s: %w", p.UUID, err)
	}
	_, err = tx.ExecContext(ctx, "UPDATE portgroups SET uuid=?, node_uuid=?, name=?, address=?, doc=? WHERE id=?",
		p.UUID, p.NodeUUID, null(p.Name), null(p.Address), string(doc), p.ID)
	if err != nil {
		return portgroupConflict(p, err)
	}
	return nil
}

// DeletePortgroup removes a portgroup without ports that may allows to remove, inside one write transaction.
func (d *DB) DeletePortgroup(ctx context.Context, uuid string, may func(*ironic.Portgroup) error) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		p, err := findPortgroup(ctx, tx, uuid)
		if err != nil {
			return err
		}
		if err := may(p); err != nil {
			return err
		}
		if ports, err := hasPorts(ctx, tx, uuid); err != nil {
			return err
		} else if ports {
			return errs.New(errs.Invalid, "Cannot complete the requested action because portgroup %s contains ports.", uuid)
		}
		return deleteByUUID(ctx, tx, "portgroups", "Portgroup", uuid)
	})
}

func hasPorts(ctx context.Context, q queryer, group string) (bool, error) {
	var n int
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM ports WHERE portgroup_uuid = ?", group).Scan(&n); err != nil {
		return false, fmt.Errorf("count the ports of portgroup %s: %w", group, err)
	}
	return n > 0, nil
}

// deleteByUUID removes one row; kind is what the error calls it.
func deleteByUUID(ctx context.Context, tx *sql.Tx, table, kind, uuid string) error {
	res, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE uuid = ?", uuid)
	if err != nil {
		return fmt.Errorf("delete %s %s: %w", strings.ToLower(kind), uuid, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errs.New(errs.NotFound, "%s %s could not be found.", kind, uuid))
	}
	return nil
}
