package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/stack"
	"trefoil/templates"
)

func (p *program) deployCommand() *cli.Command {
	flags := append(scaleFlags(),
		&cli.StringFlag{Name: "templates", Usage: "directory of templates; without a value the tree in this program"},
		&cli.StringFlag{Name: "answers-file", Usage: "YAML with templates: and environments:"},
		&cli.StringFlag{Name: "stack", Usage: "name of the stack", Value: "overcloud"},
		&cli.IntFlag{Name: "timeout", Aliases: []string{"t"}, Usage: "minutes", Value: 240},
		&cli.StringFlag{Name: "libvirt-type", Usage: "kvm or qemu"},
		&cli.StringFlag{Name: "ntp-server", Usage: "NTP servers, comma separated"},
		&cli.StringSliceFlag{Name: "environment-file", Aliases: []string{"e"}, Usage: "environment; may be given more than once, later wins"},
		&cli.StringSliceFlag{Name: "environment-directory", Usage: "directory of environments, sorted, before -e"},
		&cli.StringFlag{Name: "roles-file", Aliases: []string{"r"}, Usage: "instead of roles_data.yaml"},
		&cli.StringFlag{Name: "networks-file", Aliases: []string{"n"}, Usage: "instead of network_data.yaml"},
		&cli.BoolFlag{Name: "dry-run", Usage: "show placement and what each role will do; change nothing"},
		&cli.BoolFlag{Name: "disable-validations", Usage: "accepted; the checks always run"},
	)
	return &cli.Command{Name: "deploy", Usage: "deploy or update the overcloud", Flags: flags, Action: p.deploy}
}

func (p *program) deploy(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	in, err := p.deployInput(c)
	if err != nil {
		return err
	}
	d := &deployment{p: p, c: c, name: c.String("stack"), in: *in}
	if err := d.plan(); err != nil {
		return err
	}
	if c.Bool("dry-run") {
		return d.dryRun()
	}
	return d.run()
}

// deployInput gathers what the command line names into one thing that can be sent.
func (p *program) deployInput(c *cli.Context) (*stack.Input, error) {
	in := &stack.Input{Files: map[string]string{}, Counts: map[string]int{}, Flavors: map[string]string{}, Parameters: map[string]any{}}
	dir, envs := c.String("templates"), c.StringSlice("environment-file")
	if a := c.String("answers-file"); a != "" {
		answers, err := readAnswers(a)
		if err != nil {
			return nil, err
		}
		if dir == "" {
			dir = answers.Templates
		}
		envs = append(answers.Environments, envs...)
	}
	if dir == "" {
		return nil, usageError{errors.New("You must specify either --templates or --answers-file")} //nolint:staticcheck // TripleO's words
	}
	tree, err := treeOf(dir)
	if err != nil {
		return nil, err
	}
	if in.Tree, err = deploy.PackTree(tree); err != nil {
		return nil, err
	}
	for _, d := range c.StringSlice("environment-directory") {
		found, err := filepath.Glob(filepath.Join(d, "*.yaml"))
		if err != nil || len(found) == 0 {
			return nil, errs.New(errs.Invalid, "--environment-directory %s: no *.yaml files there", d)
		}
		sort.Strings(found)
		envs = append(found, envs...)
	}
	g := gatherer{in: in, tree: tree, dir: dir}
	for _, e := range envs {
		name, err := g.environment(e)
		if err != nil {
			return nil, err
		}
		in.Environments = append(in.Environments, name)
	}
	if in.RolesFile, err = g.optional(c.String("roles-file")); err != nil {
		return nil, err
	}
	if in.NetworksFile, err = g.optional(c.String("networks-file")); err != nil {
		return nil, err
	}
	return in, flagParameters(c, in)
}

type answersFile struct {
	Templates    string   `yaml:"templates"`
	Environments []string `yaml:"environments"`
}

func readAnswers(name string) (*answersFile, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "--answers-file")
	}
	var a answersFile
	return &a, yaml.Decode(name, data, &a)
}

// treeOf opens the template tree: the one in this program where TripleO's own
// would be and is not.
func treeOf(dir string) (fs.FS, error) {
	if tree, ok := builtIn(dir); ok {
		return tree, nil
	}
	st, err := os.Stat(dir)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "--templates")
	}
	if !st.IsDir() {
		return nil, errs.New(errs.Invalid, "--templates %s: not a directory", dir)
	}
	return os.DirFS(dir), nil
}

// builtIn is the tree in this program, if dir is where TripleO's own would be and is not.
func builtIn(dir string) (fs.FS, bool) {
	_, err := os.Stat(dir)
	return templates.FS, filepath.Clean(dir) == filepath.Clean(bareTemplates) && errors.Is(err, fs.ErrNotExist)
}

// gatherer collects files that the deployer will need, with what they refer to.
type gatherer struct {
	in   *stack.Input
	tree fs.FS
	dir  string
}

// optional takes a file if one is named.
func (g *gatherer) optional(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	key, _, err := g.file(name)
	return key, err
}

// file reads a file from disk or, failing that, from the tree, and returns the
// name under which the deployer finds it.
func (g *gatherer) file(name string) (string, []byte, error) {
	data, err := os.ReadFile(name)
	if err == nil {
		abs, err := filepath.Abs(name)
		if err != nil {
			return "", nil, err
		}
		g.in.Files[abs] = string(data)
		return abs, data, nil
	}
	below := strings.TrimPrefix(strings.TrimPrefix(filepath.Clean(name), filepath.Clean(g.dir)), "/")
	if fs.ValidPath(below) {
		if data, terr := fs.ReadFile(g.tree, below); terr == nil {
			return below, data, nil
		}
	}
	return "", nil, errs.New(errs.Invalid, "Error: The following files were not found: %s", name).
		WithHint("paths are relative to the current directory, or to the template tree")
}

// environment takes an environment file and the files its registry points at.
func (g *gatherer) environment(name string) (string, error) {
	if strings.HasSuffix(name, ".j2.yaml") {
		return "", errs.New(errs.Invalid, "Error: The following jinja2 files were provided: -e %s. Did you mean -e %s?", name, strings.TrimSuffix(name, ".j2.yaml")+".yaml")
	}
	key, data, err := g.file(name)
	if err != nil {
		return "", err
	}
	var env struct {
		Registry map[string]any `yaml:"resource_registry"`
	}
	if err := yaml.Unmarshal(name, data, &env); err != nil {
		return "", err
	}
	if !path.IsAbs(key) {
		return key, nil // the tree comes whole
	}
	for _, v := range env.Registry {
		ref, ok := v.(string)
		if !ok || strings.Contains(ref, "::") || path.IsAbs(ref) {
			continue
		}
		file := path.Join(path.Dir(key), ref)
		if text, err := os.ReadFile(file); err == nil {
			g.in.Files[file] = string(text)
		}
	}
	return key, nil
}

// flagParameters turns the Queens flags into counts, flavors and parameters.
func flagParameters(c *cli.Context, in *stack.Input) error {
	for _, s := range scales() {
		if c.IsSet(s.flag + "-scale") {
			n := c.Int(s.flag + "-scale")
			if n < 0 {
				return usageError{fmt.Errorf("--%s-scale %d: expected 0 or more", s.flag, n)}
			}
			in.Counts[s.role] = n
		}
		if f := c.String(s.flag + "-flavor"); f != "" {
			in.Flavors[s.role] = f
		}
	}
	switch t := c.String("libvirt-type"); t {
	case "":
	case "kvm", "qemu":
		in.Parameters["NovaComputeLibvirtType"] = t
	default:
		return usageError{fmt.Errorf("argument --libvirt-type: invalid choice: '%s' (choose from 'kvm', 'qemu')", t)}
	}
	if n := c.String("ntp-server"); n != "" {
		in.Parameters["NtpServer"] = strings.Split(n, ",")
	} else if in.Counts["Controller"] > 1 {
		return errs.New(errs.Invalid, "Specify --ntp-server as parameter or NtpServer in environments when using multiple controllers (with HA).")
	}
	if c.Int("timeout") < 1 {
		return usageError{fmt.Errorf("--timeout %d: expected minutes, 1 or more", c.Int("timeout"))}
	}
	return nil
}

// interrupted tells what goes on after Ctrl-C.
func (p *program) interrupted(ctx context.Context, name string) error {
	if ctx.Err() == nil {
		return nil
	}
	fmt.Fprintf(p.err, "\ninterrupted. The undercloud goes on with stack %s.\n", name)
	fmt.Fprintf(p.err, "follow it with: openstack stack event list %s --follow\n", name)
	fmt.Fprintf(p.err, "stop it with:   openstack stack cancel %s\n", name)
	fmt.Fprintln(p.err, "a deploy that has ended writes its rc file when the same command is typed again")
	return silentError(exitInterrupted)
}
