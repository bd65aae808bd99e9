package ironic

import (
	"context"
	"time"
)

// Chassis is a housing with nodes in it.
type Chassis struct {
	ID          int64
	UUID        string
	Description string
	Extra       map[string]any
	CreatedAt   time.Time
	UpdatedAt   *time.Time
}

// ChassisStore keeps chassis; the rules of Store hold for it too. Errors:
// NotFound, Conflict for a duplicate uuid.
type ChassisStore interface {
	// CreateChassis stores c and fills ID and CreatedAt.
	CreateChassis(ctx context.Context, c *Chassis) error
	Chassis(ctx context.Context, uuid string) (*Chassis, error)
	AllChassis(ctx context.Context) ([]*Chassis, error)
	UpdateChassis(ctx context.Context, uuid string, change func(*Chassis) error) (*Chassis, error)
	// DeleteChassis removes it. Invalid while nodes are in it.
	DeleteChassis(ctx context.Context, uuid string) error
}
