package deploy

import (
	"context"
	"strings"
	"time"

	"trefoil/overcloud/stack"
)

// Relay tells whoever follows a stack what the bare-metal service says of one of
// its machines: an event of the server's resource, which stays in progress.
// Machines of no stack, and stacks that rest, are left alone.
func Relay(ctx context.Context, store stack.Store, nodeUUID, sentence string, at time.Time) error {
	all, err := store.Stacks(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.State != stack.InProgress {
			continue
		}
		nodes, err := store.StackNodes(ctx, s.ID)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if n.UUID != nodeUUID {
				continue
			}
			status, err := current(ctx, store, s, serverName(n))
			if err != nil || status == "" {
				return err
			}
			return store.Record(ctx, &stack.Event{StackID: s.ID, StackName: s.Name, Resource: serverName(n), Type: stack.ResourceType(serverName(n)),
				PhysicalID: n.InstanceUUID, Status: status, Reason: sentence, Time: at})
		}
	}
	return nil
}

// current is the status of a resource that is under way, or "".
func current(ctx context.Context, store stack.Store, s *stack.Stack, name string) (string, error) {
	rows, err := store.Resources(ctx, s.ID)
	if err != nil {
		return "", err
	}
	for _, r := range rows {
		if r.Name == name && strings.HasSuffix(r.Status, "_"+stack.InProgress) {
			return r.Status, nil
		}
	}
	return "", nil
}
