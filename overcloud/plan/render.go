package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"trefoil/internal/yaml"
	"trefoil/overcloud/jinja"
)

// Render renders every *.j2.yaml of a tree with the roles and networks, as
// TripleO's process-templates does, and returns the new files by name:
// X.role.j2.yaml once a role, X.network.j2.yaml once an enabled network, other
// X.j2.yaml once. Outputs that j2_excludes.yaml names are left out.
func Render(ctx context.Context, tree fs.FS, roles, networks File) (map[string][]byte, error) {
	rf, err := parseRoles(roles)
	if err != nil {
		return nil, err
	}
	nets, err := parseNetworks(networks)
	if err != nil {
		return nil, err
	}
	return render(ctx, tree, rf, nets)
}

type rendering struct {
	tree     fs.FS
	roles    *roleFile
	networks *jinja.List
	excludes map[string]bool
	out      map[string][]byte
}

func render(ctx context.Context, tree fs.FS, rf *roleFile, nets *jinja.List) (map[string][]byte, error) {
	r := &rendering{tree: tree, roles: rf, networks: nets, out: map[string][]byte{}}
	var err error
	if r.excludes, err = excludes(tree); err != nil {
		return nil, err
	}
	var files []string
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".j2.yaml") {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("walk template tree: %w", err)
	}
	sort.Strings(files)
	for _, name := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		src, err := fs.ReadFile(tree, name)
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
	dir, base := path.Split(name)
	switch {
	case strings.HasSuffix(base, ".role.j2.yaml"):
		return r.perRole(name, src, dir, strings.TrimSuffix(base, ".role.j2.yaml"))
	case strings.HasSuffix(base, ".network.j2.yaml"):
		return r.perNetwork(name, src, dir, strings.TrimSuffix(base, ".network.j2.yaml"))
	}
	vars := jinja.NewDict()
	vars.Set("roles", r.roles.value)
	vars.Set("networks", r.networks)
	return r.write(name, src, strings.TrimSuffix(name, ".j2.yaml")+".yaml", vars)
}

// perRole renders once a role. A template that never says {{role.name}} is of
// the old kind: there role is the name itself.
func (r *rendering) perRole(name, src, dir, base string) error {
	for i, role := range r.roles.roles {
		vars := jinja.NewDict()
		vars.Set("networks", r.networks)
		vars.Set("role", r.roles.value.Items[i])
		if !strings.Contains(src, "{{role.name}}") {
			constraints, _ := role.value.Get("disable_constraints")
			vars.Set("role", role.Name)
			vars.Set("disable_constraints", constraints)
		}
		lower := strings.ToLower(role.Name)
		out := dir + lower + "-" + base + ".yaml"
		if strings.HasPrefix(name, "network/config/") {
			out = dir + lower + ".yaml"
			if nic, ok := role.value.Get("deprecated_nic_config_name"); ok {
				out = dir + jinja.Str(nic)
			}
		}
		if err := r.write(name, src, out, vars); err != nil {
			return err
		}
	}
	return nil
}

// perNetwork renders once an enabled network; the word port below ports/, else
// network, in the file's name gives way to the network's name.
func (r *rendering) perNetwork(name, src, dir, base string) error {
	word := "network"
	if strings.HasSuffix(dir, "ports/") {
		word = "port"
	}
	for _, it := range r.networks.Items {
		net := it.(*jinja.Dict)
		enabled, _ := net.Get("enabled")
		if !jinja.Truth(enabled) {
			continue
		}
		lower, _ := net.Get("name_lower")
		vars := jinja.NewDict()
		vars.Set("roles", r.roles.value)
		vars.Set("network", net)
		out := dir + strings.ReplaceAll(base, word, jinja.Str(lower)) + ".yaml"
		if err := r.write(name, src, out, vars); err != nil {
			return err
		}
	}
	return nil
}

func (r *rendering) write(name, src, out string, vars *jinja.Dict) error {
	if r.excludes[out] {
		return nil
	}
	env := jinja.Env{Loader: r.loader(path.Dir(name))}
	text, err := env.Render(name, src, vars)
	if err != nil {
		return err
	}
	r.out[out] = []byte(text)
	return nil
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
