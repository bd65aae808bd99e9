package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/format"
	"trefoil/overcloud/stack/client"
)

func eventListFlags(filter cli.Flag) []cli.Flag {
	return []cli.Flag{filter,
		&cli.BoolFlag{Name: "follow", Usage: "print events as they happen until the action ends"},
		&cli.StringFlag{Name: "resource", Usage: "of one resource only"},
		&cli.IntFlag{Name: "limit", Usage: "how many"},
		&cli.StringFlag{Name: "marker", Usage: "those after the event with this id"},
		&cli.IntFlag{Name: "nested-depth", Usage: "how deep; as deep as there is if not given", Value: 9},
		&cli.StringFlag{Name: "sort", Usage: "KEY[:asc|:desc]"},
	}
}

// stackEvents prints events as a log, or in the form that was chosen.
func (p *program) stackEvents(c *cli.Context) error {
	if c.String("resource") != "" && c.IsSet("nested-depth") {
		return usageError{errors.New("--nested-depth cannot be specified with --resource")}
	}
	for _, name := range []string{"filter", "resource", "limit"} {
		if c.Bool("follow") && c.IsSet(name) {
			return usageError{fmt.Errorf("--%s cannot be specified with --follow: all events are printed as they happen", name)}
		}
	}
	q, err := eventQuery(c)
	if err != nil {
		return err
	}
	h, a, err := p.stackArgs(c, "STACK")
	if err != nil {
		return err
	}
	if c.Bool("follow") {
		s, err := h.Stack(c.Context, a[0])
		if err != nil {
			return err
		}
		_, err = h.Follow(c.Context, a[0], s.ID, c.String("marker"), p.out, p.err)
		return err
	}
	var evs []client.Event
	if r := c.String("resource"); r != "" {
		evs, err = h.ResourceEvents(c.Context, a[0], r, q)
	} else {
		evs, err = h.EventList(c.Context, a[0], q)
	}
	if err != nil {
		return err
	}
	o := options(c)
	if o.Format == "log" && len(o.Columns) == 0 {
		for _, e := range evs {
			if !e.OfNestedStack() {
				fmt.Fprintln(p.out, e.Line(a[0]))
			}
		}
		return nil
	}
	if o.Format == "log" {
		o.Format = "table"
	}
	rows := make([][]any, len(evs))
	for i, e := range evs {
		rows[i] = []any{e.Resource, e.ID, e.Status, e.Reason, e.Time, e.PhysicalID, client.StackName(e.Links), e.Resource}
	}
	return format.List(p.out, o, []string{"resource_name", "id", "resource_status", "resource_status_reason", "event_time", "physical_resource_id",
		"stack_name", "logical_resource_id"}, rows)
}

func eventQuery(c *cli.Context) (url.Values, error) {
	q := url.Values{"nested_depth": {strconv.Itoa(c.Int("nested-depth"))}, "sort_dir": {"asc"}}
	if c.IsSet("limit") {
		q.Set("limit", strconv.Itoa(c.Int("limit")))
	}
	if m := c.String("marker"); m != "" {
		q.Set("marker", m)
	}
	if s := c.String("sort"); s != "" {
		key, dir, _ := strings.Cut(s, ":")
		if key != "" && key != "event_time" {
			q.Set("sort_keys", key)
		}
		if dir != "" {
			q.Set("sort_dir", dir)
		}
	}
	return q, pairs(q, c.StringSlice("filter"))
}

func (p *program) stackEvent(c *cli.Context) error {
	h, a, err := p.stackArgs(c, "STACK", "RESOURCE", "EVENT")
	if err != nil {
		return err
	}
	got, err := h.Show(c.Context, a[0], "resources", a[1], "events", a[2])
	if err != nil {
		return err
	}
	e, _ := got["event"].(map[string]any)
	return format.Show(p.out, options(c), objectFields(e))
}

func (p *program) stackResources(c *cli.Context) error {
	q := url.Values{}
	if n := c.Int("nested-depth"); n > 0 {
		q.Set("nested_depth", strconv.Itoa(n))
	}
	if err := pairs(q, c.StringSlice("filter")); err != nil {
		return err
	}
	h, a, err := p.stackArgs(c, "STACK")
	if err != nil {
		return err
	}
	rs, err := h.Resources(c.Context, a[0], q)
	if err != nil {
		return err
	}
	columns := []string{"resource_name", "physical_resource_id", "resource_type", "resource_status", "updated_time"}
	nested := c.Int("nested-depth") > 0 || c.Bool("long")
	if nested {
		columns = append(columns, "stack_name")
	}
	rows := make([][]any, len(rs))
	for i, r := range rs {
		rows[i] = []any{r.Name, r.PhysicalID, r.Type, r.Status, r.UpdatedTime}
		if nested {
			rows[i] = append(rows[i], client.StackName(r.Links))
		}
	}
	return format.List(p.out, options(c), columns, rows)
}

func (p *program) stackResource(c *cli.Context) error {
	h, a, err := p.stackArgs(c, "STACK", "RESOURCE")
	if err != nil {
		return err
	}
	got, err := h.Show(c.Context, a[0], "resources", a[1])
	if err != nil {
		return err
	}
	r, _ := got["resource"].(map[string]any)
	return format.Show(p.out, options(c), objectFields(r))
}

func (p *program) stackMetadata(c *cli.Context) error {
	h, a, err := p.stackArgs(c, "STACK", "RESOURCE")
	if err != nil {
		return err
	}
	got, err := h.Show(c.Context, a[0], "resources", a[1], "metadata")
	if err != nil {
		return err
	}
	m, _ := got["metadata"].(map[string]any)
	return format.Show(p.out, options(c), objectFields(m))
}

func (p *program) stackFailures(c *cli.Context) error {
	h, a, err := p.stackArgs(c, "STACK")
	if err != nil {
		return err
	}
	return h.Failures(c.Context, a[0], c.Bool("long"), p.out)
}

func (p *program) stackOutputs(c *cli.Context) error {
	h, a, err := p.stackArgs(c, "STACK")
	if err != nil {
		return err
	}
	outs, err := h.Outputs(c.Context, a[0])
	if err != nil {
		return err
	}
	rows := make([][]any, len(outs))
	for i, o := range outs {
		rows[i] = []any{o.Key, o.Description}
	}
	return format.List(p.out, options(c), []string{"output_key", "description"}, rows)
}

// stackOutput shows one output, or all that are not secret.
func (p *program) stackOutput(c *cli.Context) error {
	switch {
	case c.Bool("all") && c.NArg() > 1:
		return usageError{errors.New("Cannot specify both <OUTPUT NAME> and --all.")} //nolint:staticcheck // heatclient's words
	case !c.Bool("all") && c.NArg() == 1:
		return usageError{errors.New("Either <OUTPUT NAME> or --all must be specified.")} //nolint:staticcheck // heatclient's words
	}
	names := []string{"STACK", "OUTPUT"}
	if c.Bool("all") {
		names = names[:1]
	}
	h, a, err := p.stackArgs(c, names...)
	if err != nil {
		return err
	}
	if !c.Bool("all") {
		got, err := h.Show(c.Context, a[0], "outputs", a[1])
		if err != nil {
			return err
		}
		o, _ := got["output"].(map[string]any)
		return format.Show(p.out, options(c), objectFields(o))
	}
	s, err := h.Stack(c.Context, a[0])
	if err != nil {
		return err
	}
	var out []format.Field
	for _, o := range s.Outputs {
		text, err := json.MarshalIndent(map[string]any{"output_key": o.Key, "output_value": o.Value, "description": o.Description}, "", "  ")
		if err != nil {
			return fmt.Errorf("show output %s: %w", o.Key, err)
		}
		out = append(out, format.Field{Name: o.Key, Value: string(text)})
	}
	return format.Show(p.out, options(c), out)
}

func (p *program) stackEnvironment(c *cli.Context) error {
	h, a, err := p.stackArgs(c, "STACK")
	if err != nil {
		return err
	}
	got, err := h.Show(c.Context, a[0], "environment")
	if err != nil {
		return err
	}
	var out []format.Field
	for _, k := range []string{"parameters", "resource_registry", "parameter_defaults"} {
		out = append(out, format.Field{Name: k, Value: got[k]})
	}
	return format.Show(p.out, options(c), out)
}

func (p *program) stackTemplate(c *cli.Context) error {
	h, a, err := p.stackArgs(c, "STACK")
	if err != nil {
		return err
	}
	got, err := h.Show(c.Context, a[0], "template")
	if err != nil {
		return err
	}
	return format.Show(p.out, options(c), objectFields(got))
}
