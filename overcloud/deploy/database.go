package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	nodes := slices.DeleteFunc(slices.Clone(d.stay), func(n stack.Node) bool { return d.plan == nil || !d.plan.Runs(n.Role, "mysql") })
	if d.r.Database == nil || len(nodes) == 0 {
		return nil
	}
	return func(ctx context.Context, statements string) error {
		var all error
		for _, n := range nodes {
			err := d.r.Database.SQL(ctx, n, statements)
			if err == nil {
				return nil
			}
			all = errors.Join(all, fmt.Errorf("%s: %w", n.Name, err))
			if ctx.Err() != nil {
				break
			}
		}
		return all
	}
}
