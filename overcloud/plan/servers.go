package plan

import (
	"slices"

	"trefoil/overcloud/hot"
	"trefoil/overcloud/jinja"
	"trefoil/overcloud/stack/eval"
)

// servers reads the machines of a role: names, addresses, and the outputs of the
// role's template for each.
func (b *builder) servers(def roleDef, r *Role) ([]Server, error) {
	group, err := b.root.Resource(def.Name)
	if err != nil {
		return nil, err
	}
	var out []Server
	for i, m := range group.Members {
		if m == nil {
			continue
		}
		s := Server{Role: def.Name, Index: group.Indexes[i], Flavor: r.Flavor, Image: r.Image, Networks: map[string]string{}, Outputs: map[string]any{}}
		if err := b.server(&s, m, def.ServerResource); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (b *builder) server(s *Server, m *eval.Stack, resource string) error {
	r, err := m.Resource(resource)
	if err != nil {
		return err
	}
	s.Path = r.Path()
	id, err := m.Ref(resource, r.Origin())
	if err != nil {
		return err
	}
	s.ID = hot.String(id)
	name, err := m.Attr(resource, []any{"name"}, r.Origin())
	if err != nil {
		return err
	}
	s.Name = hot.String(name)
	nets, err := m.Attr(resource, []any{"networks"}, r.Origin())
	if err != nil {
		return err
	}
	b.addresses(s, nets)
	if m.Template().Resource("NetIpMap") != nil {
		ips, err := m.Attr("NetIpMap", []any{"net_ip_map"}, r.Origin())
		if err != nil {
			return err
		}
		b.addresses(s, ips)
	}
	for _, o := range m.Template().Outputs {
		if s.Outputs[o.Name], err = m.Output(o.Name); err != nil {
			return err
		}
	}
	return nil
}

// addresses takes the addresses of a map by network; of a list the first.
func (b *builder) addresses(s *Server, v any) {
	m, _ := v.(map[string]any)
	for _, net := range b.networkNames() {
		ip := m[net]
		if l, ok := ip.([]any); ok && len(l) > 0 {
			ip = l[0]
		}
		if text, ok := ip.(string); ok && text != "" {
			s.Networks[net] = text
		}
	}
}

// networkNames are ctlplane and the networks of network_data, as templates name them.
func (b *builder) networkNames() []string {
	out := []string{"ctlplane"}
	for _, n := range b.networks.Items {
		d, ok := n.(*jinja.Dict)
		if !ok {
			continue
		}
		if lower, _ := d.Get("name_lower"); lower != nil && !slices.Contains(out, hot.String(lower)) {
			out = append(out, hot.String(lower))
		}
	}
	return out
}
