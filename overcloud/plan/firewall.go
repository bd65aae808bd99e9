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
// the firewall_rules of all services of its role make, "" where its role has no
// firewall. Rules may hold names of the machine, too.
func (c *configurer) firewall(role *Role, scope names) (string, error) {
	if !managesFirewall(role) {
		return "", nil
	}
	var all []firewall.Rule
	for i := range role.Data {
		svc := &role.Data[i]
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
