package plan

import (
	"cmp"
	"slices"

	"trefoil/overcloud/hot"
	"trefoil/overcloud/network"
	"trefoil/overcloud/resource"
)

// vlanSuffix ends the parameters that tell nic configs the VLAN of a network.
const vlanSuffix = "NetworkVlanID"

// netVLAN is the VLAN of a network.
type netVLAN struct {
	network, key string
	id           int  // -1: no whole number
	given        bool // by an environment, else by network_data
	from         hot.Origin
}

// checkVLANs refuses VLANs that an environment gives nic configs and no machine can have. They
// are told here, where their line is known: a nic config makes a device of one that tells only
// of itself. That networks of one VLAN lie on different devices is no mistake.
func (b *builder) checkVLANs(p *Plan) error {
	vlans, err := b.netVLANs()
	if err != nil {
		return err
	}
	var all problems
	for i, v := range vlans {
		if !v.given {
			continue
		}
		none, _ := p.vlan(0, 1)
		if v.id < 0 || v.id > resource.MaxVLAN || v.id == 0 && none != "" { // 0 is none for those who make no device of it
			all.add(v.from.File, v.from.Line, "%s is %s; expected 1 to %d", v.key, hot.String(b.env.Defaults[v.key]), resource.MaxVLAN)
			continue
		}
		other := slices.IndexFunc(vlans, func(o netVLAN) bool { return o.id == v.id && o.network != v.network })
		if other < 0 || vlans[other].given && other > i { // of two that an environment gives the second tells of both
			continue
		}
		if role, device := p.vlan(v.id, 2); role != "" {
			o := vlans[other]
			all.add(v.from.File, v.from.Line, "%s is %d, and so is that of %s (%s): role %s's machines would have both on %s; give each network a VLAN of its own",
				v.key, v.id, o.network, o.from, role, device)
		}
	}
	return all.err()
}

// netVLANs are the VLANs of networks that some nic config reads.
func (b *builder) netVLANs() ([]netVLAN, error) {
	nets, err := network.Parse(b.networksFile.Name, b.networksFile.Data)
	if err != nil {
		return nil, err
	}
	var out []netVLAN
	for _, n := range nets {
		v := netVLAN{network: n.Name, key: n.Name + vlanSuffix, id: n.VLAN, from: hot.Origin{File: b.networksFile.Name, Line: n.Line}}
		if !n.Enabled || !b.ev.Used(v.key) {
			continue
		}
		if value, there := b.env.Defaults[v.key]; there {
			v.given, v.from = true, b.env.Origins[v.key]
			if id, whole := wholeNumber(value); whole {
				v.id = id
			} else {
				v.id = -1
			}
		}
		out = append(out, v)
	}
	return out, nil
}

// vlan is a role whose machines have a VLAN so many times on one device, and that device; "" is
// none.
func (p *Plan) vlan(id, times int) (role, device string) {
	for _, r := range p.Roles {
		i := slices.IndexFunc(p.Servers, func(s Server) bool { return s.Role == r.Name })
		if i < 0 {
			continue
		}
		objects, _ := p.Servers[i].Outputs["network_config"].([]any)
		seen := map[string]int{}
		for _, d := range vlanDevices(objects, id, "") {
			if seen[d]++; seen[d] == times {
				return r.Name, d
			}
		}
	}
	return "", ""
}

// vlanDevices are what the VLANs of that number lie on, one for each; members of a bridge lie
// on it where they name nothing else.
func vlanDevices(objects []any, id int, parent string) []string {
	var out []string
	for _, v := range objects {
		o, _ := v.(map[string]any)
		if n, whole := wholeNumber(o["vlan_id"]); o["type"] == "vlan" && whole && n == id {
			out = append(out, cmp.Or(hot.String(o["device"]), parent))
		}
		members, _ := o["members"].([]any)
		out = append(out, vlanDevices(members, id, hot.String(o["name"]))...)
	}
	return out
}
