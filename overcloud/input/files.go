package input

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
	"trefoil/overcloud/plan"
)

// directories are the environments of all directories, sorted in each: first
// ~/.tripleo/environments, which may be missing, last that of the variable.
func (g *gatherer) directories() []named {
	byDefault := filepath.Join(g.a.Home, ".tripleo", "environments")
	dirs := append([]string{byDefault}, g.a.Directories...)
	if g.a.Extra != "" {
		dirs = append(dirs, g.a.Extra)
	}
	var out []named
	for i, d := range dirs {
		entries, err := os.ReadDir(g.home(d))
		if err != nil {
			if i > 0 {
				g.noDirs = append(g.noDirs, d)
			}
			continue
		}
		for _, e := range entries { // sorted
			full := filepath.Join(g.home(d), e.Name())
			if strings.HasSuffix(e.Name(), ".yaml") && !strings.HasPrefix(e.Name(), ".") && regular(full) {
				out = append(out, named{text: full})
			}
		}
	}
	return out
}

// home writes out a leading ~.
func (g *gatherer) home(name string) string {
	if name == "~" || strings.HasPrefix(name, "~/") {
		return g.a.Home + name[1:]
	}
	return name
}

func regular(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.Mode().IsRegular()
}

// optional finds a file if one is named.
func (g *gatherer) optional(n named) string {
	if n.text == "" {
		return ""
	}
	key, ok := g.find(n)
	if !ok {
		g.absent = append(g.absent, n)
	}
	return key
}

// environment adds an environment file.
func (g *gatherer) environment(n named) {
	if strings.HasSuffix(n.text, ".j2.yaml") {
		g.jinja = append(g.jinja, n.text)
		return
	}
	if key := g.optional(n); key != "" {
		g.in.Environments = append(g.in.Environments, key)
	}
}

// find returns the name by which the deployer finds a file: below the tree, or
// else an absolute path, whose text it puts into the input. A file that a
// template of the tree makes counts as there; so does one that cannot be read,
// which is told by itself.
func (g *gatherer) find(n named) (key string, ok bool) {
	name := g.home(n.text)
	places := []string{name}
	if n.beside != "" && !filepath.IsAbs(name) {
		places = append(places, filepath.Join(n.beside, name))
	}
	for _, p := range places {
		abs, err := filepath.Abs(p)
		if err != nil {
			continue
		}
		if below, ok := g.below(abs); ok && g.inTree(below) {
			return below, true
		}
		if !regular(abs) {
			continue
		}
		data, err := os.ReadFile(abs)
		if err != nil {
			g.unreadable = append(g.unreadable, fmt.Sprintf("%s: %v", n, err))
			return "", true
		}
		g.in.Files[abs] = string(data)
		return abs, true
	}
	below := strings.TrimPrefix(filepath.Clean(name), filepath.Clean(g.dir)+"/")
	return below, g.inTree(below)
}

// below is the name of a file of this machine in the tree.
func (g *gatherer) below(abs string) (string, bool) {
	dir, err := filepath.Abs(g.dir)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(abs, dir+"/")
}

// inTree says whether the tree has a file, or the template that makes it.
func (g *gatherer) inTree(name string) bool {
	for _, n := range []string{name, strings.TrimSuffix(name, ".yaml") + ".j2.yaml"} {
		if fs.ValidPath(n) {
			if st, err := fs.Stat(g.tree, n); err == nil && st.Mode().IsRegular() {
				return true
			}
		}
	}
	return false
}

// collect adds the files outside the tree that the environments need.
func (g *gatherer) collect() error {
	var envs []plan.File
	for _, name := range g.in.Environments {
		if text, ok := g.in.Files[name]; ok {
			envs = append(envs, plan.File{Name: name, Data: []byte(text)})
		}
	}
	files, err := plan.Collect(func(name string) ([]byte, error) {
		data, err := os.ReadFile(name)
		if below, ok := g.below(name); ok && errors.Is(err, fs.ErrNotExist) && g.inTree(below) {
			return nil, errs.New(errs.Invalid, "a template of the tree makes it").
				WithHint("name it relative to the tree: give the environment below %s, or render the tree first: openstack overcloud process templates", g.dir)
		}
		return data, err
	}, envs)
	for name, data := range files {
		g.in.Files[name] = string(data)
	}
	return err
}

// onlyText refuses files that are not UTF-8: the input is sent as JSON, which
// would change their bytes without a word.
func (g *gatherer) onlyText() error {
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(g.in.Files)) {
		if !utf8.ValidString(g.in.Files[name]) {
			wrong = append(wrong, name+": not text in UTF-8, and only such files can be sent")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(wrong, "\n")).
		WithHint("convert text with iconv -t UTF-8; put other data into the template as base64, or into the image")
}

// planEnvironment is what --plan-environment-file puts in the tree's place.
func (g *gatherer) planEnvironment() (map[string][]byte, error) {
	if g.a.PlanEnvironment == "" {
		return nil, nil
	}
	name := g.home(g.a.PlanEnvironment)
	data, err := os.ReadFile(name)
	if err != nil {
		g.absent = append(g.absent, named{text: g.a.PlanEnvironment})
		return nil, nil //nolint:nilerr // told with all that is missing
	}
	root, err := yaml.Parse(name, data)
	if err != nil {
		return nil, err
	}
	if root == nil || root.Kind != yaml.MappingNode {
		return nil, errs.New(errs.Invalid, "%s:1: a plan environment is a map with environments: a list of {path: FILE}", name)
	}
	var wrong []string
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != "environments" {
			continue
		}
		for _, e := range root.Content[i+1].Content {
			for j := 0; j+1 < len(e.Content); j += 2 {
				if p := e.Content[j+1]; e.Content[j].Value == "path" && !g.inTree(p.Value) {
					wrong = append(wrong, fmt.Sprintf("%s:%d: environment %s is not in the template tree", name, p.Line, p.Value))
				}
			}
		}
	}
	if len(wrong) > 0 {
		return nil, errs.New(errs.Invalid, "%s", strings.Join(wrong, "\n")).WithHint("environments of other places are given with -e")
	}
	return map[string][]byte{"plan-environment.yaml": data}, nil
}

// checkRoles warns, as TripleO does, of a roles file without any
// disable_upgrade_deployment.
func (g *gatherer) checkRoles() []string {
	name := g.in.RolesFile
	data := []byte(g.in.Files[name])
	if name == "" {
		return nil
	}
	if len(data) == 0 {
		data, _ = fs.ReadFile(g.tree, name)
	}
	var roles []map[string]any
	if yaml.Unmarshal(name, data, &roles) != nil {
		return nil // making the plan tells it better
	}
	for _, r := range roles {
		if on, _ := r["disable_upgrade_deployment"].(bool); on || r["disable_upgrade_deployment"] == "yes" {
			return nil
		}
	}
	return []string{"The disable_upgrade_deployment flag is not set in the roles file. This flag is expected when you have a nova-compute or swift-storage role. Please check the contents of the roles file: " + name}
}
