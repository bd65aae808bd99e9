package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/overcloud/input"
	"trefoil/overcloud/stack"
)

const deployHelp = `Deploys what the templates, roles and environments say, or brings what is
deployed into line with them. Later environments win: those of directories
first, then those of the answers file, then -e. The answers file has the keys
templates, environments, roles and networks; its relative paths are relative to
the current directory, else to the answers file, else to the tree.

--dry-run changes nothing. It shows what would change against what is deployed:
machines, services, parameters, networks, files and tasks; secrets never. With
-f json the same comes as one JSON object, for programs.

Exit codes: 0 deployed, or with --dry-run nothing would change; 1 something is
wrong or failed; 2 wrong arguments; 3 with --dry-run, all is valid and something
would change, a first deployment too; 130 interrupted, and the undercloud goes on.`

func (p *program) deployCommand() *cli.Command {
	flags := append(scaleFlags(),
		&cli.StringFlag{Name: "templates", Usage: "directory of templates; without a value the tree in this program"},
		&cli.StringFlag{Name: "answers-file", Usage: "YAML with templates:, environments:, roles: and networks:"},
		&cli.StringFlag{Name: "stack", Usage: "name of the stack", Value: "overcloud"},
		&cli.IntFlag{Name: "timeout", Aliases: []string{"t"}, Usage: "minutes", Value: 240},
		&cli.StringFlag{Name: "libvirt-type", Usage: "kvm or qemu"},
		&cli.StringFlag{Name: "ntp-server", Usage: "NTP servers, comma separated"},
		&cli.StringSliceFlag{Name: "environment-file", Aliases: []string{"e"}, Usage: "environment; may be given more than once, later wins"},
		&cli.StringSliceFlag{Name: "environment-directory", Usage: "directory of environments, sorted, before -e; ~/.tripleo/environments is the first, $TRIPLEO_ENVIRONMENT_DIRECTORY the last"},
		&cli.StringFlag{Name: "roles-file", Aliases: []string{"r"}, Usage: "instead of roles_data.yaml"},
		&cli.StringFlag{Name: "networks-file", Aliases: []string{"n"}, Usage: "instead of network_data.yaml"},
		&cli.StringFlag{Name: "vip-file", Usage: "virtual addresses by network (vip_data.yaml)"},
		&cli.StringFlag{Name: "plan-environment-file", Aliases: []string{"p"}, Usage: "instead of plan-environment.yaml"},
		&cli.StringFlag{Name: "no-proxy", Usage: "hosts that are not proxied, comma separated, for the rc file", EnvVars: []string{"no_proxy"}},
		&cli.StringFlag{Name: "baremetal-deployment", Aliases: []string{"b"}, Usage: "file of instances: roles, counts, and what machine becomes what"},
		&cli.BoolFlag{Name: "dry-run", Usage: "show what would change against what is deployed; change nothing. Exit code 3 if something would"},
		&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "of --dry-run: text or json", Value: "text"},
		&cli.BoolFlag{Name: "update-plan-only", Usage: "have the undercloud keep the plan; deploy nothing"},
		&cli.StringFlag{Name: "limit", Usage: "take only these machines or roles through steps, comma separated, once all others have been through theirs"},
		&cli.IntFlag{Name: "from-step", Usage: "take steps from this one on, 1 to 5"},
		&cli.StringFlag{Name: "tags", Usage: "configure only these services, comma separated, by service_name"},
		&cli.BoolFlag{Name: warningsFatal, Usage: "stop when there are warnings"},
	)
	return &cli.Command{Name: "deploy", Usage: "deploy or update the overcloud", Description: deployHelp, Flags: append(flags, tripleoFlags()...), Action: p.deploy}
}

func (p *program) deploy(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	if err := refuseFlags(c); err != nil {
		return err
	}
	if err := dryRunFlags(c); err != nil {
		return err
	}
	in, warnings, err := p.deployInput(c)
	if err != nil {
		return err
	}
	if err := p.withMachines(c, in); err != nil {
		return err
	}
	d := &deployment{p: p, c: c, name: c.String("stack"), in: *in, warnings: warnings}
	if err := d.plan(); err != nil {
		return err
	}
	switch {
	case c.Bool("dry-run"):
		return d.dryRun()
	case c.Bool("update-plan-only"):
		return d.planOnly()
	}
	return d.run()
}

// deployInput gathers what the command line names into one thing that can be sent.
func (p *program) deployInput(c *cli.Context) (*stack.Input, []string, error) {
	if c.String("templates") == "" && c.String("answers-file") == "" {
		return nil, nil, usageError{errors.New("You must specify either --templates or --answers-file")} //nolint:staticcheck // TripleO's words
	}
	dir, err := home()
	if err != nil {
		return nil, nil, err
	}
	in, warnings, err := input.Gather(input.Args{
		Templates: c.String("templates"), Answers: c.String("answers-file"),
		Environments: c.StringSlice("environment-file"), Directories: c.StringSlice("environment-directory"),
		Roles: c.String("roles-file"), Networks: c.String("networks-file"), VIPs: c.String("vip-file"), PlanEnvironment: c.String("plan-environment-file"),
		Home: dir, Extra: os.Getenv("TRIPLEO_ENVIRONMENT_DIRECTORY"),
	})
	if err != nil {
		return nil, nil, err
	}
	in.Limits = stack.Limits{Nodes: commaList(c.String("limit")), FromStep: c.Int("from-step"), Tags: commaList(c.String("tags"))}
	return in, warnings, flagParameters(c, in)
}

// commaList are the names between commas.
func commaList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
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
