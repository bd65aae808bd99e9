package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

func insertPort(ctx context.Context, tx *sql.Tx, p *ironic.Port) error {
	p.Address, p.CreatedAt = strings.ToLower(p.Address), now()
	if _, err := findNode(ctx, tx, p.NodeUUID); err != nil {
		return err
	}
	if err := checkGroup(ctx, tx, p); err != nil {
		return err
	}
	doc, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode port %s: %w", p.UUID, err)
	}
	res, err := tx.ExecContext(ctx, "INSERT INTO ports (uuid, node_uuid, address, doc) VALUES (?,?,?,?)",
		p.UUID, p.NodeUUID, p.Address, string(doc))
	if err != nil {
		return portConflict(p, err)
	}
	p.ID, err = res.LastInsertId()
	return err
}

func portConflict(p *ironic.Port, err error) error {
	field, ok := uniqueField(err)
	switch {
	case !ok:
		return fmt.Errorf("store port %s: %w", p.UUID, err)
	case field == "ports.address":
		return errs.New(errs.Conflict, "A port with MAC address %s already exists.", p.Address)
	case field == "ports.name":
		return errs.New(errs.Conflict, "A port with name %s already exists.", p.Name)
	default:
		return errs.New(errs.Conflict, "A port with UUID %s already exists.", p.UUID)
	}
}

// CreatePort stores a port of an existing node.
func (d *DB) CreatePort(ctx context.Context, p *ironic.Port) error {
	return d.Update(ctx, func(tx *sql.Tx) error { return insertPort(ctx, tx, p) })
}

var portShape = sync.OnceValue(shapeOf[ironic.Port])

func scanPort(s scanner) (*ironic.Port, error) {
	var p ironic.Port
	var id int64
	var doc string
	if err := s.Scan(&id, &doc); err != nil {
		return nil, err
	}
	if err := decode(portShape(), doc, &p); err != nil {
		return nil, fmt.Errorf("decode port %d: %w", id, err)
	}
	p.ID = id
	return &p, nil
}

func findPort(ctx context.Context, q queryer, ident string) (*ironic.Port, error) {
	p, err := scanPort(q.QueryRowContext(ctx, "SELECT id, doc FROM ports WHERE uuid = ? OR address = ? OR name = ?",
		ident, strings.ToLower(ident), ident))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "Port %s could not be found.", ident)
	}
	if err != nil {
		return nil, fmt.Errorf("read port %s: %w", ident, err)
	}
	return p, nil
}

// Port finds one by uuid, MAC address or name.
func (d *DB) Port(ctx context.Context, ident string) (*ironic.Port, error) {
	return findPort(ctx, d.one, ident)
}

// ports makes pages of ports; what is said of nodes' keys holds for theirs.
func ports() pager {
	return pager{table: "ports", kind: "Port", columns: "id, doc", keys: map[string]string{
		"uuid": "uuid", "address": "address", "node_uuid": "node_uuid", "portgroup_uuid": "ifnull(portgroup_uuid, '')",
		"name": "ifnull(name, '')", "physical_network": inDoc("PhysicalNetwork"), "description": inDoc("Description"),
		"vendor": inDoc("Vendor"), "category": inDoc("Category"), "is_smartnic": flagInDoc("IsSmartNIC", 0),
		"pxe_enabled": flagInDoc("PXEEnabled", 0), "created_at": timeInDoc("CreatedAt"), "updated_at": timeInDoc("UpdatedAt"),
	}}
}

// portWhere is the filter in SQL, all of it.
func portWhere(f ironic.PortFilter) where {
	var w where
	w.equal("node_uuid", f.NodeUUID)
	w.equal("address", strings.ToLower(f.Address))
	w.equal("portgroup_uuid", f.Portgroup)
	w.part(inDoc("Description"), f.Description)
	w.ofNodes(f.OfNodes)
	return w
}

// ofNodes is for rows that belong to nodes.
func (w *where) ofNodes(f ironic.OfNodes) {
	var of where
	if of.oneOf("shard", f.Shards); f.Shards != nil {
		of.add("shard <> ''") // an empty name is none's
	}
	of.oneOf("conductor_group", f.Groups)
	of.projects(f.Projects)
	if of.conds != nil {
		w.add("node_uuid IN (SELECT uuid FROM nodes"+of.sql()+")", of.args...)
	}
}

// Ports lists what the filter lets through.
func (d *DB) Ports(ctx context.Context, f ironic.PortFilter) ([]*ironic.Port, error) {
	return listPorts(ctx, d.read, f)
}

func listPorts(ctx context.Context, q querier, f ironic.PortFilter) ([]*ironic.Port, error) {
	return list(ctx, q, ports(), portWhere(f), f.Page, scanPort)
}

// UpdatePort lets change edit a port inside one write transaction.
func (d *DB) UpdatePort(ctx context.Context, uuid string, change func(*ironic.Port) error) (*ironic.Port, error) {
	var out *ironic.Port
	err := d.Update(ctx, func(tx *sql.Tx) error {
		p, err := findPort(ctx, tx, uuid)
		if err != nil {
			return err
		}
		out = p
		return changePort(ctx, tx, p, change)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// changePort lets change edit a port that was read in the same transaction.
func changePort(ctx context.Context, tx *sql.Tx, p *ironic.Port, change func(*ironic.Port) error) error {
	id, created, node, group := p.ID, p.CreatedAt, p.NodeUUID, p.PortgroupUUID
	if err := change(p); err != nil {
		return err
	}
	if p.NodeUUID != node || p.PortgroupUUID != group {
		if err := checkGroup(ctx, tx, p); err != nil {
			return err
		}
	}
	t := now()
	p.ID, p.CreatedAt, p.UpdatedAt, p.Address = id, created, &t, strings.ToLower(p.Address)
	doc, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode port %s: %w", p.UUID, err)
	}
	_, err = tx.ExecContext(ctx, "UPDATE ports SET uuid=?, node_uuid=?, address=?, doc=? WHERE id=?",
		p.UUID, p.NodeUUID, p.Address, string(doc), p.ID)
	if err != nil {
		return portConflict(p, err)
	}
	return nil
}

// DeletePort removes a port that may allows to remove, inside one write transaction.
func (d *DB) DeletePort(ctx context.Context, uuid string, may func(*ironic.Port) error) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		p, err := findPort(ctx, tx, uuid)
		if err != nil {
			return err
		}
		if err := may(p); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM ports WHERE id = ?", p.ID); err != nil {
			return fmt.Errorf("delete port %s: %w", uuid, err)
		}
		return nil
	})
}
