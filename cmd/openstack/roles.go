package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/overcloud/input"
	"trefoil/overcloud/role"
	"trefoil/roles"
)

const rolesHelp = `A roles directory holds one role a file. Where --roles-path is left out and
` + bareTemplates + `roles is not there, it is the directory in
this program. Needs no undercloud.

Exit codes: 0 done; 1 a role is unknown or its file is wrong; 2 wrong arguments.`

// rolesCommand is `overcloud role` and `overcloud roles`: TripleO has list and
// show under the first name, generate under the second; here each has all.
func (p *program) rolesCommand(name string) *cli.Command {
	at := &cli.StringFlag{Name: "roles-path", Usage: "directory of roles", Value: bareTemplates + "roles"}
	return &cli.Command{Name: name, Usage: "roles that machines can have, offline", Subcommands: []*cli.Command{
		{Name: "list", Usage: "list roles", Description: rolesHelp, Flags: []cli.Flag{at}, Action: p.rolesList},
		{Name: "show", Usage: "show a role", ArgsUsage: "ROLE", Description: rolesHelp, Flags: []cli.Flag{at}, Action: p.rolesShow},
		{Name: "generate", Usage: "put roles together into a roles_data.yaml", ArgsUsage: "ROLE...",
			Description: "Roles stand in the order given; one given twice counts once. Role:NewName copies a role\nunder a new name, which must begin with the old one.\n\n" + rolesHelp,
			Flags: []cli.Flag{at,
				&cli.StringFlag{Name: "output-file", Aliases: []string{"o"}, Usage: "file to write; without it standard output"},
				&cli.BoolFlag{Name: "skip-validate", Usage: "do not check the types of what the roles say"},
			}, Action: p.rolesGenerate},
	}}
}

// rolesDir is the directory of the command line, or the one in this program.
func rolesDir(c *cli.Context) role.Dir {
	dir := c.String("roles-path")
	if _, ok := input.BuiltIn(filepath.Dir(filepath.Clean(dir))); ok && filepath.Base(dir) == "roles" {
		return role.Dir{FS: roles.FS, Path: dir}
	}
	return role.Dir{FS: os.DirFS(dir), Path: dir}
}

func (p *program) rolesList(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	names, err := rolesDir(c).Names()
	if err != nil {
		return err
	}
	fmt.Fprintln(p.out, strings.Join(names, "\n"))
	return nil
}

func (p *program) rolesShow(c *cli.Context) error {
	a, err := args(c, "ROLE")
	if err != nil {
		return err
	}
	text, err := rolesDir(c).Show(a[0])
	if err != nil {
		return err
	}
	fmt.Fprint(p.out, text)
	return nil
}

func (p *program) rolesGenerate(c *cli.Context) error {
	a, err := args(c, "ROLE...")
	if err != nil {
		return err
	}
	requests, err := role.Requests(a)
	if err != nil {
		return err
	}
	file := c.String("output-file") // none: standard output
	if err := directoryOf(file); err != nil {
		return err
	}
	text, warnings, err := rolesDir(c).Generate(requests, !c.Bool("skip-validate"))
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintf(p.err, "warning: %s\n", w)
	}
	if file != "" {
		return writeFile(file, []byte(text), 0o644)
	}
	fmt.Fprint(p.out, text)
	return nil
}

// directoryOf refuses a file in a directory that is not there, as TripleO does: it may be a
// slip, and what is written elsewhere is not found again.
func directoryOf(file string) error {
	dir := filepath.Dir(file)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return errs.Wrap(errs.NotFound, err, "write %s", file).WithHint("make the directory first: mkdir -p %s", shell(dir))
	}
	return nil
}
