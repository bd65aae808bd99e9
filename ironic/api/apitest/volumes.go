package apitest

import (
	"context"
	"slices"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// volumes is the store's connectors, or its targets.
type volumes[T ironic.VolumeKind] struct {
	s       *Store
	list    *[]*T
	noun    string // connector or target
	row     func(*T) *ironic.VolumeRow
	clashes func(a, b *T) bool // in what is unique beside the uuid
	taken   func(*T) error
}

// VolumeConnectors keeps the names under which nodes ask for volumes.
func (s *Store) VolumeConnectors() ironic.Volumes[ironic.VolumeConnector] {
	type connector = ironic.VolumeConnector
	return volumes[connector]{s, &s.connectors, "connector", (*connector).Row,
		func(a, b *connector) bool { return a.Type == b.Type && a.ConnectorID == b.ConnectorID }, (*connector).Taken}
}

// VolumeTargets keeps the volumes that nodes are to use.
func (s *Store) VolumeTargets() ironic.Volumes[ironic.VolumeTarget] {
	type target = ironic.VolumeTarget
	return volumes[target]{s, &s.targets, "target", (*target).Row,
		func(a, b *target) bool { return a.NodeUUID == b.NodeUUID && a.BootIndex == b.BootIndex }, (*target).Taken}
}

// dropVolumes forgets what a node that goes has of volumes; the caller holds mu.
func (s *Store) dropVolumes(node string) {
	s.connectors = slices.DeleteFunc(s.connectors, func(v *ironic.VolumeConnector) bool { return v.NodeUUID == node })
	s.targets = slices.DeleteFunc(s.targets, func(v *ironic.VolumeTarget) bool { return v.NodeUUID == node })
}

func (k volumes[T]) find(uuid string) (int, error) {
	i := slices.IndexFunc(*k.list, func(v *T) bool { return k.row(v).UUID == uuid })
	if i < 0 {
		return 0, errs.New(errs.NotFound, "Volume %s %s could not be found.", k.noun, uuid)
	}
	return i, nil
}

// unique refuses what another row has; self is v's own place, -1 for a new one.
func (k volumes[T]) unique(v *T, self int) error {
	if i, err := k.find(k.row(v).UUID); err == nil && i != self {
		return errs.New(errs.Conflict, "A volume %s with UUID %s already exists.", k.noun, k.row(v).UUID)
	}
	for i, other := range *k.list {
		if i != self && k.clashes(v, other) {
			return k.taken(v)
		}
	}
	return nil
}

func (k volumes[T]) allowed(node string, may func(*ironic.Node) error) error {
	i, err := k.s.find(node)
	if err != nil {
		return err
	}
	return may(deep(k.s.nodes[i]))
}

// Create stores a copy of v.
func (k volumes[T]) Create(_ context.Context, v *T) error {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	row := k.row(v)
	if _, err := k.s.find(row.NodeUUID); err != nil {
		return err
	}
	if err := k.unique(v, -1); err != nil {
		return err
	}
	k.s.last++
	row.ID, row.CreatedAt = k.s.last, k.s.Now().UTC().Truncate(time.Microsecond)
	*k.list = append(*k.list, deep(v))
	return nil
}

// Get returns a copy.
func (k volumes[T]) Get(_ context.Context, uuid string) (*T, error) {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	i, err := k.find(uuid)
	if err != nil {
		return nil, err
	}
	return deep((*k.list)[i]), nil
}

// List returns copies.
func (k volumes[T]) List(_ context.Context, nodeUUID string) ([]*T, error) {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	var out []*T
	for _, v := range *k.list {
		if nodeUUID == "" || k.row(v).NodeUUID == nodeUUID {
			out = append(out, deep(v))
		}
	}
	return out, nil
}

// Update changes a copy and keeps it.
func (k volumes[T]) Update(ctx context.Context, uuid string, change func(*T) error, may func(*ironic.Node) error) (*T, error) {
	k.s.writing.Lock()
	defer k.s.writing.Unlock()
	v, err := k.Get(ctx, uuid)
	if err != nil {
		return nil, err
	}
	row, was := k.row(v), *k.row(v)
	n, err := k.s.Node(ctx, was.NodeUUID)
	if err != nil {
		return nil, err
	}
	if err := may(n); err != nil {
		return nil, err
	}
	if err := change(v); err != nil {
		return nil, err
	}
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	i, err := k.find(uuid)
	if err != nil {
		return nil, err
	}
	if row.NodeUUID != was.NodeUUID {
		if err := k.allowed(row.NodeUUID, may); errs.Is(err, errs.NotFound) {
			return nil, errs.New(errs.Invalid, "%s", err.Error())
		} else if err != nil {
			return nil, err
		}
	}
	at := k.s.Now().UTC().Truncate(time.Microsecond)
	row.ID, row.UUID, row.CreatedAt, row.UpdatedAt = was.ID, was.UUID, was.CreatedAt, &at
	if err := k.unique(v, i); err != nil {
		return nil, err
	}
	(*k.list)[i] = v
	return deep(v), nil
}

// Delete removes one.
func (k volumes[T]) Delete(_ context.Context, uuid string, may func(*ironic.Node) error) error {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	i, err := k.find(uuid)
	if err != nil {
		return err
	}
	if err := k.allowed(k.row((*k.list)[i]).NodeUUID, may); err != nil {
		return err
	}
	*k.list = slices.Delete(*k.list, i, i+1)
	return nil
}
