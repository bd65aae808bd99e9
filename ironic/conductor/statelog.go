package conductor

import (
	"context"
	"log/slog"

	"trefoil/ironic"
)

// stateLog is a store that logs each change of a node's provision state, once it is written: a change that
// could not be, as where the disk is full, has not happened, however often it is tried.
type stateLog struct {
	ironic.Store
	log *slog.Logger
}

func (s stateLog) UpdateNode(ctx context.Context, ident string, change func(*ironic.Node) error) (*ironic.Node, error) {
	from := ""
	n, err := s.Store.UpdateNode(ctx, ident, func(n *ironic.Node) error {
		from = n.ProvisionState
		return change(n)
	})
	if err == nil && n.ProvisionState != from {
		s.log.Info("node changed state", "node", title(n), "uuid", n.UUID, "state", n.ProvisionState)
	}
	return n, err
}
