// Package apitest has stand-ins for tests of the bare-metal APIs: a store in
// memory and a conductor that follows a script. Neither is used by the service.
package apitest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// hold is what a node's lock was taken for, and when.
type hold struct {
	purpose string
	since   time.Time
}

// Store is ironic.Store in memory. Safe for concurrent use.
type Store struct {
	Now func() time.Time

	writing     sync.Mutex // taken before mu by whoever lets a change read the store
	mu          sync.Mutex
	last        int64
	nodes       []*ironic.Node
	ports       []*ironic.Port
	portgroups  []*ironic.Portgroup
	chassis     []*ironic.Chassis
	history     []ironic.HistoryEntry
	inventories map[string]ironic.Inventory
	held        map[string]hold
	allocations []*ironic.Allocation
	connectors  []*ironic.VolumeConnector
	targets     []*ironic.VolumeTarget
	templates   named[ironic.DeployTemplate]
	runbooks    named[ironic.Runbook]
	rules       []*ironic.InspectionRule
}

var _ ironic.Store = (*Store)(nil)

// NewStore makes an empty store.
func NewStore() *Store {
	return &Store{Now: time.Now, inventories: map[string]ironic.Inventory{}, held: map[string]hold{},
		templates: newDeployTemplates(), runbooks: newRunbooks()}
}

// deep copies through JSON, so that tests see what a database would give back.
func deep[T any](v *T) *T {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	out := new(T)
	if err := json.Unmarshal(data, out); err != nil {
		panic(err)
	}
	return out
}

func (s *Store) find(ident string) (int, error) {
	for i, n := range s.nodes {
		if n.UUID == ident || n.Name != "" && n.Name == ident {
			return i, nil
		}
	}
	return 0, errs.New(errs.NotFound, "Node %s could not be found.", ident)
}

// CreateNode stores a copy of n and of its ports.
func (s *Store) CreateNode(_ context.Context, n *ironic.Node, ports ...*ironic.Port) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.nodes {
		if other.UUID == n.UUID {
			return errs.New(errs.Conflict, "A node with UUID %s already exists.", n.UUID)
		}
		if n.Name != "" && other.Name == n.Name {
			return errs.New(errs.Conflict, "A node with name %s already exists.", n.Name)
		}
	}
	if err := s.checkInstance(n); err != nil {
		return err
	}
	if err := s.checkChassis(n); err != nil {
		return err
	}
	before := len(s.ports)
	id, created := s.last+1, s.Now().UTC().Truncate(time.Microsecond)
	s.last = id
	for _, p := range ports {
		p.NodeUUID = n.UUID
		if err := s.addPort(p, created); err != nil {
			s.ports = s.ports[:before]
			return err
		}
	}
	n.ID, n.Version, n.CreatedAt = id, 1, created
	s.nodes = append(s.nodes, deep(n))
	return nil
}

// addPort stores a copy of a port that clashes with none.
func (s *Store) addPort(p *ironic.Port, created time.Time) error {
	p.Address = strings.ToLower(p.Address)
	for _, other := range s.ports {
		switch {
		case other.Address == p.Address:
			return errs.New(errs.Conflict, "A port with MAC address %s already exists.", p.Address)
		case p.Name != "" && other.Name == p.Name:
			return errs.New(errs.Conflict, "A port with name %s already exists.", p.Name)
		case other.UUID == p.UUID:
			return errs.New(errs.Conflict, "A port with UUID %s already exists.", p.UUID)
		}
	}
	if err := s.checkGroup(p); err != nil {
		return err
	}
	s.last++
	p.ID, p.CreatedAt = s.last, created
	s.ports = append(s.ports, deep(p))
	return nil
}

// checkInstance refuses an instance that another node has.
func (s *Store) checkInstance(n *ironic.Node) error {
	if slices.ContainsFunc(s.nodes, func(o *ironic.Node) bool {
		return n.InstanceUUID != "" && o.InstanceUUID == n.InstanceUUID && o.UUID != n.UUID
	}) {
		return errs.New(errs.Conflict, "Instance %s is already associated with a node, it cannot be associated with this other node %s",
			n.InstanceUUID, n.UUID)
	}
	return nil
}

// Node returns a copy.
func (s *Store) Node(_ context.Context, ident string) (*ironic.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(ident)
	if err != nil {
		return nil, err
	}
	return deep(s.nodes[i]), nil
}

// UpdateNode changes a copy and keeps it if change has no objection.
func (s *Store) UpdateNode(_ context.Context, uuid string, change func(*ironic.Node) error) (*ironic.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(uuid)
	if err != nil {
		return nil, err
	}
	n := deep(s.nodes[i])
	if err := change(n); err != nil {
		return nil, err
	}
	if n.ChassisUUID != s.nodes[i].ChassisUUID {
		if err := s.checkChassis(n); err != nil {
			return nil, err
		}
	}
	for _, other := range s.nodes {
		if n.Name != "" && other.Name == n.Name && other.UUID != n.UUID {
			return nil, errs.New(errs.Conflict, "A node with name %s already exists.", n.Name)
		}
	}
	if err := s.checkInstance(n); err != nil {
		return nil, err
	}
	was := s.nodes[i]
	n.ID, n.CreatedAt, n.Version, n.AllocationUUID = was.ID, was.CreatedAt, was.Version, was.AllocationUUID
	s.endAllocation(n)
	s.putNode(i, n)
	return deep(n), nil
}

func (s *Store) putNode(i int, n *ironic.Node) {
	at := s.Now().UTC().Truncate(time.Microsecond)
	n.UpdatedAt, n.Version = &at, n.Version+1
	s.nodes[i] = n
}

// DeleteNode removes the node, its ports and its allocation.
func (s *Store) DeleteNode(_ context.Context, uuid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.find(uuid)
	if err != nil {
		return err
	}
	s.nodes = slices.Delete(s.nodes, i, i+1)
	s.ports = slices.DeleteFunc(s.ports, func(p *ironic.Port) bool { return p.NodeUUID == uuid })
	s.portgroups = slices.DeleteFunc(s.portgroups, func(p *ironic.Portgroup) bool { return p.NodeUUID == uuid })
	s.allocations = slices.DeleteFunc(s.allocations, func(a *ironic.Allocation) bool { return a.NodeUUID == uuid })
	s.dropVolumes(uuid)
	delete(s.inventories, uuid)
	return nil
}

// Reserve takes the lock.
func (s *Store) Reserve(ctx context.Context, uuid, holder, purpose string) (*ironic.Node, error) {
	return s.UpdateNode(ctx, uuid, func(n *ironic.Node) error {
		if n.Reservation != "" && n.Reservation != holder {
			held := s.held[n.UUID]
			return ironic.Hold{Host: n.Reservation, Purpose: held.purpose, Since: held.since}.Refusal(uuid)
		}
		n.Reservation, s.held[n.UUID] = holder, hold{purpose, s.Now()}
		return nil
	})
}

// Hold tells who has the lock.
func (s *Store) Hold(ctx context.Context, uuid string) (ironic.Hold, error) {
	n, err := s.Node(ctx, uuid)
	if err != nil || n.Reservation == "" {
		return ironic.Hold{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.held[n.UUID]
	return ironic.Hold{Host: n.Reservation, Purpose: held.purpose, Since: held.since}, nil
}

// Release gives it back.
func (s *Store) Release(ctx context.Context, uuid, holder string) error {
	_, err := s.UpdateNode(ctx, uuid, func(n *ironic.Node) error {
		if n.Reservation == holder {
			n.Reservation = ""
		}
		return nil
	})
	return err
}

func (s *Store) findPort(ident string) (int, error) {
	for i, p := range s.ports {
		if p.UUID == ident || p.Address == strings.ToLower(ident) || p.Name != "" && p.Name == ident {
			return i, nil
		}
	}
	return 0, errs.New(errs.NotFound, "Port %s could not be found.", ident)
}

// CreatePort stores a copy of p.
func (s *Store) CreatePort(_ context.Context, p *ironic.Port) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(p.NodeUUID); err != nil {
		return err
	}
	return s.addPort(p, s.Now().UTC().Truncate(time.Microsecond))
}

// Port returns a copy.
func (s *Store) Port(_ context.Context, ident string) (*ironic.Port, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findPort(ident)
	if err != nil {
		return nil, err
	}
	return deep(s.ports[i]), nil
}

// UpdatePort changes a copy and keeps it.
func (s *Store) UpdatePort(ctx context.Context, uuid string, change func(*ironic.Port) error) (*ironic.Port, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	p, err := s.Port(ctx, uuid)
	if err != nil {
		return nil, err
	}
	if err := change(p); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keepPort(uuid, p)
}

// keepPort writes a port that was read under the same writing.
func (s *Store) keepPort(uuid string, p *ironic.Port) (*ironic.Port, error) {
	i, err := s.findPort(uuid)
	if err != nil {
		return nil, err
	}
	if was := s.ports[i]; p.NodeUUID != was.NodeUUID || p.PortgroupUUID != was.PortgroupUUID {
		if err := s.checkGroup(p); err != nil {
			return nil, err
		}
	}
	if j, err := s.findPort(p.Address); err == nil && j != i {
		return nil, errs.New(errs.Conflict, "A port with MAC address %s already exists.", p.Address)
	}
	if j, err := s.findPort(p.Name); err == nil && j != i && p.Name != "" {
		return nil, errs.New(errs.Conflict, "A port with name %s already exists.", p.Name)
	}
	at := s.Now().UTC().Truncate(time.Microsecond)
	p.UpdatedAt = &at
	s.ports[i] = p
	return deep(p), nil
}

// DeletePort removes it, if may has no objection.
func (s *Store) DeletePort(ctx context.Context, uuid string, may func(*ironic.Port) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	p, err := s.Port(ctx, uuid)
	if err != nil {
		return err
	}
	if err := may(p); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findPort(uuid)
	if err != nil {
		return err
	}
	s.ports = slices.Delete(s.ports, i, i+1)
	return nil
}

// AddHistory keeps e.
func (s *Store) AddHistory(_ context.Context, e ironic.HistoryEntry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.UUID == "" {
		e.UUID = fmt.Sprintf("00000000-0000-4000-8000-%012d", len(s.history)+1)
	}
	if e.CreatedAt.IsZero() {
		e.CreatedAt = s.Now().UTC()
	}
	s.history = append(s.history, e)
	return nil
}

// History returns a node's entries.
func (s *Store) History(_ context.Context, nodeUUID string) ([]ironic.HistoryEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []ironic.HistoryEntry
	for _, e := range s.history {
		if e.NodeUUID == nodeUUID {
			out = append(out, e)
		}
	}
	return out, nil
}

// SaveInventory keeps inv.
func (s *Store) SaveInventory(_ context.Context, inv ironic.Inventory) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if inv.CreatedAt.IsZero() {
		inv.CreatedAt = s.Now().UTC().Truncate(time.Microsecond)
	}
	s.inventories[inv.NodeUUID] = *deep(&inv)
	return nil
}

// Inventory returns the node's.
func (s *Store) Inventory(_ context.Context, nodeUUID string) (*ironic.Inventory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	inv, ok := s.inventories[nodeUUID]
	if !ok {
		return nil, errs.New(errs.NotFound, "inventory of node %s could not be found", nodeUUID)
	}
	return &inv, nil
}
