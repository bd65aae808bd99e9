package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// makeResource fills in the names of an entry and decodes it strictly.
func makeResource(raw map[string]any, service string, scopes []map[string]string) (resource.Resource, error) {
	var r resource.Resource
	v, err := interpolate(raw, scopes)
	if err != nil {
		return r, err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return r, fmt.Errorf("encode resource: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) {
			return r, errs.New(errs.Invalid, "%s must be a %s, got a %s", kind.Field, kind.Type, kind.Value).
				WithHint("quote it in the template, as in mode: '0640'")
		}
		return r, errs.New(errs.Invalid, "%s: %v", raw["type"], err)
	}
	r.Service = service
	return r, nil
}

// rehearse configures imagined machines, so that a mistake in a service
// template shows before a machine is touched.
func (p *Plan) rehearse() error {
	var nodes []Node
	for _, r := range p.Roles {
		count := min(r.Count, 2)
		if slices.Contains(r.Tags, "controller") {
			count = max(count, 1)
		}
		for i := range count {
			nodes = append(nodes, Node{Name: fmt.Sprintf("rehearsal-%s-%d", r.Name, i), Role: r.Name, Index: i,
				Address: fmt.Sprintf("192.0.2.%d", len(nodes)+1)}) // RFC 5737: addresses for documentation
		}
	}
	_, err := p.Configure(nodes)
	return err
}
