package main

import (
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/format"
	"trefoil/internal/yaml"
	"trefoil/overcloud/stack/client"
)

// stackCommand has what python-heatclient's `openstack stack` reads, in its forms.
func (p *program) stackCommand() *cli.Command {
	filter := &cli.StringSliceFlag{Name: "filter", Usage: "KEY=VALUE; may be given more than once"}
	yamlFirst := func() []cli.Flag { return formatOr("yaml") }
	return &cli.Command{Name: "stack", Usage: "deployments", Subcommands: []*cli.Command{
		{Name: "list", Usage: "list stacks", Flags: formatFlags(stackListFlags()...), Action: p.stackList},
		{Name: "show", Usage: "show a stack", ArgsUsage: "STACK", Flags: formatFlags(
			&cli.BoolFlag{Name: "no-resolve-outputs", Usage: "without outputs"}), Action: p.stackShow},
		{Name: "cancel", Usage: "end the running action; machines stay as they are", ArgsUsage: "STACK", Action: p.stackCancel},
		{Name: "event", Usage: "what happened", Subcommands: []*cli.Command{
			{Name: "list", Usage: "list events", ArgsUsage: "STACK", Flags: formatOr("log", eventListFlags(filter)...), Action: p.stackEvents},
			{Name: "show", Usage: "show an event", ArgsUsage: "STACK RESOURCE EVENT", Flags: formatFlags(), Action: p.stackEvent}}},
		{Name: "resource", Usage: "what a stack is made of", Subcommands: []*cli.Command{
			{Name: "list", Usage: "list resources", ArgsUsage: "STACK", Flags: formatFlags(filter,
				&cli.BoolFlag{Name: "long", Usage: "also the stack that each belongs to"},
				&cli.IntFlag{Name: "nested-depth", Aliases: []string{"n"}, Usage: "how deep"}), Action: p.stackResources},
			{Name: "show", Usage: "show a resource", ArgsUsage: "STACK RESOURCE", Flags: formatFlags(), Action: p.stackResource},
			{Name: "metadata", Usage: "show a resource's metadata", ArgsUsage: "STACK RESOURCE", Flags: formatOr("json"), Action: p.stackMetadata}}},
		{Name: "failures", Usage: "why the last action failed", Subcommands: []*cli.Command{
			{Name: "list", Usage: "print the failed resources", ArgsUsage: "STACK", Flags: []cli.Flag{
				&cli.BoolFlag{Name: "long", Usage: "whole logs"}}, Action: p.stackFailures}}},
		{Name: "output", Usage: "results of a stack", Subcommands: []*cli.Command{
			{Name: "list", Usage: "list outputs", ArgsUsage: "STACK", Flags: formatFlags(), Action: p.stackOutputs},
			{Name: "show", Usage: "show an output", ArgsUsage: "STACK [OUTPUT]", Flags: formatFlags(
				&cli.BoolFlag{Name: "all", Usage: "all of them that are not secret"}), Action: p.stackOutput}}},
		{Name: "environment", Usage: "what the environments say", Subcommands: []*cli.Command{
			{Name: "show", Usage: "show them merged; hidden values are masked", ArgsUsage: "STACK", Flags: yamlFirst(), Action: p.stackEnvironment}}},
		{Name: "template", Usage: "the root template", Subcommands: []*cli.Command{
			{Name: "show", Usage: "show it rendered", ArgsUsage: "STACK", Flags: yamlFirst(), Action: p.stackTemplate}}},
	}}
}

// formatOr is formatFlags with another form where none is chosen.
func formatOr(def string, more ...cli.Flag) []cli.Flag {
	flags := formatFlags(more...)
	flags[0] = &cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: def + ", table, json, yaml, csv or value", Value: def}
	return flags
}

func stackListFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "nested", Usage: "also the stacks in others"},
		&cli.StringSliceFlag{Name: "property", Usage: "KEY=VALUE that stacks must have; may be given more than once"},
		&cli.BoolFlag{Name: "short", Usage: "without times"},
		&cli.BoolFlag{Name: "long", Usage: "also the owner"},
		&cli.IntFlag{Name: "limit", Usage: "how many"},
		&cli.StringFlag{Name: "marker", Usage: "those after the stack with this id"},
	}
}

func (p *program) stacks(c *cli.Context) (*client.Client, error) {
	s, err := p.session(c)
	if err != nil {
		return nil, err
	}
	return client.New(s)
}

// stackArgs checks the arguments of a command and opens the API.
func (p *program) stackArgs(c *cli.Context, names ...string) (*client.Client, []string, error) {
	a, err := args(c, names...)
	if err != nil {
		return nil, nil, err
	}
	h, err := p.stacks(c)
	return h, a, err
}

// pairs reads KEY=VALUE options into a query.
func pairs(q url.Values, given []string) error {
	for _, g := range given {
		k, v, ok := strings.Cut(g, "=")
		if !ok {
			return usageError{fmt.Errorf("Malformed parameter(%s). Use the key=value format.", g)} //nolint:staticcheck // heatclient's words
		}
		q.Add(k, v)
	}
	return nil
}

func (p *program) stackList(c *cli.Context) error {
	q := url.Values{}
	if err := pairs(q, c.StringSlice("property")); err != nil {
		return err
	}
	if c.IsSet("limit") {
		q.Set("limit", strconv.Itoa(c.Int("limit")))
	}
	if c.Bool("nested") {
		q.Set("show_nested", "true")
	}
	if m := c.String("marker"); m != "" {
		q.Set("marker", m)
	}
	h, _, err := p.stackArgs(c)
	if err != nil {
		return err
	}
	all, err := h.List(c.Context, q)
	if err != nil {
		return err
	}
	columns := []string{"ID", "Stack Name", "Project"}
	if c.Bool("long") {
		columns = append(columns, "Stack Owner")
	}
	columns = append(columns, "Stack Status")
	if !c.Bool("short") {
		columns = append(columns, "Creation Time", "Updated Time")
	}
	if c.Bool("nested") {
		columns = append(columns, "Parent")
	}
	rows := make([][]any, len(all))
	for i, s := range all {
		is := map[string]any{"ID": s.ID, "Stack Name": s.Name, "Project": s.Project, "Stack Owner": s.Owner, "Stack Status": s.Status,
			"Creation Time": s.CreationTime, "Updated Time": orNone(s.UpdatedTime), "Parent": orNone(s.Parent)}
		for _, col := range columns {
			rows[i] = append(rows[i], is[col])
		}
	}
	return format.List(p.out, options(c), columns, rows)
}

func orNone(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (p *program) stackShow(c *cli.Context) error {
	h, a, err := p.stackArgs(c, "STACK")
	if err != nil {
		return err
	}
	got, err := h.Show(c.Context, a[0])
	if err != nil {
		return err
	}
	s, _ := got["stack"].(map[string]any)
	first := []string{"id", "stack_name", "description", "creation_time", "updated_time", "stack_status", "stack_status_reason", "parameters", "outputs", "links"}
	delete(s, "template_description")
	if c.Bool("no-resolve-outputs") {
		delete(s, "outputs")
	}
	if c.String("format") == "table" {
		for _, k := range []string{"parameters", "outputs", "links", "tags"} {
			if v, ok := s[k]; ok {
				text, err := yaml.Marshal(v)
				if err != nil {
					return err
				}
				s[k] = string(text)
			}
		}
	}
	return format.Show(p.out, options(c), objectFields(s, first...))
}

// objectFields are the entries of an object, those named first, the rest by name.
func objectFields(m map[string]any, first ...string) []format.Field {
	var out []format.Field
	seen := map[string]bool{}
	add := func(k string) {
		if v, ok := m[k]; ok && !seen[k] {
			seen[k] = true
			out = append(out, format.Field{Name: k, Value: v})
		}
	}
	for _, k := range first {
		add(k)
	}
	rest := make([]string, 0, len(m))
	for k := range m {
		rest = append(rest, k)
	}
	sort.Strings(rest)
	for _, k := range rest {
		add(k)
	}
	return out
}

func (p *program) stackCancel(c *cli.Context) error {
	h, a, err := p.stackArgs(c, "STACK")
	if err != nil {
		return err
	}
	return h.Cancel(c.Context, a[0])
}
