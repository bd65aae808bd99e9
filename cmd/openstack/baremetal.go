package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/urfave/cli/v2"

	"trefoil/internal/format"
	"trefoil/overcloud/session"
)

// Only what the article types is native; the Python client's plugin serves the
// other hundred commands through handOver.
func (p *program) baremetalCommand() *cli.Command {
	return &cli.Command{Name: "baremetal", Usage: "bare-metal nodes", Subcommands: []*cli.Command{
		{Name: "node", Usage: "machines", Subcommands: []*cli.Command{
			{Name: "list", Usage: "list nodes", Flags: formatFlags(
				&cli.StringFlag{Name: "provision-state", Usage: "only nodes in this state"}), Action: p.nodeList},
			{Name: "show", Usage: "show one node", ArgsUsage: "NODE", Flags: formatFlags(), Action: p.nodeShow},
			{Name: "set", Usage: "set properties of a node", ArgsUsage: "NODE", Flags: []cli.Flag{
				&cli.StringSliceFlag{Name: "property", Usage: "KEY=VALUE in properties"},
				&cli.StringSliceFlag{Name: "driver-info", Usage: "KEY=VALUE in driver_info"},
				&cli.StringSliceFlag{Name: "extra", Usage: "KEY=VALUE in extra"},
				&cli.StringFlag{Name: "name", Usage: "new name"},
				&cli.StringFlag{Name: "resource-class", Usage: "new resource class"},
			}, Action: p.nodeSet},
			{Name: "delete", Usage: "delete nodes", ArgsUsage: "NODE...", Action: p.nodeDelete},
			{Name: "history", Usage: "what a node went through", Subcommands: []*cli.Command{
				{Name: "list", Usage: "list a node's history", ArgsUsage: "NODE", Flags: formatFlags(), Action: p.nodeHistory}}},
		}},
		p.introspectionCommand(),
	}}
}

// get reads one JSON document of a service.
func get(ctx context.Context, c *gophercloud.ServiceClient, path string, out any) error {
	_, err := c.Get(ctx, c.ServiceURL(path), out, &gophercloud.RequestOpts{OkCodes: []int{http.StatusOK, http.StatusMultipleChoices}})
	return session.Explain(err)
}

func (p *program) nodeList(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	bm, err := p.baremetal(c)
	if err != nil {
		return err
	}
	query := url.Values{"fields": {"uuid,name,instance_uuid,power_state,provision_state,maintenance"}}
	if st := c.String("provision-state"); st != "" {
		query.Set("provision_state", st)
	}
	all, err := session.All[object](c.Context, bm, "nodes", query)
	if err != nil {
		return err
	}
	rows := make([][]any, len(all))
	for i, n := range all {
		rows[i] = []any{n["uuid"], n["name"], n["instance_uuid"], n["power_state"], n["provision_state"], n["maintenance"]}
	}
	return format.List(p.out, options(c), []string{"UUID", "Name", "Instance UUID", "Power State", "Provisioning State", "Maintenance"}, rows)
}

func (p *program) nodeShow(c *cli.Context) error {
	a, err := args(c, "NODE")
	if err != nil {
		return err
	}
	bm, err := p.baremetal(c)
	if err != nil {
		return err
	}
	var n map[string]any
	if err := get(c.Context, bm, "nodes/"+url.PathEscape(a[0]), &n); err != nil {
		return err
	}
	return format.Show(p.out, options(c), fields(n, "links", "ports", "portgroups", "states", "volume"))
}

// fields turns an object into rows in alphabetical order, without what people do not read.
func fields(m map[string]any, without ...string) []format.Field {
	for _, k := range without {
		delete(m, k)
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	out := make([]format.Field, len(keys))
	for i, k := range keys {
		out[i] = format.Field{Name: k, Value: m[k]}
	}
	return out
}

func (p *program) nodeHistory(c *cli.Context) error {
	a, err := args(c, "NODE")
	if err != nil {
		return err
	}
	bm, err := p.baremetal(c)
	if err != nil {
		return err
	}
	var body struct{ History []object }
	if err := get(c.Context, bm, "nodes/"+url.PathEscape(a[0])+"/history?detail=true", &body); err != nil {
		return err
	}
	rows := make([][]any, len(body.History))
	for i, h := range body.History {
		rows[i] = []any{h["created_at"], h["severity"], h["event"]}
	}
	return format.List(p.out, options(c), []string{"Created At", "Severity", "Description of the event"}, rows)
}

// introspectionData is python-ironic-inspector-client's `introspection data save`.
func (p *program) introspectionData(c *cli.Context) error {
	a, err := args(c, "NODE")
	if err != nil {
		return err
	}
	if err := directoryOf(c.String("file")); err != nil {
		return err
	}
	in, err := p.introspection(c)
	if err != nil {
		return err
	}
	path := "introspection/" + url.PathEscape(a[0]) + "/data"
	if c.Bool("unprocessed") {
		path += "/unprocessed"
	}
	var data json.RawMessage
	if err := get(c.Context, in, path, &data); err != nil {
		return err
	}
	data = append(bytes.TrimSpace(data), '\n')
	if file := c.String("file"); file != "" {
		return writeFile(file, data, 0o644)
	}
	_, err = p.out.Write(data)
	return err
}

func (p *program) nodeSet(c *cli.Context) error {
	a, err := args(c, "NODE")
	if err != nil {
		return err
	}
	type op struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	var patch []op
	for _, g := range []struct{ flag, root string }{{"property", "properties"}, {"driver-info", "driver_info"}, {"extra", "extra"}} {
		for _, kv := range c.StringSlice(g.flag) {
			k, v, ok := strings.Cut(kv, "=")
			if !ok || k == "" {
				return usageError{fmt.Errorf("--%s %q: expected KEY=VALUE", g.flag, kv)}
			}
			patch = append(patch, op{"add", "/" + g.root + "/" + k, v})
		}
	}
	for _, g := range []struct{ flag, path string }{{"name", "/name"}, {"resource-class", "/resource_class"}} {
		if c.IsSet(g.flag) {
			patch = append(patch, op{"add", g.path, c.String(g.flag)})
		}
	}
	if len(patch) == 0 {
		return usageError{fmt.Errorf("nothing to set: give --property, --driver-info, --extra, --name or --resource-class")}
	}
	bm, err := p.baremetal(c)
	if err != nil {
		return err
	}
	_, err = bm.Patch(c.Context, bm.ServiceURL("nodes", url.PathEscape(a[0])), patch, nil, &gophercloud.RequestOpts{OkCodes: []int{http.StatusOK}})
	return session.Explain(err)
}

func (p *program) nodeDelete(c *cli.Context) error {
	a, err := args(c, "NODE...")
	if err != nil {
		return err
	}
	bm, err := p.baremetal(c)
	if err != nil {
		return err
	}
	var failed []error // one that cannot be deleted does not keep the others
	for _, n := range a {
		_, err := bm.Delete(c.Context, bm.ServiceURL("nodes", url.PathEscape(n)), nil)
		if err := session.Explain(err); err != nil {
			failed = append(failed, fmt.Errorf("failed to delete node %s: %w", n, err))
			continue
		}
		fmt.Fprintf(p.out, "Deleted node %s\n", n)
	}
	return errors.Join(failed...)
}
