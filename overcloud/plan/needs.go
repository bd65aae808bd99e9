package plan

import (
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
)

// CatalogStep is the step of Keystone behind which the catalog is made.
const CatalogStep = 3

// KeystoneService is the service_name of Keystone, whose API the catalog is made with.
const KeystoneService = "keystone"

// optional marks a need that is heeded only where something runs the service.
const optional = "?"

// Gate is what a step waits for besides the machine's own step before it.
type Gate struct {
	Roles   []string // whose machines must all have done the step before
	Catalog bool     // and the catalog must have been made
}

// Gates are those of the steps of every role of the given machines, made of the
// needs of the services that have something to do in a step. With only (service
// names; nil: all) others are left out.
func (p *Plan) Gates(nodes []Node, only []string) map[string][Steps]Gate {
	runs := map[string][]string{} // service → roles with machines
	var all []string
	for _, r := range p.Roles {
		if !slices.ContainsFunc(nodes, func(n Node) bool { return n.Role == r.Name }) {
			continue
		}
		all = append(all, r.Name)
		for _, s := range r.Data {
			runs[s.Name] = append(runs[s.Name], r.Name)
		}
	}
	out := map[string][Steps]Gate{}
	for _, r := range p.Roles {
		var gates [Steps]Gate
		for step := 2; step <= Steps; step++ {
			gates[step-1] = r.gate(step, runs, all, only)
		}
		out[r.Name] = gates
	}
	return out
}

func (r *Role) gate(step int, runs map[string][]string, all, only []string) Gate {
	var g Gate
	for _, s := range r.Data {
		if len(s.Steps[step-1]) == 0 || only != nil && !slices.Contains(only, s.Name) {
			continue
		}
		if s.Needs == nil {
			return Gate{Roles: all, Catalog: step > CatalogStep && len(runs[KeystoneService]) > 0}
		}
		for _, need := range s.Needs {
			name := strings.TrimSuffix(need, optional)
			for _, role := range runs[name] {
				if !slices.Contains(g.Roles, role) {
					g.Roles = append(g.Roles, role)
				}
			}
			g.Catalog = g.Catalog || step > CatalogStep && name == KeystoneService && len(runs[name]) > 0
		}
	}
	return g
}

// Running are the roles, in order, that run a service and have machines among nodes.
func (p *Plan) Running(service string, nodes []Node) []string {
	var out []string
	for _, r := range p.Roles {
		if r.runs(service) && slices.ContainsFunc(nodes, func(n Node) bool { return n.Role == r.Name }) {
			out = append(out, r.Name)
		}
	}
	return out
}

// parseNeeds reads role_data's needs; nil is "everything", an empty list nothing.
func parseNeeds(v any) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, errs.New(errs.Invalid, "needs must be a list of service names, with ? behind those that may be missing; [] needs nothing")
	}
	out := []string{}
	for i, e := range list {
		name, ok := e.(string)
		if !ok || strings.TrimSuffix(name, optional) == "" {
			return nil, errs.New(errs.Invalid, "needs[%d] is %s, not a service name", i, hot.String(e))
		}
		out = append(out, name)
	}
	return out, nil
}

// checkNeeds refuses services that are to run where what they need does not.
func (p *Plan) checkNeeds() error {
	var lines []string
	var names []string // of services that run
	for _, r := range p.Roles {
		for _, s := range r.Data {
			if r.Count > 0 {
				names = append(names, s.Name)
			}
		}
	}
	for _, r := range p.Roles {
		if r.Count == 0 {
			continue
		}
		for _, s := range r.Data {
			for _, need := range s.Needs {
				if strings.HasSuffix(need, optional) || slices.Contains(names, need) {
					continue
				}
				lines = append(lines, fmt.Sprintf("service %s (%s) of role %s needs %s, which runs nowhere: %s", s.Name, s.Template, r.Name, need, p.cureNeed(need, names)))
			}
			for _, need := range s.NeedsHere {
				if !r.runs(need) && slices.Contains(names, need) { // what runs nowhere is told above
					lines = append(lines, fmt.Sprintf("service %s (%s) of role %s needs %s on the same machine, and the role has none: put its type into the role (-r), or take away the OS::Heat::None that a resource_registry gives it",
						s.Name, s.Template, r.Name, need))
				}
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(lines, "\n"))
}

// checkSockets refuses services that make databases or ask them through MariaDB's
// socket, on a role that has no MariaDB: each would fail in its step, hours later.
func (p *Plan) checkSockets() error {
	var lines []string
	seen := map[string]bool{} // services that an earlier role with machines runs
	for _, r := range p.Roles {
		if r.Count == 0 {
			continue
		}
		for _, s := range r.Data {
			if !r.runs(mysqlService) && s.needsSocket(&r, seen[s.Name]) {
				lines = append(lines, fmt.Sprintf("service %s (%s) of role %s works through MariaDB's socket, and the role has no MariaDB: put OS::TripleO::Services::MySQL into %s",
					s.Name, s.Template, r.Name, r.Name))
			}
		}
		for _, s := range r.Data {
			seen[s.Name] = true
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(lines, "\n")).
		WithHint("services that make databases, or wait for what stands in them, are of the role that has OS::TripleO::Services::MySQL: change the roles file (-r)")
}

// needsSocket tells whether a machine of the role makes or asks databases for the
// service. elsewhere: the first machine that runs it is another role's.
func (d *ServiceData) needsSocket(r *Role, elsewhere bool) bool {
	for _, entries := range d.Steps {
		for _, e := range entries {
			if e.OnlyBeside != "" && !r.runs(e.OnlyBeside) || e.BootstrapOnly && elsewhere {
				continue
			}
			wait, _ := e.Resource["wait"].(map[string]any)
			if e.Resource["mysql_database"] != nil || e.Resource["mysql_user"] != nil || e.Resource["keystone_bootstrap"] != nil || e.Resource["probe"] != nil || wait["sql"] != nil {
				return true
			}
		}
	}
	return false
}

// cureNeed says what would have a service run.
func (p *Plan) cureNeed(service string, running []string) string {
	for _, r := range p.Roles {
		if r.runs(service) {
			return fmt.Sprintf("role %s has it and no machines; set %sCount", r.Name, r.Name)
		}
	}
	flat := strings.ReplaceAll(service, "_", "")
	for _, typ := range sortedKeys(p.Registry) {
		name, ours := strings.CutPrefix(typ, serviceTypes)
		if !ours || strings.ToLower(name) != flat {
			continue
		}
		if p.Registry[typ] == "OS::Heat::None" {
			return fmt.Sprintf("the resource_registry leaves %s out (OS::Heat::None); give it a template there", typ)
		}
		return fmt.Sprintf("put %s into a role with machines (-r)", typ)
	}
	return "give it a template in a resource_registry and put its type into a role with machines (-r)" + nearest.Hint(service, running)
}
