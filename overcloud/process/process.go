// Package process renders a template tree onto a disk, as the tree's own
// tools/process-templates.py does (TripleO, Queens and Wallaby): in place, or
// as a copy of the whole tree in another directory. Unlike it, everything is
// rendered before anything is written, and what is written comes whole or not
// at all. Other deviations: an output directory inside the tree is refused, a
// dry run writes nothing at all, and --clean removes what rendering would make
// of the roles and networks given, where it would make it.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
	"trefoil/overcloud/plan"
)

// Options say what is rendered and where the result goes.
type Options struct {
	Base     string // directory of the tree
	Tree     fs.FS  // what stands there; nil: Base on this machine
	Roles    string // roles_data file, below Base or else a path
	Networks string // network_data file, likewise
	Output   string // directory of the result; "": Base itself
	Safe     bool   // refuse to replace a file that rendering makes
	DryRun   bool   // say what would be done, change nothing
}

// job is what Render and Clean work on.
type job struct {
	o         Options
	tree      fs.FS
	roles     plan.File
	networks  plan.File
	templates []plan.Template
	target    string   // directory that is written to
	disabled  []string // networks that are not rendered
	copies    bool     // target is another directory: the rest of the tree goes there too
}

// Render renders the tree and prints to out, in process-templates.py's words,
// what it made of which template. An error means that nothing has changed.
func Render(ctx context.Context, o Options, out io.Writer) error {
	j, err := newJob(o)
	if err != nil {
		return err
	}
	rendered, err := plan.Render(ctx, j.tree, j.roles, j.networks)
	if err != nil {
		return err
	}
	set := &changes{root: j.target}
	for name, data := range rendered {
		set.files = append(set.files, file{name: name, data: data, mode: 0o666, fresh: o.Safe})
	}
	if j.copies {
		if err := j.copyTree(set, rendered); err != nil {
			return err
		}
	}
	if err := set.check(); err != nil {
		return err
	}
	if !o.DryRun {
		if err := set.commit(ctx); err != nil {
			return err
		}
	}
	j.tell(out)
	return nil
}

// Clean removes the files that Render would make and prints their names.
func Clean(ctx context.Context, o Options, out io.Writer) error {
	o.Safe = false
	j, err := newJob(o)
	if err != nil {
		return err
	}
	set := &changes{root: j.target}
	for _, t := range j.templates {
		for _, f := range t.Outputs {
			if _, err := os.Lstat(filepath.Join(j.target, f.File)); err == nil && !f.Excluded {
				set.files = append(set.files, file{name: f.File, remove: true})
			}
		}
	}
	if err := set.check(); err != nil {
		return err
	}
	said := "Deleting"
	if o.DryRun {
		said = "dry run deleting"
	} else if err := set.commit(ctx); err != nil {
		return err
	}
	for _, f := range set.files {
		fmt.Fprintf(out, "%s %s\n", said, j.path(f.name))
	}
	return nil
}

// newJob reads roles and networks and names all outputs.
func newJob(o Options) (*job, error) {
	j := &job{o: o, tree: o.Tree, target: o.Base}
	if j.tree == nil {
		st, err := os.Stat(o.Base)
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "--base_path")
		}
		if !st.IsDir() {
			return nil, errs.New(errs.Invalid, "--base_path %s: not a directory", o.Base)
		}
		j.tree = os.DirFS(o.Base)
	}
	j.tree = visible{j.tree}
	if err := j.chooseTarget(); err != nil {
		return nil, err
	}
	var err error
	for _, dir := range []string{o.Base, j.target} {
		if dir == o.Base && o.Tree != nil {
			continue // a tree in this program
		}
		if err = restore(dir, o.DryRun); err != nil {
			return nil, err
		}
	}
	if j.roles, err = j.data("--roles-data", o.Roles); err != nil {
		return nil, err
	}
	if j.networks, err = j.data("--network-data", o.Networks); err != nil {
		return nil, err
	}
	if j.templates, err = plan.Templates(j.tree, j.roles, j.networks); err != nil {
		return nil, err
	}
	j.disabled, err = disabled(j.networks)
	return j, err
}

// chooseTarget refuses an output directory that would become part of the tree.
func (j *job) chooseTarget() error {
	if j.o.Output == "" {
		if j.o.Tree != nil {
			return errs.New(errs.Invalid, "--base_path %s is the tree in this program, which cannot be written to", j.o.Base).
				WithHint("say where the result goes: --output-dir DIR")
		}
		return nil
	}
	if st, err := os.Stat(j.o.Output); err == nil && !st.IsDir() {
		return errs.New(errs.Invalid, "Output dir %s is not a directory", j.o.Output)
	}
	j.target, j.copies = j.o.Output, true
	if j.o.Tree != nil {
		return nil
	}
	base, output := resolved(j.o.Base), resolved(j.o.Output)
	if base == output {
		j.copies = false
		return nil
	}
	if strings.HasPrefix(output, strings.TrimSuffix(base, "/")+"/") {
		return errs.New(errs.Invalid, "output directory %s lies in the tree %s and would become part of it", j.o.Output, j.o.Base).
			WithHint("give --output-dir a directory outside the tree, or leave it out to render in place")
	}
	return nil
}

// resolved is the absolute path with symbolic links resolved as far as it exists.
func resolved(name string) string {
	abs, err := filepath.Abs(name)
	if err != nil {
		return filepath.Clean(name)
	}
	if r, err := filepath.EvalSymlinks(abs); err == nil {
		return r
	}
	if dir := filepath.Dir(abs); dir != abs {
		return filepath.Join(resolved(dir), filepath.Base(abs))
	}
	return abs
}

// data reads a file that is named relative to the tree, as the original takes
// it, or failing that to the current directory.
func (j *job) data(flag, name string) (plan.File, error) {
	if below := filepath.ToSlash(filepath.Clean(name)); fs.ValidPath(below) {
		data, err := fs.ReadFile(j.tree, below)
		if err == nil {
			return plan.File{Name: filepath.Join(j.o.Base, below), Data: data}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return plan.File{}, errs.Wrap(errs.Invalid, err, "%s", flag)
		}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return plan.File{}, errs.Wrap(errs.Invalid, err, "%s", flag).
			WithHint("a relative path is looked for in the tree (%s), then in the current directory", j.o.Base)
	}
	return plan.File{Name: name, Data: data}, nil
}

// disabled are the names of the networks that say enabled: false.
func disabled(f plan.File) ([]string, error) {
	var list []struct {
		Name    string `yaml:"name"`
		Enabled *bool  `yaml:"enabled"`
	}
	if err := yaml.Unmarshal(f.Name, f.Data, &list); err != nil {
		return nil, err
	}
	var out []string
	for _, n := range list {
		if n.Enabled != nil && !*n.Enabled {
			out = append(out, n.Name)
		}
	}
	return out, nil
}

// copyTree adds all files of the tree but templates to what is written. Links
// to directories are not followed, as os.walk does not; links to files become files.
func (j *job) copyTree(set *changes, rendered map[string][]byte) error {
	return fs.WalkDir(j.tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read the tree: %w", err)
		}
		if d.IsDir() {
			set.dirs = append(set.dirs, name)
			return nil
		}
		if _, made := rendered[name]; made || strings.HasSuffix(name, ".j2.yaml") {
			return nil
		}
		st, err := fs.Stat(j.tree, name)
		if err != nil {
			return fmt.Errorf("read the tree: %w", err)
		}
		if st.IsDir() {
			return nil
		}
		if !st.Mode().IsRegular() {
			return errs.New(errs.Invalid, "%s is neither a file nor a directory: it cannot be copied", filepath.Join(j.o.Base, name))
		}
		data, err := fs.ReadFile(j.tree, name)
		if err != nil {
			return fmt.Errorf("read the tree: %w", err)
		}
		set.files = append(set.files, file{name: name, data: data, mode: 0o666 | st.Mode().Perm()&0o111})
		return nil
	})
}

// path is a file below the target as the user would write it.
func (j *job) path(name string) string {
	return strings.TrimSuffix(j.target, "/") + "/" + name
}

// tell prints process-templates.py's lines.
func (j *job) tell(out io.Writer) {
	did := "rendering"
	if j.o.DryRun {
		did = "dry run processing"
	}
	for _, name := range j.disabled {
		fmt.Fprintf(out, "skipping %s network: network is disabled\n", name)
	}
	for _, t := range j.templates {
		kind := t.Per
		if kind == "" {
			kind = "normal"
		}
		fmt.Fprintf(out, "jinja2 rendering %s template %s\n", kind, filepath.Base(t.Name))
		if t.Per != "" {
			names := make([]string, len(t.Outputs))
			for i, o := range t.Outputs {
				names[i] = o.For
			}
			fmt.Fprintf(out, "jinja2 rendering %ss %s\n", t.Per, strings.Join(names, ","))
		}
		for _, o := range t.Outputs {
			if o.Excluded {
				fmt.Fprintf(out, "skipping rendering of %s\n", j.path(o.File))
			} else {
				fmt.Fprintf(out, "%s j2 template to file: %s\n", did, j.path(o.File))
			}
		}
	}
}
