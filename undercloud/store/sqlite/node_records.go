package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"

	"github.com/google/uuid"
)

// historyKept is how many lines of history a node keeps, newest first.
const historyKept = 500

// AddHistory appends a line to a node's history and drops the oldest beyond what is kept.
func (d *DB) AddHistory(ctx context.Context, e ironic.HistoryEntry) error {
	if e.UUID == "" {
		e.UUID = uuid.NewString()
	}
	if e.CreatedAt.IsZero() {
		e.CreatedAt = now()
	}
	return d.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO node_history (uuid, node_uuid, event_type, event, severity, user, conductor, created_at)
			VALUES (?,?,?,?,?,?,?,?)`,
			e.UUID, e.NodeUUID, e.EventType, e.Event, e.Severity, e.User, e.Conductor, e.CreatedAt.Format(time.RFC3339Nano))
		if err != nil {
			return fmt.Errorf("add to the history of node %s: %w", e.NodeUUID, err)
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM node_history WHERE node_uuid = ? AND id NOT IN
			(SELECT id FROM node_history WHERE node_uuid = ? ORDER BY id DESC LIMIT ?)`, e.NodeUUID, e.NodeUUID, historyKept)
		return err
	})
}

// History returns a node's history, oldest first.
func (d *DB) History(ctx context.Context, nodeUUID string) ([]ironic.HistoryEntry, error) {
	rows, err := d.read.QueryContext(ctx, `SELECT uuid, node_uuid, event_type, event, severity, user, conductor, created_at
		FROM node_history WHERE node_uuid = ? ORDER BY id`, nodeUUID)
	if err != nil {
		return nil, fmt.Errorf("read the history of node %s: %w", nodeUUID, err)
	}
	defer rows.Close()
	var out []ironic.HistoryEntry
	for rows.Next() {
		var e ironic.HistoryEntry
		var at string
		if err := rows.Scan(&e.UUID, &e.NodeUUID, &e.EventType, &e.Event, &e.Severity, &e.User, &e.Conductor, &at); err != nil {
			return nil, fmt.Errorf("read the history of node %s: %w", nodeUUID, err)
		}
		if e.CreatedAt, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return nil, fmt.Errorf("read the history of node %s: %w", nodeUUID, err)
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// SaveInventory keeps the newest inventory of a node.
func (d *DB) SaveInventory(ctx context.Context, inv ironic.Inventory) error {
	if inv.CreatedAt.IsZero() {
		inv.CreatedAt = now()
	}
	return d.Update(ctx, func(tx *sql.Tx) error {
		if _, err := findNode(ctx, tx, inv.NodeUUID); err != nil {
			return err
		}
		return writeInventory(ctx, tx, &inv)
	})
}

func writeInventory(ctx context.Context, tx *sql.Tx, inv *ironic.Inventory) error {
	i, err := json.Marshal(inv.Inventory)
	if err != nil {
		return fmt.Errorf("encode the inventory of node %s: %w", inv.NodeUUID, err)
	}
	p, err := json.Marshal(inv.PluginData)
	if err != nil {
		return fmt.Errorf("encode the inventory of node %s: %w", inv.NodeUUID, err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO node_inventory (node_uuid, inventory, plugin_data, created_at) VALUES (?,?,?,?)
		ON CONFLICT (node_uuid) DO UPDATE SET inventory = excluded.inventory,
		plugin_data = excluded.plugin_data, created_at = excluded.created_at`,
		inv.NodeUUID, string(i), string(p), inv.CreatedAt.Format(time.RFC3339Nano))
	return err
}

// Inventory returns the newest inventory of a node; NotFound when it has none.
func (d *DB) Inventory(ctx context.Context, nodeUUID string) (*ironic.Inventory, error) {
	return findInventory(ctx, d.read, nodeUUID)
}

func findInventory(ctx context.Context, q queryer, nodeUUID string) (*ironic.Inventory, error) {
	var i, p, at string
	err := q.QueryRowContext(ctx, "SELECT inventory, plugin_data, created_at FROM node_inventory WHERE node_uuid = ?", nodeUUID).
		Scan(&i, &p, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "Node %s has no inventory: it was not introspected yet.", nodeUUID).
			WithHint("openstack overcloud node introspect %s", nodeUUID)
	}
	if err != nil {
		return nil, fmt.Errorf("read the inventory of node %s: %w", nodeUUID, err)
	}
	inv := &ironic.Inventory{NodeUUID: nodeUUID}
	if err := json.Unmarshal([]byte(i), &inv.Inventory); err != nil {
		return nil, fmt.Errorf("decode the inventory of node %s: %w", nodeUUID, err)
	}
	if err := json.Unmarshal([]byte(p), &inv.PluginData); err != nil {
		return nil, fmt.Errorf("decode the inventory of node %s: %w", nodeUUID, err)
	}
	if inv.CreatedAt, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return nil, fmt.Errorf("decode the inventory of node %s: %w", nodeUUID, err)
	}
	return inv, nil
}
