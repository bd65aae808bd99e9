package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// decodeResource decodes an entry strictly; its names are not filled in yet.
func decodeResource(raw map[string]any, service string) (resource.Resource, error) {
	var r resource.Resource
	data, err := json.Marshal(raw)
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

// fill fills in the names in every string of v. What v points to is copied
// before it is changed: decoded entries are shared by all machines.
func fill(v reflect.Value, scope names) error {
	switch v.Kind() {
	case reflect.String:
		s, err := scope.fillIn(v.String())
		v.SetString(s)
		return err
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		c := reflect.New(v.Type().Elem())
		c.Elem().Set(v.Elem())
		v.Set(c)
		return fill(c.Elem(), scope)
	case reflect.Struct:
		for i := range v.NumField() {
			if err := fill(v.Field(i), scope); err != nil {
				return err
			}
		}
	case reflect.Slice:
		if v.Len() == 0 {
			return nil
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		v.Set(c)
		for i := range c.Len() {
			if err := fill(c.Index(i), scope); err != nil {
				return err
			}
		}
	case reflect.Map: // of strings: environments and options
		m, _ := v.Interface().(map[string]string)
		if len(m) == 0 {
			return nil
		}
		c := make(map[string]string, len(m))
		for k, s := range m {
			var err error
			if c[k], err = scope.fillIn(s); err != nil {
				return err
			}
		}
		v.Set(reflect.ValueOf(c))
	}
	return nil
}

// rehearse configures imagined machines, so that a mistake in a service
// template shows before a machine is touched.
func (p *Plan) rehearse() error {
	var nodes []Node
	next := netip.MustParseAddr("198.18.0.1") // RFC 2544: addresses for tests, 198.18.0.0/15
	for _, r := range p.Roles {
		count := min(r.Count, 2)
		if slices.Contains(r.Tags, "controller") {
			count = max(count, 1)
		}
		for i := range count {
			nodes = append(nodes, Node{Name: fmt.Sprintf("rehearsal-%s-%d", r.Name, i), Role: r.Name, Index: i,
				Address: next.String()})
			next = next.Next()
		}
	}
	if _, err := p.Configure(nodes); err != nil {
		return err
	}
	_, err := p.KeystoneResources(nodes)
	return err
}
