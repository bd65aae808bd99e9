package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"trefoil/internal/errs"
	"trefoil/undercloud/network"
)

// Networks keeps networks, subnets and ports.
type Networks struct{ db *DB }

var _ network.Store = (*Networks)(nil)

// NewNetworks returns the store of networks in db.
func NewNetworks(db *DB) *Networks { return &Networks{db} }

// View implements network.Store.
func (s *Networks) View(ctx context.Context, f func(network.Tx) error) error {
	tx, err := s.db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return f(&networkTx{ctx, tx})
}

// Update implements network.Store.
func (s *Networks) Update(ctx context.Context, f func(network.Tx) error) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error { return f(&networkTx{ctx, tx}) })
}

type networkTx struct {
	ctx context.Context
	tx  *sql.Tx
}

func (networkTx) nets() documents[network.Network] {
	return documents[network.Network]{"networks", "network"}
}
func (networkTx) subs() documents[network.Subnet] {
	return documents[network.Subnet]{"subnets", "subnet"}
}
func (networkTx) ports() documents[network.Port] {
	return documents[network.Port]{"network_ports", "port"}
}

// Networks implements network.Tx, as do the methods below.
func (t *networkTx) Networks() ([]*network.Network, error) { return t.nets().list(t.ctx, t.tx) }

// PutNetwork writes one network.
func (t *networkTx) PutNetwork(n *network.Network) error { return t.nets().put(t.ctx, t.tx, n.ID, n) }

// DropNetwork deletes one network.
func (t *networkTx) DropNetwork(id string) error { return t.nets().drop(t.ctx, t.tx, id) }

// Subnets lists subnets.
func (t *networkTx) Subnets() ([]*network.Subnet, error) { return t.subs().list(t.ctx, t.tx) }

// PutSubnet writes one subnet.
func (t *networkTx) PutSubnet(n *network.Subnet) error { return t.subs().put(t.ctx, t.tx, n.ID, n) }

// DropSubnet deletes one subnet.
func (t *networkTx) DropSubnet(id string) error { return t.subs().drop(t.ctx, t.tx, id) }

// Ports lists ports.
func (t *networkTx) Ports() ([]*network.Port, error) { return t.ports().list(t.ctx, t.tx) }

// PutPort writes the port and the addresses it holds.
func (t *networkTx) PutPort(p *network.Port) error {
	if err := t.ports().put(t.ctx, t.tx, p.ID, p); err != nil {
		return err
	}
	if _, err := t.tx.ExecContext(t.ctx, "DELETE FROM port_addresses WHERE port_id = ?", p.ID); err != nil {
		return fmt.Errorf("write addresses of port %s: %w", p.ID, err)
	}
	for _, f := range p.FixedIPs {
		res, err := t.tx.ExecContext(t.ctx, "INSERT OR IGNORE INTO port_addresses (subnet_id, address, port_id) VALUES (?, ?, ?)",
			f.SubnetID, f.Address, p.ID)
		if err != nil {
			return fmt.Errorf("write addresses of port %s: %w", p.ID, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errs.New(errs.Conflict, "IP address %s already allocated in subnet %s", f.Address, f.SubnetID)
		}
	}
	return nil
}

// DropPort deletes one port and frees its addresses.
func (t *networkTx) DropPort(id string) error { return t.ports().drop(t.ctx, t.tx, id) }
