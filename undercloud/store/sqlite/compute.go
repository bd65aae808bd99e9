package sqlite

import (
	"context"
	"database/sql"

	"trefoil/internal/errs"
	"trefoil/undercloud/compute"
)

// Compute keeps flavors and key pairs.
type Compute struct {
	db      *DB
	flavors documents[compute.Flavor]
	keys    documents[compute.Keypair]
}

var _ compute.Store = (*Compute)(nil)

// NewCompute returns the store of flavors and key pairs in db.
func NewCompute(db *DB) *Compute {
	return &Compute{db, documents[compute.Flavor]{"flavors", "flavor"}, documents[compute.Keypair]{"keypairs", "keypair"}}
}

// Flavors implements compute.Store, as do the methods below.
func (s *Compute) Flavors(ctx context.Context) ([]*compute.Flavor, error) {
	return s.flavors.list(ctx, s.db.read)
}

// CreateFlavor stores a new flavor.
func (s *Compute) CreateFlavor(ctx context.Context, f *compute.Flavor) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		all, err := s.flavors.list(ctx, tx)
		if err != nil {
			return err
		}
		for _, o := range all {
			if o.Name == f.Name {
				return errs.New(errs.Conflict, "Flavor with name %s already exists.", f.Name)
			}
			if o.ID == f.ID {
				return errs.New(errs.Conflict, "Flavor with ID %s already exists.", f.ID)
			}
		}
		return s.flavors.put(ctx, tx, f.ID, f)
	})
}

// UpdateFlavor edits a flavor.
func (s *Compute) UpdateFlavor(ctx context.Context, id string, change func(*compute.Flavor) error) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		f, err := s.flavors.get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := change(f); err != nil {
			return err
		}
		return s.flavors.put(ctx, tx, id, f)
	})
}

// DeleteFlavor deletes a flavor.
func (s *Compute) DeleteFlavor(ctx context.Context, id string) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error { return s.flavors.drop(ctx, tx, id) })
}

// Keypairs lists key pairs.
func (s *Compute) Keypairs(ctx context.Context) ([]*compute.Keypair, error) {
	return s.keys.list(ctx, s.db.read)
}

// CreateKeypair stores a new key pair.
func (s *Compute) CreateKeypair(ctx context.Context, k *compute.Keypair) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := s.keys.get(ctx, tx, k.Name); err == nil {
			return errs.New(errs.Conflict, "Key pair '%s' already exists.", k.Name)
		}
		return s.keys.put(ctx, tx, k.Name, k)
	})
}

// DeleteKeypair deletes a key pair.
func (s *Compute) DeleteKeypair(ctx context.Context, name string) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error { return s.keys.drop(ctx, tx, name) })
}
