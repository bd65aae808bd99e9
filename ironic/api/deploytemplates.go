package api

import (
	"fmt"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/steps"
)

// sinceDeployTemplates is the version that brought them (Ironic's REST API version history).
const sinceDeployTemplates = 55

// deployTemplates has the handlers of the resource and what they need beside the server.
type deployTemplates struct {
	*server
	fields table[*ironic.DeployTemplate]
}

// deployTemplateRoutes are the lists of steps that deployments take up by a trait's name.
func (s *server) deployTemplateRoutes() []route {
	d := &deployTemplates{server: s, fields: deployTemplateTable()}
	ident := missing("template_ident")
	return []route{
		{path: "/v1/deploy_templates", since: sinceDeployTemplates, refuses: true,
			methods: methods{"GET": d.list, "POST": d.create, "PATCH": ident, "DELETE": ident}},
		{path: "/v1/deploy_templates/{template}", since: sinceDeployTemplates, refuses: true,
			methods: methods{"GET": d.get, "PATCH": d.patch, "DELETE": d.remove}},
	}
}

// deployTemplateTable has every field of a deploy template in the order in which Ironic answers.
func deployTemplateTable() table[*ironic.DeployTemplate] {
	type row = *ironic.DeployTemplate
	return table[row]{
		{name: "uuid", kind: uuidText, initial: true, get: func(_ *call, t row) any { return t.UUID },
			set: func(t row, v any) { t.UUID = strings.ToLower(v.(string)) }},
		timeField("created_at", 0, func(t row) *time.Time { return &t.CreatedAt }),
		timeField("updated_at", 0, func(t row) *time.Time { return t.UpdatedAt }),
		traitField(func(t row) *string { return &t.Name }),
		{name: "extra", kind: dict, initial: true, patch: true, noSort: true,
			get: func(_ *call, t row) any { return mapOrEmpty(t.Extra) },
			set: func(t row, v any) { t.Extra = v.(map[string]any) }},
		{name: "links", noSort: true, get: func(c *call, t row) any { return c.links("deploy_templates/" + t.UUID) }},
		stepsField(steps.InTemplate, func(t row) *[]ironic.TemplateStep { return &t.Steps }),
	}
}

// find finds the one of the path.
func (d *deployTemplates) find(c *call) (*ironic.DeployTemplate, error) {
	ident, err := c.ident("template", "template_ident")
	if err != nil {
		return nil, err
	}
	t, err := d.store.DeployTemplate(c.ctx(), ident)
	if err != nil && !errs.Is(err, errs.NotFound) {
		err = fmt.Errorf("read deploy template: %w", err)
	}
	return t, err
}

func (d *deployTemplates) list(c *call) error {
	l, err := c.plainQuery(false)
	if err != nil {
		return err
	}
	rows, err := d.store.DeployTemplates(c.ctx())
	if err != nil {
		return fmt.Errorf("list deploy templates: %w", err)
	}
	return sendList(c, d.fields, "deploy_templates", "deploy_templates", l, []string{"uuid", "name"}, rows)
}

func (d *deployTemplates) get(c *call) error { return d.fields.show(c, d.find) }

func (d *deployTemplates) create(c *call) error {
	return create(c, d.fields, making[ironic.DeployTemplate]{resource: "template", path: "deploy_templates", row: &ironic.DeployTemplate{},
		needs: []string{"steps", "name"}, store: d.store.CreateDeployTemplate})
}

func (d *deployTemplates) patch(c *call) error {
	return patch(c, d.fields, "template", d.find, nil, d.store.UpdateDeployTemplate)
}

func (d *deployTemplates) remove(c *call) error {
	return d.fields.remove(c, d.find, d.store.DeleteDeployTemplate)
}
