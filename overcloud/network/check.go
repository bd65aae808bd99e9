package network

import "trefoil/internal/schema"

// check holds the networks of a file against each other.
func (r *reader) check(list []Network) {
	names, lowers := map[string]int{}, map[string]int{}
	for _, n := range list {
		if line, twice := names[n.Name]; twice && n.Name != "" {
			r.p.Add(n.Line, "network %s is given twice, first in line %d", n.Name, line)
		} else if line, twice := lowers[n.NameLower]; twice && n.NameLower != "" {
			r.p.Add(n.Line, "network %s has the name_lower %s, which the network in line %d has", n.Name, n.NameLower, line)
		}
		names[n.Name], lowers[n.NameLower] = n.Line, n.Line
	}
	r.vlans(list)
	r.overlaps(list)
}

// vlans: a VLAN belongs to one network, unless the networks name different physical networks.
func (r *reader) vlans(list []Network) {
	type link struct {
		physical string
		vlan     int
	}
	owner := map[link]string{}
	for _, n := range list {
		for _, s := range n.Subnets {
			if s.VLAN == 0 || !n.Enabled || !s.Enabled {
				continue
			}
			l := link{s.PhysicalNetwork, s.VLAN}
			if o, taken := owner[l]; taken && o != n.Name {
				r.p.Add(s.Line, "network %s: VLAN %d is network %s's", n.Name, s.VLAN, o)
			}
			owner[l] = n.Name
		}
	}
}

// overlaps: no two enabled subnets share addresses.
func (r *reader) overlaps(list []Network) {
	type used struct {
		cidr Prefix
		who  string
	}
	var seen []used
	add := func(cidr Prefix, who string, line int) {
		if !cidr.IsValid() {
			return
		}
		for _, u := range seen {
			if u.cidr.Overlaps(cidr) {
				r.p.Add(line, "%s: %s overlaps with %s of %s", who, cidr, u.cidr, u.who)
			}
		}
		seen = append(seen, used{cidr, who})
	}
	for _, n := range list {
		for _, s := range n.Subnets {
			if n.Enabled && s.Enabled {
				who := "network " + n.Name + ", subnet " + s.Name
				add(s.CIDR, who, s.Line)
				add(s.CIDR6, who, s.Line)
			}
		}
	}
}

// CheckProvision says whether networks can be made in Neutron: Wallaby's form,
// with subnets, no gateway inside a pool. The error is an errs.Invalid that
// lists every problem. It is apart from Parse because one of TripleO's own
// samples, which templates take, is refused by Neutron.
func CheckProvision(file string, networks []Network) error {
	p := schema.New(file)
	for _, n := range networks {
		switch {
		case !n.V2:
			p.Add(n.Line, "network %s has the older form; network provision needs the addresses in subnets: {%s_subnet: {ip_subnet: …}}", n.Name, n.NameLower)
			continue
		case len(n.Subnets) == 0 && n.Enabled:
			p.Add(n.Line, "network %s has no subnets", n.Name)
		}
		for _, s := range n.Subnets {
			for _, pool := range append(append([]Pool(nil), s.Pools...), s.Pools6...) {
				for _, gw := range []Address{s.Gateway, s.Gateway6} {
					if gw.IsValid() && pool.contains(gw) {
						p.Add(s.Line, "network %s, subnet %s: the gateway %s is inside the allocation pool %s-%s and would be given out", n.Name, s.Name, gw, pool.Start, pool.End)
					}
				}
			}
		}
	}
	return p.Err()
}
