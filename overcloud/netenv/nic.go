package netenv

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"trefoil/internal/yaml"
	"trefoil/overcloud/hot"
)

// nics checks the NIC template of every role, each file once.
func (c *checker) nics() {
	done := map[string]bool{}
	for _, m := range c.env.Registry {
		if !strings.HasSuffix(m.Pattern, "Net::SoftwareConfig") || m.Target == "" || strings.Contains(m.Target, "::") || done[m.Target] {
			continue
		}
		done[m.Target] = true
		add := func(format string, args ...any) {
			c.found = append(c.found, problem{m.Origin.Line, fmt.Sprintf(format, args...)})
		}
		data, err := c.read(m.Target)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			add("%s: The resource %q reference file does not exist: %q", m.Origin, m.Pattern, m.Target)
			continue
		case err != nil:
			add("%s: %v", m.Origin, err)
			continue
		}
		if _, err := hot.ParseTemplate(m.Target, data); err != nil {
			for l := range strings.SplitSeq(err.Error(), "\n") {
				add("%s", l)
			}
			continue
		}
		root, err := yaml.Parse(m.Target, data)
		if err != nil {
			add("%v", err)
			continue
		}
		for _, r := range entries(value(root, "resources")) {
			configs(r.value, func(bridge *yaml.Node) { checkBridge(m.Target, r.key, bridge, add) })
		}
	}
}

// configs calls visit for every Open vSwitch bridge of every network_config below n.
func configs(n *yaml.Node, visit func(*yaml.Node)) {
	for _, e := range entries(n) {
		if e.key == "network_config" {
			bridges(e.value, visit)
		} else {
			configs(e.value, visit)
		}
	}
	if n = followed(n); n != nil && n.Kind == yaml.SequenceNode {
		for _, it := range n.Content {
			configs(it, visit)
		}
	}
}

func bridges(n *yaml.Node, visit func(*yaml.Node)) {
	if kind := value(n, "type"); kind != nil && (kind.Value == "ovs_bridge" || kind.Value == "ovs_user_bridge") {
		visit(n)
	}
	if n = followed(n); n == nil || n.Kind == yaml.ScalarNode {
		return
	}
	for _, it := range n.Content {
		bridges(it, visit)
	}
}

// checkBridge counts what a bridge is made of: two ways out are a loop.
func checkBridge(file, resource string, bridge *yaml.Node, add func(string, ...any)) {
	bonds, interfaces := 0, 0
	if members := followed(value(bridge, "members")); members != nil {
		for _, m := range members.Content {
			switch kind := value(m, "type"); {
			case kind == nil:
			case kind.Value == "interface":
				interfaces++
			case strings.HasSuffix(kind.Value, "_bond"), kind.Value == "team":
				bonds++
			}
		}
	}
	at := fmt.Sprintf("%s:%d", file, bridge.Line)
	name := short(value(bridge, "name"))
	if bonds > 1 {
		add("%s: Invalid bonding: There are %d bonds for bridge %s of resource %s in %s", at, bonds, name, resource, file)
	}
	if bonds == 0 && interfaces > 1 {
		add("%s: Invalid interface: When not using a bond, there can only be 1 interface for bridge %s of resource %s in %s, not %d", at, name, resource, file, interfaces)
	}
}

type pair struct {
	key   string
	value *yaml.Node
}

// entries are those of a map, in order.
func entries(n *yaml.Node) []pair {
	var out []pair
	if n = followed(n); n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			out = append(out, pair{n.Content[i].Value, n.Content[i+1]})
		}
	}
	return out
}

// value is that of a key of a map, or nil.
func value(n *yaml.Node, key string) *yaml.Node {
	for _, e := range entries(n) {
		if e.key == key {
			return followed(e.value)
		}
	}
	return nil
}

func followed(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// short writes a name as the template has it: text, or {get_param: X}.
func short(n *yaml.Node) string {
	if n = followed(n); n == nil {
		return "without a name"
	}
	if es := entries(n); len(es) == 1 {
		return fmt.Sprintf("{%s: %s}", es[0].key, es[0].value.Value)
	}
	return n.Value
}
