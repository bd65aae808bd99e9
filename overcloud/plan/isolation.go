package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/network"
)

// isolated are the networks besides ctlplane that machines have addresses of their own on.
func (p *Plan) isolated() []string {
	var out []string
	for _, s := range p.Servers {
		for name, ip := range s.Networks {
			if name != network.ControlPlane && ip != s.Networks[network.ControlPlane] && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// ofNetwork is the name of a machine's address on a network of network_data, among other names.
var ofNetwork = regexp.MustCompile(`%\{(?:node|peer|each)\.([a-z0-9_]+)\}`)

// usedBy notes the names of machines that a resource's texts hold: node.storage is storage.
func usedBy(v any, names map[string]bool) {
	switch v := v.(type) {
	case string:
		for _, m := range ofNetwork.FindAllStringSubmatch(v, -1) {
			names[m[1]] = true
		}
	case map[string]any:
		for _, x := range v {
			usedBy(x, names)
		}
	case []any:
		for _, x := range v {
			usedBy(x, names)
		}
	}
}

// idleNetworks warns of networks that machines get addresses on and no service uses, and
// of services that ServiceNetMap moves in vain. TripleO's own trees are not judged.
func (b *builder) idleNetworks(p *Plan) []string {
	used := map[string]bool{network.ControlPlane: true}
	for _, r := range p.Roles {
		for i := range r.Data {
			d := &r.Data[i]
			if d.foreign() != "" {
				return nil
			}
			used[d.Network] = true
			for _, entries := range d.Steps {
				for _, e := range entries {
					usedBy(e.Resource, used)
				}
			}
		}
	}
	idle := slices.DeleteFunc(p.isolated(), func(name string) bool { return used[name] })
	var out []string
	if len(idle) > 0 {
		out = append(out, fmt.Sprintf("isolated networks %s: machines have addresses there, and no service uses these: the APIs are asked from outside on ctlplane", strings.Join(idle, ", ")))
	}
	known := b.netMap("service_net_map_defaults")
	for _, key := range b.netMap("service_net_map") {
		if !slices.Contains(known, key) {
			out = append(out, fmt.Sprintf("%s: ServiceNetMap: %s has no effect: no service asks for it%s", b.env.At("ServiceNetMap", key), key, nearest.Hint(key, known)))
		}
	}
	return out
}

// netMap are the keys of an output of the template behind ServiceNetMap; none in a tree without it.
func (b *builder) netMap(output string) []string {
	if b.root.Template().Resource("ServiceNetMap") == nil {
		return nil
	}
	r, err := b.root.Resource("ServiceNetMap")
	if err != nil {
		return nil
	}
	v, _ := b.root.Attr(r.Name, []any{output}, r.Origin())
	all, _ := v.(map[string]any)
	return sortedKeys(all)
}

// cutOff warns of roles whose services need others on a network that their machines are
// not on. The APIs, and a database behind HAProxy, are asked at the cloud's address.
func (p *Plan) cutOff() []string {
	on := map[[2]string]bool{} // roles and networks on which they have addresses of their own
	for _, s := range p.Servers {
		for net, ip := range s.Networks {
			if ip != s.Networks[network.ControlPlane] {
				on[[2]string{s.Role, net}] = true
			}
		}
	}
	at := map[string]string{} // the network of each service that is on one of these
	for _, r := range p.Roles {
		for i := range r.Data {
			d := &r.Data[i]
			shared := d.Frontend != nil || d.Name == mysqlService && p.VirtualAddress() != ""
			if !shared && on[[2]string{r.Name, d.Network}] {
				at[d.Name] = d.Network
			}
		}
	}
	var out []string
	for _, r := range p.Roles {
		far := map[string][]string{}
		for i := range r.Data {
			for _, need := range r.Data[i].Needs {
				name := strings.TrimSuffix(need, optional)
				if net := at[name]; r.Count > 0 && net != "" && !on[[2]string{r.Name, net}] && !slices.Contains(far[net], name) {
					far[net] = append(far[net], name)
				}
			}
		}
		for _, net := range sortedKeys(far) {
			out = append(out, fmt.Sprintf("role %s is not on network %s, where services are that its own need (%s): without a router between they do not reach them; give the role the network, or those services another (ServiceNetMap)",
				r.Name, net, strings.Join(far[net], ", ")))
		}
	}
	return out
}

// checkNetworks refuses services on networks that are not there.
func (b *builder) checkNetworks(p *Plan) error {
	known := b.networkNames()
	var lines []string
	for _, r := range p.Roles {
		for i := range r.Data {
			if d := &r.Data[i]; d.Network != "" && !slices.Contains(known, d.Network) {
				lines = append(lines, fmt.Sprintf("service %s (%s) of role %s is on network %q, which is not in %s%s", d.Name, d.Template, r.Name, d.Network, b.networksFile.Name, nearest.Hint(d.Network, known)))
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(lines, "\n")).WithHint("networks of services are in ServiceNetMap, by their name_lower")
}

// overlaps: a network that machines get addresses on has none of the provisioning
// network's, or they could not tell which way to send. Others of the file are not made.
func (b *builder) overlaps(p *Plan) error {
	nets, err := network.Parse(b.networksFile.Name, b.networksFile.Data)
	if err != nil {
		return err
	}
	mine, err := network.ParsePrefix(b.ctlplane().CIDR)
	if err != nil {
		return fmt.Errorf("the provisioning network: %w", err)
	}
	apart := p.isolated()
	for _, made := range b.ev.Networks() {
		apart = append(apart, made.Name)
	}
	ranges, err := b.subnets()
	if err != nil {
		return err
	}
	var all problems
	for _, n := range nets {
		from := hot.Origin{File: b.networksFile.Name, Line: n.Line}
		if o := b.env.Origins[n.Name+"NetCidr"]; o.File != "" {
			from = o
		}
		for _, s := range ranges[n.NameLower] {
			if slices.Contains(apart, n.NameLower) && s.cidr.Overlaps(mine) {
				all.add(from.File, from.Line, "network %s: %s overlaps with %s of the provisioning network (ctlplane)", n.Name, s.cidr, mine)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(all, "\n")).
		WithHint("choose another ip_subnet; the provisioning network's is in undercloud.conf")
}
