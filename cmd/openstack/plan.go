package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/internal/format"
	"trefoil/internal/yaml"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/input"
	"trefoil/overcloud/stack"
	"trefoil/overcloud/stack/client"
)

// planCommands are those that work on plans, which the undercloud keeps by name.
func (p *program) planCommands() []*cli.Command {
	return []*cli.Command{
		{Name: "plan", Usage: "plans of deployments", Subcommands: []*cli.Command{
			{Name: "list", Usage: "list plans", Flags: formatFlags(), Action: p.planList},
			{Name: "create", Usage: "keep a plan, deploy nothing", ArgsUsage: "NAME", Flags: []cli.Flag{
				&cli.StringFlag{Name: "templates", Usage: "directory of templates, an unpacked export for example; the tree in this program if not given"},
				&cli.StringFlag{Name: "source-url", Usage: "not supported: clone the repository and give --templates"},
				&cli.StringFlag{Name: "plan-environment-file", Aliases: []string{"p"}, Usage: "instead of the tree's plan-environment.yaml"},
				&cli.BoolFlag{Name: "disable-password-generation", Usage: "only the passwords of the plan environment"},
			}, Action: p.planCreate},
			{Name: "deploy", Usage: "deploy a plan", ArgsUsage: "NAME", Flags: []cli.Flag{
				&cli.IntFlag{Name: "timeout", Aliases: []string{"t"}, Usage: "minutes", Value: 240},
				&cli.BoolFlag{Name: "run-validations", Usage: "accepted; the checks always run"}}, Action: p.planDeploy},
			{Name: "delete", Usage: "forget plans that have no stack", ArgsUsage: "NAME...", Action: p.planDelete},
			{Name: "export", Usage: "write a plan's files, with its passwords, to an archive", ArgsUsage: "NAME", Flags: []cli.Flag{
				&cli.StringFlag{Name: "output-file", Aliases: []string{"o"}, Usage: "instead of NAME.tar.gz"},
				&cli.BoolFlag{Name: "force-overwrite", Aliases: []string{"f"}, Usage: "replace the file if there is one"}}, Action: p.planExport},
		}},
		{Name: "parameters", Usage: "parameters of a plan", Subcommands: []*cli.Command{
			{Name: "set", Usage: "set the parameters of a .json or .yaml file", ArgsUsage: "PLAN FILE", Action: p.parametersSet}}},
		p.passwordsCommand(),
		{Name: "credentials", Usage: "write the rc file of a deployed plan", ArgsUsage: "PLAN", Flags: []cli.Flag{
			&cli.StringFlag{Name: "directory", Usage: "where", Value: "."},
			&cli.StringFlag{Name: "no-proxy", Usage: "hosts that are not proxied, comma separated", EnvVars: []string{"no_proxy"}}}, Action: p.credentials},
		{Name: "export", Usage: "write what another stack needs of this one", Flags: []cli.Flag{
			&cli.StringFlag{Name: "stack", Usage: "stack", Value: "overcloud"},
			&cli.StringFlag{Name: "output-file", Aliases: []string{"o"}, Usage: "instead of ~/overcloud-deploy/STACK/STACK-export.yaml"},
			&cli.BoolFlag{Name: "force-overwrite", Aliases: []string{"f"}, Usage: "replace the file if there is one"},
			&cli.BoolFlag{Name: "no-password-excludes", Usage: "also the passwords of Ceph"}}, Action: p.exportOvercloud},
	}
}

func (p *program) planList(c *cli.Context) error {
	h, _, err := p.stackArgs(c)
	if err != nil {
		return err
	}
	all, err := h.Plans(c.Context)
	if err != nil {
		return err
	}
	rows := make([][]any, len(all))
	for i, x := range all {
		rows[i] = []any{x.Name}
	}
	return format.List(p.out, options(c), []string{"Plan Name"}, rows)
}

// startedPlan prints what TripleO prints when it hands work over; the identifier
// is this command's own.
func (p *program) startedPlan(name string) {
	fmt.Fprintf(p.out, "Started Mistral Workflow tripleo.plan_management.v1.%s. Execution ID: %s\n", name, uuid.NewString())
}

func (p *program) warn(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(p.err, "WARNING: %s\n", w)
	}
}

func (p *program) planCreate(c *cli.Context) error {
	a, err := args(c, "NAME")
	if err != nil {
		return err
	}
	if c.String("source-url") != "" {
		return usageError{errors.New("argument --source-url: not supported: nothing is fetched from the network; clone the repository and give its directory with --templates")}
	}
	dir, err := home()
	if err != nil {
		return err
	}
	tree := c.String("templates")
	if tree == "" {
		tree = bareTemplates
	} else {
		fmt.Fprintf(p.out, "Creating Swift container to store the plan\nCreating plan from template files in: %s\n", tree)
	}
	in, warnings, err := input.Gather(input.Args{Templates: tree, PlanEnvironment: c.String("plan-environment-file"), Home: dir})
	if err != nil {
		return err
	}
	p.warn(warnings)
	passwords, err := deploy.TakeOwn(in)
	if err != nil {
		return err
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	p.startedPlan("create_deployment_plan")
	warnings, err = h.CreatePlan(c.Context, stack.NewPlan{Name: a[0], Input: *in, Passwords: passwords, Given: c.Bool("disable-password-generation")})
	if err != nil {
		return err
	}
	p.warn(warnings)
	fmt.Fprintln(p.out, "Plan created.")
	return nil
}

// planDeploy deploys what the undercloud keeps under a name, and follows that.
func (p *program) planDeploy(c *cli.Context) error {
	a, err := args(c, "NAME")
	if err != nil {
		return err
	}
	if c.Int("timeout") < 1 {
		return usageError{fmt.Errorf("--timeout %d: expected minutes, 1 or more", c.Int("timeout"))}
	}
	d := &deployment{p: p, c: c, name: a[0]}
	if d.h, err = p.stacks(c); err != nil {
		return err
	}
	after := ""
	d.old, err = d.h.Stack(c.Context, d.name)
	if err == nil {
		after, err = d.h.LastEvent(c.Context, d.old.ID)
	}
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	fmt.Fprintf(p.out, "Starting to deploy plan: %s\n", d.name)
	id, err := d.h.DeployPlan(c.Context, d.name, c.Int("timeout"))
	if err != nil {
		return err
	}
	s, err := d.await(id, after)
	if err != nil {
		return err
	}
	return d.ended(s)
}

// planDelete goes on after a plan that cannot be deleted, and tells at the end.
func (p *program) planDelete(c *cli.Context) error {
	h, names, err := p.stackArgs(c, "NAME...")
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		fmt.Fprintf(p.out, "Deleting plan %s...\n", name)
		if err := h.DeletePlan(c.Context, name); err != nil {
			failed = append(failed, fmt.Errorf("Exception deleting plan: %w", err)) //nolint:staticcheck // TripleO's words
		}
	}
	if len(failed) == 1 {
		return failed[0]
	}
	return errors.Join(failed...)
}

// absent refuses to write over a file, unless that is wanted.
func absent(c *cli.Context, file string) error {
	if _, err := os.Stat(file); err == nil && !c.Bool("force-overwrite") {
		return errs.New(errs.Conflict, "File '%s' already exists, not exporting.", file).WithHint("give -f to replace it, or -o for another name")
	}
	return nil
}

func (p *program) planExport(c *cli.Context) error {
	a, err := args(c, "NAME")
	if err != nil {
		return err
	}
	file := c.String("output-file")
	if file == "" {
		file = a[0] + ".tar.gz"
	}
	if err := directoryOf(file); err != nil {
		return err
	}
	if err := absent(c, file); err != nil {
		return err
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "Exporting plan %s...\n", a[0])
	data, err := h.ExportPlan(c.Context, a[0])
	if err != nil {
		return err
	}
	return writeFile(file, data, 0o600)
}

func (p *program) parametersSet(c *cli.Context) error {
	a, err := args(c, "PLAN", "FILE")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(a[1])
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "read parameters")
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	warnings, err := h.SetParameters(c.Context, a[0], a[1], data)
	p.warn(warnings)
	return err
}

// credentials writes NAMErc for a plan that is deployed.
func (p *program) credentials(c *cli.Context) error {
	h, a, err := p.stackArgs(c, "PLAN")
	if err != nil {
		return err
	}
	if err := directoryOf(filepath.Join(c.String("directory"), a[0]+"rc")); err != nil {
		return err
	}
	s, err := h.Stack(c.Context, a[0])
	if err != nil {
		return err
	}
	cloud, err := accessOf(c.Context, h, s, c.String("no-proxy"))
	if err != nil {
		return err
	}
	if cloud.url == "" {
		return errs.New(errs.Conflict, "stack %s is %s and has no identity service yet", a[0], s.Status).WithHint("openstack overcloud plan deploy %s", a[0])
	}
	return writeRC(filepath.Join(c.String("directory"), s.Name+"rc"), cloud) // a stack may be called by its ID
}

// exportOvercloud writes the environment for a stack beside this one.
func (p *program) exportOvercloud(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	name, file := c.String("stack"), c.String("output-file")
	dir, err := home()
	if err != nil {
		return err
	}
	if file == "" {
		file = filepath.Join(dir, "overcloud-deploy", name, name+"-export.yaml")
	} else if rest, ok := strings.CutPrefix(file, "~/"); ok {
		file = filepath.Join(dir, rest)
	}
	if file, err = filepath.Abs(file); err != nil {
		return fmt.Errorf("--output-file: %w", err)
	}
	if c.IsSet("output-file") { // the default's directories are made
		if err := directoryOf(file); err != nil {
			return err
		}
	}
	if err := absent(c, file); err != nil {
		return err
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	env, missing, err := exported(c, h, name)
	if err != nil {
		return err
	}
	for _, m := range missing {
		p.warn([]string{fmt.Sprintf("No data returned to export %s from.", m)})
	}
	data, err := yaml.Marshal(env)
	if err != nil {
		return err
	}
	if err := writeFile(file, data, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "Stack information exported to %s.\n", file)
	return nil
}

func exported(c *cli.Context, h *client.Client, name string) (map[string]any, []string, error) {
	s, err := h.Stack(c.Context, name)
	if err != nil {
		return nil, nil, err
	}
	outputs := map[string]any{}
	for _, key := range stack.ExportedOutputs() {
		v, err := h.Output(c.Context, s.ID, key)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return nil, nil, err
		}
		outputs[key] = v
	}
	passwords, err := h.PlanPasswords(c.Context, s.Name)
	if err != nil {
		return nil, nil, err
	}
	env, missing := stack.Exported(s.Name, passwords, outputs, c.Bool("no-password-excludes"))
	return env, missing, nil
}
