package plan

import (
	"fmt"
	"strings"

	"trefoil/overcloud/firewall"
)

// firewallService is TripleO's name of the service whose template asks for
// %{firewall.rules}.
const firewallService = "tripleo_firewall"

// firewallIndent is put before each line but the first, which stands where the
// template has the name.
const firewallIndent = "    "

// firewall is what %{firewall.rules} means on a machine: the lines of nftables that
// the firewall_rules of all services which are asked there make, "" where its role has
// no firewall. Rules may hold names of the machine, too.
func (c *configurer) firewall(role *Role, scope names) (string, error) {
	if !managesFirewall(role) {
		return "", nil
	}
	var all []firewall.Rule
	for _, svc := range c.asked(role) {
		filled, err := interpolate(map[string]any(svc.Firewall), scope)
		if err != nil {
			return "", fmt.Errorf("service %s (%s): firewall_rules: %w", svc.Name, svc.Template, err)
		}
		rules, err := firewall.Parse(filled.(map[string]any))
		if err != nil {
			return "", fmt.Errorf("service %s (%s): firewall_rules: %w", svc.Name, svc.Template, err)
		}
		all = append(all, rules...)
	}
	return strings.Join(firewall.Lines(all), "\n"+firewallIndent), nil
}

// asked are the services whose ports are open on the machines of a role: its own, and
// those behind its HAProxy, which listens at their ports wherever they run.
func (c *configurer) asked(role *Role) []*ServiceData {
	var out []*ServiceData
	for i := range role.Data {
		out = append(out, &role.Data[i])
	}
	if !role.runs(haproxyService) {
		return out
	}
	for i := range c.p.Roles {
		other := &c.p.Roles[i]
		for s := range other.Data {
			if svc := &other.Data[s]; other != role && len(c.byService[svc.Name]) > 0 && c.behindAddress(svc.Name) {
				out = append(out, svc)
			}
		}
	}
	return out
}

// managesFirewall tells whether a service of the role applies the rules here; those
// of TripleO's own trees, which Ansible applies, are not judged.
func managesFirewall(role *Role) bool {
	for i := range role.Data {
		if d := &role.Data[i]; d.Name == firewallService && len(d.Steps[0]) > 0 {
			return true
		}
	}
	return false
}
