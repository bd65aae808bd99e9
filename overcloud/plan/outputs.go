package plan

import (
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/jinja"
)

// Template is a *.j2.yaml file of a tree and what rendering makes of it.
type Template struct {
	Name    string // below the tree
	Per     string // "role", "network" or "" for once
	Outputs []Output
}

// Output is one file that rendering makes.
type Output struct {
	File     string // below the tree
	For      string // the role's or the network's name; "" for once
	Excluded bool   // j2_excludes.yaml names it: it is not made
}

// Templates says which files Render makes of which template, without rendering
// them. Templates are in the order of their names, outputs in that of the roles
// and networks files. It is safe for concurrent use, as Render is.
func Templates(tree fs.FS, roles, networks File) ([]Template, error) {
	rf, nets, err := parseData(roles, networks)
	if err != nil {
		return nil, err
	}
	r, err := newRendering(tree, rf, nets)
	if err != nil {
		return nil, err
	}
	names, err := templateNames(tree)
	if err != nil {
		return nil, err
	}
	out := make([]Template, 0, len(names))
	for _, name := range names {
		out = append(out, r.template(name))
	}
	return out, nil
}

// templateNames are the *.j2.yaml files of a tree, sorted.
func templateNames(tree fs.FS) ([]string, error) {
	var files []string
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".j2.yaml") {
			return err
		}
		st, err := fs.Stat(tree, name)
		if err == nil && !st.Mode().IsRegular() { // a pipe would never end
			err = errs.New(errs.Invalid, "%s is not a file: it cannot be rendered", name)
		}
		files = append(files, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("walk template tree: %w", err)
	}
	sort.Strings(files)
	return files, nil
}

// template names the outputs of one template.
func (r *rendering) template(name string) Template {
	t := Template{Name: name}
	add := func(file, of string) {
		t.Outputs = append(t.Outputs, Output{File: file, For: of, Excluded: r.excludes[file]})
	}
	dir, base := path.Split(name)
	switch {
	case strings.HasSuffix(base, ".role.j2.yaml"):
		t.Per = "role"
		for _, role := range r.roles.roles {
			add(roleOutput(name, role), role.Name)
		}
	case strings.HasSuffix(base, ".network.j2.yaml"):
		t.Per = "network"
		for _, net := range r.enabled() {
			of, _ := net.Get("name")
			add(networkOutput(dir, base, net), jinja.Str(of))
		}
	default:
		add(strings.TrimSuffix(name, ".j2.yaml")+".yaml", "")
	}
	return t
}

// roleOutput names what X.role.j2.yaml becomes for a role.
func roleOutput(name string, role roleDef) string {
	dir, base := path.Split(name)
	lower := strings.ToLower(role.Name)
	if !strings.HasPrefix(name, "network/config/") {
		return dir + lower + "-" + strings.TrimSuffix(base, ".role.j2.yaml") + ".yaml"
	}
	if nic, ok := role.value.Get("deprecated_nic_config_name"); ok && jinja.Truth(nic) {
		return dir + jinja.Str(nic)
	}
	return dir + lower + ".yaml"
}

// networkOutput names what X.network.j2.yaml becomes for a network: the word
// port below ports/, else network, in the file's name gives way to its own.
func networkOutput(dir, base string, net *jinja.Dict) string {
	word := "network"
	if strings.HasSuffix(dir, "ports/") {
		word = "port"
	}
	lower, _ := net.Get("name_lower")
	return dir + strings.ReplaceAll(strings.TrimSuffix(base, ".network.j2.yaml"), word, jinja.Str(lower)) + ".yaml"
}

// enabled are the networks that are rendered.
func (r *rendering) enabled() []*jinja.Dict {
	var out []*jinja.Dict
	for _, it := range r.networks.Items {
		net := it.(*jinja.Dict)
		if isEnabled(net) {
			out = append(out, net)
		}
	}
	return out
}
