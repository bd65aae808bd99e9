package main

import (
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/overcloud/inventory"
	"trefoil/overcloud/node"
)

func (p *program) overcloudCommand() *cli.Command {
	all := &cli.BoolFlag{Name: "all-manageable", Usage: "all nodes that are manageable"}
	provide := &cli.BoolFlag{Name: "provide", Usage: "make the nodes available afterwards"}
	return &cli.Command{Name: "overcloud", Usage: "the cloud that is deployed", Subcommands: append(p.planCommands(), []*cli.Command{
		{Name: "image", Usage: "images of the deployment", Subcommands: []*cli.Command{p.imageBuildCommand(), p.imageUploadCommand()}},
		{Name: "node", Usage: "machines of the deployment", Subcommands: append(p.provisionCommands(), []*cli.Command{
			{Name: "import", Usage: "register the machines of a file", ArgsUsage: "FILE", Flags: []cli.Flag{provide,
				&cli.BoolFlag{Name: "introspect", Usage: "inspect them over IPMI and PXE"},
				&cli.BoolFlag{Name: "validate-only", Usage: "check the file, change nothing"},
				&cli.BoolFlag{Name: "run-validations", Usage: "accepted; the checks always run"},
				&cli.BoolFlag{Name: "no-deploy-image", Usage: "do not set the ramdisk on the nodes"},
				&cli.StringFlag{Name: "instance-boot-option", Usage: "local or netboot", Value: "local"},
				&cli.IntFlag{Name: "concurrency", Usage: "accepted; the undercloud's own limit holds"},
			}, Action: p.nodeImport},
			{Name: "introspect", Usage: "inspect machines", ArgsUsage: "[UUID...]", Flags: []cli.Flag{all, provide,
				&cli.BoolFlag{Name: "run-validations", Usage: "accepted; the checks always run"}}, Action: p.nodeIntrospect},
			{Name: "provide", Usage: "make machines available", ArgsUsage: "[UUID...]", Flags: []cli.Flag{all}, Action: p.nodeProvide},
		}...)},
		p.profilesCommand(), p.deployCommand(), p.checkCommand(),
		p.networkCommand(),
		p.processCommand(), p.rolesCommand("role"), p.rolesCommand("roles"),
		p.generateCommand(), p.netenvCommand(), p.configCommand(),
		{Name: "delete", Usage: "give all machines of a stack back", ArgsUsage: "[STACK]", Flags: []cli.Flag{
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"}}, Action: p.overcloudDelete},
		p.supportCommand(),
		{Name: "status", Usage: "how the deployment is, and every service of every machine; exit code 1 when one is not well", Flags: formatFlags(
			&cli.BoolFlag{Name: "health", Usage: "only the services; with -f for programs"},
			&cli.StringFlag{Name: "stack", Aliases: []string{"plan"}, Usage: "stack", Value: "overcloud"}), Action: p.overcloudStatus},
		{Name: "timing", Usage: "where the time of the last deployment went: its phases, the critical path of its steps, and what they cost the machines", Flags: []cli.Flag{
			&cli.StringFlag{Name: "stack", Aliases: []string{"plan"}, Usage: "stack", Value: "overcloud"}}, Action: p.overcloudTiming},
		{Name: "failures", Usage: "why the deployment failed", Flags: []cli.Flag{
			&cli.StringFlag{Name: "stack", Aliases: []string{"plan"}, Usage: "stack", Value: "overcloud"}}, Action: p.overcloudFailures},
	}...)}
}

// workflow prepares work on nodes.
func (p *program) workflow(c *cli.Context) (*node.Workflow, error) {
	s, err := p.session(c)
	if err != nil {
		return nil, err
	}
	return &node.Workflow{Session: s, Out: p.out, Progress: p.progress(c), Poll: time.Second, Retries: 3}, nil
}

func (p *program) nodeImport(c *cli.Context) error {
	a, err := args(c, "FILE")
	if err != nil {
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
	machines, err := inventory.Machines(entries, inventory.Options{BootOption: c.String("instance-boot-option")})
	if err != nil {
		return fmt.Errorf("%s: %w", a[0], err)
	}
	if c.Bool("validate-only") {
		fmt.Fprintln(p.out, "Successfully validated environment file")
		return nil
	}
	w, err := p.workflow(c)
	if err != nil {
		return err
	}
	ids, err := w.Register(c.Context, machines, !c.Bool("no-deploy-image"))
	if err := p.interruptible(c, err); err != nil {
		return err
	}
	if c.Bool("introspect") {
		if err := p.interruptible(c, w.Introspect(c.Context, ids)); err != nil {
			return err
		}
	}
	if c.Bool("provide") {
		return p.interruptible(c, w.Provide(c.Context, ids))
	}
	return nil
}

// interruptible says, after Ctrl-C, what goes on without this command.
func (p *program) interruptible(c *cli.Context, err error) error {
	if err == nil || c.Context.Err() == nil {
		return err
	}
	fmt.Fprintln(p.err, "\ninterrupted. What was asked of the nodes goes on in the undercloud.")
	fmt.Fprintln(p.err, "follow it with: openstack baremetal node list")
	fmt.Fprintln(p.err, "stop it with:   openstack baremetal node abort <node>")
	return silentError(exitInterrupted)
}

func (p *program) nodeIntrospect(c *cli.Context) error {
	w, ids, err := p.chosen(c)
	if err != nil {
		return err
	}
	if err := p.interruptible(c, w.Introspect(c.Context, ids)); err != nil {
		return err
	}
	if c.Bool("provide") {
		return p.interruptible(c, w.Provide(c.Context, ids))
	}
	return nil
}

func (p *program) nodeProvide(c *cli.Context) error {
	w, ids, err := p.chosen(c)
	if err != nil {
		return err
	}
	return p.interruptible(c, w.Provide(c.Context, ids))
}

// chosen are the nodes of the command line: those named, or all manageable.
func (p *program) chosen(c *cli.Context) (*node.Workflow, []string, error) {
	ids := c.Args().Slice()
	if c.Bool("all-manageable") == (len(ids) > 0) {
		return nil, nil, usageError{fmt.Errorf("give either node UUIDs or --all-manageable")}
	}
	w, err := p.workflow(c)
	if err != nil {
		return nil, nil, err
	}
	if len(ids) == 0 {
		if ids, err = w.Manageable(c.Context); err != nil {
			return nil, nil, err
		}
		if len(ids) == 0 {
			return nil, nil, errs.New(errs.Conflict, "No manageable nodes to %s. Check node states and maintenance.", c.Command.Name).WithHint("openstack baremetal node list")
		}
	}
	return w, ids, nil
}
