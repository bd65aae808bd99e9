package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
	"trefoil/overcloud/jinja"
)

// Render renders every *.j2.yaml of a tree with the roles and networks, as
// TripleO's process-templates does, and returns the new files by name:
// X.role.j2.yaml once a role, X.network.j2.yaml once an enabled network, other
// X.j2.yaml once. Outputs that j2_excludes.yaml names are left out.
func Render(ctx context.Context, tree fs.FS, roles, networks File) (map[string][]byte, error) {
	rf, nets, err := parseData(roles, networks)
	if err != nil {
		return nil, err
	}
	return render(ctx, tree, rf, nets)
}

// parseData reads the two files that every template sees.
func parseData(roles, networks File) (*roleFile, *jinja.List, error) {
	rf, err := parseRoles(roles)
	if err != nil {
		return nil, nil, err
	}
	nets, err := parseNetworks(networks)
	return rf, nets, err
}

// maxRendered bounds what all templates of a tree are rendered to: TripleO's come
// to 2 MB.
const maxRendered = 128 << 20

type rendering struct {
	ctx      context.Context // of the Render that this is
	size     int             // bytes rendered so far
	tree     fs.FS
	roles    *roleFile
	networks *jinja.List
	excludes map[string]bool
	out      map[string][]byte
}

func newRendering(tree fs.FS, rf *roleFile, nets *jinja.List) (*rendering, error) {
	skip, err := excludes(tree)
	return &rendering{tree: tree, roles: rf, networks: nets, excludes: skip, out: map[string][]byte{}}, err
}

func render(ctx context.Context, tree fs.FS, rf *roleFile, nets *jinja.List) (map[string][]byte, error) {
	r, err := newRendering(tree, rf, nets)
	if err != nil {
		return nil, err
	}
	return r.all(ctx)
}

// all renders every template of the tree.
func (r *rendering) all(ctx context.Context) (map[string][]byte, error) {
	r.ctx = ctx
	files, err := templateNames(r.tree)
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		src, err := fs.ReadFile(r.tree, name)
		if err != nil {
			return nil, fmt.Errorf("read template: %w", err)
		}
		if err := r.file(name, string(src)); err != nil {
			return nil, err
		}
	}
	return r.out, nil
}

func excludes(tree fs.FS) (map[string]bool, error) {
	out := map[string]bool{}
	data, err := fs.ReadFile(tree, "j2_excludes.yaml")
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read j2_excludes.yaml: %w", err)
	}
	var list struct {
		Name []string `yaml:"name"`
	}
	if err := yaml.Unmarshal("j2_excludes.yaml", data, &list); err != nil {
		return nil, err
	}
	for _, n := range list.Name {
		out[n] = true
	}
	return out, nil
}

func (r *rendering) file(name, src string) error {
	switch {
	case strings.HasSuffix(name, ".role.j2.yaml"):
		return r.perRole(name, src)
	case strings.HasSuffix(name, ".network.j2.yaml"):
		return r.perNetwork(name, src)
	}
	vars := jinja.NewDict()
	vars.Set("roles", r.roles.value)
	vars.Set("networks", r.networks)
	return r.write(name, src, strings.TrimSuffix(name, ".j2.yaml")+".yaml", vars)
}

// perRole renders once a role. A template that never says {{role.name}} is of
// the old kind: there role is the name itself.
func (r *rendering) perRole(name, src string) error {
	for i, role := range r.roles.roles {
		vars := jinja.NewDict()
		vars.Set("networks", r.networks)
		vars.Set("role", r.roles.value.Items[i])
		if !strings.Contains(src, "{{role.name}}") {
			constraints, _ := role.value.Get("disable_constraints")
			vars.Set("role", role.Name)
			vars.Set("disable_constraints", constraints)
		}
		if err := r.write(name, src, roleOutput(name, role), vars); err != nil {
			return err
		}
	}
	return nil
}

// perNetwork renders once an enabled network.
func (r *rendering) perNetwork(name, src string) error {
	dir, base := path.Split(name)
	for _, net := range r.enabled() {
		vars := jinja.NewDict()
		vars.Set("roles", r.roles.value)
		vars.Set("network", net)
		if err := r.write(name, src, networkOutput(dir, base, net), vars); err != nil {
			return err
		}
	}
	return nil
}

func (r *rendering) write(name, src, out string, vars *jinja.Dict) error {
	if r.excludes[out] {
		return nil
	}
	if !fs.ValidPath(out) {
		return errs.New(errs.Invalid, "%s would be rendered to %q, which is not in the tree", name, out)
	}
	env := jinja.Env{Context: r.ctx, Loader: r.loader(path.Dir(name))}
	text, err := env.Render(name, src, vars)
	if err != nil {
		return err
	}
	if r.size += len(text); r.size > maxRendered {
		return errs.New(errs.Invalid, "%s: the rendered templates of the tree are larger than %d bytes", name, maxRendered)
	}
	r.out[out] = []byte(text)
	return r.ctx.Err()
}

// loader finds included files beside the template, then from the tree's root.
func (r *rendering) loader(dir string) jinja.Loader {
	return func(name string) (string, error) {
		for _, n := range []string{path.Join(dir, name), path.Clean(name)} {
			if !fs.ValidPath(n) {
				continue
			}
			data, err := fs.ReadFile(r.tree, n)
			if err == nil {
				return string(data), nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
		}
		return "", fs.ErrNotExist
	}
}
