package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/internal/format"
	"trefoil/overcloud/stack"
	"trefoil/overcloud/stack/client"
)

// overcloudStatus tells how the deployment is, as TripleO does, and how every service
// of every machine is. What a program reads (-f json …) is one or the other.
func (p *program) overcloudStatus(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	name := c.String("stack")
	s, err := h.Stack(c.Context, name)
	if errs.Is(err, errs.NotFound) && !c.Bool("health") && slices.Contains([]string{"", "table"}, c.String("format")) { // programs are told by the exit code
		fmt.Fprintf(p.out, "No deployment was found for %s\n", name)
		return nil
	}
	if err != nil {
		return err
	}
	o := options(c)
	if c.Bool("health") {
		return p.health(c, h, s)
	}
	status := "DEPLOY_SUCCESS"
	switch {
	case s.InProgress():
		status = "DEPLOYING"
	case strings.HasSuffix(s.Status, stack.Failed):
		status = "DEPLOY_FAILED"
	}
	err = format.List(p.out, o, []string{"Plan Name", "Created", "Updated", "Deployment Status"},
		[][]any{{name, s.CreationTime, orNone(s.UpdatedTime), status}})
	chosen := o.Format != "" && o.Format != "table" || len(o.Columns) > 0 || o.Sort != ""
	if err != nil || s.InProgress() || chosen {
		return err
	}
	return p.health(c, h, s)
}

// health prints how the services of a stack's machines are. That one is not well is
// the command's failure.
func (p *program) health(c *cli.Context, h *client.Client, s *client.Stack) error {
	rows, err := h.Health(c.Context, s.ID)
	if errs.Is(err, errs.NotFound) && !c.Bool("health") {
		return nil // an orchestration service that is not ours
	}
	if err != nil {
		return err
	}
	var table [][]any
	ill := 0
	for _, r := range rows {
		table = append(table, []any{r.Node, r.Role, r.Service, r.State, r.Detail})
		if r.State != stack.Healthy {
			ill++
		}
	}
	if len(table) == 0 && !c.Bool("health") {
		return nil // no machines
	}
	if err := format.List(p.out, options(c), []string{"Node", "Role", "Service", "State", "Detail"}, table); err != nil {
		return err
	}
	if ill == 0 {
		return nil
	}
	return errs.New(errs.Unavailable, "%d of %d services are not well", ill, len(rows)).
		WithHint("openstack overcloud support report collect gathers the logs; openstack overcloud deploy makes the machines right again")
}
