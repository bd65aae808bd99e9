package main

import (
	"github.com/urfave/cli/v2"

	"trefoil/overcloud/input"
	"trefoil/overcloud/process"
)

const processHelp = `Renders every *.j2.yaml of a template tree with the roles and networks, as the
tree's own tools/process-templates.py does: in place, or with --output-dir into
a copy of the whole tree. Needs no undercloud. Everything is rendered before
anything is written; after an error nothing has changed.

Exit codes: 0 done; 1 a file is wrong or in the way; 2 wrong arguments.`

// processCommand is `overcloud process`.
func (p *program) processCommand() *cli.Command {
	return &cli.Command{Name: "process", Usage: "work on a template tree, offline", Subcommands: []*cli.Command{{
		Name: "templates", Usage: "render a template tree", Description: processHelp, Flags: []cli.Flag{
			&cli.StringFlag{Name: "base_path", Aliases: []string{"p"}, Usage: "the template tree", Value: "."},
			&cli.StringFlag{Name: "roles-data", Aliases: []string{"r"}, Usage: "roles file, relative to the tree, else to here", Value: "roles_data.yaml"},
			&cli.StringFlag{Name: "network-data", Aliases: []string{"n"}, Usage: "networks file, likewise", Value: "network_data.yaml"},
			&cli.StringFlag{Name: "output-dir", Aliases: []string{"o"}, Usage: "write a copy of the whole tree there"},
			&cli.BoolFlag{Name: "safe", Usage: "do not overwrite files"},
			&cli.BoolFlag{Name: "clean", Aliases: []string{"c"}, Usage: "delete what rendering would make"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"d"}, Usage: "only say which files would be made or deleted"},
		}, Action: p.processTemplates}}}
}

func (p *program) processTemplates(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	o := process.Options{Base: c.String("base_path"), Roles: c.String("roles-data"), Networks: c.String("network-data"),
		Output: c.String("output-dir"), Safe: c.Bool("safe"), DryRun: c.Bool("dry-run")}
	if tree, embedded := input.BuiltIn(o.Base); embedded {
		o.Tree = tree
	}
	if c.Bool("clean") {
		return process.Clean(c.Context, o, p.out)
	}
	return process.Render(c.Context, o, p.out)
}
