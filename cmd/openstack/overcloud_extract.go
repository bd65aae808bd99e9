package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
	"trefoil/overcloud/deploy/cloud"
	"trefoil/overcloud/network"
	"trefoil/overcloud/network/provision"
	"trefoil/overcloud/placement"
	"trefoil/overcloud/stack/client"
)

// extractedRole is one role of the file, with the keys in TripleO's order.
type extractedRole struct {
	Name           string              `yaml:"name"`
	Count          int                 `yaml:"count"`
	HostnameFormat string              `yaml:"hostname_format,omitempty"`
	Defaults       extractedDefaults   `yaml:"defaults"`
	Instances      []extractedInstance `yaml:"instances"`
}

type extractedDefaults struct {
	Networks      []map[string]any `yaml:"networks"`
	NetworkConfig map[string]any   `yaml:"network_config"`
}

type extractedInstance struct {
	Hostname      string `yaml:"hostname"`
	Name          string `yaml:"name,omitempty"`
	ResourceClass string `yaml:"resource_class,omitempty"`
}

// nodeNames are the names of the bare-metal nodes by UUID.
func (p *program) nodeNames(c *cli.Context) (map[string]string, error) {
	nodes, err := p.bareNodes(c)
	out := map[string]string{}
	for _, n := range nodes {
		out[n.UUID] = n.Name
	}
	return out, err
}

func (p *program) bareNodes(c *cli.Context) ([]placement.Node, error) {
	s, err := p.session(c)
	if err != nil {
		return nil, err
	}
	return cloud.List(c.Context, s)
}

// nodeExtract writes a baremetal_deployment file that asks for what a stack
// has: the same machines under the same names. It is always printed, and
// written where -o says.
func (p *program) nodeExtract(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	out := ""
	if c.String("output") != "" {
		var err error
		if out, err = p.output(c); err != nil {
			return err
		}
	}
	routes, err := defaultRoutes(c.String("roles-file"))
	if err != nil {
		return err
	}
	roles, err := p.extracted(c, routes)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "# Generated with the following on %s\n#\n#   openstack overcloud node extract provisioned --stack %s\n#\n\n", time.Now().Format(time.RFC3339), c.String("stack"))
	for _, r := range roles {
		fmt.Fprintf(&text, "# WARNING: No network config found for role %s. Please edit the file and set the path to the correct network config template.\n", r.Name)
	}
	data, err := yaml.Marshal(roles)
	if err != nil {
		return err
	}
	fmt.Fprintf(&text, "#\n\n%s", data)
	if out != "" {
		if err := writeFile(out, text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	_, err = p.out.Write(text.Bytes())
	return err
}

// defaultRoutes reads which networks are the default routes of each role of a roles file; nil without one.
func defaultRoutes(path string) (map[string][]string, error) {
	if path == "" {
		return nil, nil
	}
	data, err := readInput(path, "Roles file")
	if err != nil {
		return nil, err
	}
	var roles []struct {
		Name   string   `yaml:"name"`
		Routes []string `yaml:"default_route_networks"`
	}
	if err := yaml.Unmarshal(path, data, &roles); err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, r := range roles {
		out[r.Name] = []string{}
		for _, n := range r.Routes {
			out[r.Name] = append(out[r.Name], strings.ToLower(n))
		}
	}
	return out, nil
}

func (p *program) extracted(c *cli.Context, routes map[string][]string) ([]extractedRole, error) {
	s, err := p.session(c)
	if err != nil {
		return nil, err
	}
	h, err := client.New(s)
	if err != nil {
		return nil, err
	}
	nodes, err := h.Nodes(c.Context, c.String("stack"))
	if err != nil {
		return nil, err
	}
	if len(nodes) == 0 {
		return nil, errs.New(errs.NotFound, "stack %s has no machines", c.String("stack"))
	}
	nets, err := provision.New(s)
	if err != nil {
		return nil, err
	}
	ports, err := nets.Attachments(c.Context)
	if err != nil {
		return nil, err
	}
	bare, err := cloud.List(c.Context, s)
	if err != nil {
		return nil, err
	}
	byRole := map[string][]client.Node{}
	var order []string
	for _, n := range nodes {
		if byRole[n.Role] == nil {
			order = append(order, n.Role)
		}
		byRole[n.Role] = append(byRole[n.Role], n)
	}
	var out []extractedRole
	for _, name := range order {
		if _, known := routes[name]; routes != nil && !known {
			return nil, errs.New(errs.Invalid, "Unable to extract. Invalid role file. Role %s is not defined in roles file %s", name, c.String("roles-file"))
		}
		out = append(out, extractedRoleOf(c.String("stack"), name, byRole[name], bare, ports, routes[name]))
	}
	return out, nil
}

func extractedRoleOf(stack, name string, nodes []client.Node, bare []placement.Node, ports map[string][]provision.Attachment, routes []string) extractedRole {
	slices.SortFunc(nodes, func(a, b client.Node) int { return a.Index - b.Index })
	r := extractedRole{Name: name, Count: len(nodes), HostnameFormat: formatOf(stack, nodes)}
	r.Defaults.NetworkConfig = map[string]any{"network_config_update": false, "physical_bridge_name": "br-ex", "public_interface_name": "nic1"}
	if len(routes) > 0 {
		r.Defaults.NetworkConfig["default_route_network"] = routes
	}
	for _, a := range ports[nodes[0].InstanceUUID] {
		if a.Network == network.ControlPlane {
			r.Defaults.Networks = append(r.Defaults.Networks, map[string]any{"network": a.Network, "vif": true})
		} else {
			r.Defaults.Networks = append(r.Defaults.Networks, map[string]any{"network": a.Network, "subnet": a.Subnet})
		}
	}
	for _, n := range nodes {
		in := extractedInstance{Hostname: n.Name, Name: n.NodeUUID}
		for _, b := range bare {
			if b.UUID == n.NodeUUID {
				in.ResourceClass = b.ResourceClass
			}
		}
		r.Instances = append(r.Instances, in)
	}
	return r
}

// formatOf finds the format that all names of a role follow; "" if there is none.
func formatOf(stack string, nodes []client.Node) string {
	for _, n := range nodes {
		head, ok := strings.CutSuffix(n.Name, strconv.Itoa(n.Index))
		if !ok {
			continue
		}
		format := strings.Replace(head, stack, "%stackname%", 1) + "%index%"
		if !slices.ContainsFunc(nodes, func(o client.Node) bool {
			return strings.NewReplacer("%stackname%", stack, "%index%", strconv.Itoa(o.Index)).Replace(format) != o.Name
		}) {
			return format
		}
	}
	return ""
}
