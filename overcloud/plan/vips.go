package plan

import (
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
