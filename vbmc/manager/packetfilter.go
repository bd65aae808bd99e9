package manager

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// filterTable is a table of the packet filter.
type filterTable struct {
	family, name string
	chains       map[string][]filterRule
	maps         map[string]string // of each map by name, what is between its braces
	inputs       []inputChain
}

// inputChain is where incoming packets begin, and what becomes of those that no rule ends.
type inputChain struct{ name, policy string }

// filterRule is a rule without what only counts, logs or explains.
type filterRule struct{ when, then string }

// parseFilter reads a rule set as nft prints it, rules of iptables-nft among them.
func parseFilter(text string) (all []*filterTable) {
	header := regexp.MustCompile(`^(table|chain|map) (.*) \{(?: #.*)?$`)
	input := regexp.MustCompile(`^type filter hook input [^;]*;(?: policy (\w+);)?`)
	const one = `(?:counter(?: packets \d+ bytes \d+)?|comment "[^"]*"|log(?: prefix "[^"]*")?(?: (?:level|flags|group) \S+)*)`
	aside := regexp.MustCompile(`(?:^| )` + one + `(?: ` + one + `)*(?: |$)`)
	var t *filterTable
	kind, name := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		h := header.FindStringSubmatch(line)
		switch {
		case h != nil && h[1] == "table":
			family, table, _ := strings.Cut(h[2], " ")
			t = &filterTable{family: family, name: table, chains: map[string][]filterRule{}, maps: map[string]string{}}
			all = append(all, t)
		case h != nil:
			kind, name = h[1], h[2]
		case line == "}":
			kind = ""
		case t == nil || kind == "":
		case kind == "chain" && input.MatchString(line):
			t.inputs = append(t.inputs, inputChain{name, input.FindStringSubmatch(line)[1]})
		default:
			line = strings.TrimSpace(aside.ReplaceAllString(line, " "))
			if kind == "map" {
				t.maps[name] += line + " "
				continue
			}
			t.chains[name] = append(t.chains[name], t.rules(line)...)
		}
	}
	return all
}

var (
	ruleLine   = regexp.MustCompile(`^(?:(.*) )?(accept|drop|return|reject(?: with .*)?|xt target "REJECT"|(?:jump|goto) \S+)$`)
	vmapLine   = regexp.MustCompile(`^(.*) vmap (?:\{(.*)\}|@(\S+))$`)
	mapElement = regexp.MustCompile(`(?:^|[{,])\s*([^,{}]+) : (accept|drop|return|(?:jump|goto) [^\s,}]+)`)
)

// rules reads a line of a chain. A verdict map is a rule for each of its elements; nft
// prints maps before the chains that use them.
func (t *filterTable) rules(line string) (out []filterRule) {
	if r := ruleLine.FindStringSubmatch(line); r != nil {
		return []filterRule{{r[1], r[2]}}
	}
	m := vmapLine.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	elements := m[2]
	if m[3] != "" {
		elements = t.maps[m[3]]
	}
	for _, e := range mapElement.FindAllStringSubmatch(elements, -1) {
		out = append(out, filterRule{m[1] + " { " + e[1] + " }", e[2]})
	}
	return out
}

// fate is what becomes of UDP packets to a port in a chain.
type fate struct {
	end   string // of all of them, by rules without other conditions: accept, drop, return or "", which is to go on
	opens bool   // a rule that names the port, or all UDP, lets it in
}

// fates are those in a table's chains. Each is worked out once, however many jumps lead to it.
type fates struct {
	table *filterTable
	port  int
	known map[string]fate
}

// of looks at the rules of a chain that a packet can come to. Other conditions of one that
// opens the port may leave out some senders: what it is for is to let in.
func (f *fates) of(chain string) (out fate) {
	if known, ok := f.known[chain]; ok {
		return known
	}
	f.known[chain] = fate{} // for a loop, of which the kernel takes none
	for _, r := range f.table.chains[chain] {
		end, opens := f.verdict(r.then)
		udp := allUDP(r.when)
		if opens || end == "accept" && (udp || namesUDP(r.when, f.port)) {
			out.opens = true
		}
		if end != "" && (udp || r.when == "") {
			out.end = end
			break // no packet gets to the rules behind it
		}
	}
	f.known[chain] = out
	return out
}

// verdict is what a rule does with what it matches, in the words of fate.
func (f *fates) verdict(then string) (end string, opens bool) {
	word, to, _ := strings.Cut(then, " ")
	switch word {
	case "accept", "drop", "return":
		return word, false
	case "reject", "xt":
		return "drop", false
	}
	there := f.of(to)
	switch {
	case there.end == "accept" || there.end == "drop":
		return there.end, there.opens
	case word == "goto":
		return "return", there.opens // from the chain that it stands in
	}
	return "", there.opens
}

// shutBy finds the table that keeps packets from a UDP port of an address: their way in
// ends, by policy or by a rule without conditions, in a drop or reject, and no rule on it
// opens the port. It is a hint, no proof.
func shutBy(all []*filterTable, ip netip.Addr, port int) (t *filterTable, chain string) {
	for _, t := range all {
		mine := t.family == "inet" || t.family == "ip" && (ip.Is4() || ip.IsUnspecified()) || t.family == "ip6" && ip.Is6()
		if !mine {
			continue
		}
		f := fates{t, port, map[string]fate{}}
		for _, in := range t.inputs {
			way := f.of(in.name)
			if way.end == "" || way.end == "return" {
				way.end = in.policy
			}
			if way.end == "drop" && !way.opens {
				return t, in.name
			}
		}
	}
	return nil, ""
}

// allUDP tells whether a condition is that of UDP and no other.
func allUDP(when string) bool {
	when = strings.NewReplacer("{ ", "", " }", "").Replace(when)
	return slices.Contains([]string{"meta l4proto udp", "ip protocol udp", "ip6 nexthdr udp"}, when)
}

// namesUDP tells whether a condition is met by UDP packets to a port, as far as it is of ports.
func namesUDP(when string, port int) bool {
	_, ports, named := strings.Cut(when, "udp dport ")
	if !named && strings.Contains(when, "udp") {
		_, ports, named = strings.Cut(when, " th dport ")
	}
	return named && namesPort(ports, port)
}

// namesPort reads "623", "6230-6250", "{ 623, 6230-6250 }", "!= 22" and "> 1023", whatever
// conditions follow. What is in a named set is not looked at: the port may well be let in.
func namesPort(ports string, port int) bool {
	op, rest, _ := strings.Cut(ports, " ")
	word, _, _ := strings.Cut(rest, " ")
	bound, err := strconv.Atoi(word)
	switch op {
	case "!=":
		return strings.HasPrefix(rest, "@") || !namesPort(rest, port)
	case "<":
		return err == nil && port < bound
	case "<=":
		return err == nil && port <= bound
	case ">":
		return err == nil && port > bound
	case ">=":
		return err == nil && port >= bound
	}
	list := op
	if op == "{" {
		list, _, _ = strings.Cut(rest, "}")
	}
	return strings.HasPrefix(list, "@") || listsPort(list, port)
}

// listsPort reads what is between the braces of a set; an element may have more parts than
// the port.
func listsPort(list string, port int) bool {
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(", ", r) }) {
		from, to, isRange := strings.Cut(word, "-")
		if !isRange {
			to = from
		}
		low, err1 := strconv.Atoi(from)
		high, err2 := strconv.Atoi(to)
		if err1 == nil && err2 == nil && low <= port && port <= high {
			return true
		}
	}
	return false
}
