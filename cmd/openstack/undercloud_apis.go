package main

import (
	"fmt"
	"net/url"
	"sort"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/internal/format"
	"trefoil/overcloud/session"
)

// object is one thing of an API as JSON has it.
type object = map[string]any

// service opens one API of a session.
type service func(*session.Session) (*gophercloud.ServiceClient, error)

// listOf makes the action of a plain list: one GET, chosen columns.
func (p *program) listOf(open service, path, key string, columns []string, row func(object) []any) cli.ActionFunc {
	return func(c *cli.Context) error {
		if _, err := args(c); err != nil {
			return err
		}
		s, err := p.session(c)
		if err != nil {
			return err
		}
		api, err := open(s)
		if err != nil {
			return err
		}
		body := map[string][]object{}
		var raw object
		if err := get(c.Context, api, path, &raw); err != nil {
			return err
		}
		list, _ := raw[key].([]any)
		for _, e := range list {
			if o, ok := e.(object); ok {
				body[key] = append(body[key], o)
			}
		}
		rows := make([][]any, len(body[key]))
		for i, o := range body[key] {
			rows[i] = row(o)
		}
		return format.List(p.out, options(c), columns, rows)
	}
}

func (p *program) imageCommand() *cli.Command {
	return &cli.Command{Name: "image", Usage: "images", Subcommands: []*cli.Command{
		{Name: "list", Usage: "list images", Flags: formatFlags(), Action: p.listOf((*session.Session).Image, "images?limit=1000&sort_key=name&sort_dir=asc", "images",
			[]string{"ID", "Name", "Status"}, func(o object) []any { return []any{o["id"], o["name"], o["status"]} })},
	}}
}

func (p *program) flavorCommand() *cli.Command {
	return &cli.Command{Name: "flavor", Usage: "flavors", Subcommands: []*cli.Command{
		{Name: "list", Usage: "list flavors", Flags: formatFlags(), Action: p.listOf((*session.Session).Compute, "flavors/detail", "flavors",
			[]string{"ID", "Name", "RAM", "Disk", "Ephemeral", "VCPUs", "Is Public"}, func(o object) []any {
				return []any{o["id"], o["name"], o["ram"], o["disk"], o["OS-FLV-EXT-DATA:ephemeral"], o["vcpus"], o["os-flavor-access:is_public"]}
			})},
	}}
}

func (p *program) hostCommand() *cli.Command {
	return &cli.Command{Name: "host", Usage: "hosts of the compute service", Subcommands: []*cli.Command{
		{Name: "list", Usage: "list hosts", Flags: formatFlags(), Action: p.listOf((*session.Session).Compute, "os-hosts", "hosts",
			[]string{"Host Name", "Service", "Zone"}, func(o object) []any { return []any{o["host_name"], o["service"], o["zone"]} })},
	}}
}

func (p *program) projectCommand() *cli.Command {
	return &cli.Command{Name: "project", Usage: "projects", Subcommands: []*cli.Command{
		{Name: "list", Usage: "list projects", Flags: formatFlags(), Action: p.listOf((*session.Session).Identity, "projects", "projects",
			[]string{"ID", "Name"}, func(o object) []any { return []any{o["id"], o["name"]} })},
	}}
}

func (p *program) tokenCommand() *cli.Command {
	return &cli.Command{Name: "token", Usage: "tokens", Subcommands: []*cli.Command{
		{Name: "issue", Usage: "issue a token", Flags: formatFlags(), Action: p.tokenIssue},
	}}
}

func (p *program) tokenIssue(c *cli.Context) error {
	s, err := p.session(c)
	if err != nil {
		return err
	}
	t, err := s.Token(c.Context)
	if err != nil {
		return err
	}
	return format.Show(p.out, options(c), []format.Field{
		{Name: "expires", Value: t.Expires.UTC().Format("2006-01-02T15:04:05+0000")}, {Name: "id", Value: t.ID},
		{Name: "project_id", Value: t.ProjectID}, {Name: "user_id", Value: t.UserID}})
}

func (p *program) serverCommand() *cli.Command {
	return &cli.Command{Name: "server", Usage: "deployed machines", Subcommands: []*cli.Command{
		{Name: "list", Usage: "list servers", Flags: formatFlags(), Action: p.serverList},
	}}
}

func (p *program) serverList(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	s, err := p.session(c)
	if err != nil {
		return err
	}
	api, err := s.Compute()
	if err != nil {
		return err
	}
	var body struct {
		Servers []struct {
			ID, Name, Status string
			Addresses        map[string][]struct{ Addr string }
			Image, Flavor    object
		}
	}
	if err := get(c.Context, api, "servers/detail", &body); err != nil {
		return err
	}
	images, err := p.imageNames(c, s)
	if err != nil {
		return err
	}
	flavors, err := p.flavorNames(c, api)
	if err != nil {
		return err
	}
	rows := make([][]any, len(body.Servers))
	for i, v := range body.Servers {
		var nets []string
		for name, as := range v.Addresses {
			var ips []string
			for _, a := range as {
				ips = append(ips, a.Addr)
			}
			nets = append(nets, name+"="+strings.Join(ips, ", "))
		}
		sort.Strings(nets)
		rows[i] = []any{v.ID, v.Name, v.Status, strings.Join(nets, "; "), named(images, v.Image), named(flavors, v.Flavor)}
	}
	return format.List(p.out, options(c), []string{"ID", "Name", "Status", "Networks", "Image", "Flavor"}, rows)
}

// named shows an object of the compute API by its name where that is known.
func named(names map[string]string, o object) any {
	if n, ok := o["original_name"].(string); ok {
		return n
	}
	id, _ := o["id"].(string)
	if n := names[id]; n != "" {
		return n
	}
	return id
}

func (p *program) imageNames(c *cli.Context, s *session.Session) (map[string]string, error) {
	api, err := s.Image()
	if err != nil {
		return nil, err
	}
	return idNames(c, api, "images?limit=1000", "images")
}

func (p *program) flavorNames(c *cli.Context, api *gophercloud.ServiceClient) (map[string]string, error) {
	return idNames(c, api, "flavors", "flavors")
}

func idNames(c *cli.Context, api *gophercloud.ServiceClient, path, key string) (map[string]string, error) {
	var raw object
	if err := get(c.Context, api, path, &raw); err != nil {
		return nil, err
	}
	out := map[string]string{}
	list, _ := raw[key].([]any)
	for _, e := range list {
		if o, ok := e.(object); ok {
			out[fmt.Sprint(o["id"])] = fmt.Sprint(o["name"])
		}
	}
	return out, nil
}

func (p *program) subnetCommand() *cli.Command {
	return &cli.Command{Name: "subnet", Usage: "subnets", Subcommands: []*cli.Command{
		{Name: "list", Usage: "list subnets", Flags: formatFlags(), Action: p.listOf((*session.Session).Network, "subnets", "subnets",
			[]string{"ID", "Name", "Network", "Subnet"}, func(o object) []any { return []any{o["id"], o["name"], o["network_id"], o["cidr"]} })},
		{Name: "show", Usage: "show a subnet", ArgsUsage: "SUBNET", Flags: formatFlags(), Action: p.subnetShow},
		{Name: "set", Usage: "change a subnet", ArgsUsage: "SUBNET", Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "dns-nameserver", Usage: "name server to add; may be given more than once"},
			&cli.BoolFlag{Name: "no-dns-nameservers", Usage: "forget those that are set"},
		}, Action: p.subnetSet},
	}}
}

// subnet finds one by id or name.
func (p *program) subnet(c *cli.Context, ident string) (*gophercloud.ServiceClient, object, error) {
	s, err := p.session(c)
	if err != nil {
		return nil, nil, err
	}
	api, err := s.Network()
	if err != nil {
		return nil, nil, err
	}
	for _, q := range []string{"id=", "name="} {
		var body struct{ Subnets []object }
		if err := get(c.Context, api, "subnets?"+q+url.QueryEscape(ident), &body); err != nil {
			return nil, nil, err
		}
		if len(body.Subnets) == 1 {
			return api, body.Subnets[0], nil
		}
	}
	return nil, nil, errs.New(errs.NotFound, "No Subnet found for %s", ident).WithHint("openstack subnet list")
}

func (p *program) subnetShow(c *cli.Context) error {
	a, err := args(c, "SUBNET")
	if err != nil {
		return err
	}
	_, o, err := p.subnet(c, a[0])
	if err != nil {
		return err
	}
	return format.Show(p.out, options(c), subnetFields(o, c.String("format") == "table"))
}

// subnetFields are those the article shows; in a table lists are told as text.
func subnetFields(o object, asText bool) []format.Field {
	keys := []string{"allocation_pools", "cidr", "created_at", "description", "dns_nameservers", "enable_dhcp", "gateway_ip", "host_routes", "id", "ip_version",
		"ipv6_address_mode", "ipv6_ra_mode", "name", "network_id", "prefix_length", "project_id", "revision_number", "segment_id", "service_types", "subnetpool_id", "tags", "updated_at"}
	out := make([]format.Field, len(keys))
	for i, k := range keys {
		v := o[k]
		if list, ok := v.([]any); ok && asText {
			var parts []string
			for _, e := range list {
				parts = append(parts, subnetPart(e))
			}
			v = strings.Join(parts, ", ")
		}
		out[i] = format.Field{Name: k, Value: v}
	}
	return out
}

func subnetPart(e any) string {
	m, ok := e.(object)
	switch {
	case !ok:
		return fmt.Sprint(e)
	case m["start"] != nil:
		return fmt.Sprintf("%v-%v", m["start"], m["end"])
	default:
		return fmt.Sprintf("destination='%v', gateway='%v'", m["destination"], m["nexthop"])
	}
}

func (p *program) subnetSet(c *cli.Context) error {
	a, err := args(c, "SUBNET")
	if err != nil {
		return err
	}
	api, o, err := p.subnet(c, a[0])
	if err != nil {
		return err
	}
	servers := []any{}
	if old, ok := o["dns_nameservers"].([]any); ok && !c.Bool("no-dns-nameservers") {
		servers = old
	}
	for _, s := range c.StringSlice("dns-nameserver") {
		servers = append(servers, s)
	}
	return updateSubnet(c, api, fmt.Sprint(o["id"]), servers)
}

func updateSubnet(c *cli.Context, api *gophercloud.ServiceClient, id string, servers []any) error {
	_, err := api.Put(c.Context, api.ServiceURL("subnets", id), object{"subnet": object{"dns_nameservers": servers}}, nil,
		&gophercloud.RequestOpts{OkCodes: []int{200}})
	return session.Explain(err)
}
