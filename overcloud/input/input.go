// Package input gathers what a deploy command names — template tree, answers
// file, environments, roles, networks — from the operator's machine into the
// one thing that is sent to the undercloud. Source of behaviour and of the
// messages: the argument stage of python-tripleoclient's `overcloud deploy`,
// Queens and Wallaby. Unlike it, all problems are told at once and relative
// paths are also looked for beside the answers file and in the tree.
package input

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
	"trefoil/templates"
)

// Args are what the command line names. A relative path is relative to the
// current directory, else to the template tree.
type Args struct {
	Templates       string // directory of the tree; "": what the answers file says
	Answers         string
	Environments    []string // -e, in order
	Directories     []string // of environments, in order
	Roles           string
	Networks        string
	VIPs            string
	PlanEnvironment string

	Home  string // the user's directory: ~, and ~/.tripleo/environments
	Extra string // one more directory of environments: $TRIPLEO_ENVIRONMENT_DIRECTORY
}

// Gather reads all of it. The input holds environments in the order in which
// they win, last first: directories, the answers file, -e. Counts, Flavors and
// Parameters are empty. warnings are what the operator should know.
func Gather(a Args) (in *stack.Input, warnings []string, err error) {
	g := &gatherer{a: a, in: &stack.Input{Files: map[string]string{}, Counts: map[string]int{}, Flavors: map[string]string{}, Parameters: map[string]any{}}}
	answers, err := g.answers()
	if err != nil {
		return nil, nil, err
	}
	if g.tree, err = OpenTree(g.dir); err != nil {
		return nil, nil, err
	}
	envs := append(g.directories(), answers...)
	for _, name := range a.Environments {
		envs = append(envs, named{text: name})
	}
	for _, e := range envs {
		g.environment(e)
	}
	g.in.RolesFile = g.optional(g.roles)
	g.in.NetworksFile = g.optional(g.networks)
	g.in.VIPFile = g.optional(named{text: g.a.VIPs})
	over, err := g.planEnvironment()
	if err != nil {
		return nil, nil, err
	}
	if err := g.missing(); err != nil {
		return nil, nil, err
	}
	if err := g.collect(); err != nil {
		return nil, nil, err
	}
	if err := g.onlyText(); err != nil {
		return nil, nil, err
	}
	if g.in.Tree, err = deploy.PackTree(g.tree, over); err != nil {
		return nil, nil, err
	}
	return g.in, g.checkRoles(), nil
}

// OpenTree opens a template tree: the one in this program where TripleO's own
// would be and is not.
func OpenTree(dir string) (fs.FS, error) {
	if tree, ok := BuiltIn(dir); ok {
		return tree, nil
	}
	st, err := os.Stat(dir)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "--templates")
	}
	if !st.IsDir() {
		return nil, errs.New(errs.Invalid, "--templates %s: not a directory", dir)
	}
	tree := os.DirFS(dir)
	return tree, isTree(dir, tree)
}

// isTree refuses a directory that has none of what each tree has, before all of it is read.
func isTree(dir string, tree fs.FS) error {
	marks := []string{"overcloud.j2.yaml", "overcloud.yaml", "roles_data.yaml", "plan-environment.yaml"}
	for _, name := range marks {
		if _, err := fs.Stat(tree, name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errs.New(errs.Invalid, "--templates %s: this is no template tree: it has none of %s", dir, strings.Join(marks, ", ")).
		WithHint("the directory of TripleO's tree, or one made from it; without one of your own, leave the value out")
}

// BuiltIn is the tree in this program, if dir is where TripleO's own would be and is not.
func BuiltIn(dir string) (fs.FS, bool) {
	_, err := os.Stat(dir)
	return templates.FS, filepath.Clean(dir) == filepath.Clean(plan.TreePath) && errors.Is(err, fs.ErrNotExist)
}

// named is a path with the place that names it; no place means the command line.
type named struct {
	text   string
	origin string // file:line
	beside string // directory in which it is looked for as well
}

func (n named) String() string {
	if n.origin == "" {
		return n.text
	}
	return n.text + " (" + n.origin + ")"
}

type gatherer struct {
	a    Args
	in   *stack.Input
	dir  string // of the tree
	tree fs.FS

	roles, networks named

	jinja  []string // environments that are templates of environments
	absent []named
	noDirs []string

	unreadable []string // files that are there, with the reason
}

// missing tells everything that was named and cannot be used.
func (g *gatherer) missing() error {
	var lines []string
	if len(g.jinja) > 0 {
		all := " -e " + strings.Join(g.jinja, " -e ")
		lines = append(lines, "Error: The following jinja2 files were provided:"+all+". Did you mean"+strings.ReplaceAll(all, ".j2.yaml", ".yaml")+"?")
	}
	if len(g.absent) > 0 {
		names := make([]string, len(g.absent))
		for i, n := range g.absent {
			names[i] = n.String()
		}
		lines = append(lines, "Error: The following files were not found: "+strings.Join(names, ", "))
	}
	if len(g.noDirs) > 0 {
		lines = append(lines, "Error: The following environment directories were not found: "+strings.Join(g.noDirs, ", "))
	}
	lines = append(lines, g.unreadable...)
	if len(lines) == 0 {
		return nil
	}
	e := errs.New(errs.Invalid, "%s", strings.Join(lines, "\n"))
	if len(g.absent) > 0 {
		return e.WithHint("paths are relative to the current directory, or to the template tree %s", g.dir)
	}
	return e
}
