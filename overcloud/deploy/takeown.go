package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/stack"
)

// workflow is the key below workflow_parameters, which nothing else reads, where an
// export keeps what a plan environment has no word for.
const workflow = "trefoil.plan"

// settings are what stands there.
type settings struct {
	Environments  []string          `yaml:"environments,omitempty"` // as they stand in the archive
	RolesFile     string            `yaml:"roles_file,omitempty"`   // of the tree
	NetworksFile  string            `yaml:"networks_file,omitempty"`
	VIPFile       string            `yaml:"vip_file,omitempty"`
	BaremetalFile string            `yaml:"baremetal_file,omitempty"`
	SSHKeys       string            `yaml:"ssh_keys,omitempty"`
	Counts        map[string]int    `yaml:"counts,omitempty"`
	Flavors       map[string]string `yaml:"flavors,omitempty"`
}

// settingsOf are those of a plan. Roles and networks from outside the tree take the
// place of the tree's own in an archive, so they need no name.
func settingsOf(p *stack.Plan) settings {
	s := settings{RolesFile: p.Input.RolesFile, NetworksFile: p.Input.NetworksFile, VIPFile: p.Input.VIPFile,
		BaremetalFile: p.Input.BaremetalFile, SSHKeys: p.Input.SSHKeys, Counts: p.Input.Counts, Flavors: p.Input.Flavors}
	for _, name := range []*string{&s.RolesFile, &s.NetworksFile} {
		if _, outside := p.Input.Files[*name]; outside {
			*name = ""
		}
	}
	for _, e := range p.Input.Environments {
		s.Environments = append(s.Environments, exported(p, e))
	}
	return s
}

// TakeOwn takes out of a tree what belongs to the plan itself: parameters of its
// plan-environment.yaml go into in.Parameters, unless they are set there, what lies
// below user-files/ back to where it was, and passwords are returned. The tree
// keeps the rest. An exported plan has all of it.
func TakeOwn(in *stack.Input) (map[string]string, error) {
	tree, err := unpack(in.Tree)
	if err != nil {
		return nil, err
	}
	data, err := fs.ReadFile(tree, PlanEnvironment)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", PlanEnvironment, err)
	}
	read, err := hot.ParseData(PlanEnvironment, data)
	if err != nil {
		return nil, err
	}
	env, ok := read.(map[string]any)
	if !ok && read != nil {
		return nil, errs.New(errs.Invalid, "%s:1: a plan environment is a map with environments: a list of {path: FILE}", PlanEnvironment)
	}
	own, err := takeSettings(env)
	if err != nil {
		return nil, err
	}
	if in.Files, err = takeFiles(in.Files, tree); err != nil {
		return nil, err
	}
	in.Environments = takeEnvironments(env, own, in.Environments)
	takeParameters(in, env, own)
	passwords := map[string]string{}
	given, _ := env["passwords"].(map[string]any)
	for k, v := range given {
		passwords[k] = hot.String(v)
	}
	delete(env, "parameter_defaults")
	delete(env, "passwords")
	rest, err := yaml.Marshal(env)
	if err != nil {
		return nil, err
	}
	in.Tree, err = PackTree(lacking{tree, userFiles}, map[string][]byte{PlanEnvironment: rest})
	return passwords, err
}

// takeSettings takes what Export has added to a plan environment.
func takeSettings(env map[string]any) (settings, error) {
	var own settings
	all, _ := env["workflow_parameters"].(map[string]any)
	if all[workflow] == nil {
		return own, nil
	}
	text, err := yaml.Marshal(all[workflow])
	if err != nil {
		return own, err
	}
	if delete(all, workflow); len(all) == 0 {
		delete(env, "workflow_parameters")
	}
	return own, yaml.Unmarshal(PlanEnvironment+": "+workflow, text, &own)
}

// takeFiles is have with what lies below user-files/.
func takeFiles(have map[string]string, tree fs.FS) (map[string]string, error) {
	out := map[string]string{}
	maps.Copy(out, have)
	err := fs.WalkDir(tree, userFiles, func(name string, d fs.DirEntry, err error) error {
		if name == userFiles && errors.Is(err, fs.ErrNotExist) {
			return fs.SkipAll
		}
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, name)
		out[strings.TrimPrefix(name, userFiles)] = string(data)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", userFiles, err)
	}
	return out, nil
}

// takeEnvironments takes the plan's environments out of the list of its tree's, and
// adds to them those of have that are not among them.
func takeEnvironments(env map[string]any, own settings, have []string) []string {
	listed := map[string]int{} // a tree may list one of the plan's by itself
	for _, name := range own.Environments {
		listed[name]++
	}
	list, _ := env["environments"].([]any)
	var keep []any
	var out []string
	for _, e := range slices.Backward(list) { // the plan's come last
		m, _ := e.(map[string]any)
		name, _ := m["path"].(string)
		outside := strings.HasPrefix(name, userFiles+"/")
		if !outside && listed[name] == 0 {
			keep = append(keep, e)
			continue
		}
		listed[name]--
		if outside {
			name = path.Clean(strings.TrimPrefix(name, userFiles))
		}
		out = append(out, name)
	}
	if slices.Reverse(keep); list != nil {
		env["environments"] = keep
	}
	slices.Reverse(out)
	for _, name := range have {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// takeParameters takes parameters, and what else flags had set, as far as nobody
// has changed it since.
func takeParameters(in *stack.Input, env map[string]any, own settings) {
	params := map[string]any{}
	given, _ := env["parameter_defaults"].(map[string]any)
	maps.Copy(params, given)
	counts, flavors := map[string]int{}, map[string]string{}
	for role, n := range own.Counts {
		if key := role + "Count"; hot.Same(params[key], n) {
			counts[role] = n
			delete(params, key)
		}
	}
	for role, f := range own.Flavors {
		if key := "Overcloud" + role + "Flavor"; hot.Same(params[key], f) {
			flavors[role] = f
			delete(params, key)
		}
	}
	maps.Copy(params, in.Parameters)
	maps.Copy(counts, in.Counts)
	maps.Copy(flavors, in.Flavors)
	in.Parameters, in.Counts, in.Flavors = params, counts, flavors
	for to, from := range map[*string]string{&in.RolesFile: own.RolesFile, &in.NetworksFile: own.NetworksFile, &in.VIPFile: own.VIPFile,
		&in.BaremetalFile: own.BaremetalFile, &in.SSHKeys: own.SSHKeys} {
		if *to == "" {
			*to = from
		}
	}
}

// lacking is a tree without one of its top directories.
type lacking struct {
	fs.FS
	name string
}

// ReadDir implements fs.ReadDirFS.
func (l lacking) ReadDir(dir string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(l.FS, dir)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return dir == "." && e.Name() == l.name }), err
}
