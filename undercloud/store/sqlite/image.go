package sqlite

import (
	"context"
	"database/sql"

	"trefoil/undercloud/image"
)

// Images keeps the records of images.
type Images struct {
	db  *DB
	doc documents[image.Image]
}

var _ image.Store = (*Images)(nil)

// NewImages returns the store of images in db.
func NewImages(db *DB) *Images {
	return &Images{db, documents[image.Image]{"images", "image"}}
}

// Image implements image.Store.
func (s *Images) Image(ctx context.Context, id string) (*image.Image, error) {
	return s.doc.get(ctx, s.db.read, id)
}

// Images implements image.Store.
func (s *Images) Images(ctx context.Context) ([]*image.Image, error) {
	return s.doc.list(ctx, s.db.read)
}

// CreateImage implements image.Store.
func (s *Images) CreateImage(ctx context.Context, i *image.Image) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := s.doc.get(ctx, tx, i.ID); err == nil {
			return image.ErrExists(i.ID)
		}
		return s.doc.put(ctx, tx, i.ID, i)
	})
}

// UpdateImage implements image.Store.
func (s *Images) UpdateImage(ctx context.Context, id string, change func(*image.Image) error) (*image.Image, error) {
	var out *image.Image
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		i, err := s.doc.get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := change(i); err != nil {
			return err
		}
		out = i
		return s.doc.put(ctx, tx, id, i)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteImage implements image.Store.
func (s *Images) DeleteImage(ctx context.Context, id string) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error { return s.doc.drop(ctx, tx, id) })
}
