package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
)

// dataKeys are the keys of role_data that TripleO knows; those that are not
// ours to apply are left to the program that does.
var dataKeys = strings.Fields(`needs_here takes service_name packages summary network needs step_config config_settings global_config_settings
	service_config_settings firewall_rules haproxy puppet_config kolla_config docker_config docker_puppet_tasks
	container_puppet_tasks container_config container_config_scripts docker_config_scripts host_prep_tasks
	deploy_steps_tasks external_deploy_tasks external_post_deploy_tasks post_deploy_steps_tasks upgrade_tasks
	update_tasks post_upgrade_tasks post_update_tasks pre_upgrade_rolling_tasks fast_forward_upgrade_tasks
	fast_forward_post_upgrade_tasks external_update_tasks external_upgrade_tasks scale_tasks keystone_resources
	workflow_tasks upgrade_batch_tasks ansible_group_vars metadata_settings monitoring_subscription monitoring_subscriptions logging_source logging_sources
	logging_group logging_groups`)

// parseServiceData reads the role_data of one service template. An error names the service
// and its template.
func parseServiceData(v any, file string) (*ServiceData, error) {
	m, ok := v.(map[string]any)
	name, _ := m["service_name"].(string)
	if !ok || name == "" {
		return nil, errs.New(errs.Invalid, "%s: role_data has no service_name", file)
	}
	d := &ServiceData{Name: name, Template: file, Summary: hot.String(m["summary"]), Raw: m}
	for _, read := range []func(map[string]any) error{misspelt, d.readPlace, d.readSettings, d.readSteps} {
		if err := read(m); err != nil {
			return nil, errs.New(errs.Invalid, "service %s (%s): %v", name, file, err)
		}
	}
	return d, nil
}

// misspelt refuses a key that is nearly one of ours; templates may carry others, for other programs.
func misspelt(m map[string]any) error {
	for _, k := range sortedKeys(m) {
		if !slices.Contains(dataKeys, k) && !strings.HasSuffix(k, "_tasks") && nearest.Name(k, dataKeys) != "" {
			return fmt.Errorf("role_data has an unknown key %q%s", k, nearest.Hint(k, dataKeys))
		}
	}
	return nil
}

// readPlace reads what the service wants of its image, of others and before them.
func (d *ServiceData) readPlace(m map[string]any) error {
	packages, ok := m["packages"].([]any)
	if !ok && m["packages"] != nil {
		return errors.New("packages must be a list of Debian packages")
	}
	for _, p := range packages {
		d.Packages = append(d.Packages, hot.String(p))
	}
	var err error
	if d.Needs, err = parseNeeds(m["needs"]); err != nil {
		return err
	}
	if d.NeedsHere, err = parseNeeds(m["needs_here"]); err != nil {
		return fmt.Errorf("needs_here: %w", err)
	}
	d.Network = hot.String(m["network"])
	return nil
}

// readSettings reads what others are told of the service.
func (d *ServiceData) readSettings(m map[string]any) error {
	d.Settings, _ = m["config_settings"].(map[string]any)
	d.Firewall, _ = m["firewall_rules"].(map[string]any)
	var err error
	if d.Frontend, err = parseFrontend(m["haproxy"]); err != nil {
		return err
	}
	var problem string
	if d.Takes, problem = parseTakes(m["takes"]); problem != "" {
		return errors.New(problem)
	}
	if d.Keystone, problem = parseKeystone(m["keystone_resources"]); problem != "" {
		return errors.New(problem)
	}
	return nil
}

// readSteps reads what the service does in each step.
func (d *ServiceData) readSteps(m map[string]any) error {
	steps, ok := m["step_config"].(map[string]any)
	if _, manifest := m["step_config"].(string); !ok && !manifest && m["step_config"] != nil { // a manifest is Puppet's
		return fmt.Errorf("step_config must be a map of step_1 … step_%d", Steps)
	}
	for _, k := range sortedKeys(steps) {
		var n int
		if _, err := fmt.Sscanf(k, "step_%d", &n); err != nil || n < 1 || n > Steps || k != fmt.Sprintf("step_%d", n) {
			return fmt.Errorf("step_config has an unknown key %q; expected step_1 … step_%d", k, Steps)
		}
		entries, ok := steps[k].([]any)
		if !ok && steps[k] != nil {
			return fmt.Errorf("%s must be a list of resources", k)
		}
		for i, e := range entries {
			entry, problem := parseEntry(e)
			if problem != "" {
				return fmt.Errorf("%s[%d]: %s", k, i, problem)
			}
			d.Steps[n-1] = append(d.Steps[n-1], entry)
		}
	}
	return nil
}

// resourceTypes are the kinds of resource.Resource.
var resourceTypes = strings.Fields("file directory link sysctl kernel_module unit mysql_database mysql_user keystone_bootstrap ovs_bridge ovs_port exec wait disks ceph_mon ceph_osd ceph_cluster ceph_health libvirt_secret probe packages network_config")

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
