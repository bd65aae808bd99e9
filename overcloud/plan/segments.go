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

// driversKey is the setting of the types of networks that there may be, as TripleO names it.
const driversKey = "neutron::plugins::ml2::type_drivers"

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

// checkSegments refuses what Neutron's server ends over as soon as it is started: a type of
// tenants' networks without its driver, and numbers of networks that are none.
func (b *builder) checkSegments(p *Plan) error {
	var lines []string
	for _, d := range p.plugins() {
		drivers := words(d.Settings[driversKey])
		for _, t := range words(d.Settings[tenantsKey]) {
			if !slices.Contains(drivers, t) {
				lines = append(lines, fmt.Sprintf("%s%s has %s, and NeutronTypeDrivers (%s) has not: Neutron's server ends over it; take it out, or have NeutronTypeDrivers: [%s]",
					b.setBy(tenantsParameter), tenantsParameter, t, strings.Join(drivers, ", "), strings.Join(append(drivers, t), ", ")))
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

// plugins are Neutron's, of roles that have machines; not those of trees whose services are
// not ours to apply.
func (p *Plan) plugins() []*ServiceData {
	var out []*ServiceData
	for _, r := range p.Roles {
		for i := range r.Data {
			if d := &r.Data[i]; d.Name == ml2Service && d.foreign() == "" && r.Count > 0 {
				out = append(out, d)
			}
		}
	}
	return out
}
