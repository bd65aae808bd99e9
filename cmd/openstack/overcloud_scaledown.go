package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/internal/format"
	"trefoil/overcloud/stack"
	"trefoil/overcloud/stack/client"
)

const nodeDeleteHelp = `Takes machines out of a deployed cloud and gives them back. They are told by
server name or instance UUID, or by a file of instances that marks them with
provisioned: false. First nova-compute on them is disabled; when they are off,
their services, agents, hypervisors and resource providers leave the cloud's
catalog. Later deployments count as many machines fewer, and never give the same
index again.

It is refused, before anything is touched, where servers, routers or volumes lie
on them, where they hold OSDs, where no controller would stay, and where the
cloud's API does not answer. --force goes on and tells what is lost.`

func (p *program) nodeDeleteCommand() *cli.Command {
	return &cli.Command{Name: "delete", Usage: "take machines out of a deployed cloud", Description: nodeDeleteHelp, ArgsUsage: "[NODE...]", Flags: []cli.Flag{
		yesFlag(), stackFlag(),
		&cli.StringFlag{Name: "baremetal-deployment", Aliases: []string{"b"}, Usage: "file of instances; those with provisioned: false go"},
		&cli.IntFlag{Name: "timeout", Aliases: []string{"t"}, Usage: "minutes", Value: unprovisionMinutes},
		&cli.BoolFlag{Name: "force", Usage: "also where something is lost, or nobody can tell"},
	}, Action: p.overcloudNodeDelete}
}

func (p *program) overcloudNodeDelete(c *cli.Context) error {
	ids, file := c.Args().Slice(), c.String("baremetal-deployment")
	switch {
	case (file == "") == (len(ids) == 0):
		return usageError{errors.New("give either nodes or a file with -b")}
	case c.Int("timeout") < 1:
		return usageError{fmt.Errorf("--timeout %d: expected minutes, 1 or more", c.Int("timeout"))}
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	d := &deployment{p: p, c: c, name: c.String("stack"), h: h, in: stack.Input{Only: stack.OnlyDelete, Force: c.Bool("force")}}
	if d.old, err = h.Stack(c.Context, d.name); err != nil {
		return err
	}
	rows, err := d.toDelete(ids, file)
	if err != nil {
		return err
	}
	if len(d.in.Unprovision) == 0 {
		fmt.Fprintln(p.out, "No nodes to unprovision") // TripleO's words
		return nil
	}
	fmt.Fprintf(p.out, "Deleting the following nodes from stack %s:\n", d.name)
	if file == "" {
		fmt.Fprintf(p.out, "- %s\n", strings.Join(ids, "\n- "))
	} else if err := format.Table(p.out, []string{"hostname", "name", "id"}, rows, format.Left); err != nil {
		return err
	}
	if !c.Bool("yes") {
		if err := p.confirm("Are you sure you want to delete these overcloud nodes [y/N]? "); err != nil {
			return err
		}
	}
	if _, err := d.followed(c.Int("timeout")); err != nil {
		return err
	}
	fmt.Fprintln(p.err, "give the new counts to later deployments: an environment that sets a higher one has its machines made again, under new names")
	return nil
}

// toDelete fills in the nodes that are meant, and the file where there is one. The
// rows show them with their machines.
func (d *deployment) toDelete(ids []string, file string) ([][]any, error) {
	if file != "" {
		f, err := d.p.readMachines(file, d.name)
		if err != nil {
			return nil, err
		}
		var rows [][]any
		d.in.BaremetalFile, d.in.Files = f.path, map[string]string{f.path: f.text}
		d.in.Unprovision, rows, err = d.p.toUnprovision(d.c, d.h, d.old, f.made)
		return rows, err
	}
	nodes, err := d.h.Nodes(d.c.Context, d.old.ID)
	if err != nil {
		return nil, err
	}
	labels, err := d.p.nodeNames(d.c)
	if err != nil {
		return nil, err
	}
	var unknown []string
	for _, id := range ids {
		i := slices.IndexFunc(nodes, func(n client.Node) bool {
			return slices.Contains([]string{n.Name, n.InstanceUUID, n.NodeUUID, labels[n.NodeUUID]}, id)
		})
		switch {
		case i < 0:
			unknown = append(unknown, id)
		case !slices.Contains(d.in.Unprovision, nodes[i].Name):
			d.in.Unprovision = append(d.in.Unprovision, nodes[i].Name)
		}
	}
	if len(unknown) > 0 {
		return nil, errs.New(errs.NotFound, "Couldn't find following instances in stack %s: %s", d.name, strings.Join(unknown, ",")).
			WithHint("openstack server list shows their names and UUIDs")
	}
	return nil, nil
}
