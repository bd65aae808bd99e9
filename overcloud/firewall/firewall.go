// Package firewall turns the firewall_rules of services (role_data) into lines of
// nftables. The forms are those of TripleO's tripleo::firewall::rule and of
// tripleo-ansible's role tripleo_firewall: a name that begins with its number, and
// a map with dport, sport, proto, source, destination, ipversion, interface, state,
// action, limit. Rules are of the input chain. The package is pure.
package firewall

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
)

// Rule is one rule as it was understood.
type Rule struct {
	Number int    // its place: lower ones are looked at first
	Name   string // with the number, as "111 keystone"
	lines  []string
}

// keys of a rule. chain, table and jump are known so that what they ask for
// beyond the input chain is told and not left undone.
var keys = strings.Fields("rule_name dport port sport proto source destination ipversion ipv6 interface iniface state ctstate action limit limit_burst extras chain table jump")

var (
	ruleName  = regexp.MustCompile(`^(\d{1,3}) [A-Za-z0-9 _.,:()/+-]{1,100}$`)
	device    = regexp.MustCompile(`^([A-Za-z0-9_.@-]{1,15}|[A-Za-z0-9_.@-]{1,14}\*)$`) // nftables counts the asterisk
	limitForm = regexp.MustCompile(`^([1-9]\d{0,5})/(s|sec|second|m|min|minute|h|hour|d|day)$`)
)

// protocols by name, as numbers: names depend on /etc/protocols.
var protocols = map[string]int{"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmpv6": 58, "vrrp": 112, "sctp": 132}

// Parse reads the rules of one service. All mistakes come in one errs.Invalid,
// each with the rule's name and key.
func Parse(rules map[string]any) ([]Rule, error) {
	var out []Rule
	var wrong []string
	names := make([]string, 0, len(rules))
	for name := range rules {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		r, err := parse(name, rules[name])
		if err != nil {
			wrong = append(wrong, err.Error())
		} else if r != nil {
			out = append(out, *r)
		}
	}
	if len(wrong) > 0 {
		return nil, errs.New(errs.Invalid, "%s", strings.Join(wrong, "\n"))
	}
	return out, nil
}

// Lines puts rules of several services in their order, each line once.
func Lines(rules []Rule) []string {
	rules = slices.Clone(rules)
	slices.SortStableFunc(rules, func(a, b Rule) int {
		if a.Number != b.Number {
			return a.Number - b.Number
		}
		return strings.Compare(a.Name, b.Name)
	})
	var out []string
	for _, r := range rules {
		for _, l := range r.lines {
			if !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	return out
}

// parse reads one rule; nil for one that is to be absent.
func parse(name string, v any) (*Rule, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("firewall rule %q must be a map like {dport: 5000, proto: tcp}", name)
	}
	for k := range m {
		if !slices.Contains(keys, k) {
			return nil, fmt.Errorf("firewall rule %q: unknown key %q%s", name, k, nearest.Hint(k, keys))
		}
	}
	if own, has := m["rule_name"].(string); has {
		name = own
	}
	number := ruleName.FindStringSubmatch(name)
	if number == nil {
		return nil, fmt.Errorf("firewall rule %q: a name begins with its number, as \"111 keystone\", and has letters, digits and simple marks", name)
	}
	if extras, _ := m["extras"].(map[string]any); text(extras["ensure"]) == "absent" {
		return nil, nil
	}
	r := &Rule{Name: name}
	r.Number, _ = strconv.Atoi(number[1]) // three digits
	w := writer{name: name, m: m}
	r.lines = w.lines()
	if w.err != nil {
		return nil, fmt.Errorf("firewall rule %q: %w", name, w.err)
	}
	return r, nil
}

// writer makes the lines of one rule; err is the first mistake.
type writer struct {
	name string
	m    map[string]any
	err  error
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// lines: addresses of both IP versions in one rule make a line for each.
func (w *writer) lines() []string {
	if c := text(w.m["chain"]); c != "" && c != "INPUT" {
		w.fail("chain %s: only INPUT is managed here", c)
	}
	if t := text(w.m["table"]); t != "" && t != "filter" {
		w.fail("table %s: only filter is managed here", t)
	}
	if j := text(w.m["jump"]); j != "" && !slices.Contains([]string{"ACCEPT", "DROP", "REJECT"}, strings.ToUpper(j)) {
		w.fail("jump %s: expected ACCEPT, DROP or REJECT", j)
	}
	tail := w.match()
	if w.nobody("source") || w.nobody("destination") {
		return nil
	}
	var out []string
	for _, family := range w.families() {
		out = append(out, strings.Join(append(family, tail...), " "))
	}
	return out
}

// nobody tells whether a key lists addresses and there are none, as of machines of a
// service that runs nowhere: its rule opens nothing, where one without the key opens all.
func (w *writer) nobody(key string) bool { return w.m[key] != nil && len(list(w.m[key])) == 0 }

// families are the beginnings of the lines: addresses, or the IP version.
func (w *writer) families() [][]string {
	var out [][]string
	want := w.version()
	src, dst := w.addresses("source"), w.addresses("destination")
	for _, v := range []struct{ version, nfproto, ip string }{{"4", "ipv4", "ip"}, {"6", "ipv6", "ip6"}} {
		if want != "" && want != v.version {
			continue
		}
		var begin []string
		possible := true
		for _, side := range []struct {
			given map[string][]string
			word  string
		}{{src, "saddr"}, {dst, "daddr"}} {
			if len(side.given) == 0 {
				continue
			}
			list := side.given[v.version]
			possible = possible && len(list) > 0
			begin = append(begin, v.ip+" "+side.word+" "+set(list))
		}
		if !possible {
			continue
		}
		if len(begin) == 0 {
			if want == "" {
				return [][]string{nil} // both versions in one line
			}
			begin = []string{"meta nfproto " + v.nfproto}
		}
		out = append(out, begin)
	}
	if len(out) == 0 {
		w.fail("source, destination and ipversion leave no packet")
	}
	return out
}

func (w *writer) version() string {
	v := strings.TrimPrefix(strings.ToLower(text(w.m["ipversion"])), "ipv")
	if on, _ := w.m["ipv6"].(bool); on {
		v = "6"
	}
	if v != "" && v != "4" && v != "6" {
		w.fail("ipversion %q is neither ipv4 nor ipv6", text(w.m["ipversion"]))
	}
	return v
}

// addresses of a key, by IP version.
func (w *writer) addresses(key string) map[string][]string {
	out := map[string][]string{}
	for _, a := range list(w.m[key]) {
		p, err := netip.ParsePrefix(a)
		if addr, aerr := netip.ParseAddr(a); aerr == nil && addr.Zone() == "" {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			w.fail("%s %q is no address and no subnet", key, a)
			continue
		}
		version := "4"
		if p.Addr().Is6() {
			version = "6"
		}
		s := p.Masked().String()
		if p.IsSingleIP() {
			s = p.Addr().String()
		}
		out[version] = append(out[version], s)
	}
	return out
}

// match is what follows the addresses: interface, ports, state, limit, verdict.
func (w *writer) match() []string {
	var out []string
	for _, k := range []string{"interface", "iniface"} {
		if d := text(w.m[k]); d != "" {
			if !device.MatchString(d) {
				w.fail("%s %q is no interface", k, d)
			}
			out = append(out, `iifname "`+d+`"`)
		}
	}
	out = append(out, w.ports()...)
	if s := w.state(); s != "" {
		out = append(out, s)
	}
	if l := w.limit(); l != "" {
		out = append(out, l)
	}
	return append(out, w.verdict(), `comment "`+w.name+`"`)
}

func (w *writer) ports() []string {
	proto := strings.ToLower(text(w.m["proto"]))
	dport, sport := w.portList("dport"), w.portList("sport")
	if more := w.portList("port"); len(dport) == 0 { // older trees say port
		dport = more
	}
	if proto == "" {
		proto = "tcp" // as TripleO's default
	}
	_, known := protocols[proto]
	switch {
	case proto == "all" && len(dport)+len(sport) > 0:
		w.fail("proto all has no ports; name tcp or udp")
	case proto == "all":
		return nil
	case !known:
		w.fail("unknown proto %q%s", proto, nearest.Hint(proto, append(slices.Sorted(maps.Keys(protocols)), "all")))
	case proto != "tcp" && proto != "udp" && proto != "sctp" && len(dport)+len(sport) > 0:
		w.fail("proto %s has no ports", proto)
	}
	var out []string
	if len(sport) > 0 {
		out = append(out, proto+" sport "+set(sport))
	}
	if len(dport) > 0 {
		out = append(out, proto+" dport "+set(dport))
	}
	if len(out) == 0 {
		out = []string{"meta l4proto " + strconv.Itoa(protocols[proto])}
	}
	return out
}

// portList reads a port, a range (5900-6923 or 5900:6923), or a list of them.
func (w *writer) portList(key string) []string {
	var out []string
	for _, p := range list(w.m[key]) {
		from, to, isRange := strings.Cut(strings.ReplaceAll(p, ":", "-"), "-")
		a, err := strconv.ParseUint(from, 10, 16)
		b := a
		if isRange && err == nil {
			b, err = strconv.ParseUint(to, 10, 16)
		}
		if err != nil || a == 0 || b < a {
			w.fail("%s %q is no port and no range of ports", key, p)
			continue
		}
		s := strconv.FormatUint(a, 10)
		if b > a {
			s += "-" + strconv.FormatUint(b, 10)
		}
		out = append(out, s)
	}
	return out
}

// state: NEW where nothing is said; an empty list is any.
func (w *writer) state() string {
	given, has := w.m["state"]
	if !has {
		given, has = w.m["ctstate"]
	}
	if !has {
		return "ct state new"
	}
	var out []string
	for _, s := range list(given) {
		s = strings.ToLower(s)
		if !slices.Contains([]string{"new", "established", "related", "invalid", "untracked"}, s) {
			w.fail("unknown state %q", s)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return ""
	}
	return "ct state " + set(out)
}

func (w *writer) limit() string {
	given := text(w.m["limit"])
	if given == "" {
		return ""
	}
	m := limitForm.FindStringSubmatch(given)
	if m == nil {
		w.fail("limit %q is not like 20/min", given)
		return ""
	}
	unit := map[byte]string{'s': "second", 'm': "minute", 'h': "hour", 'd': "day"}[m[2][0]]
	out := "limit rate " + m[1] + "/" + unit
	if b := text(w.m["limit_burst"]); b != "" {
		if n, err := strconv.ParseUint(b, 10, 16); err != nil || n == 0 {
			w.fail("limit_burst %q is no number of packets", b)
		}
		out += " burst " + b + " packets"
	}
	return out
}

func (w *writer) verdict() string {
	action := strings.ToLower(text(w.m["action"]))
	if j := text(w.m["jump"]); j != "" && (action == "" || action == "insert" || action == "append") {
		action = strings.ToLower(j)
	}
	switch action {
	case "", "insert", "append", "accept":
		return "accept"
	case "drop", "reject":
		return action
	}
	w.fail("unknown action %q; expected accept, drop or reject", action)
	return ""
}
