package configdownload

import (
	"bytes"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"trefoil/overcloud/hot"
	"trefoil/overcloud/plan"
)

// when is the part of a playbook that runs a deployment.
type when struct{ preNetwork, pre, post []any }

func (w *when) add(d plan.Deployment) {
	list := &w.pre
	switch {
	case strings.Contains(d.Path, "ExtraConfigPost") || strings.Contains(d.Path, "PostConfig"):
		list = &w.post
	case strings.Contains(d.Path, "PreNetworkConfig"):
		list = &w.preNetwork
	}
	if !slices.Contains(*list, any(d.Name)) {
		*list = append(*list, d.Name)
	}
}

// deployments writes ROLE/MACHINE/DEPLOYMENT, and which of them run when: by role
// in Queens, by machine later.
func (m *maker) deployments() error {
	byServer, byRole := map[string]*when{}, map[string]*when{}
	for _, d := range m.p.Deployments {
		for i := range m.hosts {
			h := &m.hosts[i]
			if h.id == nil || h.server == nil || !slices.Contains(d.Servers, h.server.Name) {
				continue
			}
			if err := m.putYAML(h.role+"/"+h.name+"/"+d.Name, m.deployment(d, h)); err != nil {
				return err
			}
			for _, w := range []struct {
				of   map[string]*when
				name string
			}{{byServer, h.name}, {byRole, h.role}} {
				if w.of[w.name] == nil {
					w.of[w.name] = &when{}
				}
				w.of[w.name].add(d)
			}
		}
	}
	if m.release == wallaby {
		return m.hostVars(byServer)
	}
	for _, role := range sortedKeys(byRole) {
		w := byRole[role]
		w.pre = slices.Concat(w.preNetwork, w.pre) // there is no part of its own for these
		if err := m.putYAML("group_vars/"+role, map[string]any{"pre_deployments_" + role: w.pre, "post_deployments_" + role: w.post}); err != nil {
			return err
		}
	}
	return nil
}

// hostVars writes each machine's deployments and variables.
func (m *maker) hostVars(byServer map[string]*when) error {
	for _, h := range m.hosts {
		if h.id == nil {
			continue
		}
		w := byServer[h.name]
		if w == nil {
			w = &when{}
		}
		vars := map[string]any{}
		for k, v := range asMap(at(m.outputs, "AnsibleHostVarsMap", h.role, h.name)) {
			vars[k] = v
		}
		vars["pre_network_"+h.role], vars["pre_deployments_"+h.role], vars["post_deployments_"+h.role] = w.preNetwork, w.pre, w.post
		if err := m.putYAML("host_vars/"+h.name, vars); err != nil {
			return err
		}
	}
	return nil
}

// deployment is the file of one deployment on one machine: what Heat's API gives
// of its configuration, under its name.
func (m *maker) deployment(d plan.Deployment, h *host) map[string]any {
	inputs, values := m.inputs(d, h)
	config := d.Config
	if structured, ok := config.(map[string]any); ok {
		config = substitute(structured, values)
	}
	if d.Group != "hiera" { // its hook alone takes a map
		config = scalar(config)
	} else if text, ok := config.(string); ok {
		var parsed any
		if json.Unmarshal([]byte(text), &parsed) == nil {
			config = parsed
		}
	}
	group := d.Group
	if group == "" {
		group = "Heat::Ungrouped"
	}
	outputs := []any{}
	for _, o := range d.ConfigOutputs {
		outputs = append(outputs, map[string]any{"name": at(o, "name"), "description": at(o, "description"), "type": at(o, "type")})
	}
	options := d.Options
	if options == nil {
		options = map[string]any{}
	}
	body := map[string]any{"config": config, "deployment_name": d.Name, "group": group, "inputs": inputs, "name": d.Name, "options": options, "outputs": outputs}
	// not the inputs that Heat adds: an update alone is no reason to run it again
	body["id"] = contentID(d.Path, h.name, map[string]any{"config": config, "group": group, "options": options, "inputs": d.Inputs, "declared": d.ConfigInputs})
	if !m.o.Created.IsZero() {
		body["creation_time"] = m.o.Created.UTC().Format("2006-01-02T15:04:05Z")
	}
	file := map[string]any{d.Name: body}
	if m.release == queens {
		file["deploy_server_id"] = h.id
	}
	return file
}

// inputs are those that the configuration declares, further values that are
// given, and what Heat adds; values by name.
func (m *maker) inputs(d plan.Deployment, h *host) (list []any, values map[string]any) {
	values = map[string]any{}
	add := func(name string, description, typ, value any) {
		if description == nil {
			description = ""
		}
		if typ == nil {
			typ = "String"
		}
		values[name] = value
		list = append(list, map[string]any{"name": name, "description": description, "type": typ, "value": text(value)})
	}
	for _, c := range d.ConfigInputs {
		name := hot.String(at(c, "name"))
		value, given := d.Inputs[name]
		if !given {
			value = at(c, "default")
		}
		add(name, at(c, "description"), at(c, "type"), value)
	}
	for _, name := range sortedKeys(d.Inputs) {
		if _, declared := values[name]; !declared {
			add(name, nil, nil, d.Inputs[name])
		}
	}
	action := hot.String(m.p.Parameters["StackAction"])
	stack := strings.ReplaceAll(d.Path, ".", "-")
	add("deploy_server_id", "Server that is deployed to", nil, h.id)
	add("deploy_action", "Action of the stack", nil, action)
	add("deploy_stack_id", "Stack that the deployment belongs to", nil, stack+"/"+contentID(d.Path, "", nil))
	add("deploy_resource_name", "Name of the deployment in that stack", nil, "TripleOSoftwareDeployment")
	add("deploy_signal_transport", "How the end is signalled", nil, "NO_SIGNAL")
	return list, values
}

// substitute puts values in the place of {get_input: NAME}.
func substitute(v any, values map[string]any) any {
	switch t := v.(type) {
	case map[string]any:
		if name, ok := t["get_input"].(string); ok && len(t) == 1 {
			return values[name]
		}
		out := make(map[string]any, len(t))
		for k, e := range t {
			out[k] = substitute(e, values)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = substitute(e, values)
		}
		return out
	}
	return v
}

// scalar is a configuration as text: what is JSON, or was never text, is indented.
func scalar(config any) string {
	if config == nil {
		return ""
	}
	t, isText := config.(string)
	if isText {
		d := json.NewDecoder(strings.NewReader(t))
		d.UseNumber()
		if d.Decode(&config) != nil || d.More() {
			return t
		}
		if s, ok := config.(string); ok {
			return s
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if e.Encode(config) != nil {
		return t
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// text is a value as Python writes it in text; lists and maps as JSON.
func text(v any) string {
	switch t := v.(type) {
	case nil:
		return "None"
	case bool:
		if t {
			return "True"
		}
		return "False"
	}
	return hot.String(v)
}

// contentID is an identifier in the form of a UUID that changes with what is
// identified: machines remember by it what they have run.
func contentID(path, machine string, body map[string]any) string {
	data, err := json.Marshal([]any{path, machine, body})
	if err != nil {
		data = fmt.Appendf(nil, "%s %s %v", path, machine, body)
	}
	h := sha1.Sum(data)
	h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80 // RFC 9562, version 5
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// networkConfig writes ROLE/NetworkConfig, where a role has one; from Wallaby on.
func (m *maker) networkConfig() error {
	configs := asMap(m.outputs["RoleNetworkConfigMap"])
	for _, role := range sortedKeys(configs) {
		config, named := m.p.NetworkConfigs[role]
		if !named {
			config = configs[role]
		}
		var data []byte
		switch c := config.(type) {
		case string:
			data = []byte(c)
		case map[string]any:
			var err error
			if data, err = json.Marshal(c); err != nil {
				return fmt.Errorf("NetworkConfig of role %s: %w", role, err)
			}
		}
		if len(data) == 0 {
			continue
		}
		if err := m.put(role+"/NetworkConfig", data); err != nil {
			return err
		}
	}
	return nil
}

// steps writes what os-apply-config does on each machine in each step.
func (m *maker) steps() error {
	if m.release != ours || len(m.hosts) == 0 || len(m.p.Roles) == 0 {
		return nil
	}
	config, err := m.p.Configure(m.nodes)
	if err != nil {
		return err
	}
	for _, n := range m.nodes {
		for _, doc := range config[n.Name] {
			data, err := json.Marshal(doc)
			if err != nil {
				return fmt.Errorf("step %d of %s: %w", doc.Step, n.Name, err)
			}
			var plain any
			if err := json.Unmarshal(data, &plain); err != nil {
				return fmt.Errorf("step %d of %s: %w", doc.Step, n.Name, err)
			}
			if err := m.putYAML(fmt.Sprintf("%s/%s/step_%d.yaml", n.Role, strings.ToLower(n.Name), doc.Step), plain); err != nil {
				return err
			}
		}
	}
	return nil
}
