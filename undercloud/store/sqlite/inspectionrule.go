package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// CreateInspectionRule stores a rule.
func (d *DB) CreateInspectionRule(ctx context.Context, r *ironic.InspectionRule) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		r.CreatedAt = now()
		doc, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode inspection rule %s: %w", r.UUID, err)
		}
		res, err := tx.ExecContext(ctx, "INSERT INTO inspection_rules (uuid, dialect, doc) VALUES (?,?,?)", r.UUID, r.Dialect, string(doc))
		if err != nil {
			return ruleConflict(r, err)
		}
		r.ID, err = res.LastInsertId()
		return err
	})
}

func ruleConflict(r *ironic.InspectionRule, err error) error {
	if _, ok := uniqueField(err); ok {
		return errs.New(errs.Conflict, "An inspection rule with UUID %s already exists.", r.UUID)
	}
	return fmt.Errorf("store inspection rule %s: %w", r.UUID, err)
}

func scanRule(s scanner) (*ironic.InspectionRule, error) {
	var r ironic.InspectionRule
	var id int64
	var doc string
	if err := s.Scan(&id, &doc); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(doc), &r); err != nil {
		return nil, fmt.Errorf("decode inspection rule %d: %w", id, err)
	}
	r.ID = id
	return &r, nil
}

func findRule(ctx context.Context, q queryer, uuid string) (*ironic.InspectionRule, error) {
	r, err := scanRule(q.QueryRowContext(ctx, "SELECT id, doc FROM inspection_rules WHERE uuid = ?", uuid))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "Inspection rule %s could not be found.", uuid)
	}
	if err != nil {
		return nil, fmt.Errorf("read inspection rule %s: %w", uuid, err)
	}
	return r, nil
}

// InspectionRule finds one by uuid.
func (d *DB) InspectionRule(ctx context.Context, uuid string) (*ironic.InspectionRule, error) {
	return findRule(ctx, d.read, uuid)
}

// InspectionRules lists the rules of a dialect, or all, in order of creation.
func (d *DB) InspectionRules(ctx context.Context, dialect string) ([]*ironic.InspectionRule, error) {
	var w where
	w.equal("dialect", dialect)
	rows, err := d.read.QueryContext(ctx, "SELECT id, doc FROM inspection_rules"+w.sql()+" ORDER BY id", w.args...)
	if err != nil {
		return nil, fmt.Errorf("list inspection rules: %w", err)
	}
	defer rows.Close()
	var out []*ironic.InspectionRule
	for rows.Next() {
		r, err := scanRule(rows)
		if err != nil {
			return nil, fmt.Errorf("list inspection rules: %w", err)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// UpdateInspectionRule lets change edit a rule inside one write transaction.
func (d *DB) UpdateInspectionRule(ctx context.Context, uuid string, change func(*ironic.InspectionRule) error) (*ironic.InspectionRule, error) {
	var out *ironic.InspectionRule
	err := d.Update(ctx, func(tx *sql.Tx) error {
		r, err := findRule(ctx, tx, uuid)
		if err != nil {
			return err
		}
		id, created := r.ID, r.CreatedAt
		if err := change(r); err != nil {
			return err
		}
		t := now()
		r.ID, r.CreatedAt, r.UpdatedAt = id, created, &t
		doc, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode inspection rule %s: %w", r.UUID, err)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE inspection_rules SET uuid=?, dialect=?, doc=? WHERE id=?", r.UUID, r.Dialect, string(doc), r.ID); err != nil {
			return ruleConflict(r, err)
		}
		out = r
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteInspectionRule removes a rule.
func (d *DB) DeleteInspectionRule(ctx context.Context, uuid string) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		return deleteByUUID(ctx, tx, "inspection_rules", "Inspection rule", uuid)
	})
}

// DeleteInspectionRules removes all rules of a dialect.
func (d *DB) DeleteInspectionRules(ctx context.Context, dialect string) error {
	return d.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM inspection_rules WHERE dialect = ?", dialect); err != nil {
			return fmt.Errorf("delete the inspection rules of dialect %s: %w", dialect, err)
		}
		return nil
	})
}

// UpdateInspected lets change edit a node with its ports and its inventory inside one
// write transaction. Ports that it leaves alone keep their updated_at.
func (d *DB) UpdateInspected(ctx context.Context, nodeUUID string,
	change func(*ironic.Node, []*ironic.Port, *ironic.Inventory) error) (*ironic.Node, error) {
	var out *ironic.Node
	err := d.Update(ctx, func(tx *sql.Tx) error {
		inv, err := findInventory(ctx, tx, nodeUUID)
		if err != nil {
			return err
		}
		ports, err := listPorts(ctx, tx, ironic.PortFilter{NodeUUID: nodeUUID})
		if err != nil {
			return err
		}
		before, err := listPorts(ctx, tx, ironic.PortFilter{NodeUUID: nodeUUID})
		if err != nil {
			return err
		}
		out, err = changeNode(ctx, tx, nodeUUID, func(n *ironic.Node) error { return change(n, ports, inv) })
		if err != nil {
			return err
		}
		for i, p := range ports {
			if reflect.DeepEqual(p, before[i]) {
				continue
			}
			if err := changePort(ctx, tx, before[i], func(old *ironic.Port) error { *old = *p; return nil }); err != nil {
				return err
			}
		}
		inv.NodeUUID = nodeUUID
		return writeInventory(ctx, tx, inv)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
