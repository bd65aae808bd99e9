package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
	"trefoil/overcloud/network"
	"trefoil/overcloud/network/provision"
)

// stackFlag names the stack, as OVERCLOUD_STACK_NAME does.
func stackFlag() cli.Flag {
	return &cli.StringFlag{Name: "stack", Usage: "name of the stack", EnvVars: []string{"OVERCLOUD_STACK_NAME"}, Value: "overcloud"}
}

func yesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask; overwrite files"}
}

func outputFlag(value string) cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "file to write", Value: value}
}

func templatesFlag() cli.Flag {
	return &cli.StringFlag{Name: "templates", Usage: "directory of templates that the environment will name", Value: provision.TemplatesPath}
}

func workingDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "working-dir", Usage: "accepted; nothing is kept there"}
}

func (p *program) networkCommand() *cli.Command {
	return &cli.Command{Name: "network", Usage: "networks of the overcloud", Subcommands: []*cli.Command{
		{Name: "provision", Usage: "make the networks of a file", ArgsUsage: "NETWORK_DATA",
			Flags: []cli.Flag{outputFlag(""), yesFlag(), templatesFlag(), stackFlag(), workingDirFlag()}, Action: p.networkProvision},
		{Name: "unprovision", Usage: "delete the networks of a file", ArgsUsage: "NETWORK_DATA", Flags: []cli.Flag{yesFlag()}, Action: p.networkUnprovision},
		{Name: "extract", Usage: "write a file of the networks that there are", Flags: []cli.Flag{outputFlag(""), yesFlag(), stackFlag()}, Action: p.networkExtract},
		{Name: "vip", Usage: "virtual addresses of the overcloud", Subcommands: []*cli.Command{
			{Name: "provision", Usage: "make the virtual addresses of a file", ArgsUsage: "VIP_DATA",
				Flags: []cli.Flag{outputFlag(""), yesFlag(), templatesFlag(), stackFlag(), workingDirFlag()}, Action: p.vipProvision},
			{Name: "extract", Usage: "write a file of a stack's virtual addresses", Flags: []cli.Flag{outputFlag(""), yesFlag(), stackFlag()}, Action: p.vipExtract},
		}},
	}}
}

// output is where a command writes; a file that is there is overwritten only
// when the user says so, and that is asked before anything is done.
func (p *program) output(c *cli.Context) (string, error) {
	path := c.String("output")
	if path == "" {
		return "", usageError{errors.New("the following arguments are required: -o/--output")}
	}
	if st, err := os.Stat(filepath.Dir(path)); err != nil || !st.IsDir() {
		return "", errs.New(errs.Invalid, "--output %s: there is no directory %s", path, filepath.Dir(path))
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || c.Bool("yes") {
		return path, nil
	}
	if err := p.confirm(fmt.Sprintf("Overwrite existing file %s [y/N]? ", path)); err != nil {
		return "", errs.New(errs.Conflict, "Will not overwrite existing file: %s", path).WithHint("give -y, or another file with -o")
	}
	return path, nil
}

// writeYAML writes a file that other people may read.
func writeYAML(path string, v any) error {
	data, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	return writeFile(path, append([]byte("---\n"), data...), 0o644)
}

// readInput reads a file that the command line names.
func readInput(path, what string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.New(errs.Invalid, "%s does not exist: %s", what, path)
	}
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "read %s", path)
	}
	return data, nil
}

func (p *program) networks(c *cli.Context) (*provision.Client, error) {
	s, err := p.session(c)
	if err != nil {
		return nil, err
	}
	return provision.New(s)
}

// networkData is the file that the command line names.
func networkData(c *cli.Context) (string, []network.Network, error) {
	a, err := args(c, "NETWORK_DATA")
	if err != nil {
		return "", nil, err
	}
	data, err := readInput(a[0], "Network configuration file")
	if err != nil {
		return "", nil, err
	}
	nets, err := network.Parse(a[0], data)
	return a[0], nets, err
}

func (p *program) networkProvision(c *cli.Context) error {
	file, nets, err := networkData(c)
	if err != nil {
		return err
	}
	out, err := p.output(c)
	if err != nil {
		return err
	}
	api, err := p.networks(c)
	if err != nil {
		return err
	}
	if err := api.Networks(c.Context, file, nets); err != nil {
		return err
	}
	env, err := api.Environment(c.Context, nets, c.String("templates"))
	if err != nil {
		return err
	}
	return writeYAML(out, env)
}

func (p *program) networkUnprovision(c *cli.Context) error {
	file, nets, err := networkData(c)
	if err != nil {
		return err
	}
	api, err := p.networks(c)
	if err != nil {
		return err
	}
	there, err := api.Present(c.Context, nets)
	if err != nil {
		return err
	}
	if len(there) == 0 {
		fmt.Fprintln(p.out, "Nothing to unprovision, exiting")
		return nil
	}
	if !c.Bool("yes") {
		abs, err := filepath.Abs(file)
		if err != nil {
			return err
		}
		if err := p.confirm(fmt.Sprintf("Are you sure you want to unprovision the networks mentioned in file %s [y/N]? ", abs)); err != nil {
			return err
		}
	}
	return api.Unprovision(c.Context, file, nets)
}

func (p *program) networkExtract(c *cli.Context) error {
	return p.extract(c, "networks", func(api *provision.Client) ([]map[string]any, error) { return api.Extract(c.Context) })
}

func (p *program) vipExtract(c *cli.Context) error {
	return p.extract(c, "virtual IPs", func(api *provision.Client) ([]map[string]any, error) {
		return api.ExtractVIPs(c.Context, c.String("stack"))
	})
}

func (p *program) extract(c *cli.Context, what string, read func(*provision.Client) ([]map[string]any, error)) error {
	if _, err := args(c); err != nil {
		return err
	}
	out, err := p.output(c)
	if err != nil {
		return err
	}
	api, err := p.networks(c)
	if err != nil {
		return err
	}
	list, err := read(api)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errs.New(errs.NotFound, "stack %s has no %s", c.String("stack"), what).WithHint("openstack overcloud network provision, openstack overcloud network vip provision")
	}
	return writeYAML(out, list)
}

func (p *program) vipProvision(c *cli.Context) error {
	a, err := args(c, "VIP_DATA")
	if err != nil {
		return err
	}
	data, err := readInput(a[0], "Virtual IPs configuration file")
	if err != nil {
		return err
	}
	vips, err := network.ParseVIPs(a[0], data)
	if err != nil {
		return err
	}
	out, err := p.output(c)
	if err != nil {
		return err
	}
	api, err := p.networks(c)
	if err != nil {
		return err
	}
	if err := api.VIPs(c.Context, c.String("stack"), vips); err != nil {
		return err
	}
	env, err := api.VIPEnvironment(c.Context, c.String("stack"), vips, c.String("templates"))
	if err != nil {
		return err
	}
	return writeYAML(out, env)
}
