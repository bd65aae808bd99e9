package plan

import (
	"cmp"
	"slices"

	"trefoil/overcloud/hot"
	"trefoil/overcloud/network"
)

// vips lays what a file of virtual addresses says over the environment: the
// parameters by which the templates ask for a fixed address. A network without an
// address in the file takes the lowest free one.
func (b *builder) vips() error {
	if b.o.VIPs.Name == "" && b.o.VIPs.Data == nil {
		return nil
	}
	f, err := b.file(b.o.VIPs, b.o.VIPs.Name)
	if err != nil {
		return err
	}
	list, err := network.ParseVIPs(f.Name, f.Data)
	if err != nil {
		return err
	}
	nets, err := network.Parse(b.networksFile.Name, b.networksFile.Data)
	if err != nil {
		return err
	}
	if err := network.CheckVIPs(list, nets); err != nil {
		return err
	}
	for _, v := range list {
		if !v.IP.IsValid() {
			continue
		}
		name := fixedAddresses(v.Network, nets)
		b.env.SetDefault(name, []any{map[string]any{"ip_address": v.IP.String()}}, hot.Origin{File: v.File, Line: v.Line}.String())
	}
	return nil
}

// fixedAddresses is the parameter for the virtual address of a network, as
// TripleO's overcloud.yaml names it.
func fixedAddresses(lower string, nets []network.Network) string {
	switch lower {
	case network.ControlPlane:
		return "ControlFixedIPs"
	case "external":
		return "PublicVirtualFixedIPs"
	}
	for _, n := range nets {
		if n.NameLower == lower {
			return n.Name + "VirtualFixedIPs"
		}
	}
	return lower // not reached: CheckVIPs knows the network
}

// virtualPort is the resource of overcloud.yaml that asks for the address in front of
// several controllers, as TripleO's.
const virtualPort = "ControlVirtualIP"

// VirtualKey is what the address in front of a stack's controllers is remembered by
// in Options.Addresses.
func VirtualKey(stack string) string {
	return stack + "." + virtualPort + "/" + network.ControlPlane
}

// VirtualAddress is the address in front of several controllers, planned or kept;
// "" where a controller's own address is the cloud's.
func (p *Plan) VirtualAddress() string {
	vips, _ := p.Outputs["VipMap"].(map[string]any)
	return hot.String(vips[network.ControlPlane])
}

// WantedVirtualAddress is the virtual address that a person asked for; "" for any.
func (p *Plan) WantedVirtualAddress() string {
	list, _ := p.Parameters["ControlFixedIPs"].([]any)
	if len(list) == 0 {
		return ""
	}
	first, _ := list[0].(map[string]any)
	return hot.String(first["ip_address"])
}

// CloudAddress is where the cloud's APIs answer: at the virtual address, or at the
// first controller's own. nodes are in the order of their roles. It is "" without a controller.
func (p *Plan) CloudAddress(nodes []Node) string {
	for _, r := range p.Roles {
		i := slices.IndexFunc(nodes, func(n Node) bool { return n.Role == r.Name })
		if i >= 0 && slices.Contains(r.Tags, "controller") {
			return cmp.Or(p.VirtualAddress(), nodes[i].Address)
		}
	}
	return ""
}
