package manager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FirewallRules lists this machine's packet filter as nft prints it, which takes root. A
// machine without nft has none that we could read.
func FirewallRules(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	nft, err := exec.LookPath("nft")
	if err != nil {
		nft = "/usr/sbin/nft" // which is not where users' programs are looked for
	}
	cmd := exec.CommandContext(ctx, nft, "--stateless", "list", "ruleset")
	var errw bytes.Buffer
	cmd.Stderr = &errw
	out, err := cmd.Output()
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		said := strings.Join(strings.Fields(errw.String()+" "+err.Error()), " ") // nft's words have several lines
		return "", fmt.Errorf("nft list ruleset: %s", said)
	}
	return string(out), nil
}

// filterTable is a table of the packet filter.
type filterTable struct {
	family, name string
	chains       map[string][]filterRule
	inputs       []inputChain
}

// inputChain is where incoming packets begin, and what becomes of those that no rule ends.
type inputChain struct{ name, policy string }

// filterRule is a rule without what only counts, logs or explains.
type filterRule struct{ when, then string }

// parseFilter reads a rule set as nft prints it, rules of iptables-nft among them.
func parseFilter(text string) (all []*filterTable) {
	header := regexp.MustCompile(`^(table|chain) (.*) \{(?: #.*)?$`)
	input := regexp.MustCompile(`^type filter hook input [^;]*;(?: policy (\w+);)?`)
	const one = `(?:counter(?: packets \d+ bytes \d+)?|comment "[^"]*"|log(?: prefix "[^"]*")?(?: (?:level|flags|group) \S+)*)`
	aside := regexp.MustCompile(`(?:^| )` + one + `(?: ` + one + `)*(?: |$)`)
	rule := regexp.MustCompile(`^(?:(.*) )?(accept|drop|return|reject(?: with .*)?|xt target "REJECT"|(?:jump|goto) \S+)$`)
	var t *filterTable
	chain := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		h := header.FindStringSubmatch(line)
		switch {
		case h != nil && h[1] == "table":
			family, name, _ := strings.Cut(h[2], " ")
			t = &filterTable{family: family, name: name, chains: map[string][]filterRule{}}
			all = append(all, t)
		case h != nil && h[1] == "chain":
			chain = h[2]
		case line == "}":
			chain = ""
		case t == nil || chain == "":
		case input.MatchString(line):
			t.inputs = append(t.inputs, inputChain{chain, input.FindStringSubmatch(line)[1]})
		default:
			if r := rule.FindStringSubmatch(strings.TrimSpace(aside.ReplaceAllString(line, " "))); r != nil {
				t.chains[chain] = append(t.chains[chain], filterRule{r[1], r[2]})
			}
		}
	}
	return all
}

// deepest is how many jumps are followed: more than the kernel takes.
const deepest = 16

// verdict is what a rule or chain does with what it matches: accept, drop, return or "",
// which is to go on.
func (t *filterTable) verdict(then string, depth int) string {
	word, to, _ := strings.Cut(then, " ")
	switch word {
	case "accept", "drop", "return":
		return word
	case "reject", "xt":
		return "drop"
	}
	if depth > deepest {
		return ""
	}
	if v := t.end(to, depth+1); v != "return" && v != "" {
		return v
	}
	if word == "goto" {
		return "return" // from the chain that it stands in
	}
	return ""
}

// end is what becomes of any UDP packet in a chain, by the rules that have no condition.
func (t *filterTable) end(chain string, depth int) string {
	for _, r := range t.chains[chain] {
		if r.when != "" && !allUDP(r.when) {
			continue
		}
		if v := t.verdict(r.then, depth); v != "" {
			return v
		}
	}
	return ""
}

func allUDP(when string) bool {
	return slices.Contains([]string{"meta l4proto udp", "ip protocol udp", "ip6 nexthdr udp"}, when)
}

// opens tells whether a rule that names the port, or all UDP, lets it in. Its other
// conditions may leave out some senders: what it is for is to let in.
func (t *filterTable) opens(port int) bool {
	for _, rules := range t.chains {
		for _, r := range rules {
			_, ports, named := strings.Cut(r.when, "udp dport ")
			if !named && strings.Contains(r.when, "udp") {
				_, ports, named = strings.Cut(r.when, " th dport ")
			}
			if (named && namesPort(ports, port) || allUDP(r.when)) && t.verdict(r.then, 0) == "accept" {
				return true
			}
		}
	}
	return false
}

// shutBy finds the table that keeps packets from a UDP port of an address: their way in
// ends, by policy or by a rule without conditions, in a drop or reject, and no rule of the
// table opens the port. It is a hint, no proof.
func shutBy(all []*filterTable, ip netip.Addr, port int) (t *filterTable, chain string) {
	for _, t := range all {
		mine := t.family == "inet" || t.family == "ip" && (ip.Is4() || ip.IsUnspecified()) || t.family == "ip6" && ip.Is6()
		if !mine {
			continue
		}
		for _, in := range t.inputs {
			v := t.end(in.name, 0)
			if v == "" || v == "return" {
				v = in.policy
			}
			if v == "drop" && !t.opens(port) {
				return t, in.name
			}
		}
	}
	return nil, ""
}

// opening is the command that opens a port, in the words of the program whose table it is.
func (t *filterTable) opening(chain string, port int) string {
	switch {
	case t.name == "firewalld":
		return fmt.Sprintf("firewall-cmd --permanent --add-port=%d/udp && firewall-cmd --reload", port)
	case t.name == "filter" && chain == "INPUT" && t.family != "inet":
		tool := map[string]string{"ip": "iptables", "ip6": "ip6tables"}[t.family]
		return fmt.Sprintf("%s -I INPUT -p udp --dport %d -j ACCEPT", tool, port)
	}
	return fmt.Sprintf("nft insert rule %s %s %s udp dport %d accept", t.family, t.name, chain, port)
}

// namesPort reads "623", "6230-6250" and "{ 623, 6230-6250 }". What is in a named set is
// not looked at: it may well be the port.
func namesPort(ports string, port int) bool {
	if strings.HasPrefix(ports, "@") {
		return true
	}
	for _, word := range strings.FieldsFunc(ports, func(r rune) bool { return strings.ContainsRune("{}, ", r) }) {
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

// firewall tells whether the packet filter lets in what is for the BMCs. theirs are the
// rules as who asks could read them, nil when it could not: they count where the daemon,
// of which err is, may not.
func firewall(exams []*examination, rules string, err error, theirs *string) Finding {
	if err != nil && theirs != nil {
		rules, err = *theirs, nil
	}
	if err != nil {
		return Finding{"", "firewall", Warning, "cannot be read: " + err.Error(), "run vbmc doctor as root, or look by hand: nft list ruleset"}
	}
	all := parseFilter(rules)
	var shut []string
	hint := ""
	for _, x := range exams {
		ip, err := netip.ParseAddr(x.config.Address)
		if err != nil || ip.IsLoopback() {
			continue
		}
		t, chain := shutBy(all, ip.Unmap(), x.config.Port)
		if t == nil {
			continue
		}
		if shut = append(shut, strconv.Itoa(x.config.Port)); hint == "" {
			hint = t.opening(chain, x.config.Port)
		}
	}
	if shut == nil {
		return Finding{"", "firewall", Good, "no rule of this machine is seen in the way", ""}
	}
	return Finding{"", "firewall", Warning, "incoming packets are dropped or rejected unless a rule admits them, and none names UDP port " + strings.Join(shut, ", "), hint}
}
