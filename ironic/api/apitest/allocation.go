package apitest

import (
	"context"
	"slices"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

func (s *Store) findAllocation(ident string) (int, error) {
	for i, a := range s.allocations {
		if a.UUID == ident || a.Name != "" && a.Name == ident {
			return i, nil
		}
	}
	return 0, errs.New(errs.NotFound, "Allocation %s could not be found.", ident)
}

// uniqueAllocation refuses a name or UUID that another allocation has.
func (s *Store) uniqueAllocation(a *ironic.Allocation) error {
	for _, other := range s.allocations {
		switch {
		case other.ID == a.ID:
		case other.UUID == a.UUID:
			return errs.New(errs.Conflict, "An allocation with UUID %s already exists.", a.UUID)
		case a.Name != "" && other.Name == a.Name:
			return errs.New(errs.Conflict, "An allocation with name %s already exists.", a.Name)
		}
	}
	return nil
}

func (s *Store) stamp(a *ironic.Allocation) {
	at := s.Now().UTC().Truncate(time.Microsecond)
	a.UpdatedAt = &at
}

// endAllocation forgets the allocation of a node without its instance.
func (s *Store) endAllocation(n *ironic.Node) {
	if n.AllocationUUID == "" || n.InstanceUUID == n.AllocationUUID {
		return
	}
	s.allocations = slices.DeleteFunc(s.allocations, func(a *ironic.Allocation) bool { return a.UUID == n.AllocationUUID })
	n.AllocationUUID = ""
}

// CreateAllocation stores a copy of a.
func (s *Store) CreateAllocation(_ context.Context, a *ironic.Allocation, fits func(*ironic.Node) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := deep(a)
	stored.ID, stored.CreatedAt, stored.NodeUUID = s.last+1, s.Now().UTC().Truncate(time.Microsecond), ""
	if err := s.uniqueAllocation(stored); err != nil {
		return err
	}
	if a.NodeUUID != "" {
		if err := s.assign(stored, a.NodeUUID, fits); err != nil {
			return err
		}
	}
	s.last = stored.ID
	s.allocations = append(s.allocations, stored)
	*a = *deep(stored)
	return nil
}

// Allocation returns a copy.
func (s *Store) Allocation(_ context.Context, ident string) (*ironic.Allocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findAllocation(ident)
	if err != nil {
		return nil, err
	}
	return deep(s.allocations[i]), nil
}

// Allocations returns copies in ID order.
func (s *Store) Allocations(_ context.Context, f ironic.AllocationFilter) ([]*ironic.Allocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := func(want, have string) bool { return want == "" || want == have }
	var out []*ironic.Allocation
	for _, a := range s.allocations {
		if text(f.NodeUUID, a.NodeUUID) && text(f.ResourceClass, a.ResourceClass) && text(f.State, a.State) && text(f.Owner, a.Owner) {
			out = append(out, deep(a))
		}
	}
	return out, nil
}

// UpdateAllocation changes a copy and keeps it if change has no objection.
func (s *Store) UpdateAllocation(_ context.Context, uuid string, change func(*ironic.Allocation) error) (*ironic.Allocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findAllocation(uuid)
	if err != nil {
		return nil, err
	}
	was, a := s.allocations[i], deep(s.allocations[i])
	if err := change(a); err != nil {
		return nil, err
	}
	a.ID, a.UUID, a.NodeUUID, a.CreatedAt = was.ID, was.UUID, was.NodeUUID, was.CreatedAt
	if err := s.uniqueAllocation(a); err != nil {
		return nil, err
	}
	s.stamp(a)
	s.allocations[i] = a
	return deep(a), nil
}

// Assign makes a node the allocation's.
func (s *Store) Assign(_ context.Context, uuid, nodeUUID string, fits func(*ironic.Node) error) (*ironic.Allocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findAllocation(uuid)
	if err != nil {
		return nil, err
	}
	a := deep(s.allocations[i])
	if err := s.assign(a, nodeUUID, fits); err != nil {
		return nil, err
	}
	s.allocations[i] = a
	return deep(a), nil
}

func (s *Store) assign(a *ironic.Allocation, nodeUUID string, fits func(*ironic.Node) error) error {
	i, err := s.find(nodeUUID)
	if err != nil {
		return err
	}
	n := deep(s.nodes[i])
	if fresh, err := a.Give(n, fits); err != nil || !fresh {
		return err
	}
	for _, other := range s.nodes {
		if other.InstanceUUID == a.UUID && other.UUID != n.UUID {
			return errs.New(errs.Conflict, "Instance %s is already associated with a node, it cannot be associated with this other node %s",
				a.UUID, n.UUID)
		}
	}
	s.stamp(a)
	s.putNode(i, n)
	return nil
}

// DeleteAllocation removes it and frees its node.
func (s *Store) DeleteAllocation(_ context.Context, uuid string, may func(*ironic.Allocation, *ironic.Node) error) (*ironic.Allocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findAllocation(uuid)
	if err != nil {
		return nil, err
	}
	a := s.allocations[i]
	if a.NodeUUID != "" {
		j, err := s.find(a.NodeUUID)
		if err != nil {
			return nil, err
		}
		n := deep(s.nodes[j])
		if err := may(deep(a), deep(n)); err != nil {
			return nil, err
		}
		n.InstanceUUID, n.AllocationUUID = "", ""
		s.putNode(j, n)
	}
	s.allocations = slices.Delete(s.allocations, i, i+1)
	return a, nil
}
