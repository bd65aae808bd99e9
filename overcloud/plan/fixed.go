package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/network"
	"trefoil/overcloud/stack/eval"
)

// Fixed is an address that a file of machines (baremetal_deployment) asks for.
type Fixed struct {
	Role, Host string
	Index      int    // within the role
	Network    string // name_lower
	IP         string
	File       string
	Line       int
}

// claim is an address that somebody asked for.
type claim struct {
	network string // name_lower
	ip      string
	what    string // parameter and place in it
	from    hot.Origin
	machine memberOf // whose it is to be; the zero one: a virtual address
	host    string   // the machine's name, where a file of machines says it
}

// of tells whether a claim is for a machine that is there.
func (c claim) of(m Node) bool {
	if c.host != "" {
		return c.host == m.Name
	}
	return c.machine == memberOf{m.Role, m.Index}
}

// fixed: each address that is asked for lies in its network, is not the gateway's,
// is asked for once, and no machine that stays has it.
func (b *builder) fixed(p *Plan) error {
	claims, err := b.claims()
	if err != nil {
		return err
	}
	nets, err := b.subnets()
	if err != nil {
		return err
	}
	nets[network.ControlPlane] = b.o.provisioning() // of it the templates know one subnet only
	all := hold(claims, nets, b.o.held())
	idle := func(c claim) bool { // there is no such machine; for virtual addresses the evaluator looks
		planned := func(s Server) bool { return c.machine == memberOf{s.Role, s.Index} }
		return c.host == "" && !slices.ContainsFunc(p.Servers, planned)
	}
	stays := func(m Node) bool {
		return slices.ContainsFunc(p.Servers, func(s Server) bool { return s.Name == m.Name })
	}
	return refused(append(all, b.o.occupied(slices.DeleteFunc(claims, idle), stays)...))
}

// CheckFixed holds the addresses in o.Fixed against the provisioning network, for machines that
// come up before any template is read. The error is an errs.Invalid that lists every problem.
func CheckFixed(o Options) error {
	b := &builder{o: o}
	nets := map[string][]subnetOf{network.ControlPlane: o.provisioning()}
	all := func(Node) bool { return true } // an action that only provisions gives no machine back
	return refused(append(hold(b.filed(), nets, o.held()), o.occupied(b.filed(), all)...))
}

// refused is the error of problems with addresses.
func refused(all problems) error {
	if len(all) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(all, "\n")).
		WithHint("the networks are those of network_data and, for ctlplane, of undercloud.conf; choose free addresses within them")
}

// occupied tells of addresses on ctlplane that are asked for and that a machine has which stays. Of
// machines that are there nothing is told: they keep what they have, and idleFixed warns.
func (o *Options) occupied(claims []claim, stays func(Node) bool) (all problems) {
	for _, c := range claims {
		ip, err := netip.ParseAddr(c.ip)
		there := func(m Node) bool { return m.Address != "" && c.of(m) }
		if err != nil || c.network != network.ControlPlane || slices.ContainsFunc(o.Machines, there) {
			continue
		}
		for _, m := range o.Machines {
			if has, err := netip.ParseAddr(m.Address); err == nil && has == ip && stays(m) {
				all.add(c.from.File, c.from.Line, "%s: %s is that of %s, which is there and keeps it", c.what, ip, m.Name)
			}
		}
	}
	return all
}

// provisioning are the subnets of the provisioning network; none where only the undercloud knows them.
func (o *Options) provisioning() []subnetOf {
	var out []subnetOf
	for _, s := range append([]eval.Subnet{o.Ctlplane}, o.Leaves...) {
		if cidr, err := netip.ParsePrefix(s.CIDR); err == nil {
			gateway, _ := netip.ParseAddr(s.Gateway)
			out = append(out, subnetOf{cidr, gateway})
		}
	}
	return out
}

// held is the virtual address that the stack has.
func (o *Options) held() []claim {
	if ip := o.Addresses[VirtualKey(o.Stack)]; ip != "" {
		return []claim{{network: network.ControlPlane, ip: ip, what: "the stack's virtual address"}}
	}
	return nil
}

// hold holds claims against networks and each other, and against those that are kept unless
// something else is asked for.
func hold(claims []claim, nets map[string][]subnetOf, kept []claim) (all problems) {
	taken, own := map[netip.Addr]claim{}, map[string]claim{}
	for _, k := range kept {
		other := func(c claim) bool { return c.machine == k.machine && c.network == k.network }
		if ip, err := netip.ParseAddr(k.ip); err == nil && !slices.ContainsFunc(claims, other) {
			taken[ip] = k
		}
	}
	for _, c := range claims {
		ip, err := netip.ParseAddr(c.ip)
		if err != nil {
			all.add(c.from.File, c.from.Line, "%s: %q is not an IP address", c.what, c.ip)
			continue
		}
		place := fmt.Sprint(c.machine, c.network)
		if o, also := own[place]; also && c.machine.role != "" {
			if o.ip != c.ip {
				all.add(c.from.File, c.from.Line, "%s: %s, and %s (%s) is %s: which is it?", c.what, ip, o.what, o.from, o.ip)
			}
			continue
		}
		own[place] = c
		if o, twice := taken[ip]; twice {
			all.add(c.from.File, c.from.Line, "%s: %s is also that of %s", c.what, ip, o.what)
		}
		taken[ip] = c
		all = append(all, outside(c, ip, nets[c.network])...)
	}
	return all
}

// claims are the addresses in parameters: ControlFixedIPs, PublicVirtualFixedIPs,
// <Network>VirtualFixedIPs, and <Role>IPs by network; and those of a file of machines.
func (b *builder) claims() ([]claim, error) {
	var out []claim
	virtual := func(parameter, net string) {
		list, _ := b.env.Defaults[parameter].([]any)
		for i, v := range list {
			m, _ := v.(map[string]any)
			if ip := hot.String(m["ip_address"]); ip != "" {
				out = append(out, claim{network: net, ip: ip, what: fmt.Sprintf("%s[%d]", parameter, i), from: b.env.Origins[parameter]})
			}
		}
	}
	nets, err := network.Parse(b.networksFile.Name, b.networksFile.Data)
	if err != nil {
		return nil, err
	}
	virtual(controlAddresses, network.ControlPlane)
	for _, n := range nets {
		virtual(fixedAddresses(n.NameLower, nets), n.NameLower)
	}
	for _, r := range b.roles.roles {
		parameter := ownAddresses(r.Name)
		byNet, _ := b.env.Defaults[parameter].(map[string]any)
		for _, net := range sortedKeys(byNet) {
			list, _ := byNet[net].([]any)
			for i, ip := range list {
				out = append(out, claim{network: net, ip: hot.String(ip), what: fmt.Sprintf("%s %s[%d]", parameter, net, i), from: b.env.At(parameter, net), machine: memberOf{r.Name, i}})
			}
		}
	}
	return append(out, b.filed()...), nil
}

// filed are those of a file of machines.
func (b *builder) filed() []claim {
	var out []claim
	for _, f := range b.o.Fixed {
		out = append(out, claim{f.Network, f.IP, "instance " + f.Host + ": fixed_ip of network " + f.Network, hot.Origin{File: f.File, Line: f.Line}, memberOf{f.Role, f.Index}, f.Host})
	}
	return out
}

// ownAddresses is the parameter for the addresses of a role's machines.
func ownAddresses(role string) string { return role + "IPs" }

// FixedAddress is the address on ctlplane that a parameter, ControllerIPs for example, asks for
// a role's machine; "" for any.
func (p *Plan) FixedAddress(role string, index int) string {
	byNet, _ := p.Parameters[ownAddresses(role)].(map[string]any)
	list, _ := byNet[network.ControlPlane].([]any)
	if index < 0 || index >= len(list) {
		return ""
	}
	return hot.String(list[index])
}

// reserve adds the addresses on ctlplane that are asked for machines to the ones that are kept, by
// path: no other is planned there. Machines that are there keep theirs, and of an address that two
// want fixed tells.
func (b *builder) reserve(addresses map[string]string, net string) {
	claims, err := b.claims()
	if err != nil {
		return // told when the file was read
	}
	owner := map[string]memberOf{}
	for _, ip := range addresses {
		owner[ip] = memberOf{}
	}
	for _, c := range claims {
		if o, taken := owner[c.ip]; taken && (o != c.machine || o.role == "") {
			continue
		}
		owner[c.ip] = c.machine
		i := slices.IndexFunc(b.roles.roles, func(r roleDef) bool { return r.Name == c.machine.role })
		if _, err := netip.ParseAddr(c.ip); err != nil || i < 0 || c.network != network.ControlPlane {
			continue
		}
		for _, key := range b.serverKeys(c.machine, i, net) {
			if addresses[key] == "" {
				addresses[key] = c.ip
			}
		}
	}
}

// serverKeys are the paths that a machine's address on ctlplane may have: a server's, or that of
// the port of a server that somebody else deployed (Wallaby). i is its role's place.
func (b *builder) serverKeys(m memberOf, i int, net string) []string {
	server := fmt.Sprintf("%s.%s.%d.%s", b.o.Stack, m.role, m.index, b.roles.roles[i].ServerResource)
	return []string{server + "/" + net, server + ".ControlPlanePort/" + net}
}

// idleFixed warns of addresses on ctlplane that are asked for machines that have another.
func (b *builder) idleFixed() []string {
	claims, err := b.claims()
	if err != nil {
		return nil // told when the file was read
	}
	var out []string
	for _, c := range claims {
		for _, m := range b.o.Machines {
			if c.network == network.ControlPlane && c.machine == (memberOf{m.Role, m.Index}) && m.Address != "" && m.Address != c.ip {
				out = append(out, fmt.Sprintf("%s: %s: %s has no effect: %s has %s, and a machine keeps its address on ctlplane; to change it give the machine back (openstack overcloud node delete) and deploy it again",
					c.from, c.what, c.ip, m.Name, m.Address))
			}
		}
	}
	return out
}
