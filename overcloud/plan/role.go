package plan

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/stack/eval"
)

// role reads what the evaluated stack says about one role.
func (b *builder) role(def roleDef) (*Role, error) {
	group, err := b.root.Resource(def.Name)
	if err != nil {
		return nil, err
	}
	r := &Role{Name: def.Name, Count: len(group.Members), Removed: group.Removed(), Tags: def.Tags, Networks: def.Networks, ServerResource: def.ServerResource}
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

// dataKeys are the keys of role_data that TripleO knows; those that are not
// ours to apply are left to the program that does.
var dataKeys = strings.Fields(`needs_here first takes service_name packages summary network needs step_config config_settings global_config_settings
	service_config_settings firewall_rules haproxy puppet_config kolla_config docker_config docker_puppet_tasks
	container_puppet_tasks container_config container_config_scripts docker_config_scripts host_prep_tasks
	deploy_steps_tasks external_deploy_tasks external_post_deploy_tasks post_deploy_steps_tasks upgrade_tasks
	update_tasks post_upgrade_tasks post_update_tasks pre_upgrade_rolling_tasks fast_forward_upgrade_tasks
	fast_forward_post_upgrade_tasks external_update_tasks external_upgrade_tasks scale_tasks keystone_resources
	workflow_tasks upgrade_batch_tasks ansible_group_vars metadata_settings monitoring_subscription monitoring_subscriptions logging_source logging_sources
	logging_group logging_groups`)

func parseServiceData(v any, file string) (*ServiceData, error) {
	m, ok := v.(map[string]any)
	name, _ := m["service_name"].(string)
	if !ok || name == "" {
		return nil, errs.New(errs.Invalid, "%s: role_data has no service_name", file)
	}
	d := &ServiceData{Name: name, Template: file, Summary: hot.String(m["summary"]), Raw: m}
	fail := func(format string, args ...any) error {
		return errs.New(errs.Invalid, "service %s (%s): %s", name, d.Template, fmt.Sprintf(format, args...))
	}
	for _, k := range sortedKeys(m) {
		// Templates may carry keys for other programs; one that is nearly ours is a mistake.
		if !slices.Contains(dataKeys, k) && !strings.HasSuffix(k, "_tasks") && nearest.Name(k, dataKeys) != "" {
			return nil, fail("role_data has an unknown key %q%s", k, nearest.Hint(k, dataKeys))
		}
	}
	packages, ok := m["packages"].([]any)
	if !ok && m["packages"] != nil {
		return nil, fail("packages must be a list of Debian packages")
	}
	for _, p := range packages {
		d.Packages = append(d.Packages, hot.String(p))
	}
	var err error
	if d.Needs, err = parseNeeds(m["needs"]); err != nil {
		return nil, fail("%v", err)
	}
	if d.NeedsHere, err = parseNeeds(m["needs_here"]); err != nil {
		return nil, fail("needs_here: %v", err)
	}
	d.Network = hot.String(m["network"])
	d.Settings, _ = m["config_settings"].(map[string]any)
	d.Firewall, _ = m["firewall_rules"].(map[string]any)
	if d.Frontend, err = parseFrontend(m["haproxy"]); err != nil {
		return nil, fail("%v", err)
	}
	var problem string
	if d.Takes, problem = parseTakes(m["takes"]); problem != "" {
		return nil, fail("%s", problem)
	}
	if d.Keystone, problem = parseKeystone(m["keystone_resources"]); problem != "" {
		return nil, fail("%s", problem)
	}
	steps, ok := m["step_config"].(map[string]any)
	if _, manifest := m["step_config"].(string); !ok && !manifest && m["step_config"] != nil { // a manifest is Puppet's
		return nil, fail("step_config must be a map of step_1 … step_%d", Steps)
	}
	for _, k := range sortedKeys(steps) {
		var n int
		if _, err := fmt.Sscanf(k, "step_%d", &n); err != nil || n < 1 || n > Steps || k != fmt.Sprintf("step_%d", n) {
			return nil, fail("step_config has an unknown key %q; expected step_1 … step_%d", k, Steps)
		}
		entries, ok := steps[k].([]any)
		if !ok && steps[k] != nil {
			return nil, fail("%s must be a list of resources", k)
		}
		for i, e := range entries {
			entry, problem := parseEntry(e)
			if problem != "" {
				return nil, fail("%s[%d]: %s", k, i, problem)
			}
			d.Steps[n-1] = append(d.Steps[n-1], entry)
		}
	}
	return d, nil
}

// resourceTypes are the kinds of resource.Resource.
var resourceTypes = strings.Fields("file directory link sysctl kernel_module unit mysql_database mysql_user ovs_bridge ovs_port exec wait disks ceph_mon ceph_osd ceph_cluster ceph_health libvirt_secret packages network_config")

// parseEntry takes an entry apart: one key is the resource, the others say where it goes.
func parseEntry(v any) (Entry, string) {
	m, ok := v.(map[string]any)
	if !ok {
		return Entry{}, "a resource is a map with one of " + strings.Join(resourceTypes, ", ")
	}
	e := Entry{Resource: map[string]any{}}
	typ := ""
	for _, k := range sortedKeys(m) {
		switch {
		case k == "for_each_peer":
			e.ForEachPeer = hot.String(m[k])
		case k == "only_beside":
			e.OnlyBeside = hot.String(m[k])
		case k == "bootstrap_only", k == "not_on_bootstrap":
			on, isBool := m[k].(bool)
			if !isBool {
				return e, k + " must be true or false"
			}
			e.BootstrapOnly = e.BootstrapOnly || on && k == "bootstrap_only"
			e.NotOnBootstrap = e.NotOnBootstrap || on && k == "not_on_bootstrap"
		case k == "type":
		case !slices.Contains(resourceTypes, k):
			return e, fmt.Sprintf("unknown resource %q%s", k, nearest.Hint(k, append([]string{"for_each_peer", "only_beside", "bootstrap_only", "not_on_bootstrap"}, resourceTypes...)))
		case typ != "":
			return e, fmt.Sprintf("both %s and %s; write two resources", typ, k)
		default:
			typ = k
			e.Resource[k] = m[k]
		}
	}
	if typ == "" {
		return e, "no resource; expected one of " + strings.Join(resourceTypes, ", ")
	}
	e.Resource["type"] = typ
	return e, ""
}
