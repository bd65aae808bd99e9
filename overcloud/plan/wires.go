package plan

import (
	"fmt"
	"slices"
	"strings"

	"trefoil/overcloud/hot"
)

// The settings of Neutron's templates by which a plan tells what its bridges lead to, as TripleO names them.
const (
	mappingsKey = "neutron::agents::ml2::ovs::bridge_mappings"  // of neutron_ovs_agent: NETWORK:BRIDGE
	tenantsKey  = "neutron::plugins::ml2::tenant_network_types" // of neutron_plugin_ml2
	vlansKey    = "neutron::plugins::ml2::network_vlan_ranges"  // likewise: NETWORK:FIRST:LAST
)

// The parameters that they come from.
const (
	mappingsParameter = "NeutronBridgeMappings"
	tenantsParameter  = "NeutronNetworkType"
	vlansParameter    = "NeutronNetworkVLANRanges"
)

// ovsAgent is the service_name of Neutron's agent for Open vSwitch.
const ovsAgent = "neutron_ovs_agent"

// wireless warns of physical networks of servers that lead nowhere: their bridge is made by
// nobody, or tenants' VLANs go by one that no interface of the machine is in. Neutron
// binds a server's port all the same, and the server is heard by nobody. Trees whose
// services are not ours to apply are not judged.
func (b *builder) wireless(p *Plan) []string {
	vlans := p.tenantVLANs()
	out := b.vlanless(p, vlans)
	for i := range p.Roles {
		r := &p.Roles[i]
		if r.Count == 0 {
			continue
		}
		bridges := p.bridges(r)
		for _, m := range r.mappings() {
			wired, made := bridges[m.bridge]
			switch {
			case !made:
				out = append(out, fmt.Sprintf("%srole %s: no service or nic config makes the bridge %s of physical network %s: Neutron's agent ends where it is missing; take the network out, of this role alone with %sParameters: {%s: […]}, or let a nic config make it",
					b.roleSetBy(r.Name, mappingsParameter), r.Name, m.bridge, m.network, r.Name, mappingsParameter))
			case !wired && slices.Contains(vlans, m.network):
				out = append(out, fmt.Sprintf("%s%s has vlan, and no interface of role %s's machines is in %s, the bridge of %s: who is on a tenant's VLAN there reaches no other machine; give the bridge one in a nic config, or with %sParameters: {NeutronPublicInterface: [eth1]}",
					b.setBy(tenantsParameter), tenantsParameter, r.Name, m.bridge, m.network, r.Name))
			}
		}
	}
	return out
}

// vlanless warns of VLANs that tenants cannot get: no physical network has any for them, or no
// agent knows the one that has.
func (b *builder) vlanless(p *Plan, vlans []string) []string {
	var types, mapped, out []string
	for _, d := range p.plugins() {
		types = words(d.Settings[tenantsKey])
	}
	if !slices.Contains(types, "vlan") {
		return nil
	}
	if len(vlans) == 0 {
		then := "Neutron goes on to " + strings.Join(slices.DeleteFunc(types, func(t string) bool { return t == "vlan" }), ", ")
		if then == "Neutron goes on to " {
			then = "no tenant can make a network"
		}
		return []string{fmt.Sprintf("%s%s has vlan, and no physical network of %s has VLANs for tenants: %s; give one some, as in %s: ['datacentre:100:199']",
			b.setBy(tenantsParameter), tenantsParameter, vlansParameter, then, vlansParameter)}
	}
	agents := false
	for i := range p.Roles {
		if r := &p.Roles[i]; r.Count > 0 {
			agents = agents || slices.ContainsFunc(r.Data, func(d ServiceData) bool { return d.Name == ovsAgent && d.foreign() == "" })
			for _, m := range r.mappings() {
				mapped = append(mapped, m.network)
			}
		}
	}
	for i, network := range vlans {
		if agents && !slices.Contains(mapped, network) && !slices.Contains(vlans[:i], network) {
			out = append(out, fmt.Sprintf("%s%s gives tenants VLANs of %s, and %s of no role has it: a server there gets no port; map it, as in %s: ['%s:br-ex'], or take its VLANs out",
				b.setBy(vlansParameter), vlansParameter, network, mappingsParameter, mappingsParameter, network))
		}
	}
	return out
}

// roleSetBy is setBy of a parameter that a role may have of its own.
func (b *builder) roleSetBy(role, parameter string) string {
	group := role + "Parameters"
	if own, _ := b.env.Defaults[group].(map[string]any); own[parameter] != nil {
		return b.env.At(group, parameter).String() + ": "
	}
	return b.setBy(parameter)
}

// tenantVLANs are the physical networks that tenants get VLANs of.
func (p *Plan) tenantVLANs() []string {
	var out []string
	for _, r := range p.Roles {
		for _, d := range r.Data {
			if r.Count == 0 || !slices.Contains(words(d.Settings[tenantsKey]), "vlan") {
				continue
			}
			for _, v := range words(d.Settings[vlansKey]) {
				if network, _, some := strings.Cut(v, ":"); some { // without numbers only an administrator takes one
					out = append(out, network)
				}
			}
		}
	}
	return out
}

// mapping is a physical network with its bridge.
type mapping struct{ network, bridge string }

// mappings are those of the role's agent for Open vSwitch; none where it is not ours.
func (r *Role) mappings() []mapping {
	var out []mapping
	for i := range r.Data {
		d := &r.Data[i]
		list, _ := d.Settings[mappingsKey].([]any)
		if d.Name != ovsAgent || d.foreign() != "" {
			continue
		}
		for _, v := range list {
			network, bridge, _ := strings.Cut(hot.String(v), ":")
			out = append(out, mapping{network, bridge})
		}
	}
	return out
}

// bridges are those of Open vSwitch that the machines of a role get, and whether an
// interface is in each.
func (p *Plan) bridges(r *Role) map[string]bool {
	out := map[string]bool{}
	for i := range r.Data {
		for _, e := range slices.Concat(r.Data[i].Steps[:]...) {
			if e.OnlyBeside != "" && !r.runs(e.OnlyBeside) {
				continue
			}
			if made, ok := e.Resource["ovs_bridge"].(map[string]any); ok {
				ports, _ := made["ports"].([]any)
				name := hot.String(made["name"])
				out[name] = out[name] || len(ports) > 0
			}
			if port, ok := e.Resource["ovs_port"].(map[string]any); ok && hot.String(port["type"]) == "" {
				out[hot.String(port["bridge"])] = true
			}
		}
	}
	i := slices.IndexFunc(p.Servers, func(s Server) bool { return s.Role == r.Name })
	if i < 0 {
		return out
	}
	objects, _ := p.Servers[i].Outputs["network_config"].([]any)
	for _, v := range objects {
		o, _ := v.(map[string]any)
		if members, _ := o["members"].([]any); o["type"] == "ovs_bridge" {
			name := hot.String(o["name"])
			out[name] = out[name] || len(members) > 0
		}
	}
	return out
}
