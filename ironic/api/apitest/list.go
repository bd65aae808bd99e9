package apitest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// Nodes returns copies.
func (s *Store) Nodes(_ context.Context, f ironic.NodeFilter) ([]*ironic.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return page("Node", s.nodes, f.Page, ironic.NodeSortKeys(), func(n *ironic.Node) (int64, string) { return n.ID, n.UUID },
		func(n *ironic.Node) bool { return passes(n, f) })
}

// StoredNodes are those of Nodes.
func (s *Store) StoredNodes(ctx context.Context, f ironic.NodeFilter) ([]ironic.StoredNode, error) {
	nodes, err := s.Nodes(ctx, f)
	out := make([]ironic.StoredNode, len(nodes))
	for i, n := range nodes {
		out[i] = storedNode(n)
	}
	return out, err
}

// StoredNode is that of Node.
func (s *Store) StoredNode(ctx context.Context, ident string) (ironic.StoredNode, error) {
	n, err := s.Node(ctx, ident)
	if err != nil {
		return ironic.StoredNode{}, err
	}
	return storedNode(n), nil
}

func storedNode(n *ironic.Node) ironic.StoredNode {
	return ironic.StoredNode{ID: n.ID, Version: n.Version, UUID: n.UUID, Read: func() (*ironic.Node, error) { return n, nil }}
}

// CountShards counts nodes by shard.
func (s *Store) CountShards(context.Context) (map[string]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for _, n := range s.nodes {
		out[n.Shard]++
	}
	return out, nil
}

// Ports returns copies.
func (s *Store) Ports(_ context.Context, f ironic.PortFilter) ([]*ironic.Port, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return page("Port", s.ports, f.Page, ironic.PortSortKeys(), func(p *ironic.Port) (int64, string) { return p.ID, p.UUID },
		func(p *ironic.Port) bool {
			return text(f.NodeUUID, p.NodeUUID) && (f.Address == "" || strings.EqualFold(f.Address, p.Address)) &&
				text(f.Portgroup, p.PortgroupUUID) && strings.Contains(p.Description, f.Description) &&
				s.ofNode(p.NodeUUID, f.OfNodes)
		})
}

// ofNode reports whether f lets through what belongs to the node.
func (s *Store) ofNode(uuid string, f ironic.OfNodes) bool {
	i, err := s.find(uuid)
	if err != nil {
		return false
	}
	n := s.nodes[i]
	return (f.Shards == nil || n.Shard != "" && slices.Contains(f.Shards, n.Shard)) && oneOf(f.Groups, n.ConductorGroup) && ofProjects(n, f.Projects)
}

// page is the plain way: all rows in order, then those behind the marker, then the first of them that pass.
func page[R any](kind string, all []*R, p ironic.Page, keys map[string]func(*R) string, id func(*R) (int64, string),
	passes func(*R) bool) ([]*R, error) {
	key := func(*R) string { return "" }
	if p.SortKey != "" {
		if key = keys[p.SortKey]; key == nil {
			return nil, errs.New(errs.Invalid, "%ss cannot be sorted by %q", strings.ToLower(kind), p.SortKey)
		}
	}
	sorted := slices.SortedStableFunc(slices.Values(all), func(a, b *R) int {
		i, _ := id(a)
		j, _ := id(b)
		return cmp.Or(strings.Compare(key(a), key(b)), cmp.Compare(i, j))
	})
	if p.Desc {
		slices.Reverse(sorted)
	}
	if p.Marker != "" {
		i := slices.IndexFunc(sorted, func(r *R) bool { _, uuid := id(r); return uuid == p.Marker })
		if i < 0 {
			return nil, errs.New(errs.NotFound, "%s %s could not be found.", kind, p.Marker)
		}
		sorted = sorted[i+1:]
	}
	var out []*R
	for _, r := range sorted {
		if passes(r) && (p.Limit <= 0 || len(out) < p.Limit) {
			out = append(out, deep(r))
		}
	}
	return out, nil
}

func text(want, have string) bool { return want == "" || want == have }

func oneOf(want []string, have string) bool { return want == nil || slices.Contains(want, have) }

func ofProjects(n *ironic.Node, projects []string) bool {
	return !slices.ContainsFunc(projects, func(p string) bool { return n.Owner != p && n.Lessee != p })
}

func begunBefore(n *ironic.Node, b *ironic.Begun) bool {
	return cmp.Or(n.InspectionStartedAt.Compare(b.At), cmp.Compare(n.ID, b.ID)) < 0
}

func passes(n *ironic.Node, f ironic.NodeFilter) bool {
	flag := func(want *bool, have bool) bool { return want == nil || *want == have }
	exact := func(want *string, have string) bool { return want == nil || *want == have }
	return ofProjects(n, f.Projects) && text(f.ProvisionState, n.ProvisionState) && text(f.Driver, n.Driver) &&
		text(f.ResourceClass, n.ResourceClass) && text(f.InstanceUUID, n.InstanceUUID) &&
		text(f.Owner, n.Owner) && text(f.Lessee, n.Lessee) && text(f.Fault, n.Fault) && text(f.Chassis, n.ChassisUUID) &&
		flag(f.Associated, n.InstanceUUID != "") && flag(f.Maintenance, n.Maintenance) && flag(f.Retired, n.Retired) &&
		flag(f.Sharded, n.Shard != "") && oneOf(f.Shards, n.Shard) && oneOf(f.Groups, n.ConductorGroup) &&
		exact(f.Parent, n.ParentNode) && exact(f.Conductor, n.Conductor) && exact(f.InstanceName, n.InstanceName) &&
		(f.Health == nil || strings.EqualFold(*f.Health, n.Health)) && strings.Contains(n.Description, f.Description) &&
		(!f.Unreserved || n.Reservation == "") && (!f.Introspected || n.InspectionStartedAt != nil) && !slices.Contains(f.ExceptStates, n.ProvisionState) &&
		(f.BegunBefore == nil || n.InspectionStartedAt != nil && begunBefore(n, f.BegunBefore)) &&
		(f.UprightOr == "" || !n.Maintenance || n.Fault == f.UprightOr) && n.ID > f.AfterID
}
