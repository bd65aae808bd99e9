package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/overcloud/netenv"
	"trefoil/templates"
)

const netenvHelp = `Checks subnets, allocation pools, VLANs, virtual addresses and routers of a network
environment, and the NIC templates that its resource_registry names. Needs no
undercloud. Templates of a tree must be rendered first: openstack overcloud process
templates.

Exit codes: 0 nothing is wrong; 1 something is (TripleO's own says 0); 2 wrong arguments.`

// netenvCommand is `overcloud netenv`.
func (p *program) netenvCommand() *cli.Command {
	return &cli.Command{Name: "netenv", Usage: "network environments, offline", Subcommands: []*cli.Command{{
		Name: "validate", Usage: "check a network environment", Description: netenvHelp, Flags: []cli.Flag{
			&cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "network environment", Value: "network-environment.yaml"},
		}, Action: p.netenvValidate}}}
}

func (p *program) netenvValidate(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	file := c.String("file")
	data, err := os.ReadFile(file)
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "--file")
	}
	problems, err := netenv.Validate(file, data, readTemplate)
	if err != nil {
		return err
	}
	for _, line := range problems {
		fmt.Fprintln(p.err, line)
	}
	if len(problems) > 0 {
		fmt.Fprintf(p.out, "\nFAILED Validation with %d error(s)\n", len(problems))
		return silentError(exitFailed)
	}
	fmt.Fprintln(p.out, "SUCCESSFUL Validation with 0 error(s)")
	return nil
}

// readTemplate reads a file, from the tree in this program where TripleO's own
// would be and is not.
func readTemplate(name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if below, ok := strings.CutPrefix(name, bareTemplates); ok && errors.Is(err, fs.ErrNotExist) {
		return fs.ReadFile(templates.FS, below)
	}
	return data, err
}
