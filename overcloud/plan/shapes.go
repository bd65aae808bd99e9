package plan

import (
	"math"
	"slices"
	"strings"

	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/network"
)

// shapes looks at parameters that templates take apart, before they do: a mistake is
// told of where it was written, and what a template would pass over is not lost.
func (b *builder) shapes() error {
	nets, err := network.Parse(b.networksFile.Name, b.networksFile.Data)
	if err != nil {
		return err
	}
	known := []string{network.ControlPlane}
	for _, n := range nets {
		known = append(known, n.NameLower)
	}
	var all problems
	for _, name := range known {
		b.virtualShape(&all, fixedAddresses(name, nets))
	}
	b.mapShape(&all, "ServiceNetMap", "networks by service, KeystonePublicApiNetwork: internal_api")
	for _, r := range b.roles.roles {
		b.ownShape(&all, r.Name+"IPs", known)
		b.mapShape(&all, r.Name+"Parameters", "parameters of the role by name, NovaReservedHostMemory: 4096")
		b.countShape(&all, r)
	}
	b.mapShape(&all, hostnameMap, "host names by name, overcloud-controller-0: my-controller")
	if m, ok := b.env.Defaults[hostnameMap].(map[string]any); ok {
		b.hostShape(&all, m)
	}
	b.bothVirtual(&all, nets)
	return all.err()
}

// mapShape: a map, whose template would tell of anything else where it takes the map apart.
func (b *builder) mapShape(all *problems, parameter, want string) {
	v, from := b.fromJSON(parameter), b.env.Origins[parameter]
	found := hot.String(v)
	switch v.(type) {
	case nil, map[string]any:
		return
	case []any:
		found = "a list" // there may be passwords in it
	case string:
		found = "text that is no map in JSON"
	}
	all.add(from.File, from.Line, "%s: expected %s; found %s", parameter, want, found)
}

// fromJSON is what a parameter holds. A text is read as Heat reads it, as JSON, and the map or
// list that it is takes its place: all who look for something in it find it.
func (b *builder) fromJSON(parameter string) any {
	v := b.env.Defaults[parameter]
	if !isText(v) {
		return v
	}
	read, _ := (&hot.Parameter{Type: "json"}).Check(v)
	switch read.(type) {
	case map[string]any, []any:
		b.env.Defaults[parameter] = read
		return read
	}
	return v
}

// wholeCounts has what Heat takes for a whole number of machines, 2.0 as well, be one.
func (b *builder) wholeCounts() {
	for _, r := range b.roles.roles {
		_, parameter := b.countOf(r)
		for _, given := range []map[string]any{b.env.Defaults, b.env.Parameters} {
			if n, whole := wholeNumber(given[parameter]); whole {
				given[parameter] = n
			}
		}
	}
}

// wholeNumber is a number as Heat reads it, of a text as well, that has no fraction: 2, 2.0, '2'.
func wholeNumber(v any) (n int, whole bool) {
	read, problem := (&hot.Parameter{Type: "number"}).Check(hot.String(v))
	if f, ok := read.(float64); ok && f == math.Trunc(f) && math.Abs(f) <= math.MaxInt32 {
		return int(f), true
	}
	n, whole = read.(int)
	return n, whole && problem == ""
}

// countShape: as many machines as a whole number says; how many there may be the template tells.
func (b *builder) countShape(all *problems, r roleDef) {
	v, parameter := b.countOf(r)
	if _, whole := wholeNumber(v); whole || v == nil {
		return
	}
	if from, given := b.env.Origins[parameter]; given {
		all.add(from.File, from.Line, "%s: expected a whole number of machines; found %s", parameter, hot.String(v))
		return
	}
	all.add(b.roles.name, r.Line, "role %s: %s: expected a whole number of machines; found %s", r.Name, countDefault, hot.String(v))
}

// noText is nothing where Heat expects JSON.
const noText = ""

// isText: Heat takes JSON as a text too, and reads it itself.
func isText(v any) bool { _, ok := v.(string); return ok }

// virtualShape: [{ip_address: …}], or nothing.
func (b *builder) virtualShape(all *problems, parameter string) {
	v, from := b.fromJSON(parameter), b.env.Origins[parameter]
	if v == nil || v == noText {
		return
	}
	const want = "expected [{ip_address: 192.0.2.9}], one address"
	list, ok := v.([]any)
	if !ok || len(list) > 1 {
		all.add(from.File, from.Line, "%s: %s; found %s", parameter, want, hot.String(v))
		return
	}
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			all.add(from.File, from.Line, "%s: %s; found %s", parameter, want, hot.String(v))
		}
		keys := []string{"ip_address", "subnet", "subnet_id"}
		for _, k := range sortedKeys(m) {
			if !slices.Contains(keys, k) {
				all.add(from.File, from.Line, "%s: %s; unknown key %q%s", parameter, want, k, nearest.Hint(k, keys))
			}
		}
	}
}

// ownShape: addresses of a role's machines, a list by network.
func (b *builder) ownShape(all *problems, parameter string, known []string) {
	v, from := b.fromJSON(parameter), b.env.Origins[parameter]
	if v == nil || v == noText {
		return
	}
	byNet, ok := v.(map[string]any)
	if !ok {
		all.add(from.File, from.Line, "%s: expected a list of addresses by network, internal_api: [172.16.2.9]; found %s", parameter, hot.String(v))
	}
	for _, net := range sortedKeys(byNet) {
		from := b.env.At(parameter, net)
		if !slices.Contains(known, net) {
			all.add(from.File, from.Line, "%s: there is no network %q%s; networks are %s", parameter, net, nearest.Hint(net, known), strings.Join(known, ", "))
		} else if _, ok := byNet[net].([]any); !ok && byNet[net] != nil {
			all.add(from.File, from.Line, "%s: %s: expected a list of addresses, [172.16.2.9]; found %s", parameter, net, hot.String(byNet[net]))
		}
	}
}

// hostShape: what machines are to be called, each by a name of its own.
func (b *builder) hostShape(all *problems, names map[string]any) {
	byHost := map[string]string{}
	for _, k := range sortedKeys(names) {
		from := b.env.At(hostnameMap, k)
		name := hot.String(names[k])
		if other := byHost[strings.ToLower(name)]; other != "" {
			all.add(from.File, from.Line, "HostnameMap: both %s and %s are to be called %s", other, k, name)
		}
		byHost[strings.ToLower(name)] = k
		if !hostLabel.MatchString(name) || strings.EqualFold(name, "localhost") || strings.Trim(name, "0123456789") == "" {
			all.add(from.File, from.Line, "HostnameMap: %s is to be called %q, which is no host name: letters, digits and -, at most 63, not digits alone and not localhost", k, name)
		}
	}
}

// bothVirtual: a file of virtual addresses and an environment that say different things.
func (b *builder) bothVirtual(all *problems, nets []network.Network) {
	for _, v := range b.virtual {
		parameter := fixedAddresses(v.Network, nets)
		list, _ := b.env.Defaults[parameter].([]any)
		if !v.IP.IsValid() || len(list) != 1 {
			continue
		}
		m, _ := list[0].(map[string]any)
		if ip := hot.String(m["ip_address"]); ip != "" && ip != v.IP.String() {
			all.add(v.File, v.Line, "the virtual address of network %s is %s here, and %s in %s (%s): which is it?", v.Network, v.IP, ip, b.env.Origins[parameter], parameter)
		}
	}
}
