package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"trefoil/internal/errs"
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

// idleNetworks warns of networks that machines get addresses on and no service uses:
// ours are asked at, and speak from, a machine's address on ctlplane, whatever
// ServiceNetMap says. TripleO's own trees heed it and are not judged.
func (b *builder) idleNetworks(p *Plan) []string {
	used := map[string]bool{network.ControlPlane: true}
	for _, r := range p.Roles {
		for i := range r.Data {
			d := &r.Data[i]
			if d.foreign() != "" {
				return nil
			}
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
		out = append(out, fmt.Sprintf("isolated networks %s: machines have addresses there, and no service uses these. "+
			"All services are asked at, and speak from, the machines' addresses on ctlplane: APIs, database, message bus, Ceph and the tunnels of servers' networks are traffic of the provisioning network",
			strings.Join(idle, ", ")))
	}
	asked, _ := b.env.Defaults["ServiceNetMap"].(map[string]any)
	var ignored []string
	for _, service := range sortedKeys(asked) {
		if net := hot.String(asked[service]); !used[net] {
			ignored = append(ignored, service+": "+net)
		}
	}
	if len(ignored) > 0 {
		out = append(out, fmt.Sprintf("%sServiceNetMap has no effect: no service heeds it, all are on ctlplane (%s)", b.setBy("ServiceNetMap"), strings.Join(ignored, ", ")))
	}
	return out
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
