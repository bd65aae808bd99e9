package plan

import (
	"fmt"
	"slices"
	"strings"

	"trefoil/overcloud/firewall"
	"trefoil/overcloud/hot"
)

// firewallService is TripleO's name of the service whose template asks for
// %{firewall.rules}.
const firewallService = "tripleo_firewall"

// firewallRules is the name of the rules in its template.
const firewallRules = "firewall.rules"

// firewallIndent is put before each line but the first, which stands where the
// template has the name.
const firewallIndent = "    "

// firewall is what %{firewall.rules} means on a machine: the lines of nftables that
// the firewall_rules of all services which are asked there make, "" where its role has
// no firewall. Rules may hold names of the machine, too.
func (c *configurer) firewall(role *Role, n *Node) (string, error) {
	if !managesFirewall(role) {
		return "", nil
	}
	var all []firewall.Rule
	for _, svc := range c.asked(role) {
		filled, err := interpolate(map[string]any(svc.Firewall), c.names(n, c.facts("node", n, svc.Name)))
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

// open warns where a machine gives all of the cloud's data to whoever asks: a Galera server
// has no password for those that join, and only the firewall keeps others away.
func (p *Plan) open() []string {
	var out []string
	for i := range p.Roles {
		r := &p.Roles[i]
		is := func(d ServiceData) bool { return d.Name == mysqlService && d.Settings[clusteredKey] == true }
		if r.Count > 0 && slices.ContainsFunc(r.Data, is) && !walled(r) {
			out = append(out, fmt.Sprintf("role %s: the ports of its database cluster (4444, 4567, 4568) are open, and whoever joins is given all data without a password: "+
				"put OS::TripleO::Services::TripleoFirewall into the role, with ManageFirewall: true", r.Name))
		}
	}
	return out
}

// walled tells whether the role has a firewall that is not switched off: one that needs to
// know the rules.
func walled(r *Role) bool {
	return managesFirewall(r) && slices.ContainsFunc(r.Data, func(d ServiceData) bool {
		return d.Name == firewallService && slices.ContainsFunc(d.Steps[0], func(e Entry) bool {
			file, _ := e.Resource["file"].(map[string]any)
			return strings.Contains(hot.String(file["content"]), "%{"+firewallRules+"}")
		})
	})
}
