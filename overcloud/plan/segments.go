package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
)

// ml2Service is the service_name of Neutron's plugin, which says what networks there are.
const ml2Service = "neutron_plugin_ml2"

// The settings of the types of networks that there may be, and of the tunnels that an agent
// makes, as TripleO names them.
const (
	driversKey = "neutron::plugins::ml2::type_drivers"     // of neutron_plugin_ml2
	tunnelsKey = "neutron::agents::ml2::ovs::tunnel_types" // of neutron_ovs_agent
)

// tunnelTypes are the types of tenants' networks that go from agent to agent by tunnels.
var tunnelTypes = []string{"vxlan", "gre", "geneve"}

// numbered are the settings of neutron_plugin_ml2 that are lists of FIRST:LAST, behind a
// network's name or without one; highest is what a protocol's field holds.
var numbered = []struct {
	key, parameter string
	highest        uint64
}{
	{vlansKey, vlansParameter, 4094},
	{"neutron::plugins::ml2::vni_ranges", "NeutronVniRanges", 1<<24 - 1},
	{"neutron::plugins::ml2::tunnel_id_ranges", "NeutronTunnelIdRanges", 1<<32 - 1},
}

// checkSegments refuses what Neutron's server ends over as soon as it is started, a type of
// tenants' networks without its driver and numbers of networks that are none; and tunnels that
// no agent makes: the server gives tenants networks of them, and no port is bound.
func (b *builder) checkSegments(p *Plan) error {
	var lines []string
	for _, d := range p.plugins() {
		tenants := words(d.Settings[tenantsKey])
		lines = append(lines, b.missing(tenants, "NeutronTypeDrivers", words(d.Settings[driversKey]), "Neutron's server ends over it")...)
		tunnels := slices.DeleteFunc(tenants, func(t string) bool { return !slices.Contains(tunnelTypes, t) })
		for _, agent := range p.services(ovsAgent) {
			if types, tells := agent.Settings[tunnelsKey]; tells { // trees of before do not
				lines = append(lines, b.missing(tunnels, "NeutronTunnelTypes", words(types), "no agent makes such tunnels, and a server there gets no port")...)
			}
		}
		for _, n := range numbered {
			for _, text := range words(d.Settings[n.key]) {
				if problem := numbers(text, n.highest); problem != "" {
					lines = append(lines, fmt.Sprintf("%s%s: %s: %s", b.setBy(n.parameter), n.parameter, text, problem))
				}
			}
		}
	}
	slices.Sort(lines)
	if lines = slices.Compact(lines); len(lines) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(lines, "\n"))
}

// missing tells types of tenants' networks that the list of another parameter has not, and
// what comes of it. It leads with the parameter that an environment sets.
func (b *builder) missing(tenants []string, parameter string, has []string, then string) []string {
	var out []string
	for _, t := range tenants {
		if slices.Contains(has, t) {
			continue
		}
		with := strings.Join(append(slices.Clone(has), t), ", ")
		line := fmt.Sprintf("%s%s has %s, and %s (%s) has not: %s; take it out, or have %s: [%s]",
			b.setBy(tenantsParameter), tenantsParameter, t, parameter, strings.Join(has, ", "), then, parameter, with)
		if from := b.setBy(parameter); from != "" && b.setBy(tenantsParameter) == "" {
			line = fmt.Sprintf("%s%s (%s) has no %s, and %s has: %s; have %s: [%s], or take it out of %s",
				from, parameter, strings.Join(has, ", "), t, tenantsParameter, then, parameter, with, tenantsParameter)
		}
		out = append(out, line)
	}
	return out
}

// numbers tells what is wrong with FIRST:LAST, which its parameter's pattern has seen to be
// of digits.
func numbers(text string, highest uint64) string {
	parts := strings.Split(text, ":")
	if len(parts) < 2 {
		return "" // a physical network without VLANs of tenants
	}
	head, tail := parts[:len(parts)-2], parts[len(parts)-2:]
	first, err := strconv.ParseUint(tail[0], 10, 64)
	last, err2 := strconv.ParseUint(tail[1], 10, 64)
	switch {
	case err != nil || err2 != nil || max(first, last) > highest:
		return fmt.Sprintf("expected numbers up to %d", highest)
	case first > last:
		return fmt.Sprintf("the first number, %d, is above the last one: write %s", first, strings.Join(append(head, tail[1], tail[0]), ":"))
	}
	return ""
}

// plugins are Neutron's.
func (p *Plan) plugins() []*ServiceData { return p.services(ml2Service) }

// services are those of a name, of roles that have machines; not those of trees whose services
// are not ours to apply.
func (p *Plan) services(name string) []*ServiceData {
	var out []*ServiceData
	for _, r := range p.Roles {
		for i := range r.Data {
			if d := &r.Data[i]; d.Name == name && d.foreign() == "" && r.Count > 0 {
				out = append(out, d)
			}
		}
	}
	return out
}
