package deploy

import (
	"context"
	"time"

	"trefoil/overcloud/scaledown"
	"trefoil/overcloud/stack"
)

// Database runs statements in the MariaDB server of a node, as its root.
type Database interface {
	SQL(ctx context.Context, n stack.Node, statements string) error
}

// sqlCommand takes statements on standard input.
const sqlCommand = "sudo mysql --protocol=socket --user=root --batch --skip-column-names"

// sqlLimit is how long one node may take for them, its login included.
const sqlLimit = 2 * time.Minute

// SQL implements Database, with a login of its own.
func (r *Remote) SQL(ctx context.Context, n stack.Node, statements string) error {
	ctx, cancel := context.WithTimeout(ctx, sqlLimit)
	defer cancel()
	c, err := r.Dialer.Dial(ctx, target(n))
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Run(ctx, sqlCommand, []byte(statements), func([]byte) {})
}

// sql is the way to the cloud's databases: through the first of the nodes that stay whose
// server takes the statements. nil: there is none.
func (d *departure) sql() scaledown.SQL {
	nodes := d.running("mysql", d.stay)
	if d.r.Database == nil || len(nodes) == 0 {
		return nil
	}
	return func(ctx context.Context, statements string) error {
		return overFirst(ctx, nodes, func(n stack.Node) error { return d.r.Database.SQL(ctx, n, statements) })
	}
}
