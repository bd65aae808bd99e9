package plan

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/network"
	"trefoil/overcloud/resource"
)

// Configure says what every one of the given machines must do in steps 1–5.
// The roles' service data is evaluated once, at Build; here only the %{…} names
// of each machine are filled in. Nobody waits for machines that stay as they are. It is
// deterministic and does not change p.
func (p *Plan) Configure(nodes []Node) (Config, error) {
	cfg, err := p.configure(nodes)
	listed := func(n Node) bool { return slices.Contains(p.Blacklist, n.Name) }
	if err != nil || !slices.ContainsFunc(nodes, listed) {
		return cfg, err
	}
	fewer, err := p.configure(slices.DeleteFunc(slices.Clone(nodes), listed))
	if err != nil {
		return cfg, nil // a service that must be somewhere is on listed machines only: they are there
	}
	for node, docs := range fewer {
		for i := range docs {
			cfg[node][i] = cfg[node][i].AskingAs(docs[i])
		}
	}
	return cfg, nil
}

func (p *Plan) configure(nodes []Node) (Config, error) {
	c, err := newConfigurer(p, nodes)
	if err != nil {
		return nil, err
	}
	cfg := Config{}
	for i := range c.nodes {
		docs, err := c.node(&c.nodes[i])
		if err != nil {
			return nil, err
		}
		cfg[c.nodes[i].Name] = docs
	}
	return cfg, nil
}

// configurer knows all machines and what runs where.
type configurer struct {
	p         *Plan
	nodes     []Node // in the order of the roles, then of their index
	roles     map[string]*Role
	byService map[string][]*Node
	networks  map[string]string    // by service, as its role_data has it
	frontends map[string]*Frontend // by service, of those that run somewhere
	common    map[string]string    // names that mean the same on every machine

	servers map[memberOf]*Server

	decoded map[*Entry]resource.Resource // entries as resources, names not filled in; shared, never changed
}

func newConfigurer(p *Plan, nodes []Node) (*configurer, error) {
	c := &configurer{p: p, roles: map[string]*Role{}, byService: map[string][]*Node{}, common: map[string]string{}, decoded: map[*Entry]resource.Resource{}}
	c.servers, c.frontends, c.networks = map[memberOf]*Server{}, map[string]*Frontend{}, map[string]string{}
	for i := range p.Servers {
		c.servers[memberOf{p.Servers[i].Role, p.Servers[i].Index}] = &p.Servers[i]
	}
	order := map[string]int{}
	for i := range p.Roles {
		c.roles[p.Roles[i].Name] = &p.Roles[i]
		order[p.Roles[i].Name] = i
	}
	seen := map[string]bool{}
	for _, n := range nodes {
		if c.roles[n.Role] == nil {
			return nil, errs.New(errs.Invalid, "node %s has role %s, which the plan does not have", n.Name, n.Role)
		}
		if _, err := netip.ParseAddr(n.Address); err != nil {
			return nil, errs.New(errs.Invalid, "node %s: %q is not an IP address", n.Name, n.Address)
		}
		if seen[n.Name] {
			return nil, errs.New(errs.Invalid, "node %s is given twice", n.Name)
		}
		seen[n.Name] = true
		c.nodes = append(c.nodes, n)
	}
	sort.SliceStable(c.nodes, func(i, j int) bool {
		a, b := c.nodes[i], c.nodes[j]
		if a.Role != b.Role {
			return order[a.Role] < order[b.Role]
		}
		return a.Index < b.Index
	})
	for i := range c.nodes {
		n := &c.nodes[i]
		for _, s := range c.roles[n.Role].Data {
			c.byService[s.Name] = append(c.byService[s.Name], n)
			c.networks[s.Name] = s.Network
			if s.Frontend != nil {
				c.frontends[s.Name] = s.Frontend
			}
		}
	}
	c.shared()
	return c, nil
}

// shared fills in the names that mean the same everywhere.
func (c *configurer) shared() {
	var hosts, keys strings.Builder
	var addresses, all []string
	for i := range c.nodes {
		hosts.WriteString(c.hostLines(&c.nodes[i]))
		keys.WriteString(c.knownHost(&c.nodes[i]))
		addresses, all = append(addresses, c.nodes[i].Address), append(all, c.allAddresses(&c.nodes[i])...)
	}
	c.common["cloud.node_ips"], c.common["cloud.node_all_ips"] = strings.Join(addresses, ","), strings.Join(all, ",")
	c.common["hosts.entries"] = strings.TrimSuffix(hosts.String(), "\n")
	c.common["hosts.keys"] = strings.TrimSuffix(keys.String(), "\n")
	c.common["stack.name"] = c.p.Stack
	c.common["cloud.domain"] = c.p.CloudDomain
	c.common[cloudMTU] = strconv.Itoa(c.p.MTU[network.ControlPlane])
	if address := c.p.CloudAddress(c.nodes); address != "" {
		c.common["cloud.address"] = address
	}
	c.common["haproxy.frontends"] = c.frontendLines()
	for name, nodes := range c.byService {
		var ips, all, names, fqdns []string
		for _, n := range nodes {
			ips, all = append(ips, c.addressFor(name, n)), append(all, c.allAddresses(n)...)
			names = append(names, n.Name)
			fqdns = append(fqdns, c.fqdn(n))
		}
		c.common[name+"_node_ips"], c.common[name+"_node_all_ips"] = strings.Join(ips, ","), strings.Join(all, ",")
		c.common[name+"_bootstrap_ip"], c.common[name+"_bootstrap_name"] = ips[0], names[0]
		c.common[name+"_vip"] = ips[0]
		if c.behindAddress(name) {
			c.common[name+"_vip"] = c.p.VirtualAddress()
		}
		c.common[name+"_mtu"] = strconv.Itoa(c.packetSize(name, nodes))
		c.common[name+"_node_count"] = strconv.Itoa(len(nodes))
		c.common[name+"_node_names"], c.common[name+"_node_fqdns"] = strings.Join(names, ","), strings.Join(fqdns, ",")
	}
}

// names are those that mean something on a machine.
func (c *configurer) names(n *Node, self map[string]string) names {
	return names{[]map[string]string{self, c.common}, func(service string, peers bool) []map[string]string {
		var out []map[string]string
		for _, other := range c.byService[service] {
			if !peers || other != n {
				out = append(out, c.facts("each", other, service))
			}
		}
		return out
	}}
}

// everywhere are the names that mean the same on every machine.
func (c *configurer) everywhere() names {
	all := c.names(nil, nil)
	all.maps = []map[string]string{c.common}
	return all
}

func (c *configurer) fqdn(n *Node) string { return n.Name + "." + c.p.CloudDomain }

// facts are the names of one machine under a prefix: node or peer. Its address is the
// one that a service has there.
func (c *configurer) facts(prefix string, n *Node, service string) map[string]string {
	addr := netip.MustParseAddr(c.addressFor(service, n))
	out := map[string]string{
		prefix + ".name": n.Name, prefix + ".fqdn": c.fqdn(n), prefix + ".address": addr.String(),
		prefix + ".hex": hex.EncodeToString(addr.AsSlice()), prefix + ".index": strconv.Itoa(n.Index),
		prefix + ".role": n.Role, prefix + ".uuid": n.UUID,
	}
	for net, ip := range c.addressesOf(n) {
		if _, own := out[prefix+"."+net]; !own {
			out[prefix+"."+net] = ip
		}
	}
	return out
}

// node makes the documents of one machine.
func (c *configurer) node(n *Node) ([]resource.Document, error) {
	docs := make([]resource.Document, Steps)
	role := c.roles[n.Role]
	rules, err := c.firewall(role, n)
	if err != nil {
		return nil, err
	}
	selves := map[string]map[string]string{} // by network
	for i := range docs {
		d := &docs[i]
		*d = resource.Document{Stack: c.p.Stack, Node: n.Name, Role: n.Role, Step: i + 1, Resources: []resource.Resource{}}
		if i == 0 {
			d.Resources = append(d.Resources, needed(role)...)
			nics, err := c.networkConfig(n)
			if err != nil {
				return nil, err
			}
			d.Resources = append(d.Resources, nics...)
		}
		for s := range role.Data {
			svc := &role.Data[s]
			self := selves[svc.Network]
			if self == nil {
				self = c.facts("node", n, svc.Name)
				self[firewallRules], selves[svc.Network] = rules, self
			}
			for e := range svc.Steps[i] {
				list, err := c.entry(n, svc, &svc.Steps[i][e], self)
				if err != nil {
					return nil, fmt.Errorf("service %s (%s): step_%d[%d]: %w", svc.Name, svc.Template, i+1, e, err)
				}
				d.Resources = append(d.Resources, list...)
			}
		}
		d.Hash = resource.Sum(d.Resources)
		if err := resource.Validate(d); err != nil {
			return nil, fmt.Errorf("role %s, step %d: %w", n.Role, i+1, err)
		}
	}
	return docs, nil
}

// needed are the checks that the image has the packages of each service: before
// anything is changed, so that the wrong image is told as that.
func needed(role *Role) []resource.Resource {
	var out []resource.Resource
	for i := range role.Data {
		if svc := &role.Data[i]; len(svc.Packages) > 0 {
			out = append(out, resource.Resource{Type: "packages", Service: svc.Name, Packages: &resource.Packages{Names: svc.Packages}})
		}
	}
	return out
}

// OutputsFor fills the machines' names and addresses into the plan's outputs:
// KeystoneURL, EndpointMap and whatever else overcloud.yaml has, without RoleData.
func (p *Plan) OutputsFor(nodes []Node) (map[string]any, error) {
	c, err := newConfigurer(p, nodes)
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(p.Outputs))
	for k, v := range p.Outputs {
		if k == "RoleData" || k == VipMap && v == nil { // its names are those of single machines; there are none
			continue
		}
		if out[k], err = interpolate(v, c.everywhere()); err != nil {
			return nil, fmt.Errorf("output %s: %w", k, err)
		}
	}
	return out, nil
}

// entry makes the resources of one entry: none, one, or one for each peer.
func (c *configurer) entry(n *Node, svc *ServiceData, e *Entry, self map[string]string) ([]resource.Resource, error) {
	first := c.byService[svc.Name][0] == n
	if e.BootstrapOnly && !first || e.NotOnBootstrap && first {
		return nil, nil
	}
	if e.OnlyBeside != "" && !slices.Contains(c.byService[e.OnlyBeside], n) {
		return nil, nil
	}
	scope := c.names(n, self)
	if e.ForEachPeer == "" {
		r, err := c.resource(e, svc.Name, scope)
		return []resource.Resource{r}, err
	}
	var out []resource.Resource
	for _, peer := range c.byService[e.ForEachPeer] {
		if peer == n {
			continue
		}
		r, err := c.resource(e, svc.Name, scope.with(c.facts("peer", peer, e.ForEachPeer)))
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// resource decodes an entry, the first time, and fills in its names.
func (c *configurer) resource(e *Entry, service string, scope names) (resource.Resource, error) {
	r, ok := c.decoded[e]
	if !ok {
		var err error
		if r, err = decodeResource(e.Resource, service); err != nil {
			return r, err
		}
		c.decoded[e] = r
	}
	err := fill(reflect.ValueOf(&r).Elem(), scope)
	return r, err
}

// interpolate fills in the names in every string of v.
func interpolate(v any, scope names) (any, error) {
	switch t := v.(type) {
	case string:
		return scope.fillIn(t)
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			var err error
			if out[i], err = interpolate(e, scope); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			var err error
			if out[k], err = interpolate(e, scope); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}
