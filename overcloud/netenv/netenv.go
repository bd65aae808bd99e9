// Package netenv checks a network environment and the NIC templates that it
// names before anything is deployed: subnets that overlap, allocation pools
// outside their subnet or over one another, VLAN IDs used twice, virtual addresses and
// routers outside their network or used twice, bridges with more than one bond or,
// without a bond, more than one interface. It is pure: templates come from a
// read function. Source of behaviour and of the messages: python-tripleoclient's
// `overcloud netenv validate`, which saw two bonds but not three, and ended with
// a traceback where a subnet or a section is missing.
package netenv

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/hot"
)

// Validate returns what is wrong, each with file and line, in the order of the
// environment. read returns a NIC template by its path: relative paths in the
// environment are relative to the directory of file. err means that file is no
// environment at all.
func Validate(file string, data []byte, read func(name string) ([]byte, error)) (problems []string, err error) {
	env, err := hot.ParseEnvironment(file, data)
	if err != nil {
		return nil, err
	}
	c := &checker{env: env, read: read, file: file}
	if c.nothing() {
		return nil, errs.New(errs.Invalid, "%s says nothing of networks: it has no …NetCidr, …AllocationPools, …NetworkVlanID, …%s, …%s and no …::Net::SoftwareConfig", file, virtualSuffix, routeSuffix).
			WithHint("give the file that an isolated network is described in; a network_data file is checked by overcloud deploy --dry-run -n FILE")
	}
	c.nics()
	c.cidrs()
	c.pools()
	c.twice()
	c.vlans()
	c.virtual()
	c.routes()
	sort.SliceStable(c.found, func(i, j int) bool { return c.found[i].line < c.found[j].line })
	for _, f := range c.found {
		problems = append(problems, f.text)
	}
	return problems, nil
}

// problem is what is wrong, with the line of the environment that led to it.
type problem struct {
	line int
	text string
}

type checker struct {
	env   *hot.Environment
	read  func(string) ([]byte, error)
	file  string
	found []problem
}

// fail adds a problem of a parameter.
func (c *checker) fail(param, format string, args ...any) {
	at := c.env.Origins[param]
	c.found = append(c.found, problem{at.Line, fmt.Sprintf("%s: %s", at, fmt.Sprintf(format, args...))})
}

// params are the parameters with a value whose names end so, in the order of the file.
func (c *checker) params(suffix string) []string {
	var out []string
	for name, v := range c.env.Defaults {
		if strings.HasSuffix(name, suffix) && v != nil {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		if d := c.env.Origins[a].Line - c.env.Origins[b].Line; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return out
}

// cidrs checks that subnets are subnets and do not overlap.
func (c *checker) cidrs() {
	type subnet struct {
		param string
		p     netip.Prefix
	}
	var seen []subnet
	for _, param := range c.params("NetCidr") {
		p, why := prefix(c.env.Defaults[param])
		if why != "" {
			c.fail(param, "Invalid address: %v (%s): %s", c.env.Defaults[param], param, why)
			continue
		}
		for _, s := range seen {
			if s.p.Overlaps(p) {
				c.fail(param, "Overlapping networks detected %s %s (%s and %s)", s.p, p, s.param, param)
			}
		}
		seen = append(seen, subnet{param, p})
	}
}

// prefix reads a subnet, or says what is wrong. An address alone is a subnet of one.
func prefix(v any) (netip.Prefix, string) {
	s, _ := v.(string)
	addr, mask, cut := strings.Cut(s, "/")
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, "expected a subnet like 172.16.2.0/24"
	}
	bits := a.BitLen()
	if m, err := netip.ParseAddr(mask); err == nil && m.Is4() && a.Is4() {
		bits = maskBits(m.As4())
	} else if cut {
		n, err := strconv.Atoi(mask)
		if err != nil {
			n = -1
		}
		bits = n
	}
	p, err := a.Prefix(bits)
	switch {
	case err != nil:
		return p, fmt.Sprintf("expected a prefix length from 0 to %d", a.BitLen())
	case p.Addr() != a:
		return p, fmt.Sprintf("it has host bits set; expected %s", p)
	}
	return p, ""
}

// maskBits is the length of a netmask, or -1.
func maskBits(mask [4]byte) int {
	text := ""
	for _, b := range mask {
		text += fmt.Sprintf("%08b", b)
	}
	ones := strings.TrimRight(text, "0")
	if strings.Contains(ones, "0") {
		return -1
	}
	return len(ones)
}

// pools checks that allocation pools lie in the subnet of the same name.
func (c *checker) pools() {
	for _, param := range c.params("AllocationPools") {
		list, ok := c.env.Defaults[param].([]any)
		if !ok {
			c.fail(param, "Invalid address pool: %s: expected a list of {start: ADDRESS, end: ADDRESS}", param)
			continue
		}
		cidr := strings.TrimSuffix(param, "AllocationPools") + "NetCidr"
		v, given := c.env.Defaults[cidr]
		subnet, why := prefix(v)
		if !given {
			c.fail(param, "Invalid address: %s: there is no %s for this pool", cidr, cidr)
		}
		for _, item := range list {
			pool, _ := item.(map[string]any)
			start, okStart := c.address(param, pool["start"])
			end, okEnd := c.address(param, pool["end"])
			switch {
			case !okStart || !okEnd:
			case start.BitLen() != end.BitLen() || end.Less(start):
				c.fail(param, "Invalid address pool: %s, %s", start, end)
			case given && why == "" && (!subnet.Contains(start) || !subnet.Contains(end)):
				c.fail(param, "Allocation pool %s %s-%s outside of subnet %s: %s", param, start, end, cidr, subnet)
			}
		}
	}
}

// address reads one end of a pool.
func (c *checker) address(param string, v any) (netip.Addr, bool) {
	s, _ := v.(string)
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		c.fail(param, "Invalid address: %v: expected {start: ADDRESS, end: ADDRESS} in %s", v, param)
		return a, false
	}
	return a, true
}

// vlans checks that every VLAN ID is one and is used once.
func (c *checker) vlans() {
	seen := map[string]string{}
	for _, param := range c.params("NetworkVlanID") {
		id := hot.String(c.env.Defaults[param])
		if n, err := strconv.Atoi(id); err != nil || n < 0 || n > 4094 {
			c.fail(param, "Invalid Vlan ID %s (%s): expected a number from 1 to 4094, or 0 for none", id, param)
			continue
		}
		if id == "0" {
			continue
		}
		if other, used := seen[id]; used {
			c.fail(param, "Vlan ID %s (%s) already exists in %s", id, param, other)
			continue
		}
		seen[id] = param
	}
}
