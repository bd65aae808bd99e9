package apitest

import (
	"context"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

func (s *Store) findGroup(ident string) (int, error) {
	for i, p := range s.portgroups {
		if ident != "" && (p.UUID == ident || p.Name == ident || p.Address == strings.ToLower(ident)) {
			return i, nil
		}
	}
	return 0, errs.New(errs.NotFound, "Portgroup %s could not be found.", ident)
}

// checkGroup wants the portgroup that a port comes to name to be there.
func (s *Store) checkGroup(p *ironic.Port) error {
	if p.PortgroupUUID == "" {
		return nil
	}
	i, err := s.findGroup(p.PortgroupUUID)
	if err != nil {
		return errs.New(errs.Invalid, "%s", err.Error())
	}
	return s.portgroups[i].Takes(p)
}

// checkChassis wants the chassis that a node comes to name to be there.
func (s *Store) checkChassis(n *ironic.Node) error {
	if n.ChassisUUID == "" {
		return nil
	}
	if _, err := s.findChassis(n.ChassisUUID); err != nil {
		return errs.New(errs.Invalid, "%s", err.Error())
	}
	return nil
}

func (s *Store) hasPorts(group string) bool {
	return slices.ContainsFunc(s.ports, func(p *ironic.Port) bool { return p.PortgroupUUID == group })
}

// clash tells which of p's names another portgroup has; self is p's own place, -1 for a new one.
func (s *Store) clash(p *ironic.Portgroup, self int) error {
	for what, ident := range map[string]string{"UUID": p.UUID, "name": p.Name, "MAC address": p.Address} {
		if i, err := s.findGroup(ident); err == nil && i != self {
			return errs.New(errs.Conflict, "A portgroup with %s %s already exists.", what, ident)
		}
	}
	return nil
}

// CreatePortgroup stores a copy of p.
func (s *Store) CreatePortgroup(_ context.Context, p *ironic.Portgroup) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(p.NodeUUID); err != nil {
		return err
	}
	p.Address = strings.ToLower(p.Address)
	if err := s.clash(p, -1); err != nil {
		return err
	}
	s.last++
	p.ID, p.CreatedAt = s.last, s.Now().UTC().Truncate(time.Microsecond)
	s.portgroups = append(s.portgroups, deep(p))
	return nil
}

// Portgroup returns a copy.
func (s *Store) Portgroup(_ context.Context, ident string) (*ironic.Portgroup, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findGroup(ident)
	if err != nil {
		return nil, err
	}
	return deep(s.portgroups[i]), nil
}

// Portgroups returns copies.
func (s *Store) Portgroups(_ context.Context, f ironic.PortgroupFilter) ([]*ironic.Portgroup, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*ironic.Portgroup
	for _, p := range s.portgroups {
		if text(f.NodeUUID, p.NodeUUID) && (f.Address == "" || strings.EqualFold(f.Address, p.Address)) &&
			s.ofNode(p.NodeUUID, f.OfNodes) {
			out = append(out, deep(p))
		}
	}
	return out, nil
}

// UpdatePortgroup changes a copy and keeps it.
func (s *Store) UpdatePortgroup(ctx context.Context, uuid string, change func(*ironic.Portgroup) error) (*ironic.Portgroup, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	p, err := s.Portgroup(ctx, uuid)
	if err != nil {
		return nil, err
	}
	if err := change(p); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keepGroup(uuid, p)
}

// UpdateWiring changes copies and keeps all of them, or none.
func (s *Store) UpdateWiring(ctx context.Context, nodeUUID string, change func([]*ironic.Port, []*ironic.Portgroup) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	ports, err := s.Ports(ctx, ironic.PortFilter{NodeUUID: nodeUUID})
	if err != nil {
		return err
	}
	groups, err := s.Portgroups(ctx, ironic.PortgroupFilter{NodeUUID: nodeUUID})
	if err != nil {
		return err
	}
	if err := change(ports, groups); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, beforeGroups := slices.Clone(s.ports), slices.Clone(s.portgroups)
	for _, p := range ports {
		if _, err = s.keepPort(p.UUID, p); err != nil {
			break
		}
	}
	for _, g := range groups {
		if err != nil {
			break
		}
		_, err = s.keepGroup(g.UUID, g)
	}
	if err != nil {
		s.ports, s.portgroups = before, beforeGroups
	}
	return err
}

// keepGroup writes a portgroup that was read under the same writing.
func (s *Store) keepGroup(uuid string, p *ironic.Portgroup) (*ironic.Portgroup, error) {
	i, err := s.findGroup(uuid)
	if err != nil {
		return nil, err
	}
	if p.NodeUUID != s.portgroups[i].NodeUUID && s.hasPorts(p.UUID) {
		return nil, errs.New(errs.Invalid, "Portgroup %s can not be associated with node %s because there are ports associated "+
			"with this portgroup.", p.UUID, p.NodeUUID)
	}
	p.Address = strings.ToLower(p.Address)
	if err := s.clash(p, i); err != nil {
		return nil, err
	}
	at := s.Now().UTC().Truncate(time.Microsecond)
	p.UpdatedAt = &at
	s.portgroups[i] = p
	return deep(p), nil
}

// DeletePortgroup removes one without ports, if may has no objection.
func (s *Store) DeletePortgroup(ctx context.Context, uuid string, may func(*ironic.Portgroup) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	p, err := s.Portgroup(ctx, uuid)
	if err != nil {
		return err
	}
	if err := may(p); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hasPorts(uuid) {
		return errs.New(errs.Invalid, "Cannot complete the requested action because portgroup %s contains ports.", uuid)
	}
	i, err := s.findGroup(uuid)
	if err != nil {
		return err
	}
	s.portgroups = slices.Delete(s.portgroups, i, i+1)
	return nil
}

func (s *Store) findChassis(uuid string) (int, error) {
	i := slices.IndexFunc(s.chassis, func(c *ironic.Chassis) bool { return c.UUID == uuid })
	if i < 0 {
		return 0, errs.New(errs.NotFound, "Chassis %s could not be found.", uuid)
	}
	return i, nil
}

// CreateChassis stores a copy of c.
func (s *Store) CreateChassis(_ context.Context, c *ironic.Chassis) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.findChassis(c.UUID); err == nil {
		return errs.New(errs.Conflict, "A chassis with UUID %s already exists.", c.UUID)
	}
	s.last++
	c.ID, c.CreatedAt = s.last, s.Now().UTC().Truncate(time.Microsecond)
	s.chassis = append(s.chassis, deep(c))
	return nil
}

// Chassis returns a copy.
func (s *Store) Chassis(_ context.Context, uuid string) (*ironic.Chassis, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findChassis(uuid)
	if err != nil {
		return nil, err
	}
	return deep(s.chassis[i]), nil
}

// AllChassis returns copies.
func (s *Store) AllChassis(context.Context) ([]*ironic.Chassis, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*ironic.Chassis
	for _, c := range s.chassis {
		out = append(out, deep(c))
	}
	return out, nil
}

// UpdateChassis changes a copy and keeps it.
func (s *Store) UpdateChassis(_ context.Context, uuid string, change func(*ironic.Chassis) error) (*ironic.Chassis, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findChassis(uuid)
	if err != nil {
		return nil, err
	}
	c := deep(s.chassis[i])
	if err := change(c); err != nil {
		return nil, err
	}
	at := s.Now().UTC().Truncate(time.Microsecond)
	c.UpdatedAt = &at
	s.chassis[i] = c
	return deep(c), nil
}

// DeleteChassis removes one without nodes.
func (s *Store) DeleteChassis(_ context.Context, uuid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.nodes, func(n *ironic.Node) bool { return n.ChassisUUID == uuid }) {
		return errs.New(errs.Invalid, "Cannot complete the requested action because chassis %s contains nodes.", uuid)
	}
	i, err := s.findChassis(uuid)
	if err != nil {
		return err
	}
	s.chassis = slices.Delete(s.chassis, i, i+1)
	return nil
}
