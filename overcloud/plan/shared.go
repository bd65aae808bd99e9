package plan

import (
	"fmt"
	"strings"

	"trefoil/internal/errs"
)

// loadBalancer is the parameter of our root template that says whether HAProxy and
// keepalived of the controllers answer at the virtual address; TripleO's name.
const loadBalancer = "EnableLoadBalancer"

// cinderVolume is the service_name of what manages Cinder's volumes.
const cinderVolume = "cinder_volume"

// keepalivedService is the service that brings the virtual address to a machine.
const keepalivedService = "keepalived"

// standing is what earlier actions have made of a stack.
type standing struct {
	machines map[string]int // that have done a step of some deployment, by service
	address  bool           // they are laid out for the virtual address
}

// standing counts what is there, by what the plan's roles run.
func (b *builder) standing(p *Plan) standing {
	s := standing{map[string]int{}, b.o.AddressHeld}
	for _, m := range b.o.Machines {
		for i := range p.Roles {
			if r := &p.Roles[i]; m.Configured && r.Name == m.Role {
				for _, d := range r.Data {
					s.machines[d.Name]++
				}
			}
		}
	}
	return s
}

// apart is why machines cannot be one cloud.
type apart struct {
	why, hint string
	stands    bool // those that are there are so already
}

// Shared tells why the machines of the plan cannot be one cloud, or nil: databases and
// message buses that each stand by themselves (services take any bus of the list, and do
// not hear those that took another), and a virtual address that nobody has or at which
// nobody answers. It is no mistake where nothing is deployed: an image serves any role.
// A stack that stands like that already is not refused, or it could be neither updated
// nor made smaller; the plan's warnings tell of it.
func (p *Plan) Shared() error {
	for _, a := range p.apart() {
		if !a.stands {
			return errs.New(errs.Invalid, "%s", a.why).WithHint("%s", a.hint)
		}
	}
	return nil
}

// livedWith are the warnings in place of what Shared does not refuse.
func (p *Plan) livedWith() []string {
	var out []string
	for _, a := range p.apart() {
		if a.stands {
			out = append(out, fmt.Sprintf("stack %s stands like this already: %s; %s", p.Stack, a.why, a.hint))
		}
	}
	return out
}

func (p *Plan) apart() []apart {
	s := p.shares()
	var many []string
	stands := true
	for _, name := range []string{mysqlService, busService} {
		if s.machines[name] > 1 && !s.several(name, clusteredKey) {
			many = append(many, fmt.Sprintf("%s on %d machines", name, s.machines[name]))
			stands = stands && p.standing.machines[name] > 1
		}
	}
	var out []apart
	if len(many) > 0 {
		out = append(out, apart{strings.Join(many, ", ") + ": each would stand by itself, and services that use one do not hear those that use another",
			"put OS::TripleO::Services::HAproxy and OS::TripleO::Services::Keepalived into the controllers' role (-r) and leave EnableHighAvailability empty; or deploy one controller", stands})
	}
	return append(out, p.unanswered(s)...)
}

// unanswered tells of a virtual address without those that would answer at it.
func (p *Plan) unanswered(s shares) []apart {
	if p.VirtualAddress() == "" || len(s.machines) == 0 || p.external {
		return nil
	}
	var lines []string
	for _, x := range []struct{ service, what string }{{haproxyService, "nobody would answer there"}, {keepalivedService, "nobody would have the address"}} {
		if s.machines[x.service] == 0 {
			lines = append(lines, fmt.Sprintf("the cloud is to answer at %s, and no machine runs %s, so that %s: %s", p.VirtualAddress(), x.service, x.what, p.cureNeed(x.service, nil)))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return []apart{{strings.Join(lines, "\n"),
		"a cloud of one controller can do without: --control-scale 1, and EnableHighAvailability empty or 'false'; where another load balancer has the address: -e environments/external-loadbalancer-vip.yaml", p.standing.address}}
}

// balancedElsewhere warns of what another load balancer has to do, with the ports of what
// is there: nobody here can look whether it does.
func (b *builder) balancedElsewhere(p *Plan) []string {
	if !p.external {
		return nil
	}
	if p.VirtualAddress() == "" {
		return []string{fmt.Sprintf("%s%s is false and has no effect: with one controller the cloud answers at that machine's own address; EnableHighAvailability: 'true' has it answer at ControlFixedIPs", b.setBy(loadBalancer), loadBalancer)}
	}
	list := p.handedOn()
	if len(list) == 0 {
		return nil
	}
	out := []string{fmt.Sprintf("%s%s is false: another load balancer must answer at %s before Keystone is asked (step 3), and hand on to the machines' own addresses: %s",
		b.setBy(loadBalancer), loadBalancer, p.VirtualAddress(), strings.Join(list, ", "))}
	if s := p.shares(); s.machines[cinderVolume] > 1 && s.says[cinderVolume][cinderLVMKey] != true {
		out = append(out, fmt.Sprintf("%s%s is false: each of %d cinder-volumes manages its own volumes in Ceph; those of a machine that is down cannot be attached or removed until it is back",
			b.setBy(loadBalancer), loadBalancer, s.machines[cinderVolume]))
	}
	return out
}

// handedOn are the ports that a load balancer has to hand on, with their services.
func (p *Plan) handedOn() []string {
	ports := map[string]string{}
	for _, r := range p.Roles {
		for _, d := range r.Data {
			switch {
			case r.Count == 0:
			case d.Name == mysqlService:
				ports[d.Name] = "3306 mysql (one machine at a time, of those whose port MysqlGaleraCheckPort answers with 200)"
			case d.Frontend != nil && d.Frontend.First:
				ports[d.Name] = fmt.Sprintf("%d %s (always the same machine, as long as it answers)", d.Frontend.Port, d.Name)
			case d.Frontend != nil:
				ports[d.Name] = fmt.Sprintf("%d %s", d.Frontend.Port, d.Name)
			}
		}
	}
	var out []string
	for _, name := range sortedKeys(ports) {
		out = append(out, ports[name])
	}
	return out
}
