package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"trefoil/overcloud/configdownload"
	"trefoil/overcloud/configdownload/folder"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/input"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
)

const configHelp = `Writes what a stack's services want done, as TripleO's config-download lays it
out: data by role, files by machine, playbooks, an Ansible inventory. The files
hold secrets: they are readable by their owner only, and never printed. Each run
is a commit of a git repository in the directory.

With --templates nothing is asked of the undercloud: the tree, with the roles,
networks and environments given, is laid out with new passwords and planned
addresses, to look at it before there is a stack.

Exit codes: 0 done; 1 no such stack, or something is wrong; 2 wrong arguments.`

// configCommand is `overcloud config`.
func (p *program) configCommand() *cli.Command {
	return &cli.Command{Name: "config", Usage: "what a stack's services want done", Subcommands: []*cli.Command{{
		Name: "download", Usage: "write a stack's configuration to files", Description: configHelp, Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Aliases: []string{"stack"}, Usage: "stack", Value: "overcloud"},
			&cli.StringFlag{Name: "config-dir", Usage: "directory in which a new one, tripleo-…-config, is made; default: the home directory"},
			&cli.StringFlag{Name: "output-dir", Usage: "write to this directory itself; run again, what changed is a commit"},
			&cli.BoolFlag{Name: "no-preserve-config", Usage: "with --output-dir: forget what is there, history and all"},
			&cli.StringSliceFlag{Name: "config-type", Usage: "key of role_data to write; may be given more than once; default: all"},
			&cli.StringFlag{Name: "templates", Usage: "offline: directory of templates; without a value the tree in this program"},
			&cli.StringFlag{Name: "roles-file", Aliases: []string{"r"}, Usage: "offline: instead of roles_data.yaml"},
			&cli.StringFlag{Name: "networks-file", Aliases: []string{"n"}, Usage: "offline: instead of network_data.yaml"},
			&cli.StringSliceFlag{Name: "environment-file", Aliases: []string{"e"}, Usage: "offline: environment; may be given more than once, later wins"},
		}, Action: p.configDownload}}}
}

func (p *program) configDownload(c *cli.Context) error {
	if err := configArgs(c); err != nil {
		return err
	}
	types := append(c.StringSlice("config-type"), c.Args().Slice()...) // as argparse: --config-type A B
	var files configdownload.Files
	var err error
	if c.String("templates") != "" {
		files, err = p.offlineConfig(c, types)
	} else {
		files, err = p.stackConfig(c, types)
	}
	if err != nil {
		return err
	}
	return p.writeConfig(c, files)
}

// configArgs checks what belongs together.
func configArgs(c *cli.Context) error {
	if !c.IsSet("config-type") {
		if _, err := args(c); err != nil {
			return err
		}
	}
	var wrong []error
	if c.IsSet("config-dir") && c.IsSet("output-dir") {
		wrong = append(wrong, errors.New("argument --output-dir: not allowed with argument --config-dir"))
	}
	if c.Bool("no-preserve-config") && !c.IsSet("output-dir") {
		wrong = append(wrong, errors.New("argument --no-preserve-config: needs --output-dir; --config-dir always makes a new directory"))
	}
	for _, name := range []string{"roles-file", "networks-file", "environment-file"} {
		if c.IsSet(name) && c.String("templates") == "" {
			wrong = append(wrong, fmt.Errorf("argument --%s: needs --templates; what a stack was deployed with, the undercloud knows", name))
		}
	}
	if len(wrong) > 0 {
		return usageError{errors.Join(wrong...)}
	}
	return nil
}

// stackConfig is the configuration of what is deployed.
func (p *program) stackConfig(c *cli.Context, types []string) (configdownload.Files, error) {
	h, err := p.stacks(c)
	if err != nil {
		return nil, err
	}
	s, err := h.Stack(c.Context, c.String("name"))
	if err != nil {
		return nil, err
	}
	q := url.Values{"config_type": types}
	for k, v := range underclouds() {
		q.Set(k, v)
	}
	return h.Config(c.Context, s.ID, q)
}

// underclouds are the undercloud's variables in the inventory, from the rc file.
func underclouds() map[string]string {
	out := map[string]string{}
	for k, env := range map[string]string{"auth_url": "OS_AUTH_URL", "username": "OS_USERNAME", "project_name": "OS_PROJECT_NAME", "cacert": "OS_CACERT"} {
		if v := os.Getenv(env); v != "" {
			out[k] = v
		}
	}
	return out
}

// offlineConfig is the configuration of a tree that is not deployed.
func (p *program) offlineConfig(c *cli.Context, types []string) (configdownload.Files, error) {
	dir, err := home()
	if err != nil {
		return nil, err
	}
	in, warnings, err := input.Gather(input.Args{Templates: c.String("templates"), Environments: c.StringSlice("environment-file"),
		Roles: c.String("roles-file"), Networks: c.String("networks-file"), Home: dir})
	if err != nil {
		return nil, err
	}
	passwords, err := plan.GeneratePasswords(nil, rand.Reader)
	if err != nil {
		return nil, err
	}
	made, err := deploy.PlanOf(c.Context, &stack.Stack{Name: c.String("name"), Input: *in, Passwords: passwords})
	if err != nil {
		return nil, err
	}
	for _, w := range append(warnings, made.Warnings...) {
		fmt.Fprintf(p.err, "WARNING: %s\n", w)
	}
	o := configdownload.Options{Types: types, User: deploy.RemoteUser, Undercloud: map[string]any{}}
	for k, v := range underclouds() {
		o.Undercloud[k] = v
	}
	return configdownload.Make(made, nil, o)
}

// writeConfig writes the files where the command line says, and commits them.
func (p *program) writeConfig(c *cli.Context, files configdownload.Files) error {
	dir := c.String("output-dir")
	if dir == "" {
		var err error
		parent := c.String("config-dir")
		if parent == "" {
			if parent, err = home(); err != nil {
				return err
			}
		}
		if dir, err = folder.New(parent); err != nil {
			return err
		}
	}
	if err := folder.Write(dir, files, !c.Bool("no-preserve-config")); err != nil {
		if c.String("output-dir") == "" {
			_ = os.Remove(dir) // the empty one that was made for it
		}
		return err
	}
	abs, err := filepath.Abs(dir) // git runs elsewhere
	if err != nil {
		return err
	}
	err = folder.Commit(c.Context, abs, "Configuration of stack "+c.String("name"))
	if errors.Is(err, folder.ErrNoGit) {
		fmt.Fprintf(p.err, "WARNING: %v\n", err)
	} else if err != nil {
		return fmt.Errorf("the files are written to %s, but not committed: %w", dir, err)
	}
	fmt.Fprintf(p.out, "The TripleO configuration has been successfully generated into: %s\n", dir)
	return nil
}
