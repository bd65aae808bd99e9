package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"

	"trefoil/ironic"
)

func inspectionRules() rows[ironic.InspectionRule] {
	return rows[ironic.InspectionRule]{"inspection_rules", "Inspection rule", func(r *ironic.InspectionRule) head {
		return head{id: &r.ID, uuid: &r.UUID, created: &r.CreatedAt, updated: &r.UpdatedAt, columns: []column{{"dialect", r.Dialect}}}
	}}
}

// CreateInspectionRule stores a rule.
func (d *DB) CreateInspectionRule(ctx context.Context, r *ironic.InspectionRule) error {
	return inspectionRules().create(ctx, d, r)
}

// InspectionRule finds one by uuid.
func (d *DB) InspectionRule(ctx context.Context, uuid string) (*ironic.InspectionRule, error) {
	return inspectionRules().find(ctx, d.read, uuid)
}

// InspectionRules lists the rules of a dialect, or all, in order of creation.
func (d *DB) InspectionRules(ctx context.Context, dialect string) ([]*ironic.InspectionRule, error) {
	var w where
	w.equal("dialect", dialect)
	return inspectionRules().list(ctx, d, w)
}

// UpdateInspectionRule lets change edit a rule inside one write transaction.
func (d *DB) UpdateInspectionRule(ctx context.Context, uuid string, change func(*ironic.InspectionRule) error) (*ironic.InspectionRule, error) {
	return inspectionRules().update(ctx, d, uuid, change)
}

// DeleteInspectionRule removes a rule.
func (d *DB) DeleteInspectionRule(ctx context.Context, uuid string) error {
	return inspectionRules().remove(ctx, d, uuid)
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
