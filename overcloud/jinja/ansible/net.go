package ansible

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"trefoil/overcloud/jinja"
)

func netFilters() map[string]jinja.Filter {
	out := map[string]jinja.Filter{"ipwrap": {Do: ipWrap}}
	for _, name := range []string{"ipaddr", "ipv4", "ipv6"} {
		out[name] = jinja.Filter{Params: "query?", Do: ipFilter}
		out["ansible.netcommon."+name] = out[name]
		out["ansible.utils."+name] = out[name]
	}
	return out
}

// ipWrap puts brackets around IPv6 addresses.
func ipWrap(c *jinja.Call) any {
	if l, ok := c.Self.(*jinja.List); ok {
		return c.Filter("list", c.Filter("map", l, "ipwrap"))
	}
	s := c.Text(c.Self)
	host, rest, _ := strings.Cut(s, "/")
	a, err := netip.ParseAddr(host)
	if err != nil || !a.Is6() {
		return c.Self
	}
	if rest != "" {
		rest = "/" + rest
	}
	return "[" + host + "]" + rest
}

// ipFilter is ipaddr, ipv4 and ipv6: it tells about an address or network, or is
// False when the value is none. Of a list it keeps those that are.
func ipFilter(c *jinja.Call) any {
	if l, ok := c.Self.(*jinja.List); ok {
		out := jinja.NewList()
		for _, v := range l.Items {
			if got := ipOne(c, v); got != nil && got != false {
				out.Items = append(out.Items, got)
			}
		}
		return out
	}
	return ipOne(c, c.Self)
}

func ipOne(c *jinja.Call, v any) any {
	s, ok := jinja.AsText(v)
	if !ok {
		return false
	}
	p, ok := parseIP(s)
	if !ok || c.Name == "ipv4" && !p.Addr().Is4() || c.Name == "ipv6" && !p.Addr().Is6() {
		return false
	}
	query := c.Or(0, "")
	if i, isInt := jinja.AsInt(query); isInt {
		return nth(p, i)
	}
	return ipQuery(c, s, p, c.Text(query))
}

// parseIP reads an address, address/length or address/mask.
func parseIP(s string) (p netip.Prefix, ok bool) {
	host, length, has := strings.Cut(s, "/")
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" {
		return p, false
	}
	if !has {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	n, err := strconv.Atoi(length)
	if m, maskErr := netip.ParseAddr(length); err != nil && maskErr == nil && m.Is4() && a.Is4() {
		n, err = maskLength(m.As4())
	}
	if err != nil || n < 0 || n > a.BitLen() {
		return p, false
	}
	return netip.PrefixFrom(a, n), true
}

// maskLength is the length of a netmask (255.255.255.0) or, as netaddr reads it
// too, of a hostmask (0.0.0.255); no other mask is one. 0.0.0.0 is the netmask.
func maskLength(mask [4]byte) (int, error) {
	m := binary.BigEndian.Uint32(mask[:])
	for _, ones := range []uint32{m, ^m} {
		if n := bits.LeadingZeros32(^ones); ones<<n == 0 {
			return n, nil
		}
	}
	return 0, errors.New("the ones of the mask are not together")
}

func nth(p netip.Prefix, i int64) any {
	var a netip.Addr
	if i >= 0 {
		a = add(p.Masked().Addr(), uint64(i))
	} else {
		a = sub(last(p), uint64(-i-1))
	}
	if !a.IsValid() || !p.Contains(a) {
		return false
	}
	return netip.PrefixFrom(a, p.Bits()).String()
}

// add and sub count addresses; what leaves the address space is not valid.
func add(a netip.Addr, n uint64) netip.Addr { return shift(a, n, false) }

func sub(a netip.Addr, n uint64) netip.Addr { return shift(a, n, true) }

func shift(a netip.Addr, n uint64, down bool) netip.Addr {
	b := a.AsSlice()
	carry := uint64(0)
	for i := len(b) - 1; i >= 0; i-- {
		d := n&0xff + carry
		n >>= 8
		v := uint64(b[i])
		if down {
			carry = 0
			if v < d {
				v += 0x100
				carry = 1
			}
			b[i] = byte(v - d)
			continue
		}
		b[i], carry = byte(v+d), (v+d)>>8
	}
	if carry != 0 || n != 0 {
		return netip.Addr{}
	}
	out, _ := netip.AddrFromSlice(b)
	return out
}

// last is the highest address of a network.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// netmask is the mask of a prefix; inverted gives the host's part.
func netmask(p netip.Prefix, inverted bool) string {
	b := p.Addr().AsSlice()
	for i := range b {
		b[i] = 0
		for j := range 8 {
			if (i*8+j < p.Bits()) != inverted {
				b[i] |= 0x80 >> j
			}
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a.String()
}

func ipQuery(c *jinja.Call, s string, p netip.Prefix, query string) any {
	isNet := p.Addr() == p.Masked().Addr() && p.Bits() < p.Addr().BitLen()
	when := func(ok bool, v any) any {
		if ok {
			return v
		}
		return nil
	}
	switch query {
	case "":
		return s
	case "bool":
		return true
	case "address", "ip", "host/ip":
		return when(!isNet, p.Addr().String())
	case "host", "host/prefix", "hostnet":
		return when(!isNet, p.String())
	case "network":
		return p.Masked().Addr().String()
	case "subnet", "network/prefix":
		return p.Masked().String()
	case "net":
		return when(isNet, p.String())
	case "cidr":
		return p.String()
	case "prefix":
		return int64(p.Bits())
	case "netmask":
		return netmask(p, false)
	case "hostmask", "wildcard":
		return netmask(p, true)
	case "broadcast":
		return when(p.Addr().Is4() && p.Bits() < 31, last(p).String())
	case "first_usable":
		return when(p.Bits() < p.Addr().BitLen()-1, add(p.Masked().Addr(), 1).String())
	case "last_usable":
		end := last(p)
		if p.Addr().Is4() {
			end = sub(end, 1)
		}
		return when(p.Bits() < p.Addr().BitLen()-1, end.String())
	case "size":
		if n := p.Addr().BitLen() - p.Bits(); n < 63 {
			return int64(1) << n
		}
		c.Fail("%s: the size does not fit into 64 bits", c.Name)
	case "version":
		return map[bool]any{true: int64(4), false: int64(6)}[p.Addr().Is4()]
	case "wrap":
		return when(true, wrap(s, p))
	}
	return ipKind(c, s, p, query)
}

// ipKind gives the value back when its address is of the kind or network that
// the query names.
func ipKind(c *jinja.Call, s string, p netip.Prefix, query string) any {
	a := p.Addr()
	private := a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()
	kinds := map[string]bool{"private": private, "public": !private && !a.IsMulticast(), "unicast": !a.IsMulticast(),
		"multicast": a.IsMulticast(), "loopback": a.IsLoopback(), "lo": a.IsLoopback(), "link-local": a.IsLinkLocalUnicast()}
	is, known := kinds[query]
	if outer, ok := parseIP(query); ok {
		is, known = outer.Contains(a), true
	}
	if !known {
		c.Fail("%s: unknown query %q", c.Name, query)
	}
	if !is {
		return nil
	}
	return s
}

func wrap(s string, p netip.Prefix) string {
	if !p.Addr().Is6() {
		return s
	}
	host, rest, has := strings.Cut(s, "/")
	if has {
		rest = "/" + rest
	}
	return "[" + host + "]" + rest
}
