// Package image is the part of Glance v2 that the undercloud needs: records of
// images, their bytes on disk, and the lookup by which the conductor finds what
// to boot and to write.
package image

import (
	"context"
	"log/slog"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/conductor"
)

// States of an image.
const (
	Queued = "queued" // recorded, no bytes yet
	Saving = "saving" // bytes are coming
	Active = "active"
)

// Image is the record of an image.
type Image struct {
	ID              string            `json:"id"`
	Name            string            `json:"name"`
	Status          string            `json:"status"`
	Visibility      string            `json:"visibility"`
	ContainerFormat string            `json:"container_format"`
	DiskFormat      string            `json:"disk_format"`
	Owner           string            `json:"owner"`
	Size            int64             `json:"size"`         // bytes of the file
	VirtualSize     int64             `json:"virtual_size"` // bytes of the disk in it; 0: unknown
	MD5             string            `json:"md5"`
	SHA256          string            `json:"sha256"`
	SHA512          string            `json:"sha512"`
	MinDisk         int               `json:"min_disk"`
	MinRAM          int               `json:"min_ram"`
	Protected       bool              `json:"protected"`
	Hidden          bool              `json:"hidden"`
	Tags            []string          `json:"tags"`
	Properties      map[string]string `json:"properties"`
	CreatedAt       time.Time         `json:"created_at"`
	UpdatedAt       time.Time         `json:"updated_at"`
}

// Store keeps image records. Safe for concurrent use; each call is one transaction.
// An unknown id is an errs.NotFound.
type Store interface {
	CreateImage(ctx context.Context, i *Image) error
	Image(ctx context.Context, id string) (*Image, error)
	// Images lists all in the order they were made.
	Images(ctx context.Context) ([]*Image, error)
	// UpdateImage lets change edit the record in a transaction; its error undoes the edit and is returned.
	UpdateImage(ctx context.Context, id string, change func(*Image) error) (*Image, error)
	DeleteImage(ctx context.Context, id string) error
}

// ErrExists is what a store returns for a second image with one id.
func ErrExists(id string) error {
	return errs.New(errs.Conflict, "Image ID %s already exists!", id)
}

// Config is what a Service is made from. Store and Dir are required.
type Config struct {
	Store Store
	Dir   string // where the bytes are, made 0700; one file an image, named by its id
	Now   func() time.Time
	NewID func() string
	Log   *slog.Logger
}

var _ conductor.Images = (*Service)(nil)
