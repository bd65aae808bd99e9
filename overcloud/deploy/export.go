package deploy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"

	"trefoil/internal/yaml"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/stack"
)

// PlanEnvironment is the file of a tree that names the environments of a plan and
// holds what belongs to the plan itself.
const PlanEnvironment = "plan-environment.yaml"

// userFiles is where an exported plan keeps what lies outside the tree.
const userFiles = "user-files"

// Export packs a plan as TripleO does: the tree with its rendered files, roles and
// networks, what lies outside it below user-files/, and plan-environment.yaml with
// parameters and passwords. The same plan gives the same bytes.
func Export(ctx context.Context, p *stack.Plan) ([]byte, error) {
	s := p.Stack()
	files, err := rendered(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("render plan %s: %w", p.Name, err)
	}
	tree, err := unpack(p.Input.Tree)
	if err != nil {
		return nil, err
	}
	for _, f := range tree.File {
		if _, there := files[f.Name]; !there && !f.FileInfo().IsDir() {
			data, err := fs.ReadFile(tree, f.Name)
			if err != nil {
				return nil, fmt.Errorf("read the template tree: %w", err)
			}
			files[f.Name] = string(data)
		}
	}
	secret := map[string]bool{PlanEnvironment: true}
	for name, text := range p.Input.Files {
		files[exported(p, name)] = text
		secret[exported(p, name)] = true
	}
	for into, from := range map[string]string{"roles_data.yaml": p.Input.RolesFile, "network_data.yaml": p.Input.NetworksFile} {
		if text, ok := p.Input.Files[from]; ok {
			files[into] = text
		}
	}
	env, err := planEnvironment(p, files[PlanEnvironment])
	if err != nil {
		return nil, err
	}
	files[PlanEnvironment] = string(env)
	return pack(p, files, secret)
}

// exported is where a file of the plan stands in the archive.
func exported(p *stack.Plan, name string) string {
	if _, outside := p.Input.Files[name]; outside && path.IsAbs(name) {
		return userFiles + path.Clean(name)
	}
	return name
}

// planEnvironment lays what the plan is over the tree's own plan environment.
func planEnvironment(p *stack.Plan, own string) ([]byte, error) {
	env := map[string]any{"version": 1.0, "template": rootTemplate, "description": "Exported by openstack overcloud plan export",
		"environments": []any{map[string]any{"path": "overcloud-resource-registry.yaml"}}}
	read, err := hot.ParseData(PlanEnvironment, []byte(own))
	if err != nil {
		return nil, err
	}
	trees, _ := read.(map[string]any)
	maps.Copy(env, trees)
	list, _ := env["environments"].([]any)
	for _, e := range p.Input.Environments {
		list = append(list, map[string]any{"path": exported(p, e)})
	}
	params := map[string]any{}
	below, _ := env["parameter_defaults"].(map[string]any)
	maps.Copy(params, below)
	maps.Copy(params, p.Input.Parameters)
	for role, n := range p.Input.Counts {
		params[role+"Count"] = n
	}
	for role, f := range p.Input.Flavors {
		params["Overcloud"+role+"Flavor"] = f
	}
	passwords := map[string]any{}
	for k, v := range p.Passwords {
		passwords[k] = v
	}
	above, _ := env["passwords"].(map[string]any)
	maps.Copy(passwords, above) // the tree's own win in a plan, too
	workflows := map[string]any{}
	have, _ := env["workflow_parameters"].(map[string]any)
	maps.Copy(workflows, have)
	workflows[workflow] = settingsOf(p)
	env["name"], env["environments"], env["parameter_defaults"], env["passwords"], env["workflow_parameters"] = p.Name, list, params, passwords, workflows
	return yaml.Marshal(env)
}

// pack writes files in the order of their names; those that may hold secrets are
// readable by their owner only.
func pack(p *stack.Plan, files map[string]string, secret map[string]bool) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	at := p.CreatedAt
	if p.UpdatedAt != nil {
		at = *p.UpdatedAt
	}
	for _, name := range sortedKeys(files) {
		mode := int64(0o644)
		if secret[name] {
			mode = 0o600
		}
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(files[name])), ModTime: at.UTC().Truncate(1e9), Format: tar.FormatPAX}); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
		if _, err := t.Write([]byte(files[name])); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
	}
	if err := t.Close(); err != nil {
		return nil, fmt.Errorf("pack plan %s: %w", p.Name, err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("pack plan %s: %w", p.Name, err)
	}
	return b.Bytes(), nil
}
