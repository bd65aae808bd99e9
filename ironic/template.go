package ironic

import (
	"context"
	"time"
)

// TemplateStep is one step of a deploy template or a runbook.
type TemplateStep struct {
	Interface string
	Name      string
	Args      map[string]any // may hold secrets
	// Rank is the priority of a deploy template's step (the highest runs first, 0 switches
	// the step off) and the order of a runbook's (the lowest runs first).
	Rank int
}

// DeployTemplate is steps that are part of the deployment of each instance that asks for
// the trait of its name.
type DeployTemplate struct {
	ID        int64
	UUID      string
	Name      string // a trait; unique
	Steps     []TemplateStep
	Extra     map[string]any
	CreatedAt time.Time
	UpdatedAt *time.Time
}

// Runbook is steps to clean or service nodes with, of those nodes that have the trait of
// its name.
type Runbook struct {
	ID             int64
	UUID           string
	Name           string // a trait; unique
	Steps          []TemplateStep
	DisableRamdisk bool // the machine must not be taken into a ramdisk
	Public         bool // for all projects
	Owner          string
	Extra          map[string]any
	CreatedAt      time.Time
	UpdatedAt      *time.Time
}

// DeployTemplateStore keeps deploy templates; the rules of Store hold for it too. Errors:
// NotFound, Conflict for a duplicate name or uuid.
type DeployTemplateStore interface {
	// CreateDeployTemplate stores t and fills ID and CreatedAt.
	CreateDeployTemplate(ctx context.Context, t *DeployTemplate) error
	// DeployTemplate finds one by uuid or name.
	DeployTemplate(ctx context.Context, ident string) (*DeployTemplate, error)
	DeployTemplates(ctx context.Context) ([]*DeployTemplate, error)
	// DeployTemplatesNamed lists those that have one of the names.
	DeployTemplatesNamed(ctx context.Context, names []string) ([]*DeployTemplate, error)
	// UpdateDeployTemplate edits one as UpdateNode does.
	UpdateDeployTemplate(ctx context.Context, uuid string, change func(*DeployTemplate) error) (*DeployTemplate, error)
	DeleteDeployTemplate(ctx context.Context, uuid string) error
}

// RunbookStore keeps runbooks as DeployTemplateStore keeps deploy templates.
type RunbookStore interface {
	CreateRunbook(ctx context.Context, r *Runbook) error
	Runbook(ctx context.Context, ident string) (*Runbook, error)
	Runbooks(ctx context.Context) ([]*Runbook, error)
	UpdateRunbook(ctx context.Context, uuid string, change func(*Runbook) error) (*Runbook, error)
	DeleteRunbook(ctx context.Context, uuid string) error
}
