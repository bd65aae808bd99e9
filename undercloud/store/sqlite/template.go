package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"trefoil/ironic"
)

func deployTemplates() rows[ironic.DeployTemplate] {
	return rows[ironic.DeployTemplate]{"deploy_templates", "Deploy template", func(t *ironic.DeployTemplate) head {
		return head{id: &t.ID, uuid: &t.UUID, created: &t.CreatedAt, updated: &t.UpdatedAt, name: &t.Name}
	}}
}

func runbooks() rows[ironic.Runbook] {
	return rows[ironic.Runbook]{"runbooks", "Runbook", func(r *ironic.Runbook) head {
		return head{id: &r.ID, uuid: &r.UUID, created: &r.CreatedAt, updated: &r.UpdatedAt, name: &r.Name}
	}}
}

// CreateDeployTemplate stores a deploy template.
func (d *DB) CreateDeployTemplate(ctx context.Context, t *ironic.DeployTemplate) error {
	return deployTemplates().create(ctx, d, t)
}

// DeployTemplate finds one by uuid or name.
func (d *DB) DeployTemplate(ctx context.Context, ident string) (*ironic.DeployTemplate, error) {
	return deployTemplates().find(ctx, d.read, ident)
}

// DeployTemplates lists all in order of creation.
func (d *DB) DeployTemplates(ctx context.Context) ([]*ironic.DeployTemplate, error) {
	return deployTemplates().list(ctx, d, where{})
}

// DeployTemplatesNamed lists those that have one of the names.
func (d *DB) DeployTemplatesNamed(ctx context.Context, names []string) ([]*ironic.DeployTemplate, error) {
	list, err := json.Marshal(append([]string{}, names...))
	if err != nil {
		return nil, fmt.Errorf("encode names of deploy templates: %w", err)
	}
	var w where
	w.add("name IN (SELECT value FROM json_each(?))", string(list))
	return deployTemplates().list(ctx, d, w)
}

// UpdateDeployTemplate lets change edit a deploy template inside one write transaction.
func (d *DB) UpdateDeployTemplate(ctx context.Context, uuid string, change func(*ironic.DeployTemplate) error) (*ironic.DeployTemplate, error) {
	return deployTemplates().update(ctx, d, uuid, change)
}

// DeleteDeployTemplate removes one.
func (d *DB) DeleteDeployTemplate(ctx context.Context, uuid string) error {
	return deployTemplates().remove(ctx, d, uuid)
}

// CreateRunbook stores a runbook.
func (d *DB) CreateRunbook(ctx context.Context, r *ironic.Runbook) error {
	return runbooks().create(ctx, d, r)
}

// Runbook finds one by uuid or name.
func (d *DB) Runbook(ctx context.Context, ident string) (*ironic.Runbook, error) {
	return runbooks().find(ctx, d.read, ident)
}

// Runbooks lists all in order of creation.
func (d *DB) Runbooks(ctx context.Context) ([]*ironic.Runbook, error) {
	return runbooks().list(ctx, d, where{})
}

// UpdateRunbook lets change edit a runbook inside one write transaction.
func (d *DB) UpdateRunbook(ctx context.Context, uuid string, change func(*ironic.Runbook) error) (*ironic.Runbook, error) {
	return runbooks().update(ctx, d, uuid, change)
}

// DeleteRunbook removes one.
func (d *DB) DeleteRunbook(ctx context.Context, uuid string) error {
	return runbooks().remove(ctx, d, uuid)
}
