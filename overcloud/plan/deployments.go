package plan

import (
	"strconv"
	"strings"

	"trefoil/overcloud/hot"
	"trefoil/overcloud/stack/eval"
)

// deployments are the software configurations that the templates give to the
// machines, each after what it needs, as Heat would make them. Those without a
// machine of the plan are left out.
func (b *builder) deployments(servers []Server) []Deployment {
	byID := map[string]string{}
	for _, s := range servers {
		byID[s.ID] = s.Name
	}
	var out []Deployment
	walk(b.root, func(r *eval.Resource, path string) {
		name, path, properties := deployed(r, path)
		d := Deployment{Name: hot.String(properties["name"]), Path: path}
		for _, id := range serversOf(properties) {
			if name := byID[id]; name != "" {
				d.Servers = append(d.Servers, name)
			}
		}
		if len(d.Servers) == 0 {
			return
		}
		if d.Name == "" {
			d.Name = name
		}
		d.Inputs, _ = properties["input_values"].(map[string]any)
		if c := b.ev.Identified(hot.String(properties["config"])); c != nil {
			d.Group, d.Config = hot.String(c.Properties["group"]), c.Properties["config"]
			d.Options, _ = c.Properties["options"].(map[string]any)
			d.ConfigInputs, _ = c.Properties["inputs"].([]any)
			d.ConfigOutputs, _ = c.Properties["outputs"].([]any)
		}
		out = append(out, d)
	})
	return out
}

// handedOver is the resource that TripleO's templates put in a deployment's place
// when Ansible is to run it (config-download-software.yaml): its value says what.
const handedOver = "TripleODeployment"

// deployed is the name, path and properties of a deployment; nil properties for
// other resources.
func deployed(r *eval.Resource, path string) (string, string, map[string]any) {
	properties := r.Properties
	switch value, _ := r.Properties["value"].(map[string]any); {
	case r.Name == handedOver && value != nil:
		path, properties = strings.TrimSuffix(path, "."+handedOver), value
	case !r.IsDeployment():
		return "", path, nil
	}
	parts := strings.Split(path, ".")
	for len(parts) > 1 && isNumber(parts[len(parts)-1]) { // a member of a group is called as the group
		parts = parts[:len(parts)-1]
	}
	return parts[len(parts)-1], path, properties
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

// serversOf are the identifiers of the servers of a deployment.
func serversOf(properties map[string]any) []string {
	if id := hot.String(properties["server"]); id != "" {
		return []string{id}
	}
	m, _ := properties["servers"].(map[string]any)
	var out []string
	for _, k := range sortedKeys(m) {
		out = append(out, hot.String(m[k]))
	}
	return out
}

// walk visits every resource of a stack and below, with its path: what another
// needs comes before it, otherwise in the order of the templates.
func walk(s *eval.Stack, visit func(r *eval.Resource, path string)) {
	all := s.Resources()
	byName := map[string]*eval.Resource{}
	for _, r := range all {
		byName[r.Name] = r
	}
	seen := map[*eval.Resource]bool{}
	var one func(r *eval.Resource)
	one = func(r *eval.Resource) {
		if r == nil || seen[r] {
			return
		}
		seen[r] = true
		for _, name := range r.DependsOn() {
			one(byName[name])
		}
		visit(r, s.Name+"."+r.Name)
		for _, m := range r.Members {
			if m != nil {
				walk(m, visit)
			}
		}
	}
	for _, r := range all {
		one(r)
	}
}

// networkConfigs are the configurations that the output RoleNetworkConfigMap of
// Wallaby names by identifier; those of newer templates stand in the output itself.
func (b *builder) networkConfigs(outputs map[string]any) map[string]any {
	out := map[string]any{}
	roles, _ := outputs["RoleNetworkConfigMap"].(map[string]any)
	for role, id := range roles {
		if c := b.ev.Identified(hot.String(id)); c != nil {
			out[role] = c.Properties["config"]
		}
	}
	return out
}
