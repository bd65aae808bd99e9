package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
)

const rotateHelp = `Makes generated passwords of a plan anew: those that are named, or all that a
deployment can change. The cloud has them after the next overcloud deploy of the whole
cloud (--limit, --tags, --from-step and DeploymentServerBlacklist are refused until one has
ended well), which restarts the services concerned; overcloudrc is written again by it.

KeystoneFernetKeys, the keys of tokens, rotate only when named: users log in again.
What is stored encrypted, or is the identity of something, is refused with the reason.
TripleO had this as a workflow, tripleo.plan_management.v1.rotate_passwords, without a
command.`

func (p *program) passwordsCommand() *cli.Command {
	return &cli.Command{Name: "passwords", Usage: "passwords of a plan", Subcommands: []*cli.Command{
		{Name: "rotate", Usage: "make passwords anew, for the next deployment", Description: rotateHelp, ArgsUsage: "[NAME...]",
			Flags: []cli.Flag{stackFlag(), &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"}}, Action: p.passwordsRotate}}}
}

func (p *program) passwordsRotate(c *cli.Context) error {
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	name, names := c.String("stack"), c.Args().Slice()
	known, err := planNames(c, h)
	if err != nil {
		return err
	}
	if !slices.Contains(known, name) {
		return errs.New(errs.NotFound, "the plan %s could not be found%s", name, nearest.Hint(name, known)).WithHint("openstack overcloud plan list")
	}
	if !c.Bool("yes") {
		what := strings.Join(names, ", ")
		if what == "" {
			what = "all passwords"
		}
		if err := p.confirm(fmt.Sprintf("Are you sure you want to rotate %s of plan %s [y/N]? ", what, name)); err != nil {
			return err
		}
	}
	done, err := h.RotatePasswords(c.Context, name, names)
	if err != nil {
		return err
	}
	for _, n := range done.Names {
		fmt.Fprintln(p.out, n)
	}
	for _, n := range done.Kept {
		fmt.Fprintf(p.err, "%s stays: an environment sets it\n", n)
	}
	fmt.Fprintf(p.err, "%d password(s) of plan %s are new. The cloud has the old ones until it is deployed again: openstack overcloud deploy …, as before\n", len(done.Names), name)
	return nil
}
