package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/urfave/cli/v2"

	"trefoil/internal/cliargs"
)

// runNeutron is this program called by the name neutron: the one command of the
// retired client that the article types.
func (p *program) runNeutron(ctx context.Context, argv []string) int {
	app := &cli.App{Name: "neutron", Usage: "the retired network client", Version: version, Writer: p.out, ErrWriter: p.err,
		ExitErrHandler: func(*cli.Context, error) {}, OnUsageError: usage,
		Flags: []cli.Flag{&cli.StringFlag{Name: "os-cloud"}, &cli.BoolFlag{Name: "debug"}},
		Commands: []*cli.Command{{Name: "subnet-update", Usage: "change a subnet", ArgsUsage: "SUBNET", OnUsageError: usage,
			Flags: []cli.Flag{&cli.StringSliceFlag{Name: "dns-nameserver", Usage: "name server; may be given more than once"}}, Action: p.neutronSubnetUpdate}}}
	if unknown, _ := p.unknown(app, argv); unknown != "" {
		if next := nextOnPath("neutron"); next != "" {
			err := syscall.Exec(next, append([]string{next}, argv[1:]...), os.Environ())
			fmt.Fprintf(p.err, "run %s: %v\n", next, err)
			return exitFailed
		}
		fmt.Fprintf(p.err, "neutron: '%s' is not known here; use the openstack command instead\n", unknown)
		return exitUsage
	}
	return p.exit(ctx, app.RunContext(ctx, cliargs.Reorder(app, nil, argv)))
}

func isNeutron(argv []string) bool { return len(argv) > 0 && filepath.Base(argv[0]) == "neutron" }

func (p *program) neutronSubnetUpdate(c *cli.Context) error {
	fmt.Fprintln(p.err, "neutron CLI is deprecated and will be removed in the future. Use openstack CLI instead.")
	a, err := args(c, "SUBNET")
	if err != nil {
		return err
	}
	api, o, err := p.subnet(c, a[0])
	if err != nil {
		return err
	}
	servers := []any{}
	for _, s := range c.StringSlice("dns-nameserver") {
		servers = append(servers, s)
	}
	if len(servers) == 0 {
		return usageError{fmt.Errorf("nothing to update: give --dns-nameserver")}
	}
	if err := updateSubnet(c, api, fmt.Sprint(o["id"]), servers); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "Updated subnet: %s\n", a[0])
	return nil
}
