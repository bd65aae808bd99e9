package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
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
	b.virtual = list
	for _, v := range list {
		if !v.IP.IsValid() {
			continue
		}
		name := fixedAddresses(v.Network, nets)
		b.env.SetDefault(name, []any{map[string]any{"ip_address": v.IP.String()}}, hot.Origin{File: v.File, Line: v.Line}.String())
	}
	return nil
}

// idleAddresses warns of virtual addresses that somebody asked for and that nobody
// will have: no template makes them, or one controller answers at its own.
func (b *builder) idleAddresses(p *Plan) []string {
	nets, err := network.Parse(b.networksFile.Name, b.networksFile.Data)
	if err != nil {
		return nil // told when the file was read
	}
	var out []string
	asked := b.setBy(controlAddresses)
	for _, v := range b.virtual {
		from, parameter := hot.Origin{File: v.File, Line: v.Line}, fixedAddresses(v.Network, nets)
		if v.Network == network.ControlPlane {
			asked = from.String() + ": "
		} else if !b.ev.Used(parameter) {
			out = append(out, fmt.Sprintf("%s: the virtual address of network %s has no effect: no template makes one (parameter %s)", from, v.Network, parameter))
		}
	}
	if ours := b.declared(rootTemplate)[clustering] != ""; ours && asked != "" && p.VirtualAddress() == "" {
		out = append(out, fmt.Sprintf("%sthe virtual address of ctlplane (%s) has no effect: with one controller the cloud answers at that machine's own address; "+
			"%s: 'true' gives it one all the same", asked, controlAddresses, clustering))
	}
	return out
}

// controlAddresses is the parameter for the virtual address of ctlplane.
const controlAddresses = "ControlFixedIPs"

// fixedAddresses is the parameter for the virtual address of a network, as
// TripleO's overcloud.yaml names it.
func fixedAddresses(lower string, nets []network.Network) string {
	switch lower {
	case network.ControlPlane:
		return controlAddresses
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

// clustering is the parameter of our root template that asks for a virtual address and
// clusters behind it; empty: where several machines are.
const clustering = "EnableHighAvailability"

// keepAddress has a stack that is laid out for a virtual address keep it, with one machine
// too: the catalog, clients and other machines know it, and a database that was a cluster
// would become as many as it has machines. One that was only taken may be given up.
func (b *builder) keepAddress() error {
	ip := b.o.Addresses[VirtualKey(b.o.Stack)]
	if !b.o.AddressHeld || b.declared(rootTemplate)[clustering] == "" {
		return nil
	}
	v, from := b.env.Defaults[clustering], b.env.Origins[clustering]
	if own, given := b.env.Parameters[clustering]; given {
		v = own
	}
	switch strings.ToLower(hot.String(v)) {
	case "true":
	case "":
		b.env.SetDefault(clustering, "true", "the stack's virtual address")
	default:
		return errs.New(errs.Invalid, "%s: %s is %s, and stack %s has the virtual address %s: its APIs would move and its databases fall apart", from, clustering, hot.String(v), b.o.Stack, ip).
			WithHint("leave the parameter out; one controller keeps the address too. A cloud without it is a new one: openstack overcloud delete, and deploy again")
	}
	return nil
}

// VipMap is the output with the virtual addresses, which is nothing without any.
const VipMap = "VipMap"

// VirtualAddress is the address in front of several controllers, planned or kept;
// "" where a controller's own address is the cloud's.
func (p *Plan) VirtualAddress() string {
	vips, _ := p.Outputs[VipMap].(map[string]any)
	return hot.String(vips[network.ControlPlane])
}

// WantedVirtualAddress is the virtual address that a person asked for; "" for any.
func (p *Plan) WantedVirtualAddress() string {
	list, _ := p.Parameters[controlAddresses].([]any)
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
