package ironic

import (
	"context"
	"time"
)

// Dialects that inspection rules are written in.
const (
	RuleIronic    = "ironic"    // /v1/inspection_rules of the bare-metal API
	RuleInspector = "inspector" // /v1/rules of the introspection API
)

// InspectionRule says what to do with a node when its inventory came: if all
// conditions hold, the actions are taken. What they may hold is told by package
// ironic/inspect/rules, which compiles them.
type InspectionRule struct {
	ID          int64
	UUID        string
	Dialect     string
	Description string
	Scope       string // inspector: only nodes whose property inspection_scope it is; empty: all
	Priority    int    // ironic: higher ones run first
	Phase       string // ironic: "main"
	Sensitive   bool   // ironic: conditions and actions are shown to nobody
	BuiltIn     bool   // of the service's configuration, in no store
	Conditions  []map[string]any
	Actions     []map[string]any
	CreatedAt   time.Time
	UpdatedAt   *time.Time
}

// InspectionRuleStore keeps inspection rules, and what an inspection made of a node;
// the rules of Store hold for it too. Errors: NotFound, Conflict for a duplicate uuid.
type InspectionRuleStore interface {
	// CreateInspectionRule stores r and fills ID and CreatedAt.
	CreateInspectionRule(ctx context.Context, r *InspectionRule) error
	InspectionRule(ctx context.Context, uuid string) (*InspectionRule, error)
	// InspectionRules lists those of a dialect in order of creation; without one, all.
	InspectionRules(ctx context.Context, dialect string) ([]*InspectionRule, error)
	UpdateInspectionRule(ctx context.Context, uuid string, change func(*InspectionRule) error) (*InspectionRule, error)
	DeleteInspectionRule(ctx context.Context, uuid string) error
	// DeleteInspectionRules removes all of a dialect; none is no error.
	DeleteInspectionRules(ctx context.Context, dialect string) error

	// UpdateInspected lets change edit a node, its ports and its inventory in one
	// transaction, as UpdateNode does with the node alone. NotFound: there is no
	// node, or it has no inventory.
	UpdateInspected(ctx context.Context, nodeUUID string, change func(*Node, []*Port, *Inventory) error) (*Node, error)
}
