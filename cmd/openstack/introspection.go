package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/urfave/cli/v2"

	"trefoil/internal/format"
	"trefoil/internal/yaml"
	"trefoil/overcloud/session"
)

// introspectionCommand has what python-ironic-inspector-client has for rules and
// for what machines are: Debian 12's package of it holds no program.
func (p *program) introspectionCommand() *cli.Command {
	return &cli.Command{Name: "introspection", Usage: "what machines are", Subcommands: []*cli.Command{
		{Name: "data", Usage: "what introspection saw", Subcommands: []*cli.Command{
			{Name: "save", Usage: "save or print a node's data, as JSON", ArgsUsage: "NODE", Flags: []cli.Flag{
				&cli.StringFlag{Name: "file", Usage: "where to save it; without it, it is printed"},
				&cli.BoolFlag{Name: "unprocessed", Usage: "as the ramdisk sent it, without the summary"},
			}, Action: p.introspectionData}}},
		{Name: "interface", Usage: "network interfaces, and what switches say at them", Subcommands: []*cli.Command{
			{Name: "list", Usage: "list a node's interfaces", ArgsUsage: "NODE", Flags: formatFlags(
				&cli.IntSliceFlag{Name: "vlan", Usage: "only interfaces with this VLAN; may be given more than once"},
				&cli.BoolFlag{Name: "long", Usage: "all fields"},
				&cli.StringSliceFlag{Name: "fields", Usage: "field to show; may be given more than once"}), Action: p.interfaceList},
			{Name: "show", Usage: "show one interface", ArgsUsage: "NODE INTERFACE", Flags: formatFlags(
				&cli.StringSliceFlag{Name: "fields", Usage: "field to show; may be given more than once"}), Action: p.interfaceShow}}},
		{Name: "reprocess", Usage: "apply hooks and rules anew to the stored data", ArgsUsage: "NODE", Action: p.reprocess},
		{Name: "rule", Usage: "rules that introspection runs", Subcommands: []*cli.Command{
			{Name: "import", Usage: "make rules of a JSON or YAML file", ArgsUsage: "FILE", Flags: formatFlags(), Action: p.ruleImport},
			{Name: "list", Usage: "list rules", Flags: formatFlags(), Action: p.ruleList},
			{Name: "show", Usage: "show one rule", ArgsUsage: "UUID", Flags: formatFlags(), Action: p.ruleShow},
			{Name: "delete", Usage: "delete one rule", ArgsUsage: "UUID", Action: p.ruleDelete},
			{Name: "purge", Usage: "delete all rules", Action: p.rulePurge}}},
	}}
}

// introspection opens the introspection API as the global options and the environment say.
func (p *program) introspection(c *cli.Context) (*gophercloud.ServiceClient, error) {
	s, err := p.session(c)
	if err != nil {
		return nil, err
	}
	return s.Introspection()
}

// ruleImport makes the rules one after another; those before one that is refused stay.
func (p *program) ruleImport(c *cli.Context) error {
	a, err := args(c, "FILE")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(a[0])
	if err != nil {
		return err
	}
	var content any
	if err := yaml.Unmarshal(a[0], data, &content); err != nil {
		return err
	}
	all, many := content.([]any)
	if !many {
		all = []any{content}
	}
	in, err := p.introspection(c)
	if err != nil {
		return err
	}
	var rows [][]any
	for i, rule := range all {
		var made object
		_, err := in.Post(c.Context, in.ServiceURL("rules"), rule, &made, &gophercloud.RequestOpts{OkCodes: []int{http.StatusOK, http.StatusCreated}})
		if err := session.Explain(err); err != nil {
			return fmt.Errorf("%s: rule %d of %d: %w", a[0], i+1, len(all), err)
		}
		rows = append(rows, []any{made["uuid"], made["description"]})
	}
	return format.List(p.out, options(c), []string{"UUID", "Description"}, rows)
}

func (p *program) ruleList(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	in, err := p.introspection(c)
	if err != nil {
		return err
	}
	var body struct{ Rules []object }
	if err := get(c.Context, in, "rules", &body); err != nil {
		return err
	}
	rows := make([][]any, len(body.Rules))
	for i, r := range body.Rules {
		rows[i] = []any{r["uuid"], r["description"]}
	}
	return format.List(p.out, options(c), []string{"UUID", "Description"}, rows)
}

func (p *program) ruleShow(c *cli.Context) error {
	a, err := args(c, "UUID")
	if err != nil {
		return err
	}
	in, err := p.introspection(c)
	if err != nil {
		return err
	}
	var r map[string]any
	if err := get(c.Context, in, "rules/"+url.PathEscape(a[0]), &r); err != nil {
		return err
	}
	return format.Show(p.out, options(c), fields(r, "links"))
}

func (p *program) ruleDelete(c *cli.Context) error {
	a, err := args(c, "UUID")
	if err != nil {
		return err
	}
	return p.dropRules(c, "rules", url.PathEscape(a[0]))
}

func (p *program) rulePurge(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	return p.dropRules(c, "rules")
}

func (p *program) dropRules(c *cli.Context, path ...string) error {
	in, err := p.introspection(c)
	if err != nil {
		return err
	}
	_, err = in.Delete(c.Context, in.ServiceURL(path...), nil)
	return session.Explain(err)
}

func (p *program) reprocess(c *cli.Context) error {
	a, err := args(c, "NODE")
	if err != nil {
		return err
	}
	in, err := p.introspection(c)
	if err != nil {
		return err
	}
	_, err = in.Post(c.Context, in.ServiceURL("introspection", url.PathEscape(a[0]), "data", "unprocessed"), nil, nil,
		&gophercloud.RequestOpts{OkCodes: []int{http.StatusAccepted}})
	return session.Explain(err)
}

// interfaceFields are the facts of an interface with their headings, in order.
func interfaceFields() (ids []string, labels map[string]string) {
	labels = map[string]string{"interface": "Interface", "mac": "MAC Address", "node_ident": "Node",
		"switch_capabilities_enabled": "Switch Capabilities Enabled", "switch_capabilities_support": "Switch Capabilities Supported",
		"switch_chassis_id": "Switch Chassis ID", "switch_mgmt_addresses": "Switch Management Addresses",
		"switch_port_autonegotiation_enabled": "Switch Port Autonegotiation Enabled",
		"switch_port_autonegotiation_support": "Switch Port Autonegotiation Supported",
		"switch_port_description":             "Switch Port Description", "switch_port_id": "Switch Port ID",
		"switch_port_link_aggregation_enabled": "Switch Port Link Aggregation Enabled",
		"switch_port_link_aggregation_support": "Switch Port Link Aggregation Supported",
		"switch_port_link_aggregation_id":      "Switch Port Link Aggregation ID",
		"switch_port_management_vlan_id":       "Switch Port Mgmt VLAN ID", "switch_port_mau_type": "Switch Port Mau Type",
		"switch_port_mtu": "Switch Port MTU", "switch_port_physical_capabilities": "Switch Port Physical Capabilities",
		"switch_port_protocol_vlan_enabled": "Switch Port Protocol VLAN Enabled",
		"switch_port_protocol_vlan_support": "Switch Port Protocol VLAN Supported",
		"switch_port_protocol_vlan_ids":     "Switch Port Protocol VLAN IDs",
		"switch_port_untagged_vlan_id":      "Switch Port Untagged VLAN", "switch_port_vlans": "Switch Port VLANs",
		"switch_port_vlan_ids": "Switch Port VLAN IDs", "switch_protocol_identities": "Switch Protocol Identities",
		"switch_system_description": "Switch System Description", "switch_system_name": "Switch System Name"}
	return slices.Sorted(maps.Keys(labels)), labels
}

// chosenFields reads --fields; without it they are otherwise.
func chosenFields(c *cli.Context, otherwise []string) ([]string, error) {
	chosen := c.StringSlice("fields")
	if len(chosen) == 0 {
		return otherwise, nil
	}
	known, _ := interfaceFields()
	for _, f := range chosen {
		if !slices.Contains(known, f) {
			return nil, usageError{fmt.Errorf("--fields %s: expected one of %s", f, strings.Join(known, ", "))}
		}
	}
	return chosen, nil
}

// interfaces reads a node's interfaces out of its introspection data.
func (p *program) interfaces(c *cli.Context, node string) (map[string]object, error) {
	in, err := p.introspection(c)
	if err != nil {
		return nil, err
	}
	var data struct {
		All map[string]object `json:"all_interfaces"`
	}
	err = get(c.Context, in, "introspection/"+url.PathEscape(node)+"/data", &data)
	return data.All, err
}

// fact is one field of an interface, nil where nobody said.
func fact(node, name string, nic object, field string) any {
	heard, _ := nic["lldp_processed"].(map[string]any)
	switch field {
	case "node_ident":
		return node
	case "interface":
		return name
	case "mac":
		return nic["mac"]
	case "switch_port_vlan_ids":
		return vlanIDs(heard)
	}
	return heard[field]
}

func vlanIDs(heard map[string]any) []any {
	out := []any{}
	vlans, _ := heard["switch_port_vlans"].([]any)
	for _, v := range vlans {
		if m, ok := v.(map[string]any); ok {
			out = append(out, m["id"])
		}
	}
	return out
}

func (p *program) interfaceList(c *cli.Context) error {
	a, err := args(c, "NODE")
	if err != nil {
		return err
	}
	known, labels := interfaceFields()
	ids := []string{"interface", "mac", "switch_port_vlan_ids", "switch_chassis_id", "switch_port_id"}
	if c.Bool("long") {
		if ids = known; len(c.StringSlice("fields")) > 0 {
			return usageError{fmt.Errorf("argument --fields: not allowed with argument --long")}
		}
	}
	if ids, err = chosenFields(c, ids); err != nil {
		return err
	}
	all, err := p.interfaces(c, a[0])
	if err != nil {
		return err
	}
	columns := make([]string, len(ids))
	for i, id := range ids {
		columns[i] = labels[id]
	}
	var rows [][]any
	for _, name := range slices.Sorted(maps.Keys(all)) {
		heard, _ := all[name]["lldp_processed"].(map[string]any)
		if !anyVLAN(vlanIDs(heard), c.IntSlice("vlan")) {
			continue
		}
		row := make([]any, len(ids))
		for i, id := range ids {
			row[i] = fact(a[0], name, all[name], id)
		}
		rows = append(rows, row)
	}
	return format.List(p.out, options(c), columns, rows)
}

// anyVLAN tells whether one of the VLANs is wanted; without wishes all are.
func anyVLAN(have []any, want []int) bool {
	return len(want) == 0 || slices.ContainsFunc(have, func(v any) bool {
		return slices.ContainsFunc(want, func(id int) bool { return format.Text(v) == strconv.Itoa(id) })
	})
}

func (p *program) interfaceShow(c *cli.Context) error {
	a, err := args(c, "NODE", "INTERFACE")
	if err != nil {
		return err
	}
	known, _ := interfaceFields()
	ids, err := chosenFields(c, known)
	if err != nil {
		return err
	}
	all, err := p.interfaces(c, a[0])
	if err != nil {
		return err
	}
	nic, ok := all[a[1]]
	if !ok {
		return fmt.Errorf("Interface %s was not found on this node", a[1]) //nolint:staticcheck // the Python client's words
	}
	out := make([]format.Field, len(ids))
	for i, id := range ids {
		out[i] = format.Field{Name: id, Value: fact(a[0], a[1], nic, id)}
	}
	return format.Show(p.out, options(c), out)
}
