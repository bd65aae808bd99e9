package plan

import (
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/nearest"
	"trefoil/overcloud/jinja"
	"trefoil/overcloud/network"
)

const digits = "0123456789"

// checkNetworkNames refuses default routes by no network, and networks of roles whose names are those of network_data but for
// a slip: templates would leave such a network out, and its machines would not be on it.
func (b *builder) checkNetworkNames() error {
	known := b.definedNetworks()
	var all problems
	for _, r := range b.roles.roles {
		b.checkRoutes(&all, r, known)
		own := texts(r.Networks)
		for _, n := range r.Networks {
			near := nearest.Name(n.Text, known)
			// Leafs are numbered: InternalApi1 is no slip of InternalApi.
			numbered := strings.Trim(n.Text, digits) == strings.Trim(near, digits)
			if !slices.Contains(known, n.Text) && near != "" && nearest.Distance(n.Text, near) <= slip && !numbered && !slices.Contains(own, near) {
				all.add(b.roles.name, n.Line, "role %s: network %q is not in %s; did you mean %q?", r.Name, n.Text, b.networksFile.Name, near)
			}
		}
	}
	return all.err()
}

// checkRoutes refuses a default route by a network that there is not: the role's machines would
// have none. A network of the role that network_data leaves out is told by strayNetworks.
func (b *builder) checkRoutes(all *problems, r roleDef, known []string) {
	for _, n := range r.Routes {
		names := append([]string{"ControlPlane"}, known...) // as templates call the provisioning network
		if len(known) > 0 && !slices.Contains(names, n.Text) && n.Text != network.ControlPlane && !slices.Contains(texts(r.Networks), n.Text) {
			all.add(b.roles.name, n.Line, "role %s: default_route_networks: there is no network %q%s; networks are %s", r.Name, n.Text, nearest.Hint(n.Text, names), strings.Join(names, ", "))
		}
	}
}

// strayNetworks tells of other networks of roles that network_data does not have: a
// network is often left out there alone, and roles keep its name.
func (b *builder) strayNetworks(p *Plan) []string {
	known := b.definedNetworks()
	if len(known) == 0 {
		return nil // all is on the provisioning network, as Wallaby's tree has it by itself
	}
	var out []string
	for _, def := range b.roles.roles {
		stray := slices.DeleteFunc(slices.Clone(def.Networks), func(n located) bool { return slices.Contains(known, n.Text) })
		machines := slices.ContainsFunc(p.Roles, func(r Role) bool { return r.Name == def.Name && r.Count > 0 })
		if len(stray) > 0 && machines {
			out = append(out, fmt.Sprintf("%s:%d: role %s: its machines are not on %s: not in %s, which has %s",
				b.roles.name, stray[0].Line, def.Name, strings.Join(texts(stray), ", "), b.networksFile.Name, strings.Join(known, ", ")))
		}
	}
	return out
}

// definedNetworks are the names in network_data, those of disabled networks too.
func (b *builder) definedNetworks() []string {
	var out []string
	for _, n := range b.networks.Items {
		name, _ := n.(*jinja.Dict).Get("name") // a map, as parseNetworks has seen
		out = append(out, jinja.Str(name))
	}
	return out
}
