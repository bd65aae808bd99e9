package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
	"trefoil/overcloud/fencing"
	"trefoil/overcloud/inventory"
	"trefoil/overcloud/node"
)

const fencingHelp = `Makes an environment with EnableFencing and FencingConfig of the machines in
INSTACKENV. With a login to an undercloud, machines that are not deployed are
left out and the others get their host names; without one, all are taken. The
result holds the passwords of the BMCs: with --output it goes into a file that
only its owner can read, else to standard output.

Exit codes: 0 done; 1 the file or the undercloud is wrong; 2 wrong arguments.`

// generateCommand is `overcloud generate`.
func (p *program) generateCommand() *cli.Command {
	return &cli.Command{Name: "generate", Usage: "make environments", Subcommands: []*cli.Command{{
		Name: "fencing", Usage: "parameters that fence controllers", ArgsUsage: "INSTACKENV", Description: fencingHelp, Flags: []cli.Flag{
			&cli.StringFlag{Name: "action", Aliases: []string{"a"}, Usage: "accepted, without effect: the cluster chooses the action"},
			&cli.IntFlag{Name: "delay", Usage: "seconds to wait before fencing begins"},
			&cli.BoolFlag{Name: "ipmi-lanplus", Usage: "accepted; it is the default"},
			&cli.BoolFlag{Name: "ipmi-no-lanplus", Usage: "do not use lanplus"},
			&cli.IntFlag{Name: "ipmi-cipher", Usage: "cipher suite, as ipmitool's -C"},
			&cli.StringFlag{Name: "ipmi-level", Usage: "privilege level: " + strings.Join(fencing.Levels(), ", ")},
			&cli.StringFlag{Name: "output", Usage: "file to write, mode 0600"},
		}, Action: p.generateFencing}}}
}

func (p *program) generateFencing(c *cli.Context) error {
	a, err := args(c, "INSTACKENV")
	if err != nil {
		return err
	}
	o, err := fencingOptions(c)
	if err != nil {
		return err
	}
	if err := directoryOf(c.String("output")); err != nil {
		return err
	}
	data, err := os.ReadFile(a[0])
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "read the list of nodes")
	}
	entries, err := inventory.Parse(a[0], data)
	if err != nil {
		return err
	}
	if o.Hosts, err = p.deployedHosts(c); err != nil {
		return err
	}
	env, warnings, err := fencing.Parameters(a[0], entries, o)
	if err != nil {
		return err
	}
	text, err := yaml.Marshal(env)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintf(p.err, "warning: %s\n", w)
	}
	if file := c.String("output"); file != "" {
		return writeFile(file, text, 0o600)
	}
	fmt.Fprint(p.out, string(text))
	return nil
}

// fencingOptions are the flags, checked.
func fencingOptions(c *cli.Context) (fencing.Options, error) {
	o := fencing.Options{NoLanplus: c.Bool("ipmi-no-lanplus"), Delay: c.Int("delay"), Cipher: c.Int("ipmi-cipher"), Level: c.String("ipmi-level")}
	switch {
	case o.NoLanplus && c.Bool("ipmi-lanplus"):
		return o, usageError{fmt.Errorf("--ipmi-lanplus and --ipmi-no-lanplus exclude one another")}
	case o.Delay < 0:
		return o, usageError{fmt.Errorf("--delay %d: expected seconds, 0 or more", o.Delay)}
	case o.Cipher < 0:
		return o, usageError{fmt.Errorf("--ipmi-cipher %d: expected a suite, 0 or more", o.Cipher)}
	case o.Level != "" && !slices.Contains(fencing.Levels(), strings.ToLower(o.Level)):
		return o, usageError{fmt.Errorf("argument --ipmi-level: invalid choice: '%s' (choose from %s)", o.Level, strings.Join(fencing.Levels(), ", "))}
	}
	return o, nil
}

// deployedHosts are the names of deployed machines by MAC. Nil where nobody is
// logged in or nothing is deployed, and it says so.
func (p *program) deployedHosts(c *cli.Context) (map[string]string, error) {
	if c.String("os-cloud") == "" && os.Getenv("OS_CLOUD") == "" && os.Getenv("OS_AUTH_URL") == "" {
		fmt.Fprintln(p.err, "note: no login to an undercloud, so all nodes of the file are taken, without host names; source stackrc to have them")
		return nil, nil
	}
	s, err := p.session(c)
	if err != nil {
		return nil, err
	}
	hosts, err := node.Hosts(c.Context, s)
	if err != nil {
		return nil, fmt.Errorf("look up deployed nodes: %w", err)
	}
	if len(hosts) == 0 {
		fmt.Fprintln(p.err, "note: nothing is deployed, so all nodes of the file are taken, without host names")
		return nil, nil
	}
	return hosts, nil
}
