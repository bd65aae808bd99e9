package apitest

import (
	"context"
	"slices"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

func (s *Store) findRule(uuid string) (int, error) {
	i := slices.IndexFunc(s.rules, func(r *ironic.InspectionRule) bool { return r.UUID == uuid })
	if i < 0 {
		return 0, errs.New(errs.NotFound, "Inspection rule %s could not be found.", uuid)
	}
	return i, nil
}

// CreateInspectionRule stores a copy of r.
func (s *Store) CreateInspectionRule(_ context.Context, r *ironic.InspectionRule) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.findRule(r.UUID); err == nil {
		return errs.New(errs.Conflict, "An inspection rule with UUID %s already exists.", r.UUID)
	}
	s.last++
	r.ID, r.CreatedAt = s.last, s.Now().UTC().Truncate(time.Microsecond)
	s.rules = append(s.rules, deep(r))
	return nil
}

// InspectionRule returns a copy.
func (s *Store) InspectionRule(_ context.Context, uuid string) (*ironic.InspectionRule, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findRule(uuid)
	if err != nil {
		return nil, err
	}
	return deep(s.rules[i]), nil
}

// InspectionRules returns copies.
func (s *Store) InspectionRules(_ context.Context, dialect string) ([]*ironic.InspectionRule, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*ironic.InspectionRule
	for _, r := range s.rules {
		if dialect == "" || r.Dialect == dialect {
			out = append(out, deep(r))
		}
	}
	return out, nil
}

// UpdateInspectionRule changes a copy and keeps it.
func (s *Store) UpdateInspectionRule(_ context.Context, uuid string, change func(*ironic.InspectionRule) error) (*ironic.InspectionRule, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findRule(uuid)
	if err != nil {
		return nil, err
	}
	r := deep(s.rules[i])
	if err := change(r); err != nil {
		return nil, err
	}
	at := s.Now().UTC().Truncate(time.Microsecond)
	r.UpdatedAt = &at
	s.rules[i] = r
	return deep(r), nil
}

// DeleteInspectionRule removes one.
func (s *Store) DeleteInspectionRule(_ context.Context, uuid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findRule(uuid)
	if err != nil {
		return err
	}
	s.rules = slices.Delete(s.rules, i, i+1)
	return nil
}

// DeleteInspectionRules removes those of a dialect.
func (s *Store) DeleteInspectionRules(_ context.Context, dialect string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = slices.DeleteFunc(s.rules, func(r *ironic.InspectionRule) bool { return r.Dialect == dialect })
	return nil
}

// UpdateInspected changes copies and keeps all of them, or none.
func (s *Store) UpdateInspected(ctx context.Context, nodeUUID string,
	change func(*ironic.Node, []*ironic.Port, *ironic.Inventory) error) (*ironic.Node, error) {
	s.mu.Lock()
	if _, err := s.find(nodeUUID); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	old, ok := s.inventories[nodeUUID]
	if !ok {
		s.mu.Unlock()
		return nil, errs.New(errs.NotFound, "inventory of node %s could not be found", nodeUUID)
	}
	inv := deep(&old)
	var ports []*ironic.Port
	for _, p := range s.ports {
		if p.NodeUUID == nodeUUID {
			ports = append(ports, deep(p))
		}
	}
	s.mu.Unlock()
	n, err := s.UpdateNode(ctx, nodeUUID, func(n *ironic.Node) error { // the lock is held in here
		if err := change(n, ports, inv); err != nil {
			return err
		}
		for _, p := range ports {
			if i, err := s.findPort(p.Name); err == nil && p.Name != "" && s.ports[i].UUID != p.UUID {
				return errs.New(errs.Conflict, "A port with name %s already exists.", p.Name)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range ports {
		if i, err := s.findPort(p.UUID); err == nil {
			s.ports[i] = p
		}
	}
	s.inventories[nodeUUID] = *inv
	return n, nil
}
