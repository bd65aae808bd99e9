package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"trefoil/internal/format"
	"trefoil/overcloud/stack/client"
)

func (p *program) stackCommand() *cli.Command {
	follow := &cli.BoolFlag{Name: "follow", Usage: "print events as they happen until the action ends"}
	return &cli.Command{Name: "stack", Usage: "deployments", Subcommands: []*cli.Command{
		{Name: "list", Usage: "list stacks", Flags: formatFlags(), Action: p.stackList},
		{Name: "show", Usage: "show a stack", ArgsUsage: "STACK", Flags: formatFlags(), Action: p.stackShow},
		{Name: "cancel", Usage: "end the running action; machines stay as they are", ArgsUsage: "STACK", Action: p.stackCancel},
		{Name: "event", Usage: "what happened", Subcommands: []*cli.Command{
			{Name: "list", Usage: "list events", ArgsUsage: "STACK", Flags: formatFlags(follow), Action: p.stackEvents}}},
		{Name: "resource", Usage: "what a stack is made of", Subcommands: []*cli.Command{
			{Name: "list", Usage: "list resources", ArgsUsage: "STACK", Flags: formatFlags(
				&cli.IntFlag{Name: "nested-depth", Aliases: []string{"n"}, Usage: "how deep", Value: 2}), Action: p.stackResources}}},
	}}
}

func (p *program) stacks(c *cli.Context) (*client.Client, error) {
	s, err := p.session(c)
	if err != nil {
		return nil, err
	}
	return client.New(s)
}

func (p *program) stackList(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	all, err := h.List(c.Context)
	if err != nil {
		return err
	}
	rows := make([][]any, len(all))
	for i, s := range all {
		rows[i] = []any{s.ID, s.Name, s.Status, s.CreationTime, orNone(s.UpdatedTime)}
	}
	return format.List(p.out, options(c), []string{"ID", "Stack Name", "Stack Status", "Creation Time", "Updated Time"}, rows)
}

func orNone(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (p *program) stackShow(c *cli.Context) error {
	a, err := args(c, "STACK")
	if err != nil {
		return err
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	s, err := h.Stack(c.Context, a[0])
	if err != nil {
		return err
	}
	return format.Show(p.out, options(c), []format.Field{
		{Name: "id", Value: s.ID}, {Name: "stack_name", Value: s.Name}, {Name: "creation_time", Value: s.CreationTime},
		{Name: "updated_time", Value: orNone(s.UpdatedTime)}, {Name: "stack_status", Value: s.Status}, {Name: "stack_status_reason", Value: s.Reason},
		{Name: "outputs", Value: s.OutputMap()}})
}

func (p *program) stackCancel(c *cli.Context) error {
	a, err := args(c, "STACK")
	if err != nil {
		return err
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	return h.Cancel(c.Context, a[0])
}

func (p *program) stackEvents(c *cli.Context) error {
	a, err := args(c, "STACK")
	if err != nil {
		return err
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	if c.Bool("follow") {
		s, err := h.Stack(c.Context, a[0])
		if err != nil {
			return err
		}
		_, err = h.Follow(c.Context, a[0], s.ID, "", p.out, p.err)
		return err
	}
	evs, err := h.Events(c.Context, a[0], "")
	if err != nil {
		return err
	}
	if c.String("format") == "table" && !c.IsSet("column") {
		for _, e := range evs {
			fmt.Fprintln(p.out, e.Line(a[0]))
		}
		return nil
	}
	rows := make([][]any, len(evs))
	for i, e := range evs {
		rows[i] = []any{e.Resource, e.ID, e.Reason, e.Status, e.Time}
	}
	return format.List(p.out, options(c), []string{"resource_name", "id", "resource_status_reason", "resource_status", "event_time"}, rows)
}

func (p *program) stackResources(c *cli.Context) error {
	a, err := args(c, "STACK")
	if err != nil {
		return err
	}
	h, err := p.stacks(c)
	if err != nil {
		return err
	}
	rs, err := h.Resources(c.Context, a[0], c.Int("nested-depth"))
	if err != nil {
		return err
	}
	rows := make([][]any, len(rs))
	for i, r := range rs {
		rows[i] = []any{r.Name, r.PhysicalID, r.Type, r.Status, r.UpdatedTime}
	}
	return format.List(p.out, options(c), []string{"resource_name", "physical_resource_id", "resource_type", "resource_status", "updated_time"}, rows)
}
