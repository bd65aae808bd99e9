package apitest

import (
	"context"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

// named is a list of things whose uuids and names are unique. The store's mutex guards it.
type named[T any] struct {
	kind string // what errors call it, with a capital
	head func(*T) head
	rows []*T
}

// head is what of a thing names it, or is the store's to fill.
type head struct {
	id         *int64
	uuid, name *string
	created    *time.Time
	updated    **time.Time
}

func newDeployTemplates() named[ironic.DeployTemplate] {
	return named[ironic.DeployTemplate]{kind: "Deploy template", head: func(t *ironic.DeployTemplate) head {
		return head{&t.ID, &t.UUID, &t.Name, &t.CreatedAt, &t.UpdatedAt}
	}}
}

func newRunbooks() named[ironic.Runbook] {
	return named[ironic.Runbook]{kind: "Runbook", head: func(r *ironic.Runbook) head {
		return head{&r.ID, &r.UUID, &r.Name, &r.CreatedAt, &r.UpdatedAt}
	}}
}

func (n *named[T]) find(ident string) (int, error) {
	for i, row := range n.rows {
		if h := n.head(row); *h.uuid == ident || *h.name == ident {
			return i, nil
		}
	}
	return 0, errs.New(errs.NotFound, "%s %s could not be found.", n.kind, ident)
}

// clash refuses a uuid or name that another row has.
func (n *named[T]) clash(v *T) error {
	h := n.head(v)
	for _, row := range n.rows {
		switch other := n.head(row); {
		case *other.id == *h.id:
		case *other.uuid == *h.uuid:
			return errs.New(errs.Conflict, "A %s with UUID %s already exists.", strings.ToLower(n.kind), *h.uuid)
		case *other.name == *h.name:
			return errs.New(errs.Conflict, "A %s with name %s already exists.", strings.ToLower(n.kind), *h.name)
		}
	}
	return nil
}

func (n *named[T]) create(s *Store, v *T) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := deep(v)
	h := n.head(stored)
	*h.id, *h.created, *h.updated = s.last+1, s.Now().UTC().Truncate(time.Microsecond), nil
	if err := n.clash(stored); err != nil {
		return err
	}
	s.last = *h.id
	n.rows = append(n.rows, stored)
	*v = *deep(stored)
	return nil
}

func (n *named[T]) get(s *Store, ident string) (*T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := n.find(ident)
	if err != nil {
		return nil, err
	}
	return deep(n.rows[i]), nil
}

func (n *named[T]) list(s *Store, keep func(*T) bool) ([]*T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*T
	for _, row := range n.rows {
		if keep(row) {
			out = append(out, deep(row))
		}
	}
	return out, nil
}

func (n *named[T]) update(s *Store, uuid string, change func(*T) error) (*T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := n.find(uuid)
	if err != nil {
		return nil, err
	}
	was, v := n.head(n.rows[i]), deep(n.rows[i])
	if err := change(v); err != nil {
		return nil, err
	}
	h, at := n.head(v), s.Now().UTC().Truncate(time.Microsecond)
	*h.id, *h.uuid, *h.created, *h.updated = *was.id, *was.uuid, *was.created, &at
	if err := n.clash(v); err != nil {
		return nil, err
	}
	n.rows[i] = v
	return deep(v), nil
}

func (n *named[T]) remove(s *Store, uuid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := n.find(uuid)
	if err != nil {
		return err
	}
	n.rows = slices.Delete(n.rows, i, i+1)
	return nil
}

// CreateDeployTemplate stores a copy of t.
func (s *Store) CreateDeployTemplate(_ context.Context, t *ironic.DeployTemplate) error {
	return s.templates.create(s, t)
}

// DeployTemplate returns a copy.
func (s *Store) DeployTemplate(_ context.Context, ident string) (*ironic.DeployTemplate, error) {
	return s.templates.get(s, ident)
}

// DeployTemplates returns copies.
func (s *Store) DeployTemplates(context.Context) ([]*ironic.DeployTemplate, error) {
	return s.templates.list(s, func(*ironic.DeployTemplate) bool { return true })
}

// DeployTemplatesNamed returns copies.
func (s *Store) DeployTemplatesNamed(_ context.Context, names []string) ([]*ironic.DeployTemplate, error) {
	return s.templates.list(s, func(t *ironic.DeployTemplate) bool { return slices.Contains(names, t.Name) })
}

// UpdateDeployTemplate changes a copy and keeps it.
func (s *Store) UpdateDeployTemplate(_ context.Context, uuid string, change func(*ironic.DeployTemplate) error) (*ironic.DeployTemplate, error) {
	return s.templates.update(s, uuid, change)
}

// DeleteDeployTemplate removes it.
func (s *Store) DeleteDeployTemplate(_ context.Context, uuid string) error {
	return s.templates.remove(s, uuid)
}

// CreateRunbook stores a copy of r.
func (s *Store) CreateRunbook(_ context.Context, r *ironic.Runbook) error {
	return s.runbooks.create(s, r)
}

// Runbook returns a copy.
func (s *Store) Runbook(_ context.Context, ident string) (*ironic.Runbook, error) {
	return s.runbooks.get(s, ident)
}

// Runbooks returns copies.
func (s *Store) Runbooks(context.Context) ([]*ironic.Runbook, error) {
	return s.runbooks.list(s, func(*ironic.Runbook) bool { return true })
}

// UpdateRunbook changes a copy and keeps it.
func (s *Store) UpdateRunbook(_ context.Context, uuid string, change func(*ironic.Runbook) error) (*ironic.Runbook, error) {
	return s.runbooks.update(s, uuid, change)
}

// DeleteRunbook removes it.
func (s *Store) DeleteRunbook(_ context.Context, uuid string) error {
	return s.runbooks.remove(s, uuid)
}
