package deploy

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

const rootTemplate = "overcloud.yaml"

// Documents makes Heat's documents of stacks. Safe for concurrent use.
type Documents struct{ Plans Plans }

// Describe makes the plan again, so it costs what a plan costs.
func (d Documents) Describe(ctx context.Context, s *stack.Stack) (*stack.Description, error) {
	p, err := d.Plans.Of(ctx, s.Whole())
	if err != nil {
		return nil, fmt.Errorf("make the plan of stack %s: %w", s.Name, err)
	}
	return stack.Describe(p)
}

// Export packs a plan; see the function Export.
func (Documents) Export(ctx context.Context, p *stack.Plan) ([]byte, error) { return Export(ctx, p) }

// Files are the templates of a stack, rendered, and what came with them from
// outside the tree, with its secrets masked. Environments, roles, networks and files
// of machines are not among them, wherever they lie: their values stand in the
// environment, where secrets are hidden. It costs what a plan costs.
func (d Documents) Files(ctx context.Context, s *stack.Stack) (map[string]string, error) {
	out, err := rendered(ctx, s)
	if err != nil {
		return nil, err
	}
	p, err := d.Plans.Of(ctx, s.Whole())
	if err != nil {
		return nil, fmt.Errorf("make the plan of stack %s: %w", s.Name, err)
	}
	maps.Copy(out, s.Input.Files)
	for _, name := range append([]string{PlanEnvironment, s.Input.RolesFile, s.Input.NetworksFile, s.Input.VIPFile, s.Input.BaremetalFile}, s.Input.Environments...) {
		delete(out, name)
		delete(out, strings.TrimPrefix(path.Clean(name), plan.TreePath))
	}
	secrets := stack.Secrets(p)
	slices.SortStableFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // one may be the beginning of another
	var pairs []string
	for _, secret := range secrets {
		pairs = append(pairs, secret, stack.Hidden)
	}
	mask := strings.NewReplacer(pairs...)
	for name, text := range out {
		out[name] = mask.Replace(text)
	}
	return out, nil
}

// rendered is the tree with what its j2 templates give, without those templates.
func rendered(ctx context.Context, s *stack.Stack) (map[string]string, error) {
	if onlyMachines(s) {
		return map[string]string{"overcloud.yaml": machinesTemplate}, nil
	}
	tree, o, err := given(s)
	if err != nil {
		return nil, err
	}
	read := func(f plan.File, name string) (plan.File, error) {
		if f.Data != nil {
			return f, nil
		}
		data, err := fs.ReadFile(tree, name)
		return plan.File{Name: name, Data: data}, err
	}
	roles, err := read(o.Roles, "roles_data.yaml")
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	networks, err := read(o.Networks, "network_data.yaml")
	if err != nil {
		return nil, fmt.Errorf("read networks: %w", err)
	}
	made, err := plan.Render(ctx, tree, roles, networks)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".j2.yaml") {
			return err
		}
		data, err := fs.ReadFile(tree, name)
		out[name] = string(data)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the template tree: %w", err)
	}
	for name, data := range made {
		out[name] = string(data)
	}
	return out, nil
}
