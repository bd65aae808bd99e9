package plan

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/stack/eval"
)

// role reads what the evaluated stack says about one role.
func (b *builder) role(def roleDef) (*Role, error) {
	group, err := b.root.Resource(def.Name)
	if err != nil {
		return nil, err
	}
	r := &Role{Name: def.Name, Count: len(group.Members), Removed: group.Removed(), Tags: def.Tags, Networks: texts(def.Networks), ServerResource: def.ServerResource}
	if n, sketched := b.asked[def.Name]; sketched {
		r.Count = n
	}
	if group.Model() == nil {
		return nil, errs.New(errs.Invalid, "%s: resource %s is not a group of servers", rootTemplate, def.Name)
	}
	server, err := group.Model().Resource(def.ServerResource)
	if err != nil {
		return nil, err
	}
	r.Flavor, r.Image = hot.String(server.Properties["flavor"]), hot.String(server.Properties["image"])
	r.HostnameFormat = hot.String(b.root.Parameters[def.Name+"HostnameFormat"])
	if err := checkHostname(r); err != nil {
		return nil, err
	}
	r.UpdateSerial = def.UpdateSerial
	if v := b.root.Parameters[def.Name+"MaxFailPercentage"]; v != nil {
		if r.MaxFailPercentage, err = percentage(v); err != nil {
			return nil, errs.New(errs.Invalid, "parameter %sMaxFailPercentage is %s; expected 0 to 100", def.Name, hot.String(v))
		}
	}
	return r, b.services(r)
}

// services reads the role's chain of services: what each says, and all of them together.
func (b *builder) services(r *Role) error {
	name := r.Name + "ServiceChain"
	if b.root.Template().Resource(name) == nil {
		return errs.New(errs.Invalid, "%s: no resource %s: a role's services are evaluated by a resource of that name", rootTemplate, name)
	}
	chain, err := b.root.Resource(name)
	if err != nil {
		return err
	}
	v, err := b.root.Attr(name, []any{"role_data"}, chain.Origin())
	if err != nil {
		return fmt.Errorf("role %s: %w", r.Name, err)
	}
	r.RoleData, _ = v.(map[string]any)
	for _, m := range members(chain) {
		if !m.HasOutput("role_data") {
			b.warnings = append(b.warnings, fmt.Sprintf("%s: no output role_data: the service does nothing", m.TemplateFile()))
		}
		v, err := m.Output("role_data")
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		d, err := parseServiceData(v, m.TemplateFile())
		if err != nil {
			return fmt.Errorf("role %s: %w", r.Name, err)
		}
		r.Data = append(r.Data, *d)
		r.Packages = append(r.Packages, d.Packages...)
		if d.Summary != "" {
			r.Summary = append(r.Summary, d.Name+": "+d.Summary)
		}
	}
	sort.Strings(r.Packages)
	r.Packages = slices.Compact(r.Packages)
	services, _ := b.root.Parameters[r.Name+"Services"].([]any)
	for _, s := range services {
		typ := hot.String(s)
		if target, _, _ := b.env.Resolve(typ); target != "OS::Heat::None" {
			r.Services = append(r.Services, typ)
		}
	}
	return nil
}

// members are the service templates of a chain, which stands in a nested stack.
func members(chain *eval.Resource) []*eval.Stack {
	var out []*eval.Stack
	for _, s := range chain.Members {
		if s == nil {
			continue
		}
		if chain.Target == "OS::Heat::ResourceChain" {
			out = append(out, s)
			continue
		}
		for _, r := range s.Resources() {
			if r.Target == "OS::Heat::ResourceChain" {
				out = append(out, members(r)...)
			}
		}
	}
	return out
}

// runs tells whether a service is one of the role's.
func (r *Role) runs(service string) bool {
	return slices.ContainsFunc(r.Data, func(d ServiceData) bool { return d.Name == service })
}

// Runs tells whether a service is one of a role's; of a role that is not there none is.
func (p *Plan) Runs(role, service string) bool {
	return slices.ContainsFunc(p.Roles, func(r Role) bool { return r.Name == role && r.runs(service) })
}

// percentage reads a whole number of 0 to 100, as YAML or as text.
func percentage(v any) (int, error) {
	n, err := strconv.Atoi(hot.String(v))
	if err == nil && (n < 0 || n > 100) {
		err = strconv.ErrRange
	}
	return n, err
}

func checkHostname(r *Role) error {
	if r.Count > 1 && !strings.Contains(r.HostnameFormat, "%index%") {
		return errs.New(errs.Invalid, "parameter %sHostnameFormat is %q: %d machines would have the same name", r.Name, r.HostnameFormat, r.Count).
			WithHint("put %%index%% into it")
	}
	return nil
}
