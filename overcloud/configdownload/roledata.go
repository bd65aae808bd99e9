package configdownload

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trefoil/overcloud/hot"
)

// stepsMax is how many files a list of tasks is split into from Wallaby on: steps 0 to 5.
const stepsMax = 6

// isExternal tells the tasks that run once for all roles: RoleConfig has them.
func (m *maker) isExternal(key string) bool {
	return key == "external_deploy_tasks" || m.release == wallaby && key == "external_deploy_steps_tasks"
}

// split tells into how many files tasks of a role go, by step; 0: they are not split.
func (m *maker) split(key string) int {
	if m.release != wallaby {
		return 0
	}
	return map[string]int{"upgrade_tasks": stepsMax, "deploy_steps_tasks": stepsMax, "update_tasks": stepsMax, "post_update_tasks": 4}[key]
}

// roleData writes one file for each key of each role's data.
func (m *maker) roleData() error {
	roles := asMap(m.p.Outputs["RoleData"])
	if roles == nil { // machines only, or a tree that does not put it out
		roles = map[string]any{}
		for _, r := range m.p.Roles {
			roles[r.Name] = r.RoleData
		}
	}
	wanted, err := m.wanted(roles)
	if err != nil {
		return err
	}
	groupVars := maps.Clone(asMap(m.outputs["RoleGroupVars"]))
	for _, role := range sortedKeys(roles) {
		data := asMap(roles[role])
		for _, key := range sortedKeys(data) {
			switch {
			case !wanted(key) || m.isExternal(key):
			case m.release == wallaby && key == "ansible_group_vars":
				merged := maps.Clone(asMap(data[key]))
				if merged == nil {
					merged = map[string]any{}
				}
				maps.Copy(merged, asMap(groupVars[role]))
				groupVars[role] = merged
			default:
				if err := m.roleKey(role, key, data[key]); err != nil {
					return err
				}
			}
		}
		if m.release == queens { // as it does for trees that are older still
			if err := m.put(role+"/deployments.yaml", deploymentsTasks()); err != nil {
				return err
			}
		}
	}
	return m.groupVars(groupVars)
}

// groupVars writes the variables of the roles that have machines; in Queens they
// are the deployments, which deployments.go writes.
func (m *maker) groupVars(vars map[string]any) error {
	if m.release != wallaby {
		return nil
	}
	for _, h := range m.hosts {
		if err := m.putYAML("group_vars/"+h.role, vars[h.role]); err != nil {
			return err
		}
	}
	return nil
}

// roleKey writes what one key of a role's data becomes.
func (m *maker) roleKey(role, key string, v any) error {
	file := role + "/" + key
	switch text, isText := v.(string); {
	case key == "step_config" && (isText || v == nil):
		return m.put(file+".pp", []byte(text))
	case key == "param_config" && m.release == wallaby:
		data, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		return m.put(file+".json", data)
	case strings.Contains(key, "upgrade_tasks") && m.release == queens:
		tasks := byStep(asList(v))
		playbook := []any{map[string]any{"name": role + " playbook", "hosts": role, "tasks": tasks}}
		if err := m.putYAML(file+"_playbook.yaml", playbook); err != nil {
			return err
		}
		return m.putYAML(file+".yaml", tasks)
	}
	if err := m.perStep(file, asList(v), m.split(key)); err != nil {
		return err
	}
	return m.putYAML(file+".yaml", v)
}

// perStep writes the tasks of each step as FILE_stepN.yaml.
func (m *maker) perStep(file string, tasks []any, steps int) error {
	for step := range steps {
		if err := m.putYAML(fmt.Sprintf("%s_step%d.yaml", file, step), ofStep(tasks, step)); err != nil {
			return err
		}
	}
	return nil
}

// roleConfig writes the playbooks and tasks for all roles.
func (m *maker) roleConfig() error {
	config := asMap(m.outputs["RoleConfig"])
	for _, name := range sortedKeys(config) {
		if m.release == wallaby && m.isExternal(name) {
			if err := m.perStep(name, asList(config[name]), stepsMax); err != nil {
				return err
			}
		}
		file := name + ".yaml"
		if m.release == wallaby && strings.Contains(name, ".") {
			file = name
		}
		var err error
		switch v := config[name].(type) {
		case nil:
			err = m.put(file, nil)
		case []any, map[string]any:
			err = m.putYAML(file, v)
		default:
			err = m.put(file, []byte(hot.String(v)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var stepIs = regexp.MustCompile(`step(?:\|int)? == ([0-9]+)`)

// byStep sorts tasks by the step in their condition; those without one come first.
func byStep(tasks []any) []any {
	step := func(task any) string {
		for _, w := range conditions(task) {
			if found := stepIs.FindStringSubmatch(hot.String(w)); found != nil {
				return found[1]
			}
		}
		return ""
	}
	out := append([]any{}, tasks...)
	slices.SortStableFunc(out, func(a, b any) int { return strings.Compare(step(a), step(b)) })
	return out
}

var stepEquals = regexp.MustCompile(`\(?step(?:\|int)?\)?==(\d+)`)

// ofStep are the tasks that may run in a step: those whose condition names it, or
// names no step at all.
func ofStep(tasks []any, step int) []any {
	out := []any{}
	for _, task := range tasks {
		text := ""
		for _, w := range conditions(task) {
			if s, ok := w.(string); ok {
				text += strings.Join(strings.Fields(s), "")
			}
		}
		found := stepEquals.FindAllStringSubmatch(text, -1)
		if len(found) == 0 || slices.ContainsFunc(found, func(f []string) bool { return f[1] == strconv.Itoa(step) }) {
			out = append(out, task)
		}
	}
	return out
}

// conditions are those of a task, as a list.
func conditions(task any) []any {
	switch w := asMap(task)["when"].(type) {
	case nil:
		return nil
	case []any:
		return w
	default:
		return []any{w}
	}
}
