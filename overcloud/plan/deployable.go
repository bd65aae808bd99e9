package plan

import (
	"fmt"
	"strings"

	"trefoil/internal/errs"
)

// foreignKeys of role_data are run by Puppet, a container engine or Ansible.
var foreignKeys = strings.Fields(`puppet_config docker_config container_config kolla_config docker_puppet_tasks
	container_puppet_tasks host_prep_tasks deploy_steps_tasks external_deploy_tasks`)

// Deployable tells why the plan cannot be deployed on machines, or nil: what its
// services want done must be resources that os-apply-config knows. TripleO's own
// trees can be planned, compared and downloaded, not deployed. Whether its machines can be
// one cloud is another question: see Shared.
func (p *Plan) Deployable() error {
	if p.Unseeded {
		return errs.New(errs.Invalid, "the templates make random texts, and there is no seed (%s) to make them from: they could be guessed", SeedName).
			WithHint("make the plan again: openstack overcloud plan create, or openstack overcloud deploy")
	}
	var foreign []string
	for _, r := range p.Roles {
		for i := range r.Data {
			if key := r.Data[i].foreign(); key != "" {
				foreign = append(foreign, fmt.Sprintf("%s (%s): %s", r.Data[i].Name, r.Data[i].Template, key))
			}
		}
	}
	if len(foreign) == 0 {
		return nil
	}
	shown := foreign
	if len(shown) > 3 {
		shown = append(shown[:3:3], fmt.Sprintf("and %d more", len(foreign)-3))
	}
	return errs.New(errs.Invalid, "%d services are written for Puppet, containers or Ansible, which this undercloud does not run on machines: %s",
		len(foreign), strings.Join(shown, ", ")).
		WithHint("such a tree can be planned (--dry-run), compared and downloaded (config download); to deploy, use --templates without a value, or give the services templates with resources in step_config")
}

// foreign is a key of role_data that os-apply-config cannot apply, or "".
func (d *ServiceData) foreign() string {
	if _, ours := d.Raw["step_config"].(map[string]any); ours {
		return ""
	}
	if text, ok := d.Raw["step_config"].(string); ok && strings.TrimSpace(text) != "" {
		return "step_config"
	}
	for _, k := range foreignKeys {
		switch v := d.Raw[k].(type) {
		case map[string]any:
			if len(v) > 0 {
				return k
			}
		case []any:
			if len(v) > 0 {
				return k
			}
		}
	}
	return ""
}
